//! `Age` (RFC 9111 section 5.1).
//!
//! The RFC suggests to read the first number of a list and to ignore what is no number. Both make
//! a response look younger than it is, whenever two caches on the way disagree. Here everything
//! but one plain number is [`Age::Invalid`], and a response with an invalid age is stale.

use http::HeaderValue;

use super::{delta, list::trim};

/// What a response says about its age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// There is no such field.
    Absent,
    /// One number.
    Seconds(u32),
    /// Several lines or members, a parameter, a sign, or no number.
    Invalid,
}

/// Reads all lines of `Age`.
pub fn parse<'a>(values: impl IntoIterator<Item = &'a HeaderValue>) -> Age {
    let mut values = values.into_iter();
    let Some(value) = values.next() else { return Age::Absent };
    if values.next().is_some() {
        return Age::Invalid;
    }
    delta::parse(trim(value.as_bytes())).map_or(Age::Invalid, Age::Seconds)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::field::testing::{any_line, lines};

    #[test]
    fn one_number_is_an_age() {
        assert_eq!(parse(&lines(&["0"])), Age::Seconds(0));
        assert_eq!(parse(&lines(&["7200"])), Age::Seconds(7200));
        assert_eq!(parse(&lines(&["18446744073709551616"])), Age::Seconds(delta::MAX));
        assert_eq!(parse(&lines(&[])), Age::Absent);
    }

    #[test]
    fn everything_else_is_invalid() {
        for line in ["", "abc", "-7200", "7200.0", "7200,0", "0, 0", "7200;foo=bar", "\"7200\""] {
            assert_eq!(parse(&lines(&[line])), Age::Invalid, "{line:?}");
        }
        assert_eq!(parse(&lines(&["0", "0"])), Age::Invalid);
        assert_eq!(parse(&lines(&["0", "7200"])), Age::Invalid);
    }

    proptest! {
        #[test]
        fn no_lines_panic(values in prop::collection::vec(any_line(), 0..3)) {
            let age = parse(&values);
            prop_assert_eq!(age == Age::Absent, values.is_empty());
        }
    }
}
