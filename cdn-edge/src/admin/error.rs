use std::error::Error;
use std::fmt;

/// Why there is no [`AdminService`](super::AdminService), or no [`Key`](super::Key).
///
/// Secrets are in none of them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AdminError {
    /// No key was given. A service that anybody may ask is not built.
    NoKey,
    /// Two keys have this ID.
    DuplicateKey(String),
    /// An ID is 1 to 64 letters, digits, `-`, `_` and `.`, and this is not.
    KeyId(String),
    /// The secret of this key has fewer than 32 bytes, which is what HMAC-SHA-256 deserves.
    ShortSecret(String),
    /// This key may do nothing.
    NoScope(String),
    /// This key has a scope whose prefix is empty or `/`. For everything there is
    /// [`Scope::All`](super::Scope::All), so that nothing unset becomes everything.
    EmptyScope(String),
    /// A rate of no requests a second, or a burst of none.
    Rate,
}

impl fmt::Display for AdminError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKey => f.write_str("no key: whoever asks must sign"),
            Self::DuplicateKey(id) => write!(f, "two keys have the ID {id:?}"),
            Self::KeyId(id) => write!(f, "not an ID of a key: {id:?}"),
            Self::ShortSecret(id) => write!(f, "the secret of {id:?} has fewer than 32 bytes"),
            Self::NoScope(id) => write!(f, "the key {id:?} may do nothing"),
            Self::EmptyScope(id) => write!(f, "a scope of {id:?} has an empty prefix"),
            Self::Rate => f.write_str("a rate of no requests"),
        }
    }
}

impl Error for AdminError {}
