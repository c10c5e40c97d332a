#![expect(
    clippy::disallowed_types,
    reason = "callers pass the wall time in; nothing reads it here"
)]

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::codec::{self, Payload, TAG, Tag};
use super::{KeyError, Token, TokenError, file};

/// Bytes of a key, at least: as many as the hash has.
const SHORTEST: usize = 32;
/// How far ahead another machine's clock may be, in seconds.
const SKEW: u64 = 60;
/// Keeps tokens apart from whatever else is signed with the same key.
const DOMAIN: &[u8] = b"terrace-db token\0";

/// Signs tokens, and believes those that it signed.
///
/// All processes that serve the same users need the same key: put it into a file that they share
/// ([`from_file`](Self::from_file)), or into the service's configuration ([`new`](Self::new)).
///
/// # Examples
///
/// ```
/// use std::time::SystemTime;
/// use terrace_db::{Position, SystemId, Token, TokenError, TokenKey};
///
/// let now = SystemTime::now();
/// let issued = now.duration_since(SystemTime::UNIX_EPOCH)?.as_secs() as u32;
/// let position = Position::new(1, 0x16B_3748);
/// let token = Token { system: SystemId(7), position, seen: 0, issued };
///
/// let key = TokenKey::new([7; 32])?;
/// let text = key.sign(&token); // into a header, a cookie, or a message in a queue
/// assert_eq!(key.verify(&text, now)?, token);
/// assert_eq!(TokenKey::generate()?.verify(&text, now), Err(TokenError::Forged));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Clone
///
/// Clones share the secret, and are cheap.
#[derive(Clone)]
pub struct TokenKey {
    /// Keyed, and fed with the domain. The first signs; all verify.
    keyed: Arc<[Hmac<Sha256>]>,
    max_age: Duration,
}

impl TokenKey {
    /// A key of these bytes, which should be random ones.
    ///
    /// # Errors
    ///
    /// [`KeyError::TooShort`] if there are fewer than 32.
    pub fn new(bytes: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        let bytes = bytes.as_ref();
        let short = || KeyError::TooShort { bytes: bytes.len() };
        if bytes.len() < SHORTEST {
            return Err(short());
        }
        let keyed = Hmac::new_from_slice(bytes).map_err(|_| short())?.chain_update(DOMAIN);
        Ok(Self { keyed: Arc::new([keyed]), max_age: Duration::from_secs(60 * 60) })
    }

    /// A new key that nobody else has.
    ///
    /// Its tokens die with this process: good for tests, and for a service that is one process.
    ///
    /// # Errors
    ///
    /// [`KeyError::Random`] if the operating system has no random numbers.
    pub fn generate() -> Result<Self, KeyError> {
        Self::new(file::random::<SHORTEST>()?)
    }

    /// The key in this file: one line of at least 64 hexadecimal digits, as `openssl rand -hex 32`
    /// prints them.
    ///
    /// If there is no such file, it is created, readable for its owner alone. Processes that do so
    /// at the same time get the same key: the file that was there first stays. Its directory must
    /// exist. Blocks on the file system for a moment.
    ///
    /// # Errors
    ///
    /// [`KeyError::File`] if the file can be neither read nor created, [`KeyError::Content`] if
    /// it holds something else; both name it. [`KeyError::Random`] as with
    /// [`generate`](Self::generate).
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, KeyError> {
        Self::new(file::read_or_create(path.as_ref())?)
    }

    /// Also believes the tokens of `older`, but signs none with it.
    ///
    /// To change keys without forgetting what users wrote: first let all processes know the new key
    /// as an older one, then sign with the new one, and drop the old one after
    /// [`max_age`](Self::max_age).
    #[must_use]
    pub fn also(self, older: &Self) -> Self {
        let keyed = self.keyed.iter().chain(older.keyed.iter()).cloned().collect();
        Self { keyed, ..self }
    }

    /// Believes no token that is older than this, in whole seconds. Default 1 hour: a replica that
    /// lags by that much has left the read set long ago, so an older token asks for what all have.
    #[must_use]
    pub fn max_age(self, max_age: Duration) -> Self {
        Self { max_age, ..self }
    }

    pub(crate) fn longest_age(&self) -> Duration {
        self.max_age
    }

    /// The token as text: 60 letters, digits, `-` and `_`, fit for headers, cookies and URLs.
    #[must_use]
    pub fn sign(&self, token: &Token) -> String {
        let payload = codec::payload(token);
        let mut tag: Tag = [0; TAG];
        if let Some(keyed) = self.keyed.first() {
            let whole = keyed.clone().chain_update(payload).finalize().into_bytes();
            tag.iter_mut().zip(whole).for_each(|(byte, of)| *byte = of);
        }
        codec::join(&payload, &tag)
    }

    /// The token that the text is, as of `now`. The text may come from anywhere.
    ///
    /// Clocks of different machines differ: a token may come from up to 60 s ahead. One from
    /// further ahead is refused like one that is too old, although somebody with the key has made
    /// it: it would outlive its age by as much as that clock was wrong.
    ///
    /// # Errors
    ///
    /// [`TokenError`] says whether it is no token, not ours, or not of this time.
    pub fn verify(&self, text: &str, now: SystemTime) -> Result<Token, TokenError> {
        self.verify_bytes(text.as_bytes(), now)
    }

    pub(crate) fn verify_bytes(&self, text: &[u8], now: SystemTime) -> Result<Token, TokenError> {
        let (payload, tag) = codec::split(text).ok_or(TokenError::Malformed)?;
        let token = codec::token(&payload).ok_or(TokenError::Malformed)?;
        if !self.keyed.iter().any(|keyed| signed(keyed, &payload, &tag)) {
            return Err(TokenError::Forged);
        }
        let (issued, now) = (u64::from(token.issued), unix(now));
        if issued > now + SKEW || now.saturating_sub(issued) > self.max_age.as_secs() {
            return Err(TokenError::Expired);
        }
        Ok(token)
    }
}

/// Compares in constant time.
fn signed(keyed: &Hmac<Sha256>, payload: &Payload, tag: &Tag) -> bool {
    keyed.clone().chain_update(payload).verify_truncated_left(tag).is_ok()
}

/// Seconds since the epoch; a clock before it counts as standing on it.
fn unix(now: SystemTime) -> u64 {
    now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// When a token was made, as tokens say it. They do so until the year 2106.
pub(super) fn issued(now: SystemTime) -> u32 {
    u32::try_from(unix(now)).unwrap_or(u32::MAX)
}

/// Says nothing of the secret.
impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenKey").field("max_age", &self.max_age).finish_non_exhaustive()
    }
}
