//! `Vary` (RFC 9110 section 12.5.5), and the normal form of the request's fields that it names (RFC
//! 9111 section 4.1).
//!
//! Two requests select the same response if the normal forms of all named fields are equal. The
//! forms are compared as bytes; how much they forgive decides how often a response is reused, and
//! whether to the right client:
//!
//! - Lines of a field are joined, and whitespace around commas is cut, for every field.
//! - `Accept-Language` in addition: case, and the order of languages that are equally wanted.
//! - `Accept-Encoding` in addition: everything but which of the origin's codings are acceptable.

mod coding;
mod language;
mod quality;

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{ACCEPT_ENCODING, ACCEPT_LANGUAGE},
};
use smallvec::SmallVec;

pub use coding::{Codings, InvalidCodings};
pub use language::content_language_matches;

use super::list::{element_end, elements, trim};

/// How many fields a response may name. One that names more is as good as one that names all.
pub const MOST_FIELDS: usize = 32;

/// What a response depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vary {
    /// Nothing in the request's fields.
    None,
    /// Something that is not in the request's fields, or that cannot be read: it is never the same.
    Any,
    /// These fields, sorted by name, each once.
    Fields(SmallVec<[HeaderName; 4]>),
}

impl Vary {
    /// Reads all lines of `Vary`. A `*` anywhere is [`Vary::Any`], and so is a name that is none.
    pub fn parse<'a>(values: impl IntoIterator<Item = &'a HeaderValue>) -> Self {
        let mut names = SmallVec::<[HeaderName; 4]>::new();
        for element in elements(values) {
            let name = match HeaderName::from_bytes(element) {
                // A star is a byte of a token, and would be a name.
                Ok(name) if element != b"*" => name,
                _ => return Self::Any,
            };
            if let Err(place) = names.binary_search_by(|known| known.as_str().cmp(name.as_str())) {
                if names.len() == MOST_FIELDS {
                    return Self::Any;
                }
                names.insert(place, name);
            }
        }
        if names.is_empty() { Self::None } else { Self::Fields(names) }
    }
}

/// The normal form of fields. On the stack for what requests usually say: a hit compares one and keeps none.
pub type Form = SmallVec<[u8; 128]>;

/// How the request's fields are brought into their normal form.
#[derive(Clone, Debug, Default)]
pub struct Normaliser {
    codings: Codings,
    language_order: bool,
}

impl Normaliser {
    /// Languages in any order are the same, and the origin offers the usual codings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Which codings the origin offers.
    #[must_use]
    pub fn codings(mut self, codings: Codings) -> Self {
        self.codings = codings;
        self
    }

    /// Whether `de, en` and `en, de` are different. To the RFC they are not; an origin that takes
    /// the first of equals needs this.
    #[must_use]
    pub fn language_order(mut self, matters: bool) -> Self {
        self.language_order = matters;
        self
    }

    /// Replaces fields of a request that goes to the origin by their normal form, where what is compared
    /// is less than what the client sent: so far `Accept-Encoding`, by [`Codings::rewrite`].
    pub fn rewrite(&self, headers: &mut HeaderMap) {
        self.codings.rewrite(headers);
    }

    /// Appends the normal form of one field of a request.
    ///
    /// It begins with a byte that says whether the field is there, and that is in no value. So the
    /// forms of several fields may follow one another, and a field that is absent is not one that
    /// is empty.
    pub fn selecting(&self, name: &HeaderName, headers: &HeaderMap, out: &mut Form) {
        if !headers.contains_key(name) {
            out.push(ABSENT);
            return;
        }
        out.push(PRESENT);
        let values = headers.get_all(name);
        if *name == ACCEPT_ENCODING {
            self.codings.write(values, out);
        } else if *name != ACCEPT_LANGUAGE || !language::write(&values, self.language_order, out) {
            joined(&values, out);
        }
    }
}

const ABSENT: u8 = 0;
const PRESENT: u8 = 1;

/// All lines, with one comma and no whitespace between elements. Empty elements stay: not every
/// field is a list.
fn joined<'a>(values: impl IntoIterator<Item = &'a HeaderValue>, out: &mut Form) {
    for (at, value) in values.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        let mut line = value.as_bytes();
        let mut quotes = true;
        loop {
            let end = element_end(line, &mut quotes);
            let (element, rest) = line.split_at_checked(end).unwrap_or((line, b""));
            out.extend_from_slice(trim(element));
            let Some(rest) = rest.strip_prefix(b",") else { break };
            out.push(b',');
            line = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use http::header::{ACCEPT, COOKIE};
    use proptest::prelude::*;

    use super::*;
    use crate::field::testing::{any_line, lines};

    fn read(text: &[&str]) -> Vary {
        Vary::parse(&lines(text))
    }

    pub(super) fn form(name: &HeaderName, text: &[&str], normaliser: &Normaliser) -> String {
        let mut headers = HeaderMap::new();
        for value in lines(text) {
            headers.append(name, value);
        }
        let mut out = Form::new();
        normaliser.selecting(name, &headers, &mut out);
        String::from_utf8(out.into_vec()).unwrap()
    }

    fn unknown(text: &[&str]) -> String {
        form(&HeaderName::from_static("foo"), text, &Normaliser::new())
    }

    #[test]
    fn a_star_anywhere_is_any() {
        for text in [
            &["*"][..],
            &["*, *"],
            &["*", "*"],
            &[", *"],
            &["", "*"],
            &["*, Foo"],
            &["Foo, *"],
            &["Foo", "Bar,*"],
        ] {
            assert_eq!(read(text), Vary::Any, "{text:?}");
        }
    }

    #[test]
    fn a_name_that_is_none_is_any() {
        for text in ["Foo Bar", "Foo;q=1", "\"Foo\"", "Foo, B@r", "**:", "\u{e9}"] {
            assert_eq!(read(&[text]), Vary::Any, "{text:?}");
        }
    }

    #[test]
    fn names_are_sorted_and_count_once_in_any_case() {
        let wanted = Vary::Fields(vec![ACCEPT, COOKIE, HeaderName::from_static("foo")].into());
        assert_eq!(read(&["Foo, cookie,, Accept", "FOO, ACCEPT"]), wanted);
        assert_eq!(read(&[]), Vary::None);
        assert_eq!(read(&["", " , "]), Vary::None);
    }

    #[test]
    fn more_fields_than_are_reasonable_are_any() {
        let names =
            |count: usize| (0..count).map(|n| format!("x-{n}")).collect::<Vec<_>>().join(",");
        assert!(matches!(read(&[&names(MOST_FIELDS)]), Vary::Fields(_)));
        assert_eq!(read(&[&names(MOST_FIELDS + 1)]), Vary::Any);
        assert!(matches!(read(&[&names(MOST_FIELDS), &names(MOST_FIELDS)]), Vary::Fields(_)));
    }

    #[test]
    fn lines_are_joined_and_whitespace_around_commas_is_cut() {
        let wanted = unknown(&["1,2"]);
        for same in [&["1", "2"][..], &[" 1, 2 "], &["1\t,\t2"], &["1 ", " 2"]] {
            assert_eq!(unknown(same), wanted, "{same:?}");
        }
        for other in [&["1 2"][..], &["2,1"], &["1"], &["1,2,"], &["1,,2"], &["12"], &[], &[""]] {
            assert_ne!(unknown(other), wanted, "{other:?}");
        }
        assert_ne!(unknown(&["\"a, b\""]), unknown(&["\"a,b\""]));
        assert_ne!(unknown(&["A"]), unknown(&["a"]));
    }

    #[test]
    fn an_absent_field_is_not_an_empty_one() {
        for name in [ACCEPT_ENCODING, ACCEPT_LANGUAGE, ACCEPT] {
            let normaliser = Normaliser::new();
            assert_ne!(form(&name, &[], &normaliser), form(&name, &[""], &normaliser), "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_lines_panic_and_a_form_holds_no_byte_of_another(
            values in prop::collection::vec(any_line(), 0..4),
        ) {
            let _ = Vary::parse(&values);
            for name in [ACCEPT_ENCODING, ACCEPT_LANGUAGE, ACCEPT] {
                let mut headers = HeaderMap::new();
                for value in &values {
                    headers.append(&name, value.clone());
                }
                let mut out = Form::new();
                Normaliser::new().selecting(&name, &headers, &mut out);
                prop_assert_eq!(out[0] == ABSENT, values.is_empty());
                prop_assert!(out[1..].iter().all(|byte| *byte > PRESENT));
            }
        }
    }
}
