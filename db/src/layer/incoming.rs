//! Tokens in a request's headers: bytes that anybody may have sent.

use http::HeaderMap;
use http::header::COOKIE;

use super::{Carrier, NAME};
use crate::token::Token;

/// How many tokens of one request are looked at. A browser sends one; each costs a hash, and
/// headers can hold thousands.
const MOST: usize = 32;

/// Whatever stands where a token may stand.
pub(super) fn tokens(headers: &HeaderMap, carrier: Carrier) -> impl Iterator<Item = &[u8]> {
    let (header, separator) = match carrier {
        // Proxies may join several headers of one name to one.
        Carrier::Header => (NAME, b','),
        Carrier::Cookie { .. } => (COOKIE.as_str(), b';'),
    };
    headers
        .get_all(header)
        .iter()
        .flat_map(move |value| value.as_bytes().split(move |byte| *byte == separator))
        .map(<[u8]>::trim_ascii)
        .filter_map(move |part| match carrier {
            Carrier::Header => Some(part),
            Carrier::Cookie { .. } => part.strip_prefix(NAME.as_bytes())?.strip_prefix(b"="),
        })
        // Empty is how a client is told that there is none any more.
        .filter(|token| !token.is_empty())
        .take(MOST)
}

/// The one that asks for most. Positions of different clusters cannot be compared: those count that
/// are of the same cluster as the youngest.
pub(super) fn choose(tokens: &[Token]) -> Option<Token> {
    let youngest = tokens.iter().max_by_key(|token| token.issued)?;
    let of_its_cluster = tokens.iter().filter(|token| token.system == youngest.system);
    of_its_cluster.max_by_key(|token| (token.position, token.issued)).copied()
}
