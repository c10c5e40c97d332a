//! terrace-session.

use std::time::Duration;

use terrace_session::store::Memory;
use terrace_session::{
    Clock, Expiry, Keys, Session, SessionError, SessionLayer, SystemClock, UnixMillis,
};

use super::{Error, IDLE, Kind, Later};

/// No session ends of its age.
const ABSOLUTE: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

pub(super) struct Terrace;

pub(super) fn layer(later: &Later) -> Result<SessionLayer, Error> {
    let store = Memory::builder().clock(later.clone()).build();
    let expiry = Expiry::new(IDLE, ABSOLUTE);
    Ok(SessionLayer::builder(store, Keys::generate()?).expiry(expiry).build()?)
}

impl Clock for Later {
    fn now(&self) -> UnixMillis {
        SystemClock.now().after(Duration::from_millis(self.millis()))
    }
}

impl Kind for Terrace {
    type Session = Session;
    type Failure = SessionError;

    async fn visits(session: &Session) -> Result<u64, SessionError> {
        Ok(session.get("visits").await?.unwrap_or_default())
    }

    async fn set_visits(session: &Session, visits: u64) -> Result<(), SessionError> {
        session.set("visits", &visits).await
    }

    async fn fill(session: &Session) -> Result<(), SessionError> {
        session.set("theme", "dark").await?;
        session.set("cart", &[11, 22, 33]).await
    }

    async fn login(session: &Session, user: String) -> Result<(), SessionError> {
        session.login(user).await
    }
}
