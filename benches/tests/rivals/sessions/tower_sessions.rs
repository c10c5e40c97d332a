use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, service_fn};
use tower_sessions::{MemoryStore, Session, SessionManagerLayer};

use super::scene::{self, Handled, handle};

/// tower-sessions 0.15 with its memory store.
pub(super) struct Rival;

impl scene::Rival for Rival {
    type Handle = Session;

    fn site() -> Handled<Session> {
        let layer = SessionManagerLayer::new(MemoryStore::default());
        BoxCloneSyncService::new(ServiceBuilder::new().layer(layer).service(service_fn(handle)))
    }

    async fn get(session: &Session, name: &str) -> Option<String> {
        session.get(name).await.expect("the store answers")
    }

    async fn set(session: &Session, name: &str, value: &str) {
        session.insert(name, value).await.expect("the store answers");
    }

    async fn sign_in(session: &Session, user: &str) {
        session.cycle_id().await.expect("the store answers");
        Self::set(session, "user", user).await;
    }

    async fn subject(session: &Session) -> Option<String> {
        Self::get(session, "user").await
    }

    async fn sign_out(session: &Session) {
        session.flush().await.expect("the store answers");
    }

    async fn new_id(session: &Session) {
        session.cycle_id().await.expect("the store answers");
    }
}
