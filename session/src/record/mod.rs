//! What a session is, and how it is changed: pure, and the same for every store.

mod device;
mod name;
mod patch;
mod value;

pub use device::Device;
pub use name::{InvalidName, Name};
pub(crate) use patch::fit;
pub use patch::{Limits, Patch, apply, size};
pub use value::Value;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clock::UnixMillis;

/// The values of a session, by name.
pub type Values = BTreeMap<Name, Value>;

/// A session as a store holds it.
///
/// # Clone
///
/// Cheap: values are shared, and copied when one of the clones changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Counts the changes of values, from 1.
    pub version: u64,
    /// When it began: at its creation, or the last login.
    pub created: UnixMillis,
    /// Its last use that was noted.
    pub last_seen: UnixMillis,
    /// When it ends unused: from here on it is gone.
    pub expires: UnixMillis,
    /// When it ends in any case. `expires` is never later.
    pub absolute: UnixMillis,
    /// Who is logged in. It never changes under one key: a login moves the session to a new one.
    pub subject: Option<Arc<str>>,
    /// When the subject last proved to be who they say: at the login, or since.
    pub authenticated: Option<UnixMillis>,
    /// Since when it has this key.
    pub renewed: UnixMillis,
    /// What it is used with.
    pub device: Device,
    /// Its values.
    pub values: Arc<Values>,
}

impl Record {
    /// Whether it is over, as of `now`.
    #[must_use]
    pub fn is_expired(&self, now: UnixMillis) -> bool {
        now >= self.expires || now >= self.absolute
    }
}
