//! What a visitor's session was asked for is shown to nobody else, whatever the handler says about caches: neither
//! `terrace-cache` nor `terrace-cdn-edge` keeps it.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use terrace_cache::layer::Keyed;
use terrace_cache::{Cache, CacheLayer};
use terrace_cdn_edge::{EdgeLayer, Profile};
use terrace_session::store::Memory;
use terrace_session::{Keys, Session, SessionError, SessionLayer};
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

type Fields = &'static [(&'static str, &'static str)];
type Page = Response<Full<Bytes>>;

/// How a handler tells caches that they may keep its response.
const LEAVE: [Fields; 5] = [
    &[("cache-control", "public, s-maxage=60")],
    &[("cache-control", "max-age=60, must-revalidate")],
    &[("cdn-cache-control", "max-age=60")],
    &[("cache-control", "public, max-age=60"), ("cdn-cache-control", "public, max-age=60")],
    &[("cache-control", "no-store"), ("cdn-cache-control", "max-age=60")],
];

/// What a handler does with the session, where there is one.
#[derive(Debug, Clone, Copy)]
enum Touch {
    Nothing,
    Reads,
    Sets,
    LogsIn,
}

const TOUCHES: [Touch; 3] = [Touch::Reads, Touch::Sets, Touch::LogsIn];

/// A handler that counts.
#[derive(Debug, Clone)]
struct Handler {
    leave: Fields,
    touch: Touch,
    asked: Arc<AtomicUsize>,
}

impl Handler {
    async fn page<B>(self, request: Request<B>) -> Result<Page, Infallible> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let session = request.extensions().get::<Session>().cloned();
        drop(request);
        if let Some(session) = session {
            touched(&session, self.touch).await.expect("the store answers");
        }
        let mut page = Response::new(Full::from("a page"));
        for (name, value) in self.leave {
            let (name, value) = (HeaderName::from_static(name), HeaderValue::from_static(value));
            page.headers_mut().insert(name, value);
        }
        Ok(page)
    }
}

async fn touched(session: &Session, touch: Touch) -> Result<(), SessionError> {
    match touch {
        Touch::Nothing => Ok(()),
        Touch::Reads => session.get::<String>("color").await.map(drop),
        Touch::Sets => session.set("color", "red").await,
        Touch::LogsIn => session.login("ann").await,
    }
}

/// A page behind a cache, and with or without sessions between them.
struct Site {
    visit: BoxCloneSyncService<Request<Empty<Bytes>>, (), Infallible>,
    asked: Arc<AtomicUsize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behind {
    Cache,
    Edge(Profile),
}

/// The edge by its own rules, and by those of the RFC, which lets it keep more.
const ALL: [Behind; 3] = [Behind::Cache, Behind::Edge(Profile::Secure), Behind::Edge(Profile::Rfc)];

impl Site {
    fn new(behind: Behind, sessions: Option<SessionLayer>, leave: Fields, touch: Touch) -> Self {
        let asked = Arc::default();
        let handler = Handler { leave, touch, asked: Arc::clone(&asked) };
        let visit = match behind {
            Behind::Cache => {
                let pages: Cache<String, Page> = Cache::builder("pages").build().expect("a cache");
                // As careless as can be: a key that names nobody, and says that it does.
                let key = |request: &Request<Empty<Bytes>>| {
                    Some(Keyed::by_principal(request.uri().path().to_owned()))
                };
                let inner = service_fn(move |request| handler.clone().page(request));
                let stack = ServiceBuilder::new().layer(CacheLayer::new(pages, key));
                visited(stack.option_layer(sessions).service(inner))
            }
            Behind::Edge(profile) => {
                let edge = EdgeLayer::builder().profile(profile).seed(1).build().expect("an edge");
                let inner = service_fn(move |request| handler.clone().page(request));
                visited(ServiceBuilder::new().layer(edge).option_layer(sessions).service(inner))
            }
        };
        Self { visit, asked }
    }

    /// Visits the page, to the end of its body and of whatever that leaves to do.
    async fn visit(&self, cookie: Option<&HeaderValue>) {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = "http://example.com/page".parse().expect("a URI");
        if let Some(cookie) = cookie {
            request.headers_mut().insert(COOKIE, cookie.clone());
        }
        let Ok(()) = self.visit.clone().oneshot(request).await;
        for _ in 0..32 {
            tokio::task::yield_now().await;
        }
    }

    /// Whether the second visitor, a stranger, sees what the first one was shown.
    async fn keeps(&self, first: Option<&HeaderValue>) -> bool {
        self.visit(first).await;
        self.visit(None).await;
        self.asked.load(Ordering::SeqCst) == 1
    }
}

fn visited<S, B>(service: S) -> BoxCloneSyncService<Request<Empty<Bytes>>, (), Infallible>
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: std::fmt::Debug,
    B: BodyExt + Send,
    B::Error: std::fmt::Debug,
    B::Data: Send,
{
    BoxCloneSyncService::new(service_fn(move |request| {
        let service = service.clone();
        async move {
            let page = service.oneshot(request).await.expect("nothing fails");
            page.into_body().collect().await.expect("a whole body");
            Ok(())
        }
    }))
}

fn sessions() -> SessionLayer {
    SessionLayer::new(Memory::new(), Keys::generate().expect("random numbers"))
}

/// The cookie of a visitor who has logged in.
async fn cookie(sessions: &SessionLayer) -> HeaderValue {
    let handler = Handler { leave: &[], touch: Touch::LogsIn, asked: Arc::default() };
    let inner = service_fn(move |request| handler.clone().page(request));
    let site = ServiceBuilder::new().layer(sessions.clone()).service(inner);
    let Ok(page) = site.oneshot(Request::new(())).await;
    let set = page.headers()[SET_COOKIE].to_str().expect("letters");
    set.split(';').next().and_then(|pair| pair.parse().ok()).expect("a cookie")
}

#[tokio::test]
async fn what_a_session_was_asked_for_is_kept_by_no_shared_cache() {
    for behind in ALL {
        for leave in LEAVE {
            for touch in TOUCHES {
                let sessions = sessions();
                let known = cookie(&sessions).await;
                // What is read of no session is nobody's: the next test is about that.
                let strangers = (!matches!(touch, Touch::Reads)).then_some(None);
                for first in strangers.into_iter().chain([Some(&known)]) {
                    let site = Site::new(behind, Some(sessions.clone()), leave, touch);
                    let case = format!("{behind:?} {leave:?} {touch:?} {}", first.is_some());
                    assert!(!site.keeps(first).await, "{case}");
                }
            }
        }
    }
}

#[tokio::test]
async fn what_strangers_are_shown_is_shown_to_nobody_who_has_a_session() {
    for behind in ALL {
        for leave in LEAVE {
            let sessions = sessions();
            let known = cookie(&sessions).await;
            let site = Site::new(behind, Some(sessions), leave, Touch::Reads);
            site.visit(None).await;
            site.visit(Some(&known)).await;
            assert_eq!(site.asked.load(Ordering::SeqCst), 2, "{behind:?} {leave:?}");
        }
    }
}

#[tokio::test]
async fn control_without_sessions_the_same_response_is_kept() {
    for behind in ALL {
        for leave in LEAVE.iter().filter(|leave| is_kept_by(behind, leave)) {
            for touch in TOUCHES {
                let site = Site::new(behind, None, leave, touch);
                assert!(site.keeps(None).await, "{behind:?} {leave:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_response_that_did_not_touch_the_session_is_kept() {
    for behind in ALL {
        for leave in LEAVE.iter().filter(|leave| is_kept_by(behind, leave)) {
            let site = Site::new(behind, Some(sessions()), leave, Touch::Nothing);
            assert!(site.keeps(None).await, "{behind:?} {leave:?}");
        }
    }
}

/// `terrace-cache` is not a CDN, and keeps nothing with `no-store`.
fn is_kept_by(behind: Behind, leave: &[(&str, &str)]) -> bool {
    behind != Behind::Cache || !leave.contains(&("cache-control", "no-store"))
}
