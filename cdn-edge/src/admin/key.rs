use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit as _};
use sha2::Sha256;

use super::control::PurgeTarget;
use super::error::AdminError;
use super::rule::{self, Rule};
use super::target;
use crate::purge::Prefix;

/// HMAC-SHA-256 gets no stronger by a longer secret, and weaker by a shorter one.
const MIN_SECRET: usize = 32;

/// Who may ask, and for what: an ID, a shared secret, and scopes.
///
/// A client needs none of the scopes to sign. The secret is not kept, only the state of the hash
/// that was fed with it, and neither is in what `Debug` prints. A clone is the same key.
#[derive(Clone)]
pub struct Key {
    id: Arc<str>,
    mac: Hmac<Sha256>,
    scopes: Vec<Scope>,
}

/// What a key may do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scope {
    /// Purge URLs, paths and prefixes below this beginning of an authority and path,
    /// `example.org/img/`; a whole authority without a slash. Who may purge a whole authority may
    /// purge its groups too.
    Url {
        /// The beginning.
        prefix: String,
    },
    /// Purge the tags that begin with this.
    Tag {
        /// The beginning.
        prefix: String,
    },
    /// Purge anything, also everything at once. Says nothing of the two below.
    All,
    /// Have URLs fetched.
    Preload,
    /// Read the report, in which there are URLs.
    Read,
}

impl Key {
    /// A key that may do nothing yet.
    ///
    /// The secret is at least 32 random bytes, for example of `openssl rand -hex 32`.
    ///
    /// # Errors
    ///
    /// [`AdminError::KeyId`] and [`AdminError::ShortSecret`].
    pub fn new(id: impl AsRef<str>, secret: impl AsRef<[u8]>) -> Result<Self, AdminError> {
        let (id, secret) = (id.as_ref(), secret.as_ref());
        if !is_id(id) {
            return Err(AdminError::KeyId(id.to_owned()));
        }
        let mac = Hmac::new_from_slice(secret).ok().filter(|_| secret.len() >= MIN_SECRET);
        let mac = mac.ok_or_else(|| AdminError::ShortSecret(id.to_owned()))?;
        Ok(Self { id: id.into(), mac, scopes: Vec::new() })
    }

    /// Adds a scope.
    #[must_use]
    pub fn allow(mut self, scope: Scope) -> Self {
        self.scopes.push(scope);
        self
    }

    /// Its ID.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn shared_id(&self) -> Arc<str> {
        Arc::clone(&self.id)
    }

    pub(super) fn mac(&self) -> Hmac<Sha256> {
        self.mac.clone()
    }

    pub(super) fn check(&self) -> Result<(), AdminError> {
        if self.scopes.is_empty() {
            return Err(AdminError::NoScope(self.id.to_string()));
        }
        match self.scopes.iter().any(Scope::is_empty) {
            true => Err(AdminError::EmptyScope(self.id.to_string())),
            false => Ok(()),
        }
    }

    pub(super) fn may_purge(&self, purged: &PurgeTarget) -> bool {
        !rule::on(Rule::Scope) || self.scopes.iter().any(|scope| scope.allows(purged))
    }

    pub(super) fn may_preload(&self) -> bool {
        !rule::on(Rule::Scope) || self.scopes.contains(&Scope::Preload)
    }

    pub(super) fn may_read(&self) -> bool {
        !rule::on(Rule::Scope) || self.scopes.contains(&Scope::Read)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id).field("scopes", &self.scopes).finish()
    }
}

impl Scope {
    fn allows(&self, purged: &PurgeTarget) -> bool {
        let below = |url: &str| match self {
            Self::Url { prefix } => Prefix::new(target::place(prefix)).covers(&Prefix::new(url)),
            _ => false,
        };
        match (self, purged) {
            (Self::All, _) => true,
            (Self::Tag { prefix }, PurgeTarget::Tag(name)) => name.starts_with(prefix),
            (
                _,
                PurgeTarget::Url(url)
                | PurgeTarget::UrlPath(url)
                | PurgeTarget::Prefix(url)
                | PurgeTarget::Group { origin: url, .. },
            ) => below(target::place(url)),
            _ => false,
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Url { prefix } => target::prefix(prefix).is_err(),
            Self::Tag { prefix } => prefix.is_empty(),
            Self::All | Self::Preload | Self::Read => false,
        }
    }
}

/// What is sure to pass through a header field and a log unchanged.
pub(super) fn is_id(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=64).contains(&id.len()) && id.bytes().all(plain)
}
