use std::fmt;
use std::ops::Deref;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Session;
use crate::error::SessionError;

/// A type that has a place of its own in every session.
pub trait SessionValue: Serialize + DeserializeOwned + Default {
    /// The name of the value.
    const NAME: &'static str;
}

/// A value of a session, typed, as it was when the request asked for it. With the feature `axum` it is an extractor.
///
/// Where there is none, it is the type's default.
///
/// # Examples
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use terrace_session::{SessionData, SessionError, SessionValue};
///
/// #[derive(Default, Deserialize, Serialize)]
/// struct Cart {
///     items: Vec<u64>,
/// }
///
/// impl SessionValue for Cart {
///     const NAME: &'static str = "cart";
/// }
///
/// async fn add(mut cart: SessionData<Cart>, item: u64) -> Result<String, SessionError> {
///     cart.update(|cart| cart.items.push(item)).await?;
///     Ok(format!("{} items", cart.items.len()))
/// }
/// ```
pub struct SessionData<T> {
    session: Session,
    value: T,
}

impl<T: SessionValue> SessionData<T> {
    /// The value of this type in a session.
    ///
    /// # Errors
    ///
    /// Those of [`Session::get`].
    pub async fn of(session: &Session) -> Result<Self, SessionError> {
        let value = session.get(T::NAME).await?.unwrap_or_default();
        Ok(Self { session: session.clone(), value })
    }

    /// Changes it by what it is, at once, as [`Session::update`] does: other requests' changes of it are not lost, and `change`
    /// may be called several times, each time with what is there.
    ///
    /// # Errors
    ///
    /// Those of [`Session::update`].
    ///
    /// # Cancel safety
    ///
    /// Dropped, it has changed the value or has not.
    pub async fn update(&mut self, mut change: impl FnMut(&mut T)) -> Result<(), SessionError> {
        let changed = |old: Option<T>| {
            let mut value = old.unwrap_or_default();
            change(&mut value);
            value
        };
        self.value = self.session.update(T::NAME, changed).await?;
        Ok(())
    }

    /// The session that it is in.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The value alone.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T> Deref for SessionData<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// Does not show the value, which is somebody's.
impl<T> fmt::Debug for SessionData<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionData").field("session", &self.session).finish_non_exhaustive()
    }
}
