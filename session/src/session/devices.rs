use std::error::Error;
use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;

use super::Session;
use super::state::{Held, Place};
use crate::clock::UnixMillis;
use crate::error::SessionError;
use crate::record::{Device, Record};
use crate::store::Listed;
use crate::token::SessionKey;

/// Names one session of a user, to that user: the first half of what the store knows it by, in hex. Nobody can come in with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId([u8; 16]);

impl DeviceId {
    /// The id of the session under this key.
    #[must_use]
    pub fn of(key: &SessionKey) -> Self {
        let mut id = [0; 16];
        id.iter_mut().zip(key.hash()).for_each(|(byte, of)| *byte = *of);
        Self(id)
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl FromStr for DeviceId {
    type Err = InvalidDeviceId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| InvalidDeviceId)?;
        bytes.try_into().map(Self).map_err(|_| InvalidDeviceId)
    }
}

/// A text that is no [`DeviceId`]: it has other than 32 digits, or other than `0` to `9` and `a` to `f`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidDeviceId;

impl fmt::Display for InvalidDeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the id of a device is 32 digits in hex")
    }
}

impl Error for InvalidDeviceId {}

/// A session of a user, for a list that they read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignedIn {
    /// Its name, for [`Session::revoke_device`].
    pub id: DeviceId,
    /// What it is used with.
    pub device: Device,
    /// When it began.
    pub created: UnixMillis,
    /// Its last use that was noted.
    pub last_seen: UnixMillis,
    /// When it ends unused.
    pub expires: UnixMillis,
    /// Whether it is the one that asks.
    pub current: bool,
}

impl Session {
    /// The sessions of whoever is logged in, the last used first.
    ///
    /// # Errors
    ///
    /// [`SessionError::NotLoggedIn`], [`SessionError::Gone`], and those of the [store](Self#errors).
    pub async fn devices(&self) -> Result<Vec<SignedIn>, SessionError> {
        let turn = self.begin_late().await;
        let listed = self.list().await?;
        drop(turn);
        Ok(listed.into_iter().map(|(_, signed_in)| signed_in).collect())
    }

    /// Ends one session of whoever is logged in, at once, and says whether there was one of this name. The names of other users'
    /// sessions lead to none. Naming the session that asks is a [`logout`](Self::logout).
    ///
    /// # Errors
    ///
    /// [`SessionError::NotLoggedIn`], [`SessionError::Gone`], and those of the [store](Self#errors).
    ///
    /// # Cancel safety
    ///
    /// Once it has found the session, it is finished, whoever waits for it.
    pub async fn revoke_device(&self, id: &DeviceId) -> Result<bool, SessionError> {
        let turn = self.begin_late().await;
        let listed = self.list().await?;
        let Some((key, found)) = listed.into_iter().find(|(_, of)| of.id == *id) else {
            return Ok(false);
        };
        if found.current {
            drop(turn);
            return self.logout().await.map(|()| true);
        }
        let session = self.clone();
        self.finish(turn, async move { session.shared().delete(&key).await }).await
    }

    async fn list(&self) -> Result<Vec<(SessionKey, SignedIn)>, SessionError> {
        let (held, subject) = self.whose()?;
        let own = match &self.state().place {
            Place::Here(_, loaded) if loaded.moved => Own::MovedFrom(loaded.record.clone()),
            _ => Own::Under(held),
        };
        let listed = self.shared().list(&subject).await?;
        let signed_in = |listed: Listed| {
            let Listed { key, created, last_seen, expires, device } = listed;
            let current = own.is(&key, created, &device);
            let id = DeviceId::of(&key);
            (key, SignedIn { id, device, created, last_seen, expires, current })
        };
        Ok(listed.into_iter().map(signed_in).collect())
    }
}

/// How to tell the session that asks from the others.
enum Own {
    Under(Held),
    /// It came with its old key, and is listed under a new one that is not known here.
    MovedFrom(std::sync::Arc<Record>),
}

impl Own {
    fn is(&self, key: &SessionKey, created: UnixMillis, device: &Device) -> bool {
        match self {
            Self::Under(held) => held.key == *key,
            Self::MovedFrom(record) => record.created == created && record.device == *device,
        }
    }
}
