//! Entity tags (RFC 9110 section 8.8.3), and the two preconditions about them.
//!
//! Origins send tags without quotes, with a small `w/`, or with bytes that the grammar does not
//! have. Such a tag is kept as it is, as opaque bytes, so that it can go back to the origin in a
//! conditional request. It equals only the same bytes: `abc` is another tag than `"abc"`, and
//! `w/"abc"` is no weak tag.

use std::fmt;

use http::HeaderValue;

use super::list::trim;

/// An entity tag as it was sent.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EntityTag(Box<[u8]>);

impl EntityTag {
    /// Takes the value of an `ETag` field. `None` if there is nothing in it, or a control
    /// character, or if it would be read as something else in a list of tags: a `*`, or a comma
    /// without quotes around it.
    #[must_use]
    pub fn new(value: &[u8]) -> Option<Self> {
        let value = trim(value);
        if opaque(value).is_none() {
            let apart = |byte: &u8| matches!(byte, 0..=b' ' | b',' | 0x7f);
            if value.is_empty() || value == b"*" || value.iter().any(apart) {
                return None;
            }
        }
        Some(Self(value.into()))
    }

    /// The tag of a response. Several lines are none: which of them is right, nobody knows.
    pub fn of<'a>(values: impl IntoIterator<Item = &'a HeaderValue>) -> Option<Self> {
        let mut values = values.into_iter();
        let value = values.next()?;
        values.next().is_none().then(|| Self::new(value.as_bytes()))?
    }

    /// The bytes, as they were sent.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether it is a weak tag.
    #[must_use]
    pub fn is_weak(&self) -> bool {
        is_weak(&self.0)
    }

    /// Whether two responses with these tags are as good as each other.
    #[must_use]
    pub fn weak_eq(&self, other: &[u8]) -> bool {
        weak_eq(&self.0, trim(other))
    }

    /// Whether two responses with these tags are the same, byte for byte. A tag that breaks the
    /// grammar promises nothing, and is never that strong.
    #[must_use]
    pub fn strong_eq(&self, other: &[u8]) -> bool {
        strong_eq(&self.0, trim(other))
    }
}

impl fmt::Debug for EntityTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EntityTag({})", self.0.escape_ascii())
    }
}

/// Whether one of the tags of `If-None-Match` is the one of the stored response, by the weak
/// comparison: then the answer is 304. `*` is every response that exists.
pub fn matches_none<'a>(
    values: impl IntoIterator<Item = &'a HeaderValue>,
    stored: Option<&EntityTag>,
) -> bool {
    any(values, |tag| stored.is_some_and(|stored| weak_eq(&stored.0, tag)))
}

/// Whether one of the tags of `If-Match` is the one of the stored response, by the strong
/// comparison. `*` is every response that exists.
pub fn matches<'a>(
    values: impl IntoIterator<Item = &'a HeaderValue>,
    stored: Option<&EntityTag>,
) -> bool {
    any(values, |tag| stored.is_some_and(|stored| strong_eq(&stored.0, tag)))
}

fn any<'a>(
    values: impl IntoIterator<Item = &'a HeaderValue>,
    mut matches: impl FnMut(&[u8]) -> bool,
) -> bool {
    values.into_iter().any(|value| Tags(value.as_bytes()).any(|tag| tag == b"*" || matches(tag)))
}

/// The tags of one line. A comma inside the quotes of a tag separates nothing; a backslash is a
/// byte like any other.
struct Tags<'a>(&'a [u8]);

impl<'a> Iterator for Tags<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            if self.0.is_empty() {
                return None;
            }
            let line = self.0;
            let start = line.iter().position(|byte| !matches!(byte, b' ' | b'\t'))?;
            // A quote counts where a tag begins, and the tag ends with the next one.
            let open = match line.get(start..)? {
                [b'"', ..] => Some(start),
                [b'W', b'/', b'"', ..] => Some(start + 2),
                _ => None,
            };
            let closed = open.and_then(|open| {
                let inner = line.get(open + 1..)?;
                Some(open + 2 + inner.iter().position(|byte| *byte == b'"')?)
            });
            let from = closed.unwrap_or(start);
            let comma = line.get(from..)?.iter().position(|byte| *byte == b',');
            let end = comma.map_or(line.len(), |comma| from + comma);
            self.0 = line.get(end + 1..).unwrap_or_default();
            let tag = trim(line.get(..end)?);
            if !tag.is_empty() {
                return Some(tag);
            }
        }
    }
}

fn is_weak(tag: &[u8]) -> bool {
    tag.starts_with(b"W/") && opaque(tag).is_some()
}

fn weak_eq(one: &[u8], other: &[u8]) -> bool {
    match (opaque(one), opaque(other)) {
        (Some(one), Some(other)) => one == other,
        (None, None) => one == other,
        _ => false,
    }
}

fn strong_eq(one: &[u8], other: &[u8]) -> bool {
    one == other && one.first() == Some(&b'"') && opaque(one).is_some()
}

/// The quoted part of a tag that keeps to the grammar.
fn opaque(tag: &[u8]) -> Option<&[u8]> {
    let quoted = tag.strip_prefix(b"W/").unwrap_or(tag);
    let inner = quoted.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let allowed = |byte: &u8| matches!(byte, 0x21 | 0x23..=0x7e | 0x80..=0xff);
    inner.iter().all(allowed).then_some(quoted)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::field::testing::{any_line, lines};

    fn tag(text: &str) -> EntityTag {
        EntityTag::new(text.as_bytes()).unwrap()
    }

    fn none_match(line: &str, stored: &str) -> bool {
        matches_none(&lines(&[line]), Some(&tag(stored)))
    }

    /// The table of RFC 9110 section 8.8.3.2.
    #[test]
    fn the_two_comparisons_are_those_of_the_rfc() {
        for (one, other, strong, weak) in [
            ("W/\"1\"", "W/\"1\"", false, true),
            ("W/\"1\"", "W/\"2\"", false, false),
            ("W/\"1\"", "\"1\"", false, true),
            ("\"1\"", "\"1\"", true, true),
            ("\"1\"", "\"2\"", false, false),
            ("\"\"", "\"\"", true, true),
        ] {
            assert_eq!(tag(one).strong_eq(other.as_bytes()), strong, "{one} {other}");
            assert_eq!(tag(one).weak_eq(other.as_bytes()), weak, "{one} {other}");
            assert_eq!(tag(other).strong_eq(one.as_bytes()), strong, "{other} {one}");
            assert_eq!(tag(other).weak_eq(one.as_bytes()), weak, "{other} {one}");
        }
        assert!(tag("W/\"1\"").is_weak());
        assert!(!tag("\"1\"").is_weak());
        assert!(!tag("w/\"1\"").is_weak());
    }

    #[test]
    fn a_tag_outside_the_grammar_equals_its_own_bytes_and_never_strongly() {
        for odd in ["abc", "w/\"abc\"", "W\\\"abc\"", "W\"abc\"", "W/abc", "'abc'", "\"abc"] {
            assert!(tag(odd).weak_eq(odd.as_bytes()), "{odd}");
            assert!(!tag(odd).strong_eq(odd.as_bytes()), "{odd}");
            assert!(!tag(odd).weak_eq(b"\"abc\""), "{odd}");
            assert!(!tag("\"abc\"").weak_eq(odd.as_bytes()), "{odd}");
            assert!(none_match(&format!("\"1\", {odd}"), odd), "{odd}");
        }
    }

    #[test]
    fn what_cannot_go_into_a_list_again_is_no_tag() {
        for text in ["", " ", "*", "a,b", "a b", "\"a\", \"b\"", "\u{1}"] {
            assert_eq!(EntityTag::new(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(EntityTag::of(&lines(&["\"a\"", "\"b\""])), None);
        assert_eq!(EntityTag::of(&lines(&[" \"a,b\" "])).unwrap().as_bytes(), b"\"a,b\"");
        let latin = EntityTag::new(b"\"abcdef\xfc\"").unwrap();
        assert!(latin.strong_eq(b"\"abcdef\xfc\""));
    }

    #[test]
    fn a_tag_is_found_anywhere_in_a_list() {
        for line in [
            "\"x\"",
            "\"x\", \"1234\", \"5678\"",
            "\"1234\",\"x\",\"5678\"",
            " , \"1234\" ,, W/\"x\" ",
            "W/\"a,b\", \"x\"",
            "\"a\\\", \"x\"",
            "odd, \"x\"",
            "*",
            "\"1\", *",
        ] {
            assert!(none_match(line, "\"x\""), "{line}");
        }
        for line in ["", "x", "\"y\"", "\"a, \"x\", b\"", "\"*\"", "\"x", "x\"", "\"x\"y"] {
            assert!(!none_match(line, "\"x\""), "{line}");
        }
        assert!(matches_none(&lines(&["\"1\"", "\"x\""]), Some(&tag("\"x\""))));
    }

    #[test]
    fn if_match_compares_strongly() {
        let matches = |line: &str, stored: &str| matches(&lines(&[line]), Some(&tag(stored)));
        assert!(matches("\"1\", \"x\"", "\"x\""));
        assert!(matches("*", "W/\"x\""));
        assert!(!matches("W/\"x\"", "W/\"x\""));
        assert!(!matches("W/\"x\"", "\"x\""));
    }

    #[test]
    fn without_a_stored_tag_only_a_star_matches() {
        assert!(!matches_none(&lines(&["\"x\""]), None));
        assert!(matches_none(&lines(&["*"]), None));
        assert!(matches(&lines(&["*"]), None));
        assert!(!matches(&lines(&["\"x\""]), None));
        assert!(!matches(&lines(&[]), None));
    }

    #[test]
    fn comparing_allocates_nothing() {
        let stored = tag("W/\"x\"");
        let values = lines(&["\"1234\", odd, W/\"x\""]);
        let allocated = allocation_counter::measure(|| {
            assert!(matches_none(&values, Some(&stored)));
            assert!(!matches(&values, Some(&stored)));
        });
        assert_eq!(allocated.count_total, 0);
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_each_tag_is_weakly_its_own(
            bytes: Vec<u8>, values in prop::collection::vec(any_line(), 0..3),
        ) {
            let stored = EntityTag::new(&bytes);
            let _ = (matches(&values, stored.as_ref()), matches_none(&values, stored.as_ref()));
            for value in &values {
                if let Some(tag) = EntityTag::new(value.as_bytes()) {
                    prop_assert!(tag.weak_eq(tag.as_bytes()));
                    prop_assert!(matches_none([value], Some(&tag)), "{:?}", tag);
                    prop_assert!(!tag.is_weak() || !tag.strong_eq(tag.as_bytes()));
                }
            }
        }
    }
}
