//! `Cache-Status` (RFC 9211): what a cache did with a request, for whoever debugs it.
//!
//! It is written for every response, so the bytes are put together by hand. Text that a structured
//! field cannot hold is made to fit and never refused: a key with a strange byte in it is still
//! worth a line, and whoever reads it is a person.
//!
//! ```
//! use terrace_cdn_edge::field::cache_status::{CacheStatus, Fwd};
//!
//! let mut value = Vec::new();
//! let status = CacheStatus {
//!     cache: "edge",
//!     fwd: Some(Fwd::Stale),
//!     stored: true,
//!     detail: Some("soft purge"),
//!     ..CacheStatus::default()
//! };
//! status.write(&mut value);
//! assert_eq!(value, b"edge; fwd=stale; stored; detail=\"soft purge\"");
//! ```

use bytes::BufMut;
use http::HeaderName;

use super::list::is_token_byte;

/// The field.
pub const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// The largest integer of a structured field.
const LARGEST: i64 = 999_999_999_999_999;

/// Why a request went on to the origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fwd {
    /// The cache was told not to handle it.
    Bypass,
    /// Its method has to be forwarded.
    Method,
    /// There is nothing for this URI.
    UriMiss,
    /// There is something for this URI, but `Vary` says it is for other requests.
    VaryMiss,
    /// There is nothing, and it is not known which of the two.
    Miss,
    /// There is a fresh response, but the request's own directives do not allow it.
    Request,
    /// There is a response, and it is stale.
    Stale,
    /// There is a part of it.
    Partial,
}

impl Fwd {
    /// The token.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Miss => "miss",
            Self::Request => "request",
            Self::Stale => "stale",
            Self::Partial => "partial",
        }
    }
}

/// One member of the field: what one cache did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStatus<'a> {
    /// The name of the cache.
    pub cache: &'a str,
    /// The response came from the cache and the origin was not asked.
    pub hit: bool,
    /// Why the origin was asked.
    pub fwd: Option<Fwd>,
    /// What the origin answered, if it is another status than that of the response.
    pub fwd_status: Option<u16>,
    /// For how many seconds the response is still fresh; negative if it is stale.
    pub ttl: Option<i64>,
    /// The response was stored.
    pub stored: bool,
    /// The request waited for another one's answer.
    pub collapsed: bool,
    /// The cache key.
    pub key: Option<&'a str>,
    /// The reason, in words of this cache.
    pub detail: Option<&'a str>,
}

impl CacheStatus<'_> {
    /// Appends the member.
    ///
    /// The name and the detail are tokens where they can be, else strings. In a string every
    /// character that is not printable ASCII becomes a `?`. A `ttl` of more than 15 digits is the
    /// nearest that fits.
    pub fn write(&self, out: &mut impl BufMut) {
        token_or_string(self.cache, out);
        if self.hit {
            out.put_slice(b"; hit");
        }
        if let Some(fwd) = self.fwd {
            out.put_slice(b"; fwd=");
            out.put_slice(fwd.as_str().as_bytes());
        }
        if let Some(status) = self.fwd_status {
            out.put_slice(b"; fwd-status=");
            out.put_slice(itoa::Buffer::new().format(status).as_bytes());
        }
        if let Some(ttl) = self.ttl {
            out.put_slice(b"; ttl=");
            out.put_slice(itoa::Buffer::new().format(ttl.clamp(-LARGEST, LARGEST)).as_bytes());
        }
        if self.stored {
            out.put_slice(b"; stored");
        }
        if self.collapsed {
            out.put_slice(b"; collapsed");
        }
        if let Some(key) = self.key {
            out.put_slice(b"; key=");
            string(key, out);
        }
        if let Some(detail) = self.detail {
            out.put_slice(b"; detail=");
            token_or_string(detail, out);
        }
    }
}

fn token_or_string(text: &str, out: &mut impl BufMut) {
    let mut bytes = text.bytes();
    let first = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'*');
    if first && bytes.all(|byte| is_token_byte(byte) || matches!(byte, b':' | b'/')) {
        out.put_slice(text.as_bytes());
    } else {
        string(text, out);
    }
}

fn string(text: &str, out: &mut impl BufMut) {
    out.put_u8(b'"');
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\')) {
        out.put_slice(text.as_bytes());
    } else {
        for char in text.chars() {
            match u8::try_from(char) {
                Ok(byte @ (b'"' | b'\\')) => out.put_slice(&[b'\\', byte]),
                Ok(byte @ b' '..=b'~') => out.put_u8(byte),
                _ => out.put_u8(b'?'),
            }
        }
    }
    out.put_u8(b'"');
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, convert::Infallible, rc::Rc};

    use proptest::prelude::*;
    use sfv::{
        BareItemFromInput, KeyRef, Parser,
        visitor::{ItemVisitor, ParameterVisitor},
    };

    use super::*;

    fn written(status: &CacheStatus<'_>) -> String {
        let mut out = Vec::new();
        status.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_hit_and_a_miss_look_like_those_of_the_rfc() {
        let hit =
            CacheStatus { cache: "ExampleCache", hit: true, ttl: Some(376), ..Default::default() };
        assert_eq!(written(&hit), "ExampleCache; hit; ttl=376");
        let miss = CacheStatus {
            cache: "ExampleCache",
            fwd: Some(Fwd::UriMiss),
            fwd_status: Some(304),
            ttl: Some(-412),
            stored: true,
            collapsed: true,
            key: Some("https://a/?\"b\\\u{e9}\n"),
            detail: Some("hit-for-miss"),
            ..Default::default()
        };
        assert_eq!(
            written(&miss),
            "ExampleCache; fwd=uri-miss; fwd-status=304; ttl=-412; stored; collapsed; \
             key=\"https://a/?\\\"b\\\\??\"; detail=hit-for-miss"
        );
    }

    #[test]
    fn a_name_that_is_no_token_is_a_string() {
        for (cache, wanted) in [
            ("edge.example", "edge.example"),
            ("edge:80/x", "edge:80/x"),
            ("*", "*"),
            ("", "\"\""),
            ("1edge", "\"1edge\""),
            ("my edge", "\"my edge\""),
            ("a\r\nb: c", "\"a??b: c\""),
        ] {
            assert_eq!(written(&CacheStatus { cache, ..Default::default() }), wanted);
        }
    }

    #[test]
    fn nothing_is_allocated() {
        let mut out = Vec::with_capacity(256);
        let allocated = allocation_counter::measure(|| {
            CacheStatus {
                cache: "edge",
                hit: true,
                ttl: Some(60),
                key: Some("https://a/b c"),
                detail: Some("fresh"),
                ..Default::default()
            }
            .write(&mut out);
        });
        assert_eq!(allocated.count_total, 0);
    }

    /// What a parser of structured fields makes of an item: its value and its parameters as text.
    #[derive(Clone, Default)]
    struct Seen(Rc<RefCell<Vec<(String, String)>>>);

    fn text(item: &BareItemFromInput<'_>) -> String {
        match item {
            BareItemFromInput::String(string) => string.as_str().into(),
            BareItemFromInput::Token(token) => token.as_str().into(),
            BareItemFromInput::Integer(number) => i64::from(*number).to_string(),
            BareItemFromInput::Boolean(value) => value.to_string(),
            other => format!("{other:?}"),
        }
    }

    impl<'a> ItemVisitor<'a> for Seen {
        type Out = ();
        type Error = Infallible;

        fn bare_item(
            self,
            item: BareItemFromInput<'a>,
        ) -> Result<impl ParameterVisitor<'a, Out = ()>, Infallible> {
            self.0.borrow_mut().push(("cache".into(), text(&item)));
            Ok(self)
        }
    }

    impl<'a> ParameterVisitor<'a> for Seen {
        type Out = ();
        type Error = Infallible;

        fn parameter(
            &mut self,
            key: &'a KeyRef,
            item: BareItemFromInput<'a>,
        ) -> Result<(), Infallible> {
            self.0.borrow_mut().push((key.as_str().into(), text(&item)));
            Ok(())
        }

        fn finish(self) -> Result<(), Infallible> {
            Ok(())
        }
    }

    fn visible(text: &str) -> String {
        text.chars().map(|char| if matches!(char, ' '..='~') { char } else { '?' }).collect()
    }

    proptest! {
        #[test]
        fn any_status_is_read_back_by_a_parser_of_structured_fields(
            cache: String, hit: bool, stored: bool, collapsed: bool, ttl: Option<i64>,
            fwd_status: Option<u16>, key: Option<String>, detail: Option<String>,
        ) {
            let fwd = (!hit).then_some(Fwd::VaryMiss);
            let status = CacheStatus {
                cache: &cache, hit, fwd, fwd_status, ttl, stored, collapsed,
                key: key.as_deref(), detail: detail.as_deref(),
            };
            let seen = Seen::default();
            Parser::new(&written(&status)).parse_item_with_visitor(seen.clone()).unwrap();
            let mut wanted = vec![("cache", visible(&cache))];
            if hit {
                wanted.push(("hit", "true".into()));
            }
            wanted.extend(fwd.map(|fwd| ("fwd", fwd.as_str().into())));
            wanted.extend(fwd_status.map(|status| ("fwd-status", status.to_string())));
            wanted.extend(ttl.map(|ttl| ("ttl", ttl.clamp(-LARGEST, LARGEST).to_string())));
            wanted.extend(stored.then(|| ("stored", "true".into())));
            wanted.extend(collapsed.then(|| ("collapsed", "true".into())));
            wanted.extend(key.as_deref().map(|key| ("key", visible(key))));
            wanted.extend(detail.as_deref().map(|detail| ("detail", visible(detail))));
            let wanted: Vec<_> = wanted.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
            prop_assert_eq!(&*seen.0.borrow(), &wanted);
        }
    }
}
