use std::{error::Error, fmt};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header::ACCEPT_ENCODING};

use super::Form;
use super::quality::weighted;
use crate::field::list::{elements, is_token_byte};

/// How many codings an origin may offer. There are ten registered ones.
const MOST_CODINGS: usize = 16;

const IDENTITY: &str = "identity";

/// The content codings that an origin offers, with `identity`, which every origin does.
///
/// The normal form of `Accept-Encoding` is which of them are acceptable. Weights and codings that
/// nobody offers make no difference, so that browsers share what is stored.
///
/// This is only right if the origin sends no other coding: the request to the origin has to carry
/// the normal form, and not what the client sent. See [`rewrite`](Self::rewrite).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Codings {
    /// In lower case, sorted, each once, without identity.
    names: Vec<String>,
}

impl Codings {
    /// Takes the names of the codings.
    ///
    /// # Errors
    ///
    /// There are more than 16, or one of them is no token.
    pub fn new<N: Into<String>>(
        names: impl IntoIterator<Item = N>,
    ) -> Result<Self, InvalidCodings> {
        let mut taken = Vec::new();
        for name in names {
            let name = name.into().to_ascii_lowercase();
            if name.is_empty() || name == "*" || !name.bytes().all(is_token_byte) {
                return Err(InvalidCodings::Name(name));
            }
            if name != IDENTITY {
                taken.push(name);
            }
        }
        taken.sort_unstable();
        taken.dedup();
        if taken.len() > MOST_CODINGS {
            return Err(InvalidCodings::TooMany(taken.len()));
        }
        Ok(Self { names: taken })
    }

    /// Appends the normal form: the acceptable ones, sorted, with a comma between them. `identity`
    /// goes without saying, and is named only if it is refused, so that the normal form is itself
    /// an `Accept-Encoding` that means the same.
    ///
    /// An element that cannot be read accepts nothing: the client gets a coding less than it could
    /// have, never one that it cannot read.
    pub fn write<'a>(&self, values: impl IntoIterator<Item = &'a HeaderValue>, out: &mut Form) {
        let mut named = 0u32;
        let mut refused = 0u32;
        let mut star = None;
        for element in elements(values) {
            let Some((name, weight)) = weighted(element) else { continue };
            if name == b"*" {
                star = Some(weight > 0);
            } else if let Some(bit) = self.bit(name) {
                named |= bit;
                if weight == 0 {
                    refused |= bit;
                }
            }
        }
        let identity = 1 << self.names.len();
        let all = (identity << 1) - 1;
        // What is not named is what the star says. Without one only identity is acceptable.
        let others = match star {
            Some(true) => all,
            Some(false) => 0,
            None => identity,
        };
        let accepted = (named | (others & !named)) & !refused;

        let mut separator: &[u8] = b"";
        let mut add = |name: &str| {
            out.extend_from_slice(separator);
            out.extend_from_slice(name.as_bytes());
            separator = b",";
        };
        for (at, name) in self.names.iter().enumerate() {
            if accepted & (1 << at) != 0 {
                add(name);
            }
        }
        if accepted & identity == 0 {
            add("identity;q=0");
        }
    }

    /// Replaces what the client sent by its normal form, in a request that goes to the origin. A
    /// field that is absent stays absent.
    pub fn rewrite(&self, headers: &mut HeaderMap) {
        if headers.contains_key(ACCEPT_ENCODING) {
            let mut form = Form::new();
            self.write(headers.get_all(ACCEPT_ENCODING), &mut form);
            // Tokens and commas are always a value.
            let value = HeaderValue::from_maybe_shared(Bytes::copy_from_slice(&form))
                .unwrap_or(HeaderValue::from_static(""));
            headers.insert(ACCEPT_ENCODING, value);
        }
    }

    fn bit(&self, name: &[u8]) -> Option<u32> {
        // The old names are the same codings (RFC 9110 section 8.4.1).
        let old = name
            .split_at_checked(2)
            .filter(|(prefix, _)| prefix.eq_ignore_ascii_case(b"x-"))
            .map(|(_, name)| name)
            .filter(|name| {
                [&b"gzip"[..], b"compress"].iter().any(|n| n.eq_ignore_ascii_case(name))
            });
        let is = |known: &str| old.unwrap_or(name).eq_ignore_ascii_case(known.as_bytes());
        if is(IDENTITY) {
            return Some(1 << self.names.len());
        }
        self.names.iter().position(|known| is(known)).map(|at| 1 << at)
    }
}

impl Default for Codings {
    /// `br`, `gzip` and `zstd`: what browsers ask for and servers have.
    fn default() -> Self {
        Self { names: ["br", "gzip", "zstd"].map(String::from).into() }
    }
}

/// Names that cannot be a set of codings.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidCodings {
    /// This is no name of a coding.
    Name(String),
    /// There are more than 16.
    TooMany(usize),
}

impl fmt::Display for InvalidCodings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "{name:?} is no name of a content coding"),
            Self::TooMany(count) => write!(f, "{count} content codings, more than {MOST_CODINGS}"),
        }
    }
}

impl Error for InvalidCodings {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::field::testing::{any_line, lines};

    fn normal(text: &str) -> String {
        let mut out = Form::new();
        Codings::default().write(&lines(&[text]), &mut out);
        String::from_utf8(out.into_vec()).unwrap()
    }

    #[test]
    fn the_normal_form_is_what_is_offered_and_acceptable() {
        for (text, wanted) in [
            ("", ""),
            ("gzip", "gzip"),
            ("GZIP", "gzip"),
            ("x-gzip", "gzip"),
            ("gzip, identity", "gzip"),
            ("gzip, deflate, br, zstd", "br,gzip,zstd"),
            ("br;q=0.1,gzip;q=1.0", "br,gzip"),
            ("br;q=0, gzip", "gzip"),
            ("gzip, gzip;q=0", ""),
            ("*", "br,gzip,zstd"),
            ("*, br;q=0", "gzip,zstd"),
            ("gzip, *;q=0", "gzip,identity;q=0"),
            ("gzip, identity;q=0", "gzip,identity;q=0"),
            ("identity, *;q=0", ""),
            ("*;q=0", "identity;q=0"),
            ("gzip;q=2, br;x=1, zstd", "zstd"),
            ("deflate", ""),
        ] {
            assert_eq!(normal(text), wanted, "{text:?}");
        }
    }

    #[test]
    fn what_is_offered_can_be_chosen() {
        let codings = Codings::new(["GZIP", "deflate", "gzip", "identity"]).unwrap();
        let mut out = Form::new();
        codings.write(&lines(&["br, deflate", "gzip"]), &mut out);
        assert_eq!(out[..], b"deflate,gzip"[..]);
        assert_eq!(Codings::new(["br", "g zip"]), Err(InvalidCodings::Name("g zip".into())));
        assert_eq!(Codings::new(["*"]), Err(InvalidCodings::Name("*".into())));
        let many = (0..17).map(|n| format!("c{n}"));
        assert_eq!(Codings::new(many), Err(InvalidCodings::TooMany(17)));
    }

    #[test]
    fn the_origin_is_asked_for_what_it_offers() {
        let mut headers = HeaderMap::new();
        Codings::default().rewrite(&mut headers);
        assert!(headers.is_empty());
        for value in lines(&["deflate, gzip", "br;q=0"]) {
            headers.append(ACCEPT_ENCODING, value);
        }
        Codings::default().rewrite(&mut headers);
        assert_eq!(headers.get_all(ACCEPT_ENCODING).iter().collect::<Vec<_>>(), ["gzip"]);
    }

    proptest! {
        /// What goes to the origin as the normal form selects the same as what the client sent.
        #[test]
        fn no_lines_panic_and_the_normal_form_is_its_own(value in any_line()) {
            let mut out = Form::new();
            Codings::default().write([&value], &mut out);
            let text = String::from_utf8(out.into_vec()).unwrap();
            prop_assert_eq!(normal(&text), text);
        }
    }
}
