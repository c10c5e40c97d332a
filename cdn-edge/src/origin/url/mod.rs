mod error;

use std::fmt;
use std::str::FromStr;

use bytes::{BufMut, Bytes, BytesMut};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Uri};

pub use error::{OriginUrlError, UrlFault};

/// Where an origin is: scheme, host, port and, if need be, a path that all its pages stand below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginUrl {
    scheme: Scheme,
    authority: Authority,
    /// Empty, or `/` and something that does not end with `/`.
    base: String,
}

impl OriginUrl {
    /// Reads `http://host[:port][/base]`, or `https`.
    ///
    /// # Errors
    ///
    /// [`OriginUrlError`], which says what is wrong with which URL.
    pub fn parse(url: &str) -> Result<Self, OriginUrlError> {
        let refuse = |fault| Err(OriginUrlError::new(url, fault));
        if url.is_empty() {
            return refuse(UrlFault::Empty);
        }
        let Some((scheme, rest)) = url.split_once("://") else {
            return refuse(UrlFault::NoScheme);
        };
        let scheme = match scheme {
            _ if scheme.eq_ignore_ascii_case("http") => Scheme::HTTP,
            _ if scheme.eq_ignore_ascii_case("https") => Scheme::HTTPS,
            _ => return refuse(UrlFault::OtherScheme),
        };
        // The parser drops a fragment without a word.
        if rest.contains(['?', '#']) {
            return refuse(UrlFault::Query);
        }
        let (authority, base) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.contains('@') {
            return refuse(UrlFault::UserInfo);
        }
        if authority.is_empty() || authority.starts_with(':') {
            return refuse(UrlFault::NoHost);
        }
        let Ok(authority) = authority.parse::<Authority>() else {
            return refuse(UrlFault::Malformed);
        };
        let after_host = authority.as_str().get(authority.host().len()..).unwrap_or_default();
        if !after_host.is_empty() && authority.port_u16().is_none_or(|port| port == 0) {
            return refuse(UrlFault::Port);
        }
        let base = base.trim_end_matches('/');
        if !base.is_empty() && base.parse::<PathAndQuery>().is_err() {
            return refuse(UrlFault::Malformed);
        }
        Ok(Self { scheme, authority, base: base.to_owned() })
    }

    /// Whether it is asked through TLS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// Host and port.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The path that all its pages stand below: empty, or without a slash at its end.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Where this target is at the origin; `None` if that is longer than a URI may be, or the target
    /// has no path (`CONNECT`).
    ///
    /// The path is taken as it is: what a cache has keyed is what its origin is asked for.
    #[must_use]
    pub fn rewrite(&self, target: &Uri) -> Option<Uri> {
        let own = target.path_and_query();
        let path = match own {
            None if target.scheme().is_none() => return None,
            None => self.below(Bytes::from_static(b"/"))?,
            Some(path) if self.base.is_empty() => path.clone(),
            // `OPTIONS *` is about the server, wherever its pages are.
            Some(path) if path.as_str() == "*" => path.clone(),
            Some(path) => self.below(Bytes::copy_from_slice(path.as_str().as_bytes()))?,
        };
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path);
        Uri::from_parts(parts).ok()
    }

    /// The value of a `Host` field for it.
    #[must_use]
    pub fn host(&self) -> Option<HeaderValue> {
        host_of(&self.authority, &self.scheme)
    }

    fn below(&self, path: Bytes) -> Option<PathAndQuery> {
        if self.base.is_empty() {
            return PathAndQuery::from_maybe_shared(path).ok();
        }
        let mut whole = BytesMut::with_capacity(self.base.len() + path.len());
        whole.put_slice(self.base.as_bytes());
        whole.put_slice(&path);
        PathAndQuery::from_maybe_shared(whole.freeze()).ok()
    }
}

impl FromStr for OriginUrl {
    type Err = OriginUrlError;

    fn from_str(url: &str) -> Result<Self, OriginUrlError> {
        Self::parse(url)
    }
}

/// As it is asked for: without a slash at the end.
impl fmt::Display for OriginUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.base)
    }
}

/// Host and port, without the port that the scheme implies.
pub(crate) fn host_of(authority: &Authority, scheme: &Scheme) -> Option<HeaderValue> {
    let implied = if *scheme == Scheme::HTTPS { 443 } else { 80 };
    let host = match authority.port_u16() {
        Some(port) if port != implied => format!("{}:{port}", authority.host()),
        _ => authority.host().to_owned(),
    };
    HeaderValue::try_from(host).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rewritten(origin: &str, target: &str) -> String {
        let origin = OriginUrl::parse(origin).unwrap();
        origin.rewrite(&target.parse().unwrap()).unwrap().to_string()
    }

    #[test]
    fn a_path_is_asked_for_below_the_base() {
        for (origin, target, expected) in [
            ("http://a:81", "/x?y=1", "http://a:81/x?y=1"),
            ("http://a:81/", "/x", "http://a:81/x"),
            ("http://a/base", "/x?y=1", "http://a/base/x?y=1"),
            ("http://a/base//", "/", "http://a/base/"),
            ("http://a/b", "http://other:99/x", "http://a/b/x"),
            ("http://a/b", "http://other:99", "http://a/b/"),
            ("http://a", "http://other?q", "http://a/?q"),
            ("https://[::1]:8443/b", "//x/../y%2f", "https://[::1]:8443/b//x/../y%2f"),
        ] {
            assert_eq!(rewritten(origin, target), expected);
        }
    }

    #[test]
    fn the_server_itself_is_asked_for_without_the_base() {
        let origin = OriginUrl::parse("http://a/base").unwrap();
        let uri = origin.rewrite(&Uri::from_static("*")).unwrap();
        assert_eq!((uri.path(), uri.authority().unwrap().as_str()), ("*", "a"));
    }

    #[test]
    fn a_target_without_a_path_or_too_long_a_one_is_not_rewritten() {
        let origin = OriginUrl::parse("http://a/base").unwrap();
        assert_eq!(origin.rewrite(&Uri::from_static("other:443")), None);
        let long: Uri = format!("/{}", "x".repeat(65_530)).parse().unwrap();
        assert!(origin.rewrite(&long).is_none());
    }

    #[test]
    fn a_url_that_cannot_be_an_origins_is_refused_by_name() {
        for (url, fault) in [
            ("", UrlFault::Empty),
            ("localhost:8080", UrlFault::NoScheme),
            ("/path", UrlFault::NoScheme),
            ("ftp://a", UrlFault::OtherScheme),
            ("http://", UrlFault::NoHost),
            ("http:///x", UrlFault::NoHost),
            ("http://:80", UrlFault::NoHost),
            ("http://a:", UrlFault::Port),
            ("http://a:0", UrlFault::Port),
            ("http://a:65536", UrlFault::Port),
            ("http://a:b", UrlFault::Port),
            ("http://a b", UrlFault::Malformed),
            ("http://a/x y", UrlFault::Malformed),
            ("http://a/x?y", UrlFault::Query),
            ("http://a#y", UrlFault::Query),
        ] {
            let error = OriginUrl::parse(url).unwrap_err();
            assert_eq!(error.fault(), fault, "{url}");
            assert!(error.to_string().contains(url), "{error}");
        }
    }

    #[test]
    fn a_password_does_not_get_into_a_message() {
        let error = OriginUrl::parse("http://me:secret@host/x").unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("@host/x") && !shown.contains("secret"), "{shown}");
    }

    #[test]
    fn a_host_field_has_no_port_that_the_scheme_implies() {
        for (url, host) in [
            ("http://a:80", "a"),
            ("https://a:443/x", "a"),
            ("https://a:80", "a:80"),
            ("http://[::1]:8080", "[::1]:8080"),
        ] {
            assert_eq!(OriginUrl::parse(url).unwrap().host().unwrap(), host);
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_taken_reads_the_same_again(url in "(https?://)?[a-z0-9:/@?#.\\[\\]%* -]{0,24}|\\PC{0,40}") {
            if let Ok(origin) = OriginUrl::parse(&url) {
                prop_assert_eq!(OriginUrl::parse(&origin.to_string()), Ok(origin));
            }
        }

        #[test]
        fn a_rewritten_target_is_at_the_origin_and_keeps_its_bytes(
            target in "/[a-z0-9/.%?=&;-]{0,40}", base in "(/[a-z0-9.]{1,5}){0,3}",
        ) {
            let origin = OriginUrl::parse(&format!("http://origin:81{base}")).unwrap();
            let target: Uri = target.parse().unwrap();
            let uri = origin.rewrite(&target).unwrap();
            prop_assert_eq!(uri.authority().unwrap().as_str(), "origin:81");
            let path = uri.path_and_query().unwrap().as_str();
            prop_assert_eq!(path, format!("{base}{}", target.path_and_query().unwrap()));
        }
    }
}
