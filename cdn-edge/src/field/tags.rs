//! `Surrogate-Key` and `Cache-Tag`: names under which responses can be purged.
//!
//! Both are customs of content delivery networks and not specified; a tag is whatever bytes are
//! between two separators. How many are kept, and how long ones, is for the caller to say: the
//! iterators cost nothing for what is not taken from them.

use http::{HeaderName, HeaderValue};

use super::list::trim;

/// Tags with spaces between them.
pub const SURROGATE_KEY: HeaderName = HeaderName::from_static("surrogate-key");

/// Tags with commas between them.
pub const CACHE_TAG: HeaderName = HeaderName::from_static("cache-tag");

/// The tags of all lines of `Surrogate-Key`.
pub fn surrogate_key<'a, I>(values: I) -> impl Iterator<Item = &'a [u8]>
where
    I: IntoIterator<Item = &'a HeaderValue>,
{
    split(values, |byte| matches!(byte, b' ' | b'\t'))
}

/// The tags of all lines of `Cache-Tag`.
pub fn cache_tag<'a, I>(values: I) -> impl Iterator<Item = &'a [u8]>
where
    I: IntoIterator<Item = &'a HeaderValue>,
{
    split(values, |byte| *byte == b',')
}

fn split<'a, I>(values: I, separator: fn(&u8) -> bool) -> impl Iterator<Item = &'a [u8]>
where
    I: IntoIterator<Item = &'a HeaderValue>,
{
    values
        .into_iter()
        .flat_map(move |value| value.as_bytes().split(separator))
        .map(trim)
        .filter(|tag| !tag.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::field::testing::{any_line, lines};

    #[test]
    fn keys_have_spaces_between_them_and_tags_have_commas() {
        let values = lines(&[" a  b,c\td ", "", "e"]);
        let keys: Vec<_> = surrogate_key(&values).collect();
        assert_eq!(keys, [&b"a"[..], b"b,c", b"d", b"e"]);
        let tags: Vec<_> = cache_tag(&values).collect();
        assert_eq!(tags, [&b"a  b"[..], b"c\td", b"e"]);
    }

    proptest! {
        #[test]
        fn no_lines_panic_and_no_tag_is_empty(values in prop::collection::vec(any_line(), 0..4)) {
            prop_assert!(surrogate_key(&values).chain(cache_tag(&values)).all(|tag| !tag.is_empty()));
        }
    }
}
