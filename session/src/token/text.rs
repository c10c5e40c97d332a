//! A token as bytes and as text. Signing is the keys'.

use data_encoding::BASE64URL_NOPAD;

use super::Tag;

/// The version of the key, the region, 4 bytes of tag, 20 random ones.
pub(super) const FIELDS: usize = 1 + 1 + 4 + 20;
/// Bytes of the code: 64 bits, one guess in 2^64 for an answer that costs the guesser a request.
pub(super) const CODE: usize = 8;
pub(super) const WHOLE: usize = FIELDS + CODE;
/// Letters of a token.
pub(crate) const TEXT: usize = 46;

/// What is signed.
pub(super) struct Fields {
    pub(super) version: u8,
    pub(super) region: u8,
    pub(super) tag: Tag,
    pub(super) random: [u8; 20],
}

impl Fields {
    pub(super) fn bytes(&self) -> [u8; FIELDS] {
        let mut bytes = [0; FIELDS];
        let fields = [self.version, self.region].into_iter().chain(self.tag.0).chain(self.random);
        bytes.iter_mut().zip(fields).for_each(|(byte, field)| *byte = field);
        bytes
    }

    pub(super) fn of(bytes: &[u8; FIELDS]) -> Self {
        let [version, region, a, b, c, d, random @ ..] = *bytes;
        Self { version, region, tag: Tag([a, b, c, d]), random }
    }
}

pub(super) fn join(fields: &[u8; FIELDS], code: [u8; CODE]) -> [u8; WHOLE] {
    let mut whole = [0; WHOLE];
    let bytes = fields.iter().copied().chain(code);
    whole.iter_mut().zip(bytes).for_each(|(byte, of)| *byte = of);
    whole
}

pub(super) fn split(whole: &[u8; WHOLE]) -> (&[u8; FIELDS], [u8; CODE]) {
    let [fields @ .., a, b, c, d, e, f, g, h] = whole;
    (fields, [*a, *b, *c, *d, *e, *f, *g, *h])
}

pub(super) fn encode(whole: &[u8; WHOLE]) -> [u8; TEXT] {
    let mut letters = [0; TEXT];
    BASE64URL_NOPAD.encode_mut(whole, &mut letters);
    letters
}

/// Whether it could be a token: looking is cheaper than asking the keys.
pub(crate) fn is_plausible(text: &[u8]) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() | (byte == b'-') | (byte == b'_');
    // Of a known number and without a branch inside, which compiles to comparisons of vectors.
    let letters = <&[u8; TEXT]>::try_from(text);
    letters.is_ok_and(|letters| letters.iter().fold(true, |all, byte| all & letter(*byte)))
}

/// Its one spelling: the four bits that 46 letters have to spare are zero.
pub(super) fn decode(text: &[u8]) -> Option<[u8; WHOLE]> {
    if text.len() != TEXT {
        return None;
    }
    let mut whole = [0; WHOLE];
    BASE64URL_NOPAD.decode_mut(text, &mut whole).ok()?;
    Some(whole)
}
