use http::header::{self, HeaderMap};
use http::{StatusCode, Uri};
use smallvec::SmallVec;

use super::Verb;

/// What a request that was passed on invalidates (4.4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invalidates {
    /// The target itself.
    pub target: bool,
    /// Paths with queries from `Location` and `Content-Location`, at the same host.
    pub paths: SmallVec<[String; 2]>,
}

/// What an answer invalidates: the target of an unsafe method that did not fail, and what its `Location` and
/// `Content-Location` name, if they are of the same origin: a response may not empty the cache of others.
#[must_use]
pub fn invalidates(
    verb: Verb,
    authority: &[u8],
    status: StatusCode,
    response: &HeaderMap,
    target: &str,
) -> Invalidates {
    if verb != Verb::Unsafe || !(status.is_success() || status.is_redirection()) {
        return Invalidates::default();
    }
    let mut paths = SmallVec::new();
    for name in [header::LOCATION, header::CONTENT_LOCATION] {
        let value = super::freshness::single(response, &name)
            .and_then(|value| std::str::from_utf8(value).ok());
        if let Some(path) = value.and_then(|value| same_origin(value, authority, target)) {
            paths.push(path);
        }
    }
    Invalidates { target: true, paths }
}

/// Whether `Content-Location` names the target itself, so that the response is a representation of it.
pub(crate) fn names_itself(authority: &[u8], response: &HeaderMap, target: &str) -> bool {
    let value = super::freshness::single(response, &header::CONTENT_LOCATION);
    let value = value.and_then(|value| std::str::from_utf8(value).ok());
    value.and_then(|value| same_origin(value, authority, target)).is_some_and(|path| path == target)
}

/// The path and query that a reference names at this host.
fn same_origin(reference: &str, authority: &[u8], target: &str) -> Option<String> {
    if reference.is_empty() || reference.starts_with('?') {
        let path = target.split('?').next().unwrap_or(target);
        return Some(format!("{path}{reference}"));
    }
    if reference.starts_with('/') && !reference.starts_with("//") {
        return Some(reference.split('#').next().unwrap_or(reference).to_owned());
    }
    let absolute = match reference.strip_prefix("//") {
        Some(rest) => format!("http://{rest}"),
        None if reference.contains("://") => reference.to_owned(),
        // Relative to the directory of the target; a colon may end another scheme.
        None => {
            let path = target.split('?').next().unwrap_or(target);
            let directory = &path[..path.rfind('/').map_or(0, |at| at + 1)];
            let reference = reference.split('#').next().unwrap_or(reference);
            return (!reference.contains(':')).then(|| format!("{directory}{reference}"));
        }
    };
    let uri: Uri = absolute.parse().ok()?;
    let is_ours = uri.authority()?.as_str().as_bytes().eq_ignore_ascii_case(authority);
    is_ours.then(|| uri.path_and_query().map_or("/", |path| path.as_str()).to_owned())
}
