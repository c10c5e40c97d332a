//! A site with sessions, of one kind or the other, and what visitors do there.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{COOKIE, SET_COOKIE};
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use tokio::sync::Barrier;
use tower::ServiceExt;
use tower::util::BoxCloneSyncService;

pub(super) type Answer = Response<Empty<Bytes>>;
/// What a handler does with its session.
pub(super) type Work<H> = Arc<dyn Fn(H) -> BoxFuture<'static, StatusCode> + Send + Sync>;
pub(super) type Handled<H> = BoxCloneSyncService<Request<Work<H>>, Answer, Infallible>;

/// A kind of sessions.
pub(super) trait Rival: 'static {
    type Handle: Clone + Send + Sync + 'static;

    /// A site whose requests bring along what its handler does.
    fn site() -> Handled<Self::Handle>;
    fn get(session: &Self::Handle, name: &str) -> impl Future<Output = Option<String>> + Send;
    fn set(session: &Self::Handle, name: &str, value: &str) -> impl Future<Output = ()> + Send;
    fn sign_in(session: &Self::Handle, user: &str) -> impl Future<Output = ()> + Send;
    fn subject(session: &Self::Handle) -> impl Future<Output = Option<String>> + Send;
    fn sign_out(session: &Self::Handle) -> impl Future<Output = ()> + Send;
    fn new_id(session: &Self::Handle) -> impl Future<Output = ()> + Send;
}

/// What all handlers do: the work that the request brought.
pub(super) async fn handle<H: Clone + Send + Sync + 'static>(
    request: Request<Work<H>>,
) -> Result<Answer, Infallible> {
    let session = request.extensions().get::<H>().expect("the layer gives a session").clone();
    let status = request.into_body()(session).await;
    let mut answer = Answer::default();
    *answer.status_mut() = status;
    Ok(answer)
}

pub(super) struct Site<R: Rival> {
    handled: Handled<R::Handle>,
    /// Two requests have read their session.
    met: Arc<Barrier>,
}

impl<R: Rival> Site<R> {
    pub(super) fn new() -> Self {
        Self { handled: R::site(), met: Arc::new(Barrier::new(2)) }
    }

    /// The status, and the cookie that the answer sets, if it sets one that means something.
    async fn send(
        &self,
        cookie: Option<&str>,
        work: impl Fn(R::Handle) -> BoxFuture<'static, StatusCode> + Send + Sync + 'static,
    ) -> (StatusCode, Option<String>) {
        let mut request = Request::new(Arc::new(work) as Work<R::Handle>);
        if let Some(cookie) = cookie {
            request.headers_mut().insert(COOKIE, cookie.parse().expect("a header"));
        }
        let answer = match self.handled.clone().oneshot(request).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        };
        let set = answer.headers().get(SET_COOKIE).and_then(|set| set.to_str().ok());
        let pair = set.and_then(|set| set.split(';').next()).filter(|pair| !pair.ends_with('='));
        (answer.status(), pair.map(str::to_owned))
    }

    pub(super) async fn sign_in(&self, user: &'static str) -> String {
        let work = move |session| -> BoxFuture<'static, _> {
            Box::pin(async move {
                R::sign_in(&session, user).await;
                StatusCode::OK
            })
        };
        self.send(None, work).await.1.expect("a cookie")
    }

    pub(super) async fn sign_out(&self, cookie: &str) {
        let work = |session| -> BoxFuture<'static, _> {
            Box::pin(async move {
                R::sign_out(&session).await;
                StatusCode::OK
            })
        };
        self.send(Some(cookie), work).await;
    }

    /// Reads, waits until another has read too, then sets.
    pub(super) async fn meet_and_set(
        &self,
        cookie: &str,
        name: &'static str,
        value: &'static str,
    ) -> StatusCode {
        let met = Arc::clone(&self.met);
        let work = move |session| -> BoxFuture<'static, _> {
            let met = Arc::clone(&met);
            Box::pin(async move {
                R::get(&session, name).await;
                met.wait().await;
                R::set(&session, name, value).await;
                StatusCode::OK
            })
        };
        self.send(Some(cookie), work).await.0
    }

    /// Reads, waits for the event, then sets a value. Gives the cookie that the answer set.
    pub(super) async fn read_then_set_after(
        &self,
        cookie: &str,
        event: impl Future<Output = ()>,
    ) -> Option<String> {
        let met = Arc::clone(&self.met);
        let work = move |session| -> BoxFuture<'static, _> {
            let met = Arc::clone(&met);
            Box::pin(async move {
                R::get(&session, "cart").await;
                met.wait().await;
                met.wait().await;
                R::set(&session, "cart", "three records").await;
                StatusCode::OK
            })
        };
        let elsewhere = async {
            self.met.wait().await;
            event.await;
            self.met.wait().await;
        };
        let ((_, set), ()) = tokio::join!(self.send(Some(cookie), work), elsewhere);
        set
    }

    pub(super) async fn renew_and_fail(&self, cookie: &str) -> Option<String> {
        let work = |session| -> BoxFuture<'static, _> {
            Box::pin(async move {
                R::new_id(&session).await;
                StatusCode::SERVICE_UNAVAILABLE
            })
        };
        self.send(Some(cookie), work).await.1
    }

    pub(super) async fn has(&self, cookie: &str, name: &'static str) -> bool {
        let work = move |session| -> BoxFuture<'static, _> {
            Box::pin(async move {
                match R::get(&session, name).await {
                    Some(_) => StatusCode::FOUND,
                    None => StatusCode::NOT_FOUND,
                }
            })
        };
        self.send(Some(cookie), work).await.0 == StatusCode::FOUND
    }

    pub(super) async fn subject(&self, cookie: &str) -> Option<String> {
        let found = Arc::new(std::sync::Mutex::new(None));
        let seen = Arc::clone(&found);
        let work = move |session| -> BoxFuture<'static, _> {
            let seen = Arc::clone(&seen);
            Box::pin(async move {
                let subject = R::subject(&session).await;
                *seen.lock().expect("no panic") = subject;
                StatusCode::OK
            })
        };
        self.send(Some(cookie), work).await;
        found.lock().expect("no panic").take()
    }
}
