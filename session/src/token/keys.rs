use std::fmt;
use std::path::Path;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::file::{self, Secrets};
use super::text::{self, Fields};
use super::{KeyError, Tag, Token};
use crate::store::Subject;

/// Keeps codes apart from whatever else is made with the same secret.
const TOKEN: &[u8] = b"terrace-session token\0";
const SUBJECT: &[u8] = b"terrace-session subject\0";

/// Signs tokens, and believes those that it signed.
///
/// A ring: one key signs, and others are accepted as well, each by its version. Whoever has a key can make up
/// tokens, but no sessions: a token that no session was created with leads nowhere.
///
/// Beside the keys there is a secret of which subjects get their tags. A tag says where a subject's sessions
/// are, so this secret stays the same when keys change: with another one nobody finds, or ends, the sessions
/// from before.
///
/// # Changing the key
///
/// All processes that answer for the same sessions have the same ring; while they are given another one, one
/// after the other, each has to accept what any of them signs. So a key comes in three steps, and each step
/// reaches every process before the next begins:
///
/// 1. Add the new key below the one that signs, with a version that is not in use: it is accepted, and signs nothing.
/// 2. Make it the first: it signs. The old one is still accepted.
/// 3. When the last session that the old key has signed is over (after [`Expiry`](crate::Expiry)'s absolute
///    lifetime) remove the old one.
///
/// A key that somebody has seen is replaced without waiting in step 3: sessions with its tokens are then no longer
/// found, and their users log in again.
///
/// # Examples
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("session.keys");
/// use terrace_session::Keys;
///
/// // Made by the first process that asks for it, for its owner alone.
/// let keys = Keys::from_file(&path)?;
///
/// // Or from secrets that are kept elsewhere: one for tags, a key that signs, and one that did until lately.
/// let [tags, new, old] = [[1; 32], [2; 32], [3; 32]];
/// let keys = Keys::new(2, &new)?.tagged_by(&tags)?.also(Keys::new(1, &old)?.tagged_by(&tags)?)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Clone
///
/// Cheap: the ring is shared.
#[derive(Clone)]
pub struct Keys(Arc<Ring>);

#[derive(Clone)]
struct Ring {
    signs: Key,
    accepts: Vec<Key>,
    tags: Hmac<Sha256>,
}

#[derive(Clone)]
struct Key {
    version: u8,
    /// Has the secret and the first bytes behind it: a code costs two blocks of SHA-256.
    keyed: Hmac<Sha256>,
}

impl Keys {
    /// A ring of one new key that nobody else has, for one process and as long as it runs.
    ///
    /// # Errors
    ///
    /// [`KeyError::Random`] if the operating system has no random numbers.
    pub fn generate() -> Result<Self, KeyError> {
        Self::new(1, &random::<32>()?)
    }

    /// A ring of one key of these bytes, which should be random ones.
    ///
    /// Tags are made with the same secret until [`tagged_by`](Self::tagged_by) names another one.
    ///
    /// # Errors
    ///
    /// [`KeyError::TooShort`] if there are fewer than 32.
    pub fn new(version: u8, secret: &[u8]) -> Result<Self, KeyError> {
        let ring = Ring {
            signs: Key::new(version, secret)?,
            accepts: Vec::new(),
            tags: keyed(secret)?.chain_update(SUBJECT),
        };
        Ok(Self(Arc::new(ring)))
    }

    /// The ring in this file, which is created with one new key if it is not there.
    ///
    /// A line is `VERSION SECRET`, the version from 0 to 255 and the secret at least 64 hexadecimal digits. The
    /// first key signs, and the others are accepted. One more line is `tags SECRET`. Empty lines and lines that
    /// begin with `#` say nothing.
    ///
    /// ```text
    /// tags 9f86d081884c7d65…
    /// # Signs since the last change. A new secret: openssl rand -hex 32
    /// 2 60303ae22b998861…
    /// 1 fd61a03af4f77d87…
    /// ```
    ///
    /// Processes that start at once with the same path have the same ring. The new file is for its owner alone
    /// (mode 600); one that is there is read with whatever permissions it has. It is read once: later changes
    /// need a restart. Blocks while it reads.
    ///
    /// # Errors
    ///
    /// [`KeyError::File`] if it can neither be read nor be made, [`KeyError::Content`] with the line if it says
    /// something else, and [`KeyError::Random`] if the operating system has no random numbers.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, KeyError> {
        Self::of(file::read_or_create(path.as_ref())?)
    }

    fn of(secrets: Secrets) -> Result<Self, KeyError> {
        let (version, secret) = secrets.signs;
        let keys = Self::new(version, &secret)?.tagged_by(&secrets.tags)?;
        secrets.accepts.into_iter().try_fold(keys, |keys, (version, secret)| {
            keys.also(Self::new(version, &secret)?.tagged_by(&secrets.tags)?)
        })
    }

    /// Also accepts what `older` accepts. It never signs with those keys: to add one that shall sign later is
    /// [step 1](Self#changing-the-key) of changing it.
    ///
    /// # Errors
    ///
    /// [`KeyError::Duplicate`] if both have a key of the same version, and [`KeyError::Tags`] if they tag
    /// subjects differently.
    #[expect(clippy::needless_pass_by_value, reason = "rings are put together in one expression")]
    pub fn also(self, older: Self) -> Result<Self, KeyError> {
        let code = |keys: &Self| keys.0.tags.clone().finalize();
        if code(&self) != code(&older) {
            return Err(KeyError::Tags);
        }
        let mut ring = Arc::unwrap_or_clone(self.0);
        for key in older.0.keys() {
            let version = key.version;
            if ring.key(version).is_some() {
                return Err(KeyError::Duplicate { version });
            }
            ring.accepts.push(key.clone());
        }
        Ok(Self(Arc::new(ring)))
    }

    /// Tags subjects with this secret instead of the key's. It may be the first key's that there ever was.
    ///
    /// # Errors
    ///
    /// [`KeyError::TooShort`] if it has fewer than 32 bytes.
    pub fn tagged_by(self, secret: &[u8]) -> Result<Self, KeyError> {
        let mut ring = Arc::unwrap_or_clone(self.0);
        ring.tags = keyed(secret)?.chain_update(SUBJECT);
        Ok(Self(Arc::new(ring)))
    }

    /// A subject, as stores know them.
    #[must_use]
    pub fn subject(&self, id: &str) -> Subject {
        let mut tag = Tag::default();
        let code = self.0.tags.clone().chain_update(id.as_bytes()).finalize().into_bytes();
        tag.0.iter_mut().zip(code).for_each(|(byte, of)| *byte = of);
        Subject { id: id.into(), tag }
    }

    /// A tag for somebody who is nobody yet.
    pub(crate) fn stranger(&self) -> Result<Tag, KeyError> {
        Ok(Tag(random()?))
    }

    /// A new token.
    pub(crate) fn mint(&self, region: u8, tag: Tag) -> Result<Token, KeyError> {
        let version = self.0.signs.version;
        Ok(self.sign(&Fields { version, region, tag, random: random()? }))
    }

    pub(super) fn sign(&self, fields: &Fields) -> Token {
        let bytes = fields.bytes();
        let whole = text::join(&bytes, self.0.signs.code(&bytes));
        Token::new(whole, fields.tag)
    }

    /// The token that this text is, if one of the keys signed it. Allocates nothing.
    pub(crate) fn verify(&self, text: &[u8]) -> Option<Token> {
        let whole = text::decode(text)?;
        let (bytes, code) = text::split(&whole);
        let fields = Fields::of(bytes);
        // The code covers the version: a token under another version is one that its key did not sign.
        let key = self.0.key(fields.version)?;
        let signed = key.keyed.clone().chain_update(bytes).verify_truncated_left(&code).is_ok();
        signed.then(|| Token::new(whole, fields.tag))
    }
}

impl Ring {
    fn keys(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.signs).chain(&self.accepts)
    }

    fn key(&self, version: u8) -> Option<&Key> {
        self.keys().find(|key| key.version == version)
    }
}

impl Key {
    fn new(version: u8, secret: &[u8]) -> Result<Self, KeyError> {
        Ok(Self { version, keyed: keyed(secret)?.chain_update(TOKEN) })
    }

    fn code(&self, bytes: &[u8]) -> [u8; text::CODE] {
        let mut code = [0; text::CODE];
        let whole = self.keyed.clone().chain_update(bytes).finalize().into_bytes();
        code.iter_mut().zip(whole).for_each(|(byte, of)| *byte = of);
        code
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let versions: Vec<_> = self.0.keys().map(|key| key.version).collect();
        f.debug_struct("Keys").field("versions", &versions).finish_non_exhaustive()
    }
}

fn keyed(secret: &[u8]) -> Result<Hmac<Sha256>, KeyError> {
    let short = || KeyError::TooShort { bytes: secret.len() };
    if secret.len() < 32 {
        return Err(short());
    }
    Hmac::new_from_slice(secret).map_err(|_| short())
}

pub(super) fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    match getrandom::fill(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) => Err(KeyError::Random { source: error.into() }),
    }
}
