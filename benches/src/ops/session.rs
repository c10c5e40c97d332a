//! What a session costs a request, over the same service without one.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tower::{Layer, service_fn};

pub use self::hashes::Hashes;
use self::visits::Visits;
use super::Op;

mod hashes;
mod terrace;
mod tower_sessions;
mod visits;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Page = Response<Full<Bytes>>;

/// Visitors, each with a session; one after the other comes.
pub const VISITORS: usize = 250;
/// Each visitor's value before it is changed.
pub const FIRST: u64 = 7;
/// How long sessions are unused before they end, for both: long enough for those whose time is moved on.
const IDLE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// What time moves on with each request of [`Work::Rolling`]: until a visitor comes again, more than the hour after
/// which terrace-session notes the use of such a session again.
const STEP: Duration = Duration::from_secs(16);

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Has no cookie, and does nothing with its session.
    NoCookie,
    /// Has a cookie, and does nothing with its session.
    Untouched,
    /// Gets a value.
    Get,
    /// Gets a value, and sets it to another one.
    Change,
    /// Gets a value of a session that lives longer by it.
    Rolling,
    /// Logs in, under a new id.
    Login,
}

impl Work {
    /// All of them, and what they are called.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::NoCookie, "no cookie"),
        (Self::Untouched, "untouched"),
        (Self::Get, "get"),
        (Self::Change, "get and set"),
        (Self::Rolling, "rolling get"),
        (Self::Login, "login"),
    ];
}

/// What a handler is asked for.
#[derive(Debug, Clone, Copy)]
enum Asked {
    /// Not measured: a new session for the visitor of this number, with all that is in one.
    Begin(usize),
    /// Not measured: the visitor's value, as the body.
    Show,
    /// What is measured, of the visitor of this number.
    Do(Work, usize),
}

/// A kind of sessions.
trait Kind: 'static {
    type Session: Clone + Send + Sync + 'static;
    type Failure: std::error::Error + Send + Sync + 'static;

    fn visits(session: &Self::Session) -> impl Future<Output = Result<u64, Self::Failure>> + Send;
    fn set_visits(
        session: &Self::Session,
        visits: u64,
    ) -> impl Future<Output = Result<(), Self::Failure>> + Send;
    /// What else is in a session: a word and a list.
    fn fill(session: &Self::Session) -> impl Future<Output = Result<(), Self::Failure>> + Send;
    fn login(
        session: &Self::Session,
        user: String,
    ) -> impl Future<Output = Result<(), Self::Failure>> + Send;
}

/// The page that everybody gets.
fn page() -> Page {
    Response::new(Full::new(Bytes::from_static(b"hello")))
}

/// The service without sessions.
async fn bare(_request: Request<Asked>) -> Result<Page, Infallible> {
    Ok(page())
}

/// The same service, with what its visitors do. The ones without sessions take the same way through it.
async fn handle<K: Kind>(request: Request<Asked>) -> Result<Page, Infallible> {
    if let Asked::Do(Work::NoCookie | Work::Untouched, _) = request.body() {
        return Ok(page());
    }
    let Some(session) = request.extensions().get::<K::Session>() else { return Ok(failed()) };
    Ok(work::<K>(session, *request.body()).await.unwrap_or_else(|_| failed()))
}

async fn work<K: Kind>(session: &K::Session, asked: Asked) -> Result<Page, K::Failure> {
    match asked {
        Asked::Begin(visitor) => {
            K::login(session, user(visitor)).await?;
            K::set_visits(session, FIRST).await?;
            K::fill(session).await?;
        }
        Asked::Show => {
            let visits = K::visits(session).await?;
            return Ok(Response::new(Full::new(visits.to_string().into())));
        }
        Asked::Do(Work::NoCookie | Work::Untouched, _) => {}
        Asked::Do(Work::Get | Work::Rolling, _) => {
            std::hint::black_box(K::visits(session).await?);
        }
        Asked::Do(Work::Change, _) => {
            let visits = K::visits(session).await?;
            K::set_visits(session, visits + 1).await?;
        }
        Asked::Do(Work::Login, visitor) => K::login(session, user(visitor)).await?,
    }
    Ok(page())
}

fn user(visitor: usize) -> String {
    format!("user-{visitor:04}")
}

fn failed() -> Page {
    let mut response = page();
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

/// How much later it is than the machine says.
#[derive(Debug, Clone, Default)]
struct Later(Arc<AtomicU64>);

impl Later {
    fn step(&self) {
        let millis = u64::try_from(STEP.as_millis()).unwrap_or(u64::MAX);
        self.0.fetch_add(millis, Ordering::Relaxed);
    }

    fn millis(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A site whose visitors all do the same, as an operation.
pub trait Site: Op {
    /// Requests so far that were measured, how many were answered with 200, and how many answers set a cookie.
    fn answered(&self) -> [u64; 3];

    /// Each visitor's value, as the store has it: [`FIRST`], and one more for each [`Work::Change`].
    ///
    /// # Errors
    ///
    /// If one of them gets no such answer.
    fn values(&mut self) -> Result<Vec<u64>, Error>;
}

/// The service without sessions, and the same visitors.
///
/// # Errors
///
/// If there is no runtime.
pub fn alone(work: Work) -> Result<Box<dyn Site>, Error> {
    let cookie = format!("__Host-id={}", "x".repeat(46));
    Ok(Box::new(Visits::with_cookie(service_fn(bare), work, &cookie)?))
}

/// With terrace-session and its memory store.
///
/// # Errors
///
/// If there is no runtime, or the store does not take a session.
pub fn terrace(work: Work) -> Result<Box<dyn Site>, Error> {
    let later = Later::default();
    let service = terrace::layer(&later)?.layer(service_fn(handle::<terrace::Terrace>));
    Ok(Box::new(Visits::with_sessions(service, work, later)?))
}

/// With tower-sessions 0.15 and its memory store.
///
/// # Errors
///
/// If there is no runtime, or the store does not take a session.
pub fn rival(work: Work) -> Result<Box<dyn Site>, Error> {
    let handler = service_fn(handle::<tower_sessions::TowerSessions>);
    let service = tower_sessions::layer(work).layer(handler);
    Ok(Box::new(Visits::with_sessions(service, work, Later::default())?))
}
