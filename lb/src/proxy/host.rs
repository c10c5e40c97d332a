//! Which host a request is for, decided in one place.
//!
//! Two answers to that question are how requests slip past rules: a cache that reads the target
//! and a backend that reads `Host` see different sites. So a request has exactly one valid
//! authority, or it is refused; the proxy neither decodes nor normalises the path.

use http::header::{self, HeaderMap, HeaderValue};
use http::uri::{Authority, PathAndQuery, Uri};

/// Why a request's target or host is refused with 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostRejection {
    /// No `Host` field and no authority in the target.
    Missing,
    /// More than one `Host` field.
    Repeated,
    /// Not a host with an optional port: empty, with user information, or with forbidden bytes.
    Invalid,
    /// The target's authority and the `Host` field differ.
    Mismatch,
    /// The target is not a path: `*` outside OPTIONS, or an authority alone.
    Target,
}

/// Settles the request's authority into the `Host` field and its target into origin form.
///
/// # Errors
///
/// The request has no single valid authority; see [`HostRejection`].
pub(crate) fn settle(uri: &mut Uri, headers: &mut HeaderMap) -> Result<HeaderValue, HostRejection> {
    let mut lines = headers.get_all(header::HOST).iter();
    let line = lines.next().cloned();
    if lines.next().is_some() {
        return Err(HostRejection::Repeated);
    }
    let host = match (uri.authority(), line) {
        (None, None) => return Err(HostRejection::Missing),
        (None, Some(line)) => {
            if !is_authority(&line) {
                return Err(HostRejection::Invalid);
            }
            return origin_form(uri).map(|()| line);
        }
        (Some(authority), Some(line)) => {
            if !is_authority(&line) {
                return Err(HostRejection::Invalid);
            }
            if !same_authority(authority, line.as_bytes(), uri.scheme_str()) {
                return Err(HostRejection::Mismatch);
            }
            line
        }
        (Some(authority), None) => {
            let value = HeaderValue::from_str(authority.as_str());
            let value = value.ok().filter(is_authority).ok_or(HostRejection::Invalid)?;
            headers.insert(header::HOST, value.clone());
            value
        }
    };
    let path = uri.path_and_query().cloned();
    let path = path.unwrap_or_else(|| PathAndQuery::from_static("/"));
    *uri = Uri::from(path);
    origin_form(uri).map(|()| host)
}

/// A target without an authority is a path, or the `*` of OPTIONS, which the caller checks.
fn origin_form(uri: &Uri) -> Result<(), HostRejection> {
    match uri.path().as_bytes() {
        [b'/', ..] | b"*" => Ok(()),
        _ => Err(HostRejection::Target),
    }
}

/// Whether the value is a host with an optional port and nothing else.
pub(crate) fn is_authority(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let name_end = bytes.iter().position(|byte| !plain(byte)).unwrap_or(bytes.len());
    match &bytes[name_end..] {
        // The names of nearly all requests, without a second look.
        [] => name_end > 0,
        [b':', port @ ..] if name_end > 0 => is_port(port),
        _ => is_unusual_authority(bytes),
    }
}

fn is_port(port: &[u8]) -> bool {
    port.len() <= 5 && port.iter().all(u8::is_ascii_digit)
}

/// IPv6 literals and percent-encoded names. User information, lists and whatever else the grammar
/// of names would allow are refused: no client sends them in good faith.
fn is_unusual_authority(bytes: &[u8]) -> bool {
    let named = |byte: &u8| byte.is_ascii_alphanumeric() || b".-_~%".contains(byte);
    let literal = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    let (host_is_valid, port) = match bytes {
        [b'[', rest @ ..] => match rest.iter().position(|byte| *byte == b']') {
            Some(end) => (end > 0 && rest[..end].iter().all(literal), &rest[end + 1..]),
            None => return false,
        },
        _ => {
            let end = bytes.iter().position(|byte| *byte == b':').unwrap_or(bytes.len());
            (end > 0 && bytes[..end].iter().all(named), &bytes[end..])
        }
    };
    let port_is_valid = match port {
        [] => true,
        [b':', port @ ..] => is_port(port),
        _ => false,
    };
    host_is_valid && port_is_valid && Authority::try_from(bytes).is_ok()
}

/// Same host, letter case aside, and same port, where the scheme's default may be left out.
fn same_authority(authority: &Authority, line: &[u8], scheme: Option<&str>) -> bool {
    let default: &[u8] = match scheme {
        Some("https") => b"443",
        _ => b"80",
    };
    let (host, port) = split_port(authority.as_str().as_bytes(), default);
    let (line_host, line_port) = split_port(line, default);
    host.eq_ignore_ascii_case(line_host) && port == line_port
}

fn split_port<'a>(bytes: &'a [u8], default: &'a [u8]) -> (&'a [u8], &'a [u8]) {
    let colon = bytes.iter().rposition(|byte| *byte == b':');
    let bracket = bytes.iter().rposition(|byte| *byte == b']');
    match colon {
        Some(colon) if bracket.is_none_or(|bracket| bracket < colon) => {
            let port = &bytes[colon + 1..];
            (&bytes[..colon], if port.is_empty() { default } else { port })
        }
        _ => (bytes, default),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn settled(target: &str, hosts: &[&str]) -> Result<(String, String), HostRejection> {
        let mut uri: Uri = target.parse().unwrap();
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(header::HOST, HeaderValue::from_str(host).unwrap());
        }
        let host = settle(&mut uri, &mut headers)?;
        assert_eq!(headers.get(header::HOST), Some(&host));
        assert_eq!(headers.get_all(header::HOST).iter().count(), 1);
        Ok((uri.to_string(), host.to_str().unwrap().to_owned()))
    }

    #[test]
    fn one_valid_authority_passes() {
        let pair = |path: &str, host: &str| Ok((path.to_owned(), host.to_owned()));
        assert_eq!(settled("/a?b", &["example.org"]), pair("/a?b", "example.org"));
        assert_eq!(settled("/", &["example.org:8080"]), pair("/", "example.org:8080"));
        assert_eq!(settled("/", &["[::1]:80"]), pair("/", "[::1]:80"));
        assert_eq!(settled("/", &["[::1]"]), pair("/", "[::1]"));
        assert_eq!(settled("http://a/x?y", &["a"]), pair("/x?y", "a"));
        assert_eq!(settled("http://a", &["A:80"]), pair("/", "A:80"));
        assert_eq!(settled("https://a:443/", &["a"]), pair("/", "a"));
        assert_eq!(settled("http://a:81/x", &[]), pair("/x", "a:81"));
        // Neither decoded nor normalised.
        assert_eq!(settled("/a//b/../%2e%2F", &["a"]), pair("/a//b/../%2e%2F", "a"));
        assert_eq!(settled("*", &["a"]), pair("*", "a"));
    }

    #[test]
    fn anything_else_is_refused() {
        assert_eq!(settled("/", &[]), Err(HostRejection::Missing));
        assert_eq!(settled("/", &["a", "a"]), Err(HostRejection::Repeated));
        assert_eq!(settled("/", &["a", "b"]), Err(HostRejection::Repeated));
        for bad in [
            "", ":80", "a:b", "a:123456", "u@a", "u:p@a", "a/b", "a b", "[::1", "a,b", "a?b",
            "a#b", "[::1]x",
        ] {
            assert_eq!(settled("/", &[bad]), Err(HostRejection::Invalid), "{bad:?}");
        }
        assert_eq!(settled("http://a/", &["b"]), Err(HostRejection::Mismatch));
        assert_eq!(settled("http://a/", &["a:81"]), Err(HostRejection::Mismatch));
        assert_eq!(settled("http://u@a/", &[]), Err(HostRejection::Invalid));
        assert_eq!(settled("http://u@a/", &["a"]), Err(HostRejection::Mismatch));
    }

    proptest! {
        #[test]
        fn no_host_field_panics_and_a_settled_one_reads_as_an_authority(
            bytes in prop::collection::vec(prop_oneof![0x20u8..0x7f, 0x80u8..=0xff], 0..24)
        ) {
            let value = HeaderValue::from_bytes(&bytes).unwrap();
            if is_authority(&value) {
                let authority = Authority::try_from(value.as_bytes());
                prop_assert!(authority.is_ok());
                prop_assert!(!value.as_bytes().contains(&b'@'));
            }
        }
    }
}
