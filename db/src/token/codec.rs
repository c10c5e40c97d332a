//! A token as bytes and as text. Signing is the key's.
//!
//! A version, then the fields in network byte order, then the tag. 45 bytes are 60 letters without
//! a bit to spare, so that each token has one spelling.

use data_encoding::BASE64URL_NOPAD;

use super::Token;
use crate::position::{Position, SystemId};

const VERSION: u8 = 1;
/// The version, 8 bytes of system, 4 of timeline, 8 of offset, 4 of incarnation, 4 of time.
pub(super) const PAYLOAD: usize = 1 + 8 + 4 + 8 + 4 + 4;
/// Half of an HMAC-SHA256: 128 bits, beyond guessing.
pub(super) const TAG: usize = 16;
/// Letters of a token.
pub(super) const TEXT: usize = (PAYLOAD + TAG) / 3 * 4;

pub(super) type Payload = [u8; PAYLOAD];
pub(super) type Tag = [u8; TAG];

/// What is signed.
pub(super) fn payload(token: &Token) -> Payload {
    let mut bytes = [0; PAYLOAD];
    let fields = [VERSION]
        .into_iter()
        .chain(token.system.0.to_be_bytes())
        .chain(token.position.timeline.to_be_bytes())
        .chain(token.position.offset.to_be_bytes())
        .chain(token.seen.to_be_bytes())
        .chain(token.issued.to_be_bytes());
    bytes.iter_mut().zip(fields).for_each(|(byte, field)| *byte = field);
    bytes
}

/// What a payload says, if it is of this version.
pub(super) fn token(payload: &Payload) -> Option<Token> {
    let (version, rest) = payload.split_first()?;
    if *version != VERSION {
        return None;
    }
    let (system, rest) = rest.split_first_chunk()?;
    let (timeline, rest) = rest.split_first_chunk()?;
    let (offset, rest) = rest.split_first_chunk()?;
    let (seen, issued) = rest.split_first_chunk()?;
    Some(Token {
        system: SystemId(u64::from_be_bytes(*system)),
        position: Position::new(u32::from_be_bytes(*timeline), u64::from_be_bytes(*offset)),
        seen: u32::from_be_bytes(*seen),
        issued: u32::from_be_bytes(issued.try_into().ok()?),
    })
}

pub(super) fn join(payload: &Payload, tag: &Tag) -> String {
    let mut bytes = [0; PAYLOAD + TAG];
    let parts = payload.iter().chain(tag);
    bytes.iter_mut().zip(parts).for_each(|(byte, part)| *byte = *part);
    BASE64URL_NOPAD.encode(&bytes)
}

/// The two halves of what may be a token.
pub(super) fn split(text: &[u8]) -> Option<(Payload, Tag)> {
    if text.len() != TEXT {
        return None;
    }
    let mut bytes = [0; PAYLOAD + TAG];
    BASE64URL_NOPAD.decode_mut(text, &mut bytes).ok()?;
    let (payload, tag) = bytes.split_first_chunk()?;
    Some((*payload, tag.try_into().ok()?))
}
