use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::text::{self, Fields};
use super::{KeyError, Tag, Token};
use crate::store::Subject;

/// Keeps codes apart from whatever else is made with the same secret.
const TOKEN: &[u8] = b"terrace-session token\0";
const SUBJECT: &[u8] = b"terrace-session subject\0";

/// Signs tokens, and believes those that it signed.
#[derive(Clone)]
pub struct Keys {
    ring: Arc<[Key]>,
    tags: Hmac<Sha256>,
}

#[derive(Clone)]
struct Key {
    version: u8,
    keyed: Hmac<Sha256>,
}

impl Keys {
    /// A ring of one new key that nobody else has.
    ///
    /// # Errors
    ///
    /// [`KeyError::Random`] if the operating system has no random numbers.
    pub fn generate() -> Result<Self, KeyError> {
        Self::new(1, &random::<32>()?)
    }

    /// A ring of one key of these bytes, which should be random ones.
    ///
    /// # Errors
    ///
    /// [`KeyError::TooShort`] if there are fewer than 32.
    pub fn new(version: u8, secret: &[u8]) -> Result<Self, KeyError> {
        let short = || KeyError::TooShort { bytes: secret.len() };
        if secret.len() < 32 {
            return Err(short());
        }
        let keyed = Hmac::<Sha256>::new_from_slice(secret).map_err(|_| short())?;
        let key = Key { version, keyed: keyed.clone().chain_update(TOKEN) };
        Ok(Self { ring: Arc::new([key]), tags: keyed.chain_update(SUBJECT) })
    }

    /// A subject, as stores know them.
    #[must_use]
    pub fn subject(&self, id: &str) -> Subject {
        let mut tag = Tag::default();
        let code = self.tags.clone().chain_update(id.as_bytes()).finalize().into_bytes();
        tag.0.iter_mut().zip(code).for_each(|(byte, of)| *byte = of);
        Subject { id: id.into(), tag }
    }

    /// A tag for somebody who is nobody yet.
    pub(crate) fn stranger(&self) -> Result<Tag, KeyError> {
        Ok(Tag(random()?))
    }

    /// A new token.
    pub(crate) fn mint(&self, region: u8, tag: Tag) -> Result<Token, KeyError> {
        let Some(key) = self.ring.first() else { return Err(KeyError::TooShort { bytes: 0 }) };
        let fields = Fields { version: key.version, region, tag, random: random()? };
        let bytes = fields.bytes();
        Ok(Token::new(text::join(&bytes, key.code(&bytes)), region, tag))
    }

    /// The token that this text is, if one of the keys signed it.
    pub(crate) fn verify(&self, text: &[u8]) -> Option<Token> {
        let whole = text::decode(text)?;
        let (bytes, code) = text::split(&whole);
        let fields = Fields::of(bytes);
        let key = self.ring.iter().find(|key| key.version == fields.version)?;
        let signed = key.keyed.clone().chain_update(bytes).verify_truncated_left(code).is_ok();
        signed.then(|| Token::new(whole, fields.region, fields.tag))
    }
}

impl Key {
    fn code(&self, bytes: &[u8]) -> [u8; text::CODE] {
        let mut code = [0; text::CODE];
        let whole = self.keyed.clone().chain_update(bytes).finalize().into_bytes();
        code.iter_mut().zip(whole).for_each(|(byte, of)| *byte = of);
        code
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("keys", &self.ring.len()).finish_non_exhaustive()
    }
}

fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    match getrandom::fill(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) => Err(KeyError::Random { source: error.into() }),
    }
}
