//! The elements of a comma-separated list (RFC 9110 section 5.6.1), over all lines of a field.
//!
//! A comma inside a quoted string separates nothing: `extension="a, no-store"` is one element. A
//! quote that is never closed protects nothing, so that a broken extension cannot hide the
//! directives behind it.
//!
//! Entity tags have a grammar of their own, in which a backslash is an ordinary byte: see
//! [`etag`](super::etag).

use http::HeaderValue;

/// The elements of all lines, without the whitespace around them. Empty ones are skipped.
pub fn elements<'a, I>(values: I) -> Elements<'a, I::IntoIter>
where
    I: IntoIterator<Item = &'a HeaderValue>,
{
    Elements { lines: values.into_iter(), rest: b"", quotes: true }
}

/// The elements of one line.
#[must_use]
pub fn elements_of_line(line: &[u8]) -> Elements<'_, std::iter::Empty<&HeaderValue>> {
    Elements { lines: std::iter::empty(), rest: line, quotes: true }
}

/// See [`elements`].
#[derive(Clone, Debug)]
pub struct Elements<'a, I> {
    lines: I,
    rest: &'a [u8],
    /// Whether a quote still opens a string in this line: none was found unclosed. Without this
    /// memory a line of quotes would be read once for each of them.
    quotes: bool,
}

impl<'a, I: Iterator<Item = &'a HeaderValue>> Iterator for Elements<'a, I> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            if self.rest.is_empty() {
                self.rest = self.lines.next()?.as_bytes();
                self.quotes = true;
                continue;
            }
            let end = element_end(self.rest, &mut self.quotes);
            let element = trim(self.rest.get(..end).unwrap_or_default());
            self.rest = self.rest.get(end + 1..).unwrap_or_default();
            if !element.is_empty() {
                return Some(element);
            }
        }
    }
}

/// Where the comma is that ends the first element, or the end.
pub(super) fn element_end(line: &[u8], quotes: &mut bool) -> usize {
    let mut at = 0;
    while let Some(&byte) = line.get(at) {
        match byte {
            b',' => return at,
            b'"' if *quotes => match closing_quote(line, at) {
                Some(close) => at = close,
                None => *quotes = false,
            },
            _ => {}
        }
        at += 1;
    }
    line.len()
}

/// Where the quoted string that opens at `open` is closed.
fn closing_quote(line: &[u8], open: usize) -> Option<usize> {
    let mut at = open + 1;
    loop {
        match line.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// What is inside a quoted string that has no quoted pair. `None` for everything else: whoever
/// asks for a number or a list of names has no use for a backslash.
pub(super) fn plain_quoted(value: &[u8]) -> Option<&[u8]> {
    let inner = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    (!inner.iter().any(|byte| matches!(byte, b'"' | b'\\'))).then_some(inner)
}

/// Without optional whitespace (RFC 9110 section 5.6.3) at both ends.
pub(super) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// A byte of a token (RFC 9110 section 5.6.2).
pub(super) const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::field::testing::{any_line, lines};

    fn read(line: &str) -> Vec<&str> {
        elements_of_line(line.as_bytes()).map(|e| std::str::from_utf8(e).unwrap()).collect()
    }

    #[test]
    fn empty_elements_are_skipped_and_whitespace_is_cut() {
        assert_eq!(read(" ,, a ,\tb c\t,,"), ["a", "b c"]);
        assert_eq!(read(""), [""; 0]);
    }

    #[test]
    fn a_comma_in_a_quoted_string_separates_nothing() {
        assert_eq!(read(r#"a="x, y", b"#), [r#"a="x, y""#, "b"]);
        assert_eq!(read(r#"a="x\", y", b"#), [r#"a="x\", y""#, "b"]);
    }

    #[test]
    fn a_quote_that_is_not_closed_hides_nothing() {
        assert_eq!(read(r#"a="x, no-store"#), [r#"a="x"#, "no-store"]);
        assert_eq!(read(r#"a="x\", no-store"#), [r#"a="x\""#, "no-store"]);
    }

    #[test]
    fn a_quote_ends_with_its_line() {
        let values = lines(&[r#"a="x"#, r#"b, c="y, z""#]);
        let read: Vec<_> = elements(&values).collect();
        assert_eq!(read, [&b"a=\"x"[..], b"b", b"c=\"y, z\""]);
    }

    proptest! {
        #[test]
        fn every_element_is_trimmed_and_part_of_a_line(values in prop::collection::vec(any_line(), 0..4)) {
            for element in elements(&values) {
                prop_assert!(!element.is_empty());
                prop_assert_eq!(trim(element), element);
                prop_assert!(values.iter().any(|v| v.as_bytes().windows(element.len()).any(|w| w == element)));
            }
        }

        #[test]
        fn without_quotes_it_is_a_split_at_commas(line in "[a-c ,]{0,30}") {
            let plain: Vec<_> = line.split(',').map(str::trim).filter(|e| !e.is_empty()).collect();
            prop_assert_eq!(read(&line), plain);
        }
    }
}
