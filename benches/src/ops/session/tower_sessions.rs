//! tower-sessions 0.15.

use ::tower_sessions::cookie::time::Duration;
use ::tower_sessions::session::Error;
use ::tower_sessions::{Expiry, MemoryStore, Session, SessionManagerLayer};

use super::{IDLE, Kind, Work};

pub(super) struct TowerSessions;

/// A session of it only lives longer when it is saved.
pub(super) fn layer(work: Work) -> SessionManagerLayer<MemoryStore> {
    let idle = Duration::try_from(IDLE).unwrap_or(Duration::WEEK);
    SessionManagerLayer::new(MemoryStore::default())
        .with_expiry(Expiry::OnInactivity(idle))
        .with_always_save(work == Work::Rolling)
}

impl Kind for TowerSessions {
    type Session = Session;
    type Failure = Error;

    async fn visits(session: &Session) -> Result<u64, Error> {
        Ok(session.get("visits").await?.unwrap_or_default())
    }

    async fn set_visits(session: &Session, visits: u64) -> Result<(), Error> {
        session.insert("visits", visits).await
    }

    async fn fill(session: &Session) -> Result<(), Error> {
        session.insert("theme", "dark").await?;
        session.insert("cart", [11, 22, 33]).await
    }

    /// As its documentation says.
    async fn login(session: &Session, user: String) -> Result<(), Error> {
        session.cycle_id().await?;
        session.insert("user", user).await
    }
}
