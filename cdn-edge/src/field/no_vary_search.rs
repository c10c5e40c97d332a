//! `No-Vary-Search` (draft-ietf-httpbis-no-vary-search): which parameters of a query make no
//! difference to a response.
//!
//! Two queries select the same response if their canonical forms are equal. A field that cannot be
//! read, or has a key that is not known here, changes nothing: every difference counts.
//!
//! ```
//! use http::HeaderValue;
//! use terrace_cdn_edge::field::no_vary_search;
//!
//! let value = HeaderValue::from_static(r#"key-order, params=("utm_source")"#);
//! let rule = no_vary_search::parse([&value]);
//! let mut form = Vec::new();
//! rule.canonical("size=2&utm_source=mail&colour=red", &mut form);
//! assert_eq!(form, b"colour=red&size=2");
//! ```

use std::borrow::Cow;

use http::{HeaderName, HeaderValue};
use sfv::StringRef;
use smallvec::SmallVec;

use super::structured::{self, Member};

/// The field.
pub const NO_VARY_SEARCH: HeaderName = HeaderName::from_static("no-vary-search");

/// How many names a field may have. More are as good as an unreadable one: each costs a comparison
/// for each parameter of each query.
pub const MOST_NAMES: usize = 64;

/// What a response says about queries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoVarySearch {
    names: Names,
    any_order: bool,
}

/// The names are without percent-encoding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Names {
    /// Every parameter makes a difference.
    #[default]
    All,
    /// All but these do.
    AllBut(Vec<Box<[u8]>>),
    /// Only these do.
    Only(Vec<Box<[u8]>>),
}

/// Reads all lines of the field.
pub fn parse<'a>(values: impl IntoIterator<Item = &'a HeaderValue>) -> NoVarySearch {
    read(values).unwrap_or_default()
}

fn read<'a>(values: impl IntoIterator<Item = &'a HeaderValue>) -> Option<NoVarySearch> {
    use sfv::GenericBareItem::Boolean;

    let text = structured::whole(values)?;
    let members = structured::dictionary(&text, ["key-order", "params", "except"])?;
    if members.unknown {
        return None;
    }
    let [order, params, except] = members.found;
    let any_order = match order {
        None => false,
        Some(Member::Item(Boolean(value))) => value,
        Some(_) => return None,
    };
    let names = match (params, except) {
        (None | Some(Member::Item(Boolean(false))), None) => Names::All,
        (Some(Member::Item(Boolean(true))), None) => Names::Only(Vec::new()),
        (Some(Member::Item(Boolean(true))), Some(Member::Strings(except))) => {
            Names::Only(decoded(&except)?)
        }
        (Some(Member::Strings(params)), None) => Names::AllBut(decoded(&params)?),
        _ => return None,
    };
    Some(NoVarySearch { names, any_order })
}

fn decoded(names: &[Cow<'_, StringRef>]) -> Option<Vec<Box<[u8]>>> {
    let decoded = |name: &Cow<'_, StringRef>| decode(name.as_str().as_bytes()).into();
    (names.len() <= MOST_NAMES).then(|| names.iter().map(decoded).collect())
}

impl NoVarySearch {
    /// Whether every difference counts, so that queries are compared as they are.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Appends the canonical form of a query, without its `?`.
    ///
    /// Parameters that make no difference are left out, the others are percent-encoded in one way,
    /// and sorted by name if their order makes no difference; several of one name keep their order.
    /// If every difference counts the query is appended as it is.
    pub fn canonical(&self, query: &str, out: &mut Vec<u8>) {
        if self.is_default() {
            out.extend_from_slice(query.as_bytes());
            return;
        }
        let mut parameters: SmallVec<[_; 8]> = query
            .split('&')
            .filter(|parameter| !parameter.is_empty())
            .map(|parameter| parameter.split_once('=').unwrap_or((parameter, "")))
            .map(|(name, value)| (decode(name.as_bytes()), value))
            .filter(|(name, _)| self.counts(name))
            .collect();
        if self.any_order {
            parameters.sort_by(|(one, _), (other, _)| one.cmp(other));
        }
        for (at, (name, value)) in parameters.iter().enumerate() {
            if at > 0 {
                out.push(b'&');
            }
            encode(name, out);
            out.push(b'=');
            encode(&decode(value.as_bytes()), out);
        }
    }

    fn counts(&self, name: &[u8]) -> bool {
        let among = |names: &[Box<[u8]>]| names.iter().any(|known| **known == *name);
        match &self.names {
            Names::All => true,
            Names::AllBut(names) => !among(names),
            Names::Only(names) => among(names),
        }
    }
}

/// Reads a name or a value of a form: a plus is a space, and what is no escape stays as it is. The
/// bytes are not made into text: two that are not UTF-8 would become the same.
fn decode(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.iter().any(|byte| matches!(byte, b'+' | b'%')) {
        return text.into();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    loop {
        rest = match rest {
            [] => return bytes.into(),
            [b'+', rest @ ..] => {
                bytes.push(b' ');
                rest
            }
            [b'%', high, low, rest @ ..] if hex(*high).is_some() && hex(*low).is_some() => {
                bytes.push(hex(*high).unwrap_or(0) << 4 | hex(*low).unwrap_or(0));
                rest
            }
            [byte, rest @ ..] => {
                bytes.push(*byte);
                rest
            }
        };
    }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    const HEX: [u8; 16] = *b"0123456789ABCDEF";
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(byte);
        } else {
            out.push(b'%');
            out.extend(HEX.get(usize::from(byte >> 4)));
            out.extend(HEX.get(usize::from(byte & 15)));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::field::testing::{any_line, lines};

    fn form(field: &str, query: &str) -> String {
        let mut out = Vec::new();
        parse(&lines(&[field])).canonical(query, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn same(field: &str, one: &str, other: &str) -> bool {
        form(field, one) == form(field, other)
    }

    #[test]
    fn parameters_that_make_no_difference_are_left_out() {
        for (field, one, other, wanted) in [
            ("params", "a=1", "b=2&c", true),
            ("params", "a=1", "", true),
            ("params=(\"a\")", "a=1&b=2", "b=2&a=3&a", true),
            ("params=(\"a\")", "a=1&b=2", "a=1&b=3", false),
            ("params=(\"a\" \"b\")", "a=1&b=2", "", true),
            ("params=()", "a=1", "a=2", false),
            ("params, except=(\"id\")", "id=1&utm=x", "utm=y&id=1&z", true),
            ("params, except=(\"id\")", "id=1", "id=2", false),
            ("params, except=()", "id=1", "id=2", true),
            ("key-order", "a=1&b=2", "b=2&a=1", true),
            ("key-order", "a=1&a=2", "a=2&a=1", false),
            ("key-order", "a=1&b=2", "b=2", false),
            ("key-order=?0, params=(\"x\")", "a=1&b=2", "b=2&a=1", false),
            ("key-order, params=(\"x\")", "a=1&x=1&b=2", "b=2&a=1", true),
            ("key-order, params, except=(\"a\" \"b\")", "c=1&a=1&b=2", "b=2&a=1", true),
        ] {
            assert_eq!(same(field, one, other), wanted, "{field:?} {one:?} {other:?}");
        }
    }

    #[test]
    fn escapes_are_one_way_to_write_a_parameter() {
        let field = "params=(\"x\")";
        for (one, other) in [
            ("a=b%20c", "a=b+c"),
            ("%61=1", "a=1"),
            ("a", "a="),
            ("a=%c3%a9", "a=%C3%A9"),
            ("a&&b", "a&b&"),
        ] {
            assert!(same(field, one, other), "{one:?} {other:?}");
        }
        for (one, other) in [
            ("a=1%26b=2", "a=1&b=2"),
            ("a=1%3D", "a=1"),
            ("a=%", "a=%25x"),
            ("a=%FF", "a=%FE"),
            ("a=A", "a=a"),
            ("a==", "a="),
        ] {
            assert!(!same(field, one, other), "{one:?} {other:?}");
        }
        assert_eq!(form("params=(\"a+b\" \"c%20d\")", "a+b=1&a%20b=2&c+d=3&e=%"), "e=%25");
    }

    #[test]
    fn what_cannot_be_read_changes_nothing() {
        for field in [
            "",
            "params=1",
            "params=\"a\"",
            "params=(\"a\" b)",
            "params=(1)",
            "key-order=1",
            "except=(\"a\")",
            "params=(\"a\"), except=(\"b\")",
            "params=?0, except=(\"b\")",
            "params, except=\"a\"",
            "params, except",
            "params, unknown",
            "params,",
            "PARAMS",
        ] {
            assert!(parse(&lines(&[field])).is_default(), "{field:?}");
            assert_eq!(form(field, "b=%61&&a=1"), "b=%61&&a=1", "{field:?}");
        }
        for field in ["params=?0", "key-order=?0"] {
            assert!(parse(&lines(&[field])).is_default(), "{field:?}");
        }
    }

    #[test]
    fn the_lines_are_one_field_and_names_are_bounded() {
        assert_eq!(parse(&lines(&["key-order", "params"])), parse(&lines(&["params, key-order"])));
        let names = |count: usize| {
            let names: Vec<_> = (0..count).map(|n| format!("\"{n}\"")).collect();
            format!("params=({})", names.join(" "))
        };
        assert!(!parse(&lines(&[&names(MOST_NAMES)])).is_default());
        assert!(parse(&lines(&[&names(MOST_NAMES + 1)])).is_default());
    }

    const FIELDS: &[&str] = &[
        "key-order",
        "params",
        "params=(\"a\")",
        "params, except=(\"a\" \"b\")",
        "key-order, params=(\"b\")",
    ];

    proptest! {
        #[test]
        fn no_lines_panic(values in prop::collection::vec(any_line(), 0..3), query: String) {
            parse(&values).canonical(&query, &mut Vec::new());
        }

        #[test]
        fn the_canonical_form_is_its_own(
            field in prop::sample::select(FIELDS), query in "[abc=&+%0-9]{0,30}",
        ) {
            let once = form(field, &query);
            prop_assert_eq!(form(field, &once), once);
        }
    }
}
