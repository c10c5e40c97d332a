//! The session of a request: read when asked, written as changes.
//!
//! A handle knows nothing until somebody asks: a request that does not touch its session costs no question to the
//! store. What is set goes into a log, and the log goes to the store as one patch before the head of the response
//! does. Two requests that change different values at the same time both keep theirs, and one that arrives after a
//! logout changes nothing. Logins, logouts and their like act at once, whatever the response will be.

mod access;
mod commit;
mod data;
mod devices;
mod log;
mod login;
mod operators;
mod plan;
mod security;
mod state;
mod turn;
mod update;

pub use data::{SessionData, SessionValue};
pub use devices::{DeviceId, InvalidDeviceId, SignedIn};
pub use login::Login;
pub use operators::Sessions;

pub(crate) use commit::Closing;
pub(crate) use plan::{Readers, Verdict};

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;

use self::access::values;
use self::state::State;
use crate::error::SessionError;
use crate::layer::{Copies, Outage, Shared};
use crate::record::Name;
use crate::store::Loaded;

/// The session of a request.
///
/// The [`SessionLayer`](crate::SessionLayer) puts one into the extensions of each request. With the feature `axum` it is an extractor.
///
/// Values have names and are JSON. Changes of values are sent to the store when the handler has answered, before the
/// head of the response leaves, and are dropped if the answer is 500 or more. To the handler itself they are there
/// at once.
///
/// After the head has left (in a body that streams, or in a task that outlives the request) reading works as before, and
/// counts as no use of the session: the browser could not be told to keep its cookie longer. Of the changes, only
/// [`update`](Self::update) works, as long as there is a session: everything else is [`SessionError::Committed`]. So it is
/// when the request was dropped before it had a response.
///
/// # Errors
///
/// Every method that asks the store fails with [`SessionError::Unavailable`] or [`SessionError::Unknown`] if that does not
/// answer, by the [`Outage`] policy of the route, and with [`SessionError::Invalid`] if it cannot. A request asks
/// a store once that does not answer a load: later reads are told the same.
///
/// # Cancel safety
///
/// Reading may be dropped. [`login`](Self::login), [`logout`](Self::logout), [`elevate`](Self::elevate), [`renew`](Self::renew) and
/// the revocations are finished once they have begun, and the response has their cookie.
///
/// # Clone
///
/// Clones are the same session.
#[derive(Clone)]
pub struct Session(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    cookies: Cookies,
    // Guards what the request knows, a few lines at a time, and is never held across an await.
    state: Mutex<State>,
    /// Held by whoever asks the store in a way that changes the state: loads once, and one change after the other.
    turn: Semaphore,
}

/// The lines with cookies, which nobody may ever read.
#[derive(Default)]
struct Cookies {
    first: Option<HeaderValue>,
    others: Vec<HeaderValue>,
}

impl Cookies {
    fn of(headers: &HeaderMap) -> Self {
        let mut lines = headers.get_all(header::COOKIE).iter();
        let Some(first) = lines.next() else { return Self::default() };
        Self { first: Some(first.clone()), others: lines.cloned().collect() }
    }

    fn lines(&self) -> impl Iterator<Item = &HeaderValue> {
        self.first.iter().chain(&self.others)
    }
}

impl Session {
    pub(crate) fn new(shared: Arc<Shared>, headers: &HeaderMap) -> Self {
        let cookies = Cookies::of(headers);
        let turn = Semaphore::new(1);
        Self(Arc::new(Inner { shared, cookies, state: Mutex::default(), turn }))
    }

    /// The value of this name, as the store has it or as it was set since.
    ///
    /// # Errors
    ///
    /// [`SessionError::Value`] if it is of another type, and those of the [store](Self#errors).
    pub async fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, SessionError> {
        let value = self.look(|loaded, log| log.read(name, values(loaded)).cloned()).await?;
        let typed = value.map(|value| value.to()).transpose();
        typed.map_err(|source| SessionError::value(name, source))
    }

    /// Sets a value. The last one who sets a name wins, within a request and between two. Setting what is there already
    /// writes nothing.
    ///
    /// Where there is no session, one is created with the response, under a token that nobody has chosen.
    ///
    /// # Errors
    ///
    /// [`SessionError::Name`], [`SessionError::Value`] if it cannot be JSON, [`SessionError::Full`] if there is no room for it,
    /// [`SessionError::Gone`], [`SessionError::Committed`], and those of the [store](Self#errors).
    pub async fn set<T: Serialize + ?Sized>(
        &self,
        name: &str,
        value: &T,
    ) -> Result<(), SessionError> {
        let (name, value) = self.entry(name, value)?;
        self.wish(name, Some(value)).await
    }

    /// Removes a value.
    ///
    /// # Errors
    ///
    /// Those of [`set`](Self::set).
    pub async fn remove(&self, name: &str) -> Result<(), SessionError> {
        let name = Name::new(name)?;
        self.wish(name, None).await
    }

    /// Sets a value without a look at the session: a request that does nothing else asks the store once.
    ///
    /// If the request has a token and the session has ended, nothing is created in its place.
    ///
    /// # Errors
    ///
    /// Those of [`set`](Self::set), but for those of the store: they come with the response.
    pub fn set_blind<T: Serialize + ?Sized>(
        &self,
        name: &str,
        value: &T,
    ) -> Result<(), SessionError> {
        let (name, value) = self.entry(name, value)?;
        self.wish_blindly(name, Some(value))
    }

    /// Removes a value without a look at the session.
    ///
    /// # Errors
    ///
    /// Those of [`set_blind`](Self::set_blind).
    pub fn remove_blind(&self, name: &str) -> Result<(), SessionError> {
        let name = Name::new(name)?;
        self.wish_blindly(name, None)
    }

    /// Who is logged in.
    ///
    /// # Errors
    ///
    /// Those of the [store](Self#errors).
    pub async fn subject(&self) -> Result<Option<Arc<str>>, SessionError> {
        self.look(|loaded, _| loaded.and_then(|loaded| loaded.record.subject.clone())).await
    }

    /// Whether the subject proved to be who they say not longer ago than this: at the login or with
    /// [`elevate`](Self::elevate).
    ///
    /// # Errors
    ///
    /// Those of the [store](Self#errors).
    pub async fn authenticated_within(&self, duration: Duration) -> Result<bool, SessionError> {
        let within = |loaded: &Loaded| {
            loaded.record.authenticated.is_some_and(|at| loaded.now.since(at) <= duration)
        };
        self.look(|loaded, _| loaded.is_some_and(within)).await
    }

    /// Something to find the session by in logs, if the request has a token of ours: the beginning of a hash of it. The
    /// store is not asked.
    #[must_use]
    pub fn fingerprint(&self) -> Option<String> {
        let mut state = self.state();
        self.read_cookie(&mut state);
        state.held().map(|held| held.key.to_string())
    }

    pub(crate) fn set_outage(&self, outage: Outage) {
        if let Outage::StaleOk(_) = outage {
            self.shared().copies.get_or_init(Copies::new);
        }
        self.state().outage = Some(outage);
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.0.shared
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each step leaves it whole, so that a panic elsewhere is no reason to give it up.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn outage(&self, state: &State) -> Outage {
        state.outage.unwrap_or(self.shared().outage)
    }

    /// There will be no response: nothing that needs one begins any more.
    pub(crate) fn abandon(&self) {
        self.state().closed = true;
    }
}

/// Says which session it is, and nothing of what is in it.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Session").field("key", &state.held().map(|held| held.key)).finish()
    }
}
