//! How a handle comes to what it reads, and to what it wishes for.

use std::sync::Arc;

use serde::Serialize;

use super::log::Log;
use super::state::{Asked, Held, Place, State};
use super::{Inner, Session};
use crate::cookie::{self, Found};
use crate::error::SessionError;
use crate::layer::Outage;
use crate::record::{Name, Value, Values};
use crate::store::Loaded;
use crate::telemetry::Refused;

impl Session {
    pub(super) fn entry<T: Serialize + ?Sized>(
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

    pub(super) async fn wish(&self, name: Name, value: Option<Value>) -> Result<(), SessionError> {
        self.state().open()?;
        self.look(|_, _| ()).await?;
        let mut state = self.state();
        state.open()?;
        let writable = state.writable();
        self.noted(&mut state, Asked::Values, writable)?;
        let there = state.values().map_or_else(Arc::default, Arc::clone);
        self.if_it_fits(&mut state, name, value, |log, name, value| log.wish(name, value, &there))
    }

    pub(super) fn wish_blindly(
        &self,
        name: Name,
        value: Option<Value>,
    ) -> Result<(), SessionError> {
        let mut state = self.state();
        state.accessed = true;
        state.open()?;
        let writable = state.writable();
        self.noted(&mut state, Asked::Values, writable)?;
        self.if_it_fits(&mut state, name, value, Log::wish_blindly)
    }

    /// Makes a wish, or leaves all as it was if there is no room for it. What shall be gone always has it.
    pub(super) fn if_it_fits(
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
    pub(super) async fn look<R>(
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
    pub(super) fn read_cookie(&self, state: &mut State) {
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
    pub(super) fn to_end(&self, state: &mut State) -> Vec<Held> {
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

    /// Notes that a change was not done because the store is away, for the response.
    pub(super) fn noted<T>(
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

pub(super) fn values(loaded: Option<&Loaded>) -> Option<&Values> {
    loaded.map(|loaded| &*loaded.record.values)
}
