//! One thing after the other: who asks the store in the name of a session waits for their turn.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::SemaphorePermit;

use super::state::{Asked, Held, Place};
use super::{Inner, Session};
use crate::error::{SessionError, StoreError};
use crate::expiry::Touch;
use crate::layer::{Copies, Outage};
use crate::store::Loaded;

/// The right to ask the store. Given back when it is dropped, also by a task that outlives its request.
pub(crate) struct Turn(Arc<Inner>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.turn.add_permits(1);
    }
}

impl Session {
    /// Waits until nobody else is at it.
    pub(super) async fn turn(&self) -> Turn {
        // Mostly nobody is, and there is nothing to wait for.
        if let Some(turn) = self.turn_now() {
            return turn;
        }
        // It is never closed.
        if let Ok(permit) = self.0.turn.acquire().await {
            SemaphorePermit::forget(permit);
        }
        Turn(Arc::clone(&self.0))
    }

    /// A turn, if nobody is at it.
    pub(super) fn turn_now(&self) -> Option<Turn> {
        let permit = self.0.turn.try_acquire().ok()?;
        permit.forget();
        Some(Turn(Arc::clone(&self.0)))
    }

    /// Loads the session, if that was not done.
    pub(super) async fn load(&self, _turn: &Turn) {
        let shared = self.shared();
        let (held, outage, touch) = {
            let mut state = self.state();
            self.read_cookie(&mut state);
            let outage = self.outage(&state);
            // A use that is noted has to be told to the browser, or its cookie would end before the session does.
            let touch = if state.closed { Touch::Never } else { shared.touch() };
            match &state.place {
                Place::Token(held) => (held.clone(), outage, touch),
                _ => return,
            }
        };
        let answer = shared.load(&held.key, touch).await;
        let mut state = self.state();
        match answer {
            Ok(loaded) => state.loaded(held, loaded, shared.cookie.is_sent_again()),
            Err(error) => {
                let copy = find_copy(shared.copies.get(), &held, outage);
                state.place = without_store(held, copy, error);
            }
        }
    }

    /// Does something to its end, also if nobody waits for it any more.
    pub(super) async fn finish<T: Send + 'static>(
        &self,
        turn: Turn,
        work: impl Future<Output = Result<T, SessionError>> + Send + 'static,
    ) -> Result<T, SessionError> {
        let session = self.clone();
        let work = async move {
            let done = work.await;
            let mut state = session.state();
            let done = session.noted(&mut state, Asked::Security, done);
            if done.is_ok() {
                state.trouble.security = None;
            }
            drop(state);
            drop(turn);
            done
        };
        to_its_end(work).await
    }
}

/// Does something also if nobody waits for it any more.
pub(super) async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, SessionError>> + Send + 'static,
) -> Result<T, SessionError> {
    match Handle::try_current() {
        Ok(runtime) => match runtime.spawn(work).await {
            Ok(done) => done,
            Err(ended) => Err(StoreError::Unknown(ended.into()).into()),
        },
        // Not on tokio: then it ends with its caller.
        Err(_) => work.await,
    }
}

fn find_copy(copies: Option<&Copies>, held: &Held, outage: Outage) -> Option<Loaded> {
    match outage {
        Outage::StaleOk(younger) => copies?.find(&held.key, younger),
        Outage::FailClosed | Outage::Anonymous => None,
    }
}

/// A load has failed. What the store cannot do at all is no outage, and no reason for a copy.
fn without_store(held: Held, copy: Option<Loaded>, error: SessionError) -> Place {
    match copy {
        Some(copy) if error.is_outage() => Place::Copy(held, copy, error),
        _ => Place::Away(held, error),
    }
}
