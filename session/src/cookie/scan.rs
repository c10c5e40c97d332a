//! Finds the token among the cookies of a request.
//!
//! Each byte of the header is looked at once and nothing is allocated, since most requests that bring cookies
//! bring somebody else's. The header is not read as text: bytes that are no UTF-8 in one cookie do not hide
//! another.

use http::HeaderValue;
#[cfg(test)]
use http::{HeaderMap, header::COOKIE};

use crate::token::{Keys, Token, is_plausible};

/// So many different texts of a token's length and letters are shown to the keys.
///
/// One is what a browser of ours sends; two are a cookie that somebody else has planted beside it, or one of an
/// older path. Beyond a few somebody fills the header, 300 to 16 KiB, to make us compute: there is no telling
/// whether the next one would be another valid one, so the request counts as ambiguous and costs no more.
const MOST: usize = 4;

/// What is among the cookies.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    /// No token that one of the keys has signed.
    None,
    /// One, be it once or several times.
    One(Token),
    /// Several, or too many to look at them all. Somebody can plant a cookie beside ours whose token is valid
    /// and their own: to take either would let them choose whose session this is.
    Ambiguous,
}

/// Looks for the cookie of this name, which is its whole name in its exact case, and tells of each text that could be a token
/// and is none.
pub(crate) fn find_in<'a>(
    lines: impl Iterator<Item = &'a HeaderValue>,
    name: &str,
    keys: &Keys,
    mut forged: impl FnMut(),
) -> Found {
    scan_in(lines, name, |text| {
        let token = keys.verify(text);
        if token.is_none() {
            forged();
        }
        token
    })
}

/// All tokens that the keys have signed, of those texts that are shown to them.
pub(crate) fn all_in<'a>(
    lines: impl Iterator<Item = &'a HeaderValue>,
    name: &str,
    keys: &Keys,
) -> Vec<Token> {
    let mut found = Vec::new();
    // None is taken, so that the scan goes on to the next.
    let _ = scan_in(lines, name, |text| {
        found.extend(keys.verify(text));
        None
    });
    found
}

/// As [`find_in`], in all headers of a request.
#[cfg(test)]
pub(crate) fn find(headers: &HeaderMap, name: &str, keys: &Keys) -> Found {
    scan(headers, name, |text| keys.verify(text))
}

/// As [`find`], by whatever believes a text.
#[cfg(test)]
pub(super) fn scan(
    headers: &HeaderMap,
    name: &str,
    verify: impl FnMut(&[u8]) -> Option<Token>,
) -> Found {
    scan_in(headers.get_all(COOKIE).iter(), name, verify)
}

/// HTTP/2 and 3 may send each cookie in a line of its own.
fn scan_in<'a>(
    lines: impl Iterator<Item = &'a HeaderValue>,
    name: &str,
    mut verify: impl FnMut(&[u8]) -> Option<Token>,
) -> Found {
    let lines = lines.map(HeaderValue::as_bytes);
    let values = lines.flat_map(Pairs).filter_map(|pair| value(pair, name.as_bytes()));

    // Empty is what no plausible text is.
    let mut seen: [&'a [u8]; MOST] = [&[]; MOST];
    let mut found = None;
    for text in values.filter(|text| is_plausible(text)) {
        // A token has one spelling: the same token is the same text.
        if seen.contains(&text) {
            continue;
        }
        let Some(free) = seen.iter_mut().find(|text| text.is_empty()) else {
            return Found::Ambiguous;
        };
        *free = text;
        if let Some(token) = verify(text)
            && found.replace(token).is_some()
        {
            return Found::Ambiguous;
        }
    }
    found.map_or(Found::None, Found::One)
}

/// What is between the semicolons. Quotes do not protect one: browsers do not know of them, and servers that do
/// have been made to read one cookie's value as part of another's.
struct Pairs<'a>(&'a [u8]);

impl<'a> Iterator for Pairs<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let (pair, rest) = self.0.split_at_checked(semicolon(self.0)).unwrap_or((self.0, &[]));
        self.0 = rest.get(1..).unwrap_or_default();
        Some(pair)
    }
}

/// Where the first semicolon is, or the end.
fn semicolon(bytes: &[u8]) -> usize {
    // Sixteen at a time without a branch inside, which compiles to one comparison of vectors.
    let (chunks, _) = bytes.as_chunks::<16>();
    let has = |chunk: &&[u8; 16]| chunk.iter().fold(false, |has, byte| has | (*byte == b';'));
    let skipped = 16 * chunks.iter().take_while(|chunk| !has(chunk)).count();
    let rest = bytes.get(skipped..).unwrap_or_default();
    skipped + rest.iter().position(|byte| *byte == b';').unwrap_or(rest.len())
}

/// The value, if the pair has this name. Only what is around the pair is trimmed: `id =` is another name.
fn value<'a>(pair: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let value = pair.trim_ascii().strip_prefix(name)?.strip_prefix(b"=")?;
    match value {
        [b'"', inner @ .., b'"'] => Some(inner),
        _ => Some(value),
    }
}
