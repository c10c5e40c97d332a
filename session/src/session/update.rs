//! Changes that depend on what is there.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Session;
use super::state::{Asked, Held, Place, State};
use crate::error::SessionError;
use crate::record::{Name, Patch, Value};
use crate::store::{Guard, Patched};

/// How often a change is tried again that others were faster than. Four tries at a value that so many change at once are
/// enough to find out that a session is no place for it.
const RETRIES: usize = 3;
/// The longest wait before the second retry, in microseconds: some trips to a store. It doubles with each.
const WAIT: u64 = 4_000;

/// What a change starts from.
struct Base {
    value: Option<Value>,
    /// The session and its version; none if there is no session yet.
    of: Option<(Held, u64)>,
}

impl Session {
    /// Changes a value by what it is, at once, and gives what it is then. No other request's change of it is lost: the store
    /// takes the new value only if the session is still as it was, and `change` is called again with what is there if it
    /// is not.
    ///
    /// Where there is no session, one is created.
    ///
    /// # Errors
    ///
    /// [`SessionError::Conflict`] if others were faster four times, which is safe to try again; [`SessionError::Value`] if what is there
    /// is of another type; and those of [`set`](Self::set).
    ///
    /// # Cancel safety
    ///
    /// Dropped, it has changed the value or has not.
    pub async fn update<T, F>(&self, name: &str, mut change: F) -> Result<T, SessionError>
    where
        T: Serialize + DeserializeOwned,
        F: FnMut(Option<T>) -> T,
    {
        let name = Name::new(name)?;
        let turn = self.begin_late().await;
        let mut tries = 0;
        loop {
            let base = self.base(&name)?;
            let old = base.value.as_ref().map(Value::to).transpose();
            let old = old.map_err(|source| SessionError::value(name.as_str(), source))?;
            let new = change(old);
            let (_, value) = self.entry(name.as_str(), &new)?;
            let done = self.put(&name, value, &base).await;
            if self.settled(done)? {
                drop(turn);
                return Ok(new);
            }
            // Whoever does not know the version asks for it by trying.
            let knew = base.of.is_some_and(|(_, version)| version != 0);
            tries += usize::from(knew);
            if tries > RETRIES {
                return Err(SessionError::Conflict);
            }
            if tries > 1 {
                let longest = WAIT << (tries - 2);
                let wait = self.shared().chance.below(longest);
                tokio::time::sleep(Duration::from_micros(wait)).await;
            }
        }
    }

    fn base(&self, name: &Name) -> Result<Base, SessionError> {
        let mut state = self.state();
        let base = base(&state, name);
        self.noted(&mut state, Asked::Values, base)
    }

    fn settled(&self, done: Result<bool, SessionError>) -> Result<bool, SessionError> {
        let mut state = self.state();
        if let Ok(true) = done {
            state.trouble.values = None;
        }
        self.noted(&mut state, Asked::Values, done)
    }

    /// Puts a value in, and says whether that was done.
    async fn put(&self, name: &Name, value: Value, base: &Base) -> Result<bool, SessionError> {
        let mut patch = Patch::default();
        let Some((held, version)) = &base.of else {
            // Not without what was set before.
            patch = self.state().log.sent();
            patch.set(name.clone(), value);
            self.create(patch.set).await?;
            self.state().log.replaced(name.as_str(), base.value.as_ref());
            return Ok(true);
        };
        patch.set(name.clone(), value);
        let patched = self.shared().patch(&held.key, &patch, Guard::Version(*version)).await?;
        let mut state = self.state();
        match patched {
            Patched::Applied { version } => {
                state.log.replaced(name.as_str(), base.value.as_ref());
                state.patched(&patch, version);
                Ok(true)
            }
            Patched::Conflict(loaded) => {
                state.place = Place::Here(held.clone(), loaded);
                Ok(false)
            }
            Patched::Full => Err(SessionError::Full),
            Patched::Gone => {
                state.ended();
                Err(SessionError::Gone)
            }
        }
    }
}

fn base(state: &State, name: &Name) -> Result<Base, SessionError> {
    state.writable()?;
    let there = state.values().map(|values| &**values);
    let value = state.log.read(name.as_str(), there).cloned();
    let of = match &state.place {
        Place::Here(held, loaded) => Some((held.clone(), loaded.record.version)),
        _ => None,
    };
    Ok(Base { value, of })
}
