//! Names and values of a query string or a form, read strictly.
//!
//! Text that is not what it says (half an escape, bytes that are not UTF-8, a parameter given twice)
//! is refused with a reason. Guessing would let two readers of one address see two things.

use std::fmt;
use std::ops::RangeInclusive;

/// The longest search. Longer than any station's name, short enough that nobody can make the database
/// compare novels.
const MAX_SEARCH: usize = 100;

/// Why a query string or a form was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadParam {
    name: String,
    reason: &'static str,
}

impl BadParam {
    pub(crate) fn new(name: &str, reason: &'static str) -> Self {
        Self { name: name.to_owned(), reason }
    }
}

impl fmt::Display for BadParam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.reason)
    }
}

/// Decoded names and values in the order they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    pub(crate) fn parse(text: &str) -> Result<Self, BadParam> {
        text.split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                Ok((decode(name)?, decode(value)?))
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The value of a parameter that may be given once.
    pub(crate) fn one(&self, name: &str) -> Result<Option<&str>, BadParam> {
        let mut values = self.0.iter().filter(|(known, _)| known == name);
        let value = values.next().map(|(_, value)| value.as_str());
        if values.next().is_some() {
            return Err(BadParam::new(name, "is given twice"));
        }
        Ok(value)
    }

    /// A whole number within a range.
    pub(crate) fn number(
        &self,
        name: &str,
        default: u32,
        range: RangeInclusive<u32>,
        reason: &'static str,
    ) -> Result<u32, BadParam> {
        match self.one(name)? {
            None | Some("") => Ok(default),
            Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text
                .parse()
                .ok()
                .filter(|number| range.contains(number))
                .ok_or_else(|| BadParam::new(name, reason)),
            Some(_) => Err(BadParam::new(name, reason)),
        }
    }

    /// What somebody looks for: trimmed, `None` when nothing is left.
    pub(crate) fn search(&self, name: &str) -> Result<Option<&str>, BadParam> {
        let Some(text) = self.one(name)?.map(str::trim).filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        if text.chars().count() > MAX_SEARCH {
            return Err(BadParam::new(name, "is longer than 100 characters"));
        }
        // PostgreSQL refuses NUL in text, and XML every control character.
        if text
            .chars()
            .any(|letter| letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}'))
        {
            return Err(BadParam::new(name, "contains a control character"));
        }
        Ok(Some(text))
    }
}

fn decode(text: &str) -> Result<String, BadParam> {
    let broken = || BadParam::new("the query", "contains a broken % escape");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(rest.next()), digit(rest.next()));
                let (Some(high), Some(low)) = (high, low) else {
                    return Err(broken());
                };
                u8::try_from(high * 16 + low).map_err(|_| broken())?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| BadParam::new("the query", "is not UTF-8"))
}

/// Encodes text as the value of a query parameter.
pub(crate) fn encode(text: &str) -> String {
    use fmt::Write;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            byte => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn broken_text_is_refused_with_a_reason() {
        for (text, reason) in [
            ("q=%", "the query contains a broken % escape"),
            ("q=%4", "the query contains a broken % escape"),
            ("q=%zz", "the query contains a broken % escape"),
            ("q=%ff", "the query is not UTF-8"),
            ("%c3=1", "the query is not UTF-8"),
        ] {
            assert_eq!(Params::parse(text).unwrap_err().to_string(), reason, "{text}");
        }
        let twice = Params::parse("page=1&page=2").unwrap();
        assert_eq!(twice.one("page").unwrap_err().to_string(), "page is given twice");
    }

    #[test]
    fn numbers_outside_their_range_are_refused() {
        let number = |text: &str| {
            Params::parse(&format!("n={text}")).unwrap().number("n", 7, 1..=100, "is 1 to 100")
        };
        assert_eq!(number(""), Ok(7));
        assert_eq!(number("100"), Ok(100));
        for text in ["0", "101", "-1", "1.5", "99999999999999999999", "%2b5", "٣"] {
            assert!(number(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_search_is_trimmed_and_bounded() {
        let search = |text: &str| {
            let params = Params::parse(&format!("q={}", encode(text))).unwrap();
            params.search("q").map(|found| found.map(str::to_owned))
        };
        assert_eq!(search("  "), Ok(None));
        assert_eq!(search(" jazz "), Ok(Some("jazz".to_owned())));
        assert!(search(&"ä".repeat(100)).is_ok());
        assert!(search(&"ä".repeat(101)).is_err());
        assert!(search("a\0b").is_err());
    }

    proptest! {
        #[test]
        fn no_query_panics(text in ".*", number in any::<u32>()) {
            if let Ok(params) = Params::parse(&text) {
                let _ = params.search("q");
                let _ = params.number("q", number, 1..=number, "is too large");
            }
        }

        #[test]
        fn what_is_encoded_is_decoded(name in "[a-z]{1,8}", value in any::<String>()) {
            let params = Params::parse(&format!("{name}={}", encode(&value))).unwrap();
            prop_assert_eq!(params.one(&name).unwrap(), Some(value.as_str()));
        }
    }
}
