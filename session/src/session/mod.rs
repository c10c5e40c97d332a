//! The session of a request: read when asked, written as changes.
//!
//! A handle knows nothing until somebody asks: a request that does not touch its session costs no question to the
//! store. What is set goes into a log, and the log goes to the store as one patch before the head of the response
//! does. Two requests that change different values at the same time both keep theirs, and one that arrives after a
//! logout changes nothing. Logins, logouts and their like act at once, whatever the response will be.

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

use self::log::Log;
use self::state::{Asked, Held, Place, State};
use crate::cookie::{self, Found};
use crate::error::SessionError;
use crate::layer::{Copies, Outage, Shared};
use crate::record::{Name, Value, Values};
use crate::store::Loaded;
use crate::telemetry::Refused;

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
        let Some(first) = headers.get(header::COOKIE) else { return Self::default() };
        let others = headers.get_all(header::COOKIE).iter().skip(1);
        Self { first: Some(first.clone()), others: others.cloned().collect() }
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

    fn entry<T: Serialize + ?Sized>(
        &self,
        name: &str,
        value: &T,
    ) -> Result<(Name, Value), SessionError> {
        let json = Value::of(value).map_err(|source| SessionError::value(name, source))?;
        if json.as_json().len() > self.shared().limits.value {
            return Err(SessionError::Full);
        }
        Ok((Name::new(name)?, json))
    }

    async fn wish(&self, name: Name, value: Option<Value>) -> Result<(), SessionError> {
        self.state().open()?;
        self.look(|_, _| ()).await?;
        let mut state = self.state();
        state.open()?;
        let writable = state.writable();
        self.noted(&mut state, Asked::Values, writable)?;
        let there = state.values().map_or_else(Arc::default, Arc::clone);
        self.if_it_fits(&mut state, name, value, |log, name, value| log.wish(name, value, &there))
    }

    fn wish_blindly(&self, name: Name, value: Option<Value>) -> Result<(), SessionError> {
        let mut state = self.state();
        state.accessed = true;
        state.open()?;
        let writable = state.writable();
        self.noted(&mut state, Asked::Values, writable)?;
        self.if_it_fits(&mut state, name, value, Log::wish_blindly)
    }

    /// Makes a wish, or leaves all as it was if there is no room for it. What shall be gone always has it.
    fn if_it_fits(
        &self,
        state: &mut State,
        name: Name,
        value: Option<Value>,
        wish: impl FnOnce(&mut Log, Name, Option<Value>),
    ) -> Result<(), SessionError> {
        let (before, removes) = (state.log.before(&name), value.is_none());
        wish(&mut state.log, name, value);
        let room = state.has_room(self.shared().limits);
        if removes || room.is_ok() {
            return Ok(());
        }
        state.log.put_back(before);
        room
    }

    /// Looks at the session, which is loaded if it was not.
    async fn look<R>(
        &self,
        read: impl FnOnce(Option<&Loaded>, &Log) -> R,
    ) -> Result<R, SessionError> {
        let known = {
            let mut state = self.state();
            state.accessed = true;
            self.read_cookie(&mut state);
            state.seen(self.outage(&state)).is_some()
        };
        if !known {
            let turn = self.turn().await;
            self.load(&turn).await;
        }
        let state = self.state();
        match state.seen(self.outage(&state)) {
            Some(seen) => seen.map(|loaded| read(loaded, &state.log)),
            // A load leaves nothing open.
            None => Ok(read(None, &state.log)),
        }
    }

    /// Looks at the cookie, if nobody has.
    fn read_cookie(&self, state: &mut State) {
        if !matches!(state.place, Place::Unread) {
            return;
        }
        let Inner { cookies, shared, .. } = &*self.0;
        state.place = Place::Nowhere;
        let forged = || shared.telemetry.refused(Refused::Forged);
        match cookie::find_in(cookies.lines(), shared.cookie.name(), &shared.keys, forged) {
            Found::One(token) => state.place = Place::Token(Held::new(token)),
            Found::None => state.stranger = true,
            Found::Ambiguous => {
                state.ambiguous = true;
                shared.telemetry.refused(Refused::Ambiguous);
            }
        }
    }

    /// What a logout has to end: the session of this request, or all whose tokens came with it if they are several.
    fn to_end(&self, state: &mut State) -> Vec<Held> {
        self.read_cookie(state);
        match state.held() {
            Some(held) => vec![held.clone()],
            None if state.ambiguous => {
                let Inner { cookies, shared, .. } = &*self.0;
                let tokens = cookie::all_in(cookies.lines(), shared.cookie.name(), &shared.keys);
                tokens.into_iter().map(Held::new).collect()
            }
            None => Vec::new(),
        }
    }

    /// There will be no response: nothing that needs one begins any more.
    pub(crate) fn abandon(&self) {
        self.state().closed = true;
    }

    /// Notes that a change was not done because the store is away, for the response.
    fn noted<T>(
        &self,
        state: &mut State,
        asked: Asked,
        done: Result<T, SessionError>,
    ) -> Result<T, SessionError> {
        if let Err(error) = &done
            && error.is_outage()
            && self.outage(state) != Outage::Anonymous
        {
            state.failed(asked, error);
        }
        done
    }
}

fn values(loaded: Option<&Loaded>) -> Option<&Values> {
    loaded.map(|loaded| &*loaded.record.values)
}

/// Says which session it is, and nothing of what is in it.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Session").field("key", &state.held().map(|held| held.key)).finish()
    }
}
