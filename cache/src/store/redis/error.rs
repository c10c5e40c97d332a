//! What is wrong with the nodes that were named.

use std::fmt;

/// Nodes that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodesError {
    /// There is none.
    None,
    /// A URL that cannot be read, or that needs a feature that is not there.
    Unreadable {
        /// The URL without its password.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Two URLs of one node.
    Twice {
        /// Which.
        node: String,
    },
}

impl fmt::Display for NodesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("a store of no nodes"),
            Self::Unreadable { url, reason } => write!(f, "node {url:?}: {reason}"),
            Self::Twice { node } => write!(f, "node {node} is named twice"),
        }
    }
}

impl std::error::Error for NodesError {}

/// What stands between `//` and the last `@` is a secret.
pub(super) fn without_password(url: &str) -> String {
    match (url.find("//"), url.rfind('@')) {
        (Some(from), Some(to)) if from < to => format!("{}//…{}", &url[..from], &url[to..]),
        (None, Some(to)) => format!("…{}", &url[to..]),
        _ => url.to_owned(),
    }
}
