//! The origin goes down under load: what may be served stale is, what may not never is, and the origin is left in
//! peace until it is back.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future;
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use terrace_cdn_edge::origin::{BreakerSettings, CapSettings, Guard, Phases, TimedLayer, first_of};
use terrace_cdn_edge::{BoxError, Edge, EdgeBody, EdgeBuilder, EdgeFailure, Profile};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tower::ServiceBuilder;
use tower::util::BoxCloneSyncService;
use tower_layer::Layer;

use support::{Answer, Asked, Origin, answer, ask, edge, full, get, page, settle, status, text};

#[allow(dead_code, reason = "other suites use the rest of it")]
mod support;

const SECOND: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(10);
const KEYS: usize = 200;

/// How the origin is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Up,
    Refuses,
    Answers503,
    /// Takes each request and never answers.
    Hangs,
}

/// What is asked for: a quarter of the keys each.
const KINDS: [(&str, &str); 4] = [
    ("if-error", "max-age=5, stale-if-error=3600"),
    ("plain", "max-age=5"),
    ("behind", "max-age=5, stale-while-revalidate=3600"),
    ("never", "max-age=5, must-revalidate"),
];

fn path(key: usize) -> String {
    format!("/{}/{key}", KINDS[key % KINDS.len()].0)
}

struct Attempt {
    path: String,
    from: Instant,
    until: Option<Instant>,
}

/// A site that can be broken. Its pages say how often that has happened.
#[derive(Clone)]
struct Site {
    state: Arc<Mutex<(Mode, usize)>>,
    attempts: Arc<Mutex<Vec<Attempt>>>,
    origin: Origin,
}

impl Site {
    fn new() -> Self {
        let state = Arc::new(Mutex::new((Mode::Up, 0)));
        let attempts = Arc::new(Mutex::new(Vec::new()));
        let (now, log) = (Arc::clone(&state), Arc::clone(&attempts));
        let origin = Origin::new(move |asked| serve(asked, *now.lock().unwrap(), Arc::clone(&log)));
        Self { state, attempts, origin }
    }

    fn becomes(&self, mode: Mode) {
        let mut state = self.state.lock().unwrap();
        *state = (mode, state.1 + usize::from(mode != Mode::Up));
    }

    /// The attempts since the last time that this was asked.
    fn attempts(&self) -> Vec<Attempt> {
        std::mem::take(&mut self.attempts.lock().unwrap())
    }
}

/// Notes when an attempt ends, given up or not.
struct Note(Arc<Mutex<Vec<Attempt>>>, usize);

impl Drop for Note {
    fn drop(&mut self) {
        if let Some(attempt) = self.0.lock().unwrap().get_mut(self.1) {
            attempt.until = Some(Instant::now());
        }
    }
}

async fn serve(
    asked: Asked,
    (mode, number): (Mode, usize),
    log: Arc<Mutex<Vec<Attempt>>>,
) -> Answer {
    let place = {
        let mut log = log.lock().unwrap();
        log.push(Attempt { path: asked.path.clone(), from: Instant::now(), until: None });
        log.len() - 1
    };
    let _note = Note(log, place);
    sleep(Duration::from_millis(1)).await;
    match mode {
        Mode::Refuses => return Err("connection refused".into()),
        Mode::Answers503 => return Ok(status(StatusCode::SERVICE_UNAVAILABLE)),
        Mode::Hangs => future::pending().await,
        Mode::Up => {}
    }
    let kind = KINDS.iter().find(|(name, _)| asked.path[1..].starts_with(name));
    Ok(answer(&[("cache-control", kind.unwrap().1)], full(number.to_string())))
}

/// An edge, whatever stands behind it.
type Front = BoxCloneSyncService<Request<Empty<Bytes>>, Response<EdgeBody>, BoxError>;

fn tuned(edge: EdgeBuilder) -> EdgeBuilder {
    edge.first_byte_timeout(SECOND * 2).collapse_timeout(SECOND).retry_after_failure(SECOND)
}

fn plain(site: &Site) -> Front {
    BoxCloneSyncService::new(edge(site.origin.clone(), tuned))
}

/// Behind a breaker that sees what does not answer.
fn guarded(site: &Site) -> (Front, Guard) {
    let guard = Guard::new(BreakerSettings::default(), CapSettings::default()).unwrap();
    let timed = TimedLayer::new(Phases::default().first_byte(SECOND)).unwrap();
    let origin = guard.layer(timed.layer(site.origin.clone()));
    let front = ServiceBuilder::new().map_err(BoxError::from).service(edge(origin, tuned));
    (BoxCloneSyncService::new(front), guard)
}

/// One answer.
struct Seen {
    path: String,
    /// When it was asked for, since the load began.
    at: Duration,
    took: Duration,
    status: StatusCode,
    body: String,
}

impl Seen {
    fn is(&self, kind: &str) -> bool {
        self.path[1..].starts_with(kind)
    }
}

/// Two random keys each 10 ms.
async fn load(front: &Front, time: Duration) -> Vec<Seen> {
    let mut random = fastrand::Rng::with_seed(7);
    let start = Instant::now();
    let mut calls = JoinSet::new();
    let mut seen = Vec::new();
    while Instant::now().saturating_duration_since(start) < time {
        for _ in 0..2 {
            let (front, path) = (front.clone(), path(random.usize(..KEYS)));
            calls.spawn(async move {
                let asked = Instant::now();
                let (status, body) = page(&front, &path).await;
                let took = Instant::now().saturating_duration_since(asked);
                Seen { path, at: asked.saturating_duration_since(start), took, status, body }
            });
        }
        sleep(TICK).await;
        while let Some(call) = calls.try_join_next() {
            seen.push(call.unwrap());
        }
    }
    seen.extend(calls.join_all().await);
    seen
}

async fn each(front: &Front) -> Vec<(StatusCode, String)> {
    future::join_all((0..KEYS).map(|key| {
        let front = front.clone();
        async move { page(&front, &path(key)).await }
    }))
    .await
}

/// A minute without the origin, then how long until everything is fresh.
async fn outage(
    front: &Front,
    site: &Site,
    mode: Mode,
    back: &[Duration],
) -> (Vec<Seen>, Vec<Attempt>) {
    each(front).await;
    settle().await;
    site.attempts();
    site.becomes(mode);
    let seen = load(front, SECOND * 60).await;
    let attempts = site.attempts();
    site.becomes(Mode::Up);
    // What is refreshed behind an answer is there with the next one.
    for pause in back {
        sleep(*pause).await;
        each(front).await;
    }
    sleep(TICK).await;
    for (key, (status, body)) in each(front).await.into_iter().enumerate() {
        assert_eq!((status, body.as_str()), (StatusCode::OK, "1"), "{} is back", path(key));
    }
    (seen, attempts)
}

/// The least time between two attempts for one key of a kind.
fn closest(attempts: &[Attempt], kind: &str) -> Duration {
    let mut attempts: Vec<_> =
        attempts.iter().filter(|it| it.path[1..].starts_with(kind)).collect();
    attempts.sort_by_key(|attempt| (attempt.path.clone(), attempt.from));
    let pairs = attempts.windows(2).filter(|pair| pair[0].path == pair[1].path);
    pairs.map(|pair| pair[1].from.saturating_duration_since(pair[0].from)).min().unwrap()
}

fn all_stale(seen: &[Seen], kind: &str) {
    let of_kind: Vec<_> = seen.iter().filter(|seen| seen.is(kind)).collect();
    assert!(of_kind.len() > 1000);
    for Seen { path, at, status, body, .. } in of_kind {
        assert_eq!((*status, body.as_str()), (StatusCode::OK, "0"), "{path} after {at:?}");
    }
}

/// Fresh as long as it is, then never again.
fn never_stale(seen: &[Seen], kind: &str, expected: StatusCode) {
    let mut failed = 0;
    for Seen { path, at, status, body, .. } in seen.iter().filter(|seen| seen.is(kind)) {
        if *at < SECOND * 4 {
            assert_eq!((*status, body.as_str()), (StatusCode::OK, "0"), "{path} after {at:?}");
        } else if *at > SECOND * 5 {
            assert_eq!(*status, expected, "{path} after {at:?}");
            assert_ne!(body, "0", "{path} after {at:?}");
            failed += 1;
        }
    }
    assert!(failed > 1000);
}

#[tokio::test(start_paused = true)]
async fn while_the_origin_refuses_nobody_sees_it_but_those_who_must_not_have_stale_pages() {
    let site = Site::new();
    let (seen, attempts) = outage(&plain(&site), &site, Mode::Refuses, &[SECOND]).await;
    for kind in ["if-error", "plain", "behind"] {
        all_stale(&seen, kind);
        assert!(closest(&attempts, kind) >= SECOND, "{kind}: {:?}", closest(&attempts, kind));
    }
    never_stale(&seen, "never", StatusCode::GATEWAY_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn while_the_origin_answers_503_only_pages_that_allow_it_are_stale() {
    let site = Site::new();
    let (seen, attempts) = outage(&plain(&site), &site, Mode::Answers503, &[SECOND]).await;
    for kind in ["if-error", "behind"] {
        all_stale(&seen, kind);
        assert!(closest(&attempts, kind) >= SECOND, "{kind}: {:?}", closest(&attempts, kind));
    }
    for kind in ["plain", "never"] {
        never_stale(&seen, kind, StatusCode::SERVICE_UNAVAILABLE);
    }
}

#[tokio::test(start_paused = true)]
async fn while_the_origin_swallows_requests_nobody_waits_longer_than_said() {
    let site = Site::new();
    let (seen, attempts) = outage(&plain(&site), &site, Mode::Hangs, &[SECOND * 3]).await;
    for kind in ["if-error", "plain", "behind"] {
        all_stale(&seen, kind);
        // The whole of an attempt, then the pause.
        assert!(closest(&attempts, kind) >= SECOND * 3, "{kind}: {:?}", closest(&attempts, kind));
    }
    never_stale(&seen, "never", StatusCode::GATEWAY_TIMEOUT);
    let slowest = seen.iter().map(|seen| seen.took).max().unwrap();
    assert!(slowest <= SECOND * 3 + TICK, "{slowest:?}");
}

#[tokio::test(start_paused = true)]
async fn without_a_pause_after_a_failure_an_outage_costs_an_attempt_a_request() {
    let site = Site::new();
    let origin = site.origin.clone();
    let tuned = |edge| tuned(edge).retry_after_failure(Duration::from_millis(1));
    let front = BoxCloneSyncService::new(edge(origin, tuned));
    let (_, attempts) = outage(&front, &site, Mode::Refuses, &[SECOND]).await;
    assert!(closest(&attempts, "if-error") < SECOND);
}

#[tokio::test(start_paused = true)]
async fn behind_a_breaker_an_outage_costs_a_probe_now_and_then_and_one_at_a_time() {
    for mode in [Mode::Refuses, Mode::Answers503, Mode::Hangs] {
        let site = Site::new();
        let (front, guard) = guarded(&site);
        let start = Instant::now();
        // The longest pause between two probes, then that of the pages that were refused beside the probe.
        let (seen, attempts) = outage(&front, &site, mode, &[SECOND * 31, SECOND]).await;
        // An open breaker is an origin that cannot be reached, whatever it said before.
        for kind in ["if-error", "behind"] {
            all_stale(&seen, kind);
        }
        assert_eq!(guard.opened(), 1, "{mode:?}");
        // After 1, 2, 4, 8, 16 and 30 seconds, from the moment when the first pages have become stale.
        let is_late = |it: &&Attempt| it.from.saturating_duration_since(start) > SECOND * 8;
        let late: Vec<_> = attempts.iter().filter(is_late).collect();
        assert!((2..=6).contains(&late.len()), "{mode:?}: {} attempts", late.len());
        for pair in late.windows(2) {
            assert!(pair[0].until.unwrap() <= pair[1].from, "{mode:?}: two at a time");
        }
        let early = attempts.len() - late.len();
        let bound = if mode == Mode::Hangs { KEYS * 2 } else { 20 };
        assert!(early <= bound, "{mode:?}: {early} attempts until the breaker was open");
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_without_leave_is_not_served_stale_because_another_client_gave_it() {
    let origin = Origin::new(|asked| async move {
        if asked.number > 0 {
            return Ok(status(StatusCode::SERVICE_UNAVAILABLE));
        }
        Ok(answer(&[("cache-control", "max-age=5")], full("old")))
    });
    let edge = edge(origin.clone(), |edge| edge.profile(Profile::Rfc));
    page(&edge, "/").await;
    settle().await;
    sleep(SECOND * 6).await;
    let mut lenient = get("/");
    lenient.headers_mut().insert("cache-control", "stale-if-error=600".parse().unwrap());
    let response = ask(&edge, lenient).await;
    assert_eq!(text(response).await.unwrap(), "old");
    // The origin answered: nothing lets this one have it.
    assert_eq!(page(&edge, "/").await, (StatusCode::SERVICE_UNAVAILABLE, "error".to_owned()));
    assert_eq!(origin.asked(), 3);
}

fn with_page(edge: EdgeBuilder) -> EdgeBuilder {
    edge.fallback(|uri| {
        let mut response = Response::new(Bytes::from_static(b"back soon"));
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        (uri.path() != "/none").then_some(response)
    })
}

async fn broken_after_one(control: &'static str) -> Edge<Origin> {
    let origin = Origin::new(move |asked| async move {
        match asked.number {
            0 => Ok(answer(&[("cache-control", control)], full("old"))),
            _ => Err("connection refused".into()),
        }
    });
    let edge = edge(origin, with_page);
    page(&edge, "/").await;
    settle().await;
    sleep(SECOND * 6).await;
    edge
}

#[tokio::test(start_paused = true)]
async fn a_fallback_stands_in_where_nothing_stored_may() {
    let edge = broken_after_one("max-age=5").await;
    assert_eq!(page(&edge, "/").await.1, "old");
    for path in ["/other", "/other"] {
        let response = ask(&edge, get(path)).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert!(matches!(response.extensions().get(), Some(EdgeFailure::Origin(_))));
        assert_eq!(text(response).await.unwrap(), "back soon");
    }
    assert_eq!(page(&edge, "/none").await.0, StatusCode::BAD_GATEWAY);
    let edge = broken_after_one("max-age=5, must-revalidate").await;
    assert_eq!(page(&edge, "/").await.1, "back soon");
}

#[tokio::test(start_paused = true)]
async fn a_second_origin_answers_for_the_first_and_its_answer_is_stored() {
    let first = Origin::new(|_| async { Err("connection refused".into()) });
    let second = Origin::new(|_| async {
        Ok(answer(&[("cache-control", "max-age=60")], full("from the second")))
    });
    let edge = edge(first_of([first.clone(), second.clone()]).unwrap(), |edge| edge);
    for _ in 0..2 {
        assert_eq!(page(&edge, "/").await, (StatusCode::OK, "from the second".to_owned()));
        settle().await;
    }
    assert_eq!((first.asked(), second.asked()), (1, 1));
}
