use terrace_session::store::Memory;
use terrace_session::{Keys, Session, SessionLayer};
use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, service_fn};

use super::scene::{self, Handled, handle};

/// terrace-session with its memory store.
pub(super) struct Rival;

impl scene::Rival for Rival {
    type Handle = Session;

    fn site() -> Handled<Session> {
        let layer = SessionLayer::new(Memory::default(), Keys::generate().expect("random numbers"));
        BoxCloneSyncService::new(ServiceBuilder::new().layer(layer).service(service_fn(handle)))
    }

    async fn get(session: &Session, name: &str) -> Option<String> {
        session.get(name).await.expect("the store answers")
    }

    async fn set(session: &Session, name: &str, value: &str) {
        // A session that was ended meanwhile takes nothing, and says so at the end of the request.
        session.set(name, value).await.expect("the store answers");
    }

    async fn sign_in(session: &Session, user: &str) {
        session.login(user).await.expect("the store answers");
    }

    async fn subject(session: &Session) -> Option<String> {
        session.subject().await.expect("the store answers").map(|subject| subject.to_string())
    }

    async fn sign_out(session: &Session) {
        session.logout().await.expect("the store answers");
    }

    async fn new_id(session: &Session) {
        session.renew().await.expect("the store answers");
    }
}
