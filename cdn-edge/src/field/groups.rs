//! `Cache-Groups` and `Cache-Group-Invalidation` (RFC 9875): structured lists of strings.
//!
//! A group is a name within an origin. Which requests may invalidate one is not decided here.

use http::{HeaderName, HeaderValue};
use sfv::BareItemFromInput;
use smallvec::SmallVec;

use super::structured::{self, Member};

/// The groups of a response.
pub const CACHE_GROUPS: HeaderName = HeaderName::from_static("cache-groups");

/// The groups that the response to an unsafe request makes stale.
pub const CACHE_GROUP_INVALIDATION: HeaderName =
    HeaderName::from_static("cache-group-invalidation");

/// How many groups are read; the RFC asks for 32 at least. Further ones are left out.
pub const MOST_GROUPS: usize = 128;

/// How long a name may be; the RFC asks for 32 characters at least. Longer ones are left out.
pub const LONGEST_GROUP: usize = 256;

/// Reads all lines of either field. There are no groups in a field that is no list of strings.
/// Parameters do not count.
pub fn parse<'a>(values: impl IntoIterator<Item = &'a HeaderValue>) -> SmallVec<[Box<str>; 4]> {
    let mut groups = SmallVec::new();
    let mut strings = true;
    let Some(text) = structured::whole(values) else { return groups };
    let read = structured::list(&text, |member| match member {
        Member::Item(BareItemFromInput::String(name)) => {
            if groups.len() < MOST_GROUPS && name.as_str().len() <= LONGEST_GROUP {
                groups.push(name.as_str().into());
            }
        }
        _ => strings = false,
    });
    if read.is_none() || !strings {
        groups.clear();
    }
    groups
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::field::testing::{any_line, lines};

    fn read(text: &[&str]) -> Vec<String> {
        parse(&lines(text)).into_iter().map(String::from).collect()
    }

    #[test]
    fn every_string_on_every_line_is_a_group() {
        let text = ["\"a\", \"b c\";x=1", "", "\"Scripts\", \"q\\\"uote\""];
        assert_eq!(read(&text), ["a", "b c", "Scripts", "q\"uote"]);
        assert_eq!(read(&[]), [""; 0]);
    }

    #[test]
    fn what_is_no_list_of_strings_has_no_groups() {
        for text in [
            "a",
            "\"a\", b",
            "\"a\", 1",
            "\"a\", (\"b\")",
            "\"a\",",
            "\"a\", \"b\",",
            "\"a",
            "\"\u{e9}\"",
        ] {
            assert_eq!(read(&[text]), [""; 0], "{text:?}");
        }
    }

    #[test]
    fn too_many_and_too_long_ones_are_left_out() {
        let many = (0..200).map(|n| format!("\"{n}\"")).collect::<Vec<_>>().join(", ");
        assert_eq!(read(&[&many]).len(), MOST_GROUPS);
        let fits = "x".repeat(LONGEST_GROUP);
        assert_eq!(read(&[&format!("\"{fits}y\", \"{fits}\"")]), [fits]);
    }

    proptest! {
        #[test]
        fn no_lines_panic(values in prop::collection::vec(any_line(), 0..4)) {
            let _ = parse(&values);
        }

        #[test]
        fn what_a_serializer_writes_is_read(names in prop::collection::vec("[ -~]{0,20}", 1..8)) {
            let mut list = sfv::ListSerializer::new();
            for name in &names {
                let _ = list.bare_item(sfv::StringRef::from_str(name).unwrap());
            }
            prop_assert_eq!(read(&[&list.finish().unwrap()]), names);
        }
    }
}
