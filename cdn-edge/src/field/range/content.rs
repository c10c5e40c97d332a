use std::ops::Range;

use http::HeaderValue;

use super::{exact, split_at_byte};
use crate::field::list::trim;

/// The value of `Content-Range` for bytes: which part of how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentRange {
    /// Never empty, and within the length. `None` says that a range was not satisfiable.
    range: Option<Range<u64>>,
    length: Option<u64>,
}

impl ContentRange {
    /// A part of a 206. `None` if it is empty or not within the length.
    #[must_use]
    pub fn part(range: Range<u64>, length: Option<u64>) -> Option<Self> {
        let within = range.start < range.end && length.is_none_or(|length| range.end <= length);
        within.then_some(Self { range: Some(range), length })
    }

    /// What a 416 says: how long the whole is.
    #[must_use]
    pub const fn unsatisfied(length: u64) -> Self {
        Self { range: None, length: Some(length) }
    }

    /// Reads a value. `None` is another unit, or nothing that can be trusted: a last byte before
    /// the first or behind the length, a number that does not fit.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (unit, rest) = split_at_byte(trim(value), b' ')?;
        if !unit.eq_ignore_ascii_case(b"bytes") {
            return None;
        }
        let (range, length) = split_at_byte(rest, b'/')?;
        if range == b"*" {
            return Some(Self::unsatisfied(exact(length)?));
        }
        let length = if length == b"*" { None } else { Some(exact(length)?) };
        let (first, last) = split_at_byte(range, b'-')?;
        Self::part(exact(first)?..exact(last)?.checked_add(1)?, length)
    }

    /// The part, with its end excluded. `None` in a 416.
    #[must_use]
    pub fn range(&self) -> Option<Range<u64>> {
        self.range.clone()
    }

    /// The length of the whole, if it is known.
    #[must_use]
    pub const fn length(&self) -> Option<u64> {
        self.length
    }

    /// Writes the value.
    #[must_use]
    pub fn format(&self) -> HeaderValue {
        let mut text = Vec::with_capacity(32);
        self.write(&mut text);
        // Digits and punctuation are always a value.
        HeaderValue::from_maybe_shared(bytes::Bytes::from(text))
            .unwrap_or(HeaderValue::from_static(""))
    }

    /// Appends the value, as the head of a part of `multipart/byteranges` needs it.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut digits = itoa::Buffer::new();
        out.extend_from_slice(b"bytes ");
        match &self.range {
            None => out.push(b'*'),
            Some(range) => {
                out.extend_from_slice(digits.format(range.start).as_bytes());
                out.push(b'-');
                out.extend_from_slice(digits.format(range.end.saturating_sub(1)).as_bytes());
            }
        }
        out.push(b'/');
        match self.length {
            None => out.push(b'*'),
            Some(length) => out.extend_from_slice(digits.format(length).as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(value: &str) -> Option<ContentRange> {
        ContentRange::parse(value.as_bytes())
    }

    #[test]
    fn a_part_and_a_refusal_are_read() {
        assert_eq!(parse("bytes 4-9/10"), ContentRange::part(4..10, Some(10)));
        assert_eq!(parse("BYTES 4-9/*"), ContentRange::part(4..10, None));
        assert_eq!(parse("bytes */10"), Some(ContentRange::unsatisfied(10)));
        assert_eq!(parse("bytes */0"), Some(ContentRange::unsatisfied(0)));
    }

    #[test]
    fn what_cannot_be_true_is_not_read() {
        for value in [
            "",
            "bytes",
            "bytes ",
            "bytes 4-9",
            "bytes 4-9/",
            "bytes 9-4/10",
            "bytes 4-10/10",
            "bytes */*",
            "bytes -9/10",
            "bytes 4-/10",
            "bytes 4-9/x",
            "items 4-9/10",
            "bytes=4-9/10",
            "bytes  4-9/10",
            "bytes 4 - 9/10",
            "bytes 4-9/10;a",
            "bytes 0-18446744073709551615/*",
            "bytes 0-0/99999999999999999999",
        ] {
            assert_eq!(parse(value), None, "{value:?}");
        }
        assert_eq!(ContentRange::part(4..4, None), None);
        assert_eq!(ContentRange::part(4..11, Some(10)), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = ContentRange::parse(&bytes);
        }

        #[test]
        fn what_is_written_is_read(start: u64, end: u64, length: Option<u64>) {
            let values = [ContentRange::part(start..end, length), length.map(ContentRange::unsatisfied)];
            for value in values.into_iter().flatten() {
                prop_assert_eq!(ContentRange::parse(value.format().as_bytes()), Some(value));
            }
        }
    }
}
