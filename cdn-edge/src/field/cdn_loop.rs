//! `CDN-Loop` (RFC 8586): which content delivery networks a request has passed.
//!
//! Two networks that forward to each other would do so for ever. Each adds its name to what it
//! forwards, and refuses what carries its own name once too often.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::list::{elements, is_token_byte, trim};

/// The field.
pub const CDN_LOOP: HeaderName = HeaderName::from_static("cdn-loop");

/// The name of a network: a host, with a port or without, or a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Id(HeaderValue);

impl Id {
    /// Takes a name. `None` if it would not be read as one: it is empty, or has bytes that neither
    /// a host nor a token has.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let allowed = |byte| is_token_byte(byte) || matches!(byte, b':' | b'[' | b']');
        if name.is_empty() || !name.bytes().all(allowed) {
            return None;
        }
        HeaderValue::from_str(name).ok().map(Self)
    }

    /// The bytes of the name.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// How often a request has passed this network, by all lines of the field. Parameters do not
/// count, and a name counts in any case.
pub fn count<'a>(values: impl IntoIterator<Item = &'a HeaderValue>, id: &Id) -> usize {
    elements(values)
        .filter_map(|element| element.split(|byte| *byte == b';').next())
        .filter(|name| trim(name).eq_ignore_ascii_case(id.as_bytes()))
        .count()
}

/// Adds a network to a request that is to be forwarded. What is there stays: removing it would
/// hide a loop from the others.
pub fn append(headers: &mut HeaderMap, id: &Id) {
    headers.append(CDN_LOOP, id.0.clone());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::field::testing::{any_line, lines};

    fn times(text: &[&str], id: &str) -> usize {
        count(&lines(text), &Id::new(id).unwrap())
    }

    #[test]
    fn a_name_counts_on_every_line_in_any_case_and_with_parameters() {
        let text = ["a, edge.example;v=\"1, edge.example\" ,EDGE.example", "", "edge.example ;x"];
        assert_eq!(times(&text, "edge.example"), 3);
        assert_eq!(times(&text, "a"), 1);
        assert_eq!(times(&text, "example"), 0);
        assert_eq!(times(&["[::1]:8080"], "[::1]:8080"), 1);
        assert_eq!(times(&[], "a"), 0);
    }

    #[test]
    fn a_broken_quote_hides_no_loop() {
        assert_eq!(times(&["x;v=\"unclosed, edge"], "edge"), 1);
    }

    #[test]
    fn a_name_that_would_not_be_found_again_is_refused() {
        for name in ["", "a b", "a,b", "a;b", "a\"", "\u{e9}", "a\n"] {
            assert_eq!(Id::new(name), None, "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn every_passing_is_counted(
            values in prop::collection::vec(any_line(), 0..4), passings in 0_usize..4,
        ) {
            let id = Id::new("edge-of-this-test.example").unwrap();
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CDN_LOOP, value);
            }
            for _ in 0..passings {
                append(&mut headers, &id);
            }
            prop_assert_eq!(count(headers.get_all(CDN_LOOP), &id), passings);
        }
    }
}
