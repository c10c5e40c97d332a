use http::StatusCode;
use http::header::{self, HeaderMap};
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

/// The path and query that a reference names at this host (RFC 3986, 5.2).
///
/// Not read as a `Uri`, to which `b` is a host. Where TLS ends before this cache its keys say `http` and the site
/// `https`; whichever is named, what is invalidated is of the origin that was written to.
fn same_origin(reference: &str, authority: &[u8], target: &str) -> Option<String> {
    let reference = reference.split('#').next().unwrap_or_default();
    let path = target.split('?').next().unwrap_or(target);
    let colon = reference.find(':').filter(|at| !reference[..*at].contains(['/', '?']));
    let (scheme, rest) =
        colon.map_or(("", reference), |at| (&reference[..at], &reference[at + 1..]));
    let default = match scheme {
        "" => "",
        _ if scheme.eq_ignore_ascii_case("http") => ":80",
        _ if scheme.eq_ignore_ascii_case("https") => ":443",
        _ => return None,
    };
    if let Some(rest) = rest.strip_prefix("//") {
        let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let host = host.strip_suffix(default).unwrap_or(host);
        let slash = if path.starts_with('/') { "" } else { "/" };
        let is_here = host.as_bytes().eq_ignore_ascii_case(authority);
        return is_here.then(|| without_dots(&format!("{slash}{path}")));
    }
    match rest.as_bytes().first() {
        _ if !scheme.is_empty() => None,
        None => Some(target.to_owned()),
        Some(b'?') => Some(format!("{path}{rest}")),
        Some(b'/') => Some(without_dots(rest)),
        // Relative to the directory of the target.
        Some(_) => {
            let directory = &path[..path.rfind('/').map_or(0, |at| at + 1)];
            Some(without_dots(&format!("{directory}{rest}")))
        }
    }
}

/// A path that begins with a slash, and its query, without `.` and `..` (RFC 3986, 5.2.4).
fn without_dots(reference: &str) -> String {
    let (path, query) = reference.split_at(reference.find('?').unwrap_or(reference.len()));
    let mut segments = Vec::new();
    let mut is_directory = false;
    for segment in path.split('/').skip(1) {
        is_directory = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    if is_directory {
        segments.push("");
    }
    format!("/{}{query}", segments.join("/"))
}
