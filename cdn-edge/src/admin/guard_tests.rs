//! Each refusal: the request that is refused, the same one done right, and what happens with the
//! safeguard off.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use proptest::prelude::*;
use tower::ServiceExt as _;

use super::quota::Quota;
use super::rule::{Rule, without};
use super::tests::{Calls, SECRET};
use super::{AdminService, Key, Rate, Refusal, SIGNATURE, Scope, sign};

const UNIX: u64 = 1_700_000_000;
const BODY: &str = r#"{"tag":"news"}"#;

/// One service, whose clock stands where it is put.
struct World {
    service: AdminService<Calls>,
    calls: Calls,
    unix: Arc<AtomicU64>,
}

/// A request, before it is signed.
#[derive(Clone)]
struct Ask {
    id: &'static str,
    secret: &'static str,
    body: String,
    at: u64,
    nonce: u8,
}

impl World {
    fn new() -> Self {
        let calls = Calls::default();
        let unix = Arc::new(AtomicU64::new(UNIX));
        let clock = Arc::clone(&unix);
        let newsroom = Key::new("newsroom", SECRET)
            .unwrap()
            .allow(Scope::Tag { prefix: "new".to_owned() })
            .allow(Scope::Url { prefix: "https://a.test/news/".to_owned() });
        let service = AdminService::builder(calls.clone(), move || clock.load(Ordering::SeqCst))
            .key(newsroom)
            .rate(Rate { per_second: 1, burst: 3 })
            .remembered(8)
            .build()
            .unwrap();
        Self { service, calls, unix }
    }

    fn send(&self, request: Request<Full<Bytes>>) -> Response<Full<Bytes>> {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(self.service.clone().oneshot(request)).unwrap()
    }

    fn ask(&self, ask: &Ask) -> StatusCode {
        self.send(ask.request()).status()
    }
}

impl Ask {
    /// One that is right.
    fn right() -> Self {
        Self { id: "newsroom", secret: SECRET, body: BODY.to_owned(), at: UNIX, nonce: 1 }
    }

    fn signature(&self) -> HeaderValue {
        let key = Key::new(self.id, self.secret).unwrap();
        let body = self.body.as_bytes();
        sign(&key, &Method::POST, "/purge", body, self.at, [self.nonce; 16])
    }

    fn request(&self) -> Request<Full<Bytes>> {
        let request = Request::post("/purge").header(SIGNATURE, self.signature());
        request.body(Full::from(self.body.clone())).unwrap()
    }
}

/// That a request is refused and does nothing, that it is done with the safeguard off, and that the
/// right one is done.
fn guarded(rule: Rule, refusal: Refusal, wrong: impl Fn() -> Request<Full<Bytes>>) {
    let world = World::new();
    let response = world.send(wrong());
    assert_eq!(response.extensions().get::<Refusal>(), Some(&refusal));
    assert_eq!(response.status(), refusal.status());
    assert_eq!(world.calls.count(), 0, "it was done all the same");
    assert_eq!(world.ask(&Ask { nonce: 2, ..Ask::right() }), StatusCode::OK);
    assert_eq!(world.calls.count(), 1);

    let world = World::new();
    without(rule, || assert_eq!(world.send(wrong()).status(), StatusCode::OK));
}

#[test]
fn a_wrong_secret_opens_nothing() {
    let other = "fedcba9876543210fedcba9876543210";
    guarded(Rule::Mac, Refusal::WrongMac, || Ask { secret: other, ..Ask::right() }.request());
}

#[test]
fn another_body_than_the_signed_one_is_refused() {
    guarded(Rule::MacOfBody, Refusal::WrongMac, || {
        let request = Ask::right().request();
        request.map(|_| Full::from(r#"{"tag":"newest"}"#))
    });
}

#[test]
fn a_signature_says_nothing_of_other_paths_queries_and_methods() {
    for path in ["/purge?a", "/preload", "/purge/", "/status"] {
        let world = World::new();
        let mut request = Ask::right().request();
        *request.uri_mut() = path.parse().unwrap();
        let response = world.send(request);
        assert_eq!(response.extensions().get::<Refusal>(), Some(&Refusal::WrongMac), "{path}");
    }
    let world = World::new();
    let mut request = Ask::right().request();
    *request.method_mut() = Method::PUT;
    let response = world.send(request);
    assert_eq!(response.extensions().get::<Refusal>(), Some(&Refusal::WrongMac));
    assert_eq!(world.ask(&Ask::right()), StatusCode::OK);
}

#[test]
fn a_request_of_more_than_a_minute_ago_or_ahead_is_refused() {
    guarded(Rule::Window, Refusal::Stale, || Ask { at: UNIX - 61, ..Ask::right() }.request());
    guarded(Rule::Window, Refusal::Stale, || Ask { at: UNIX + 61, ..Ask::right() }.request());
    for at in [UNIX - 60, UNIX + 60] {
        assert_eq!(World::new().ask(&Ask { at, ..Ask::right() }), StatusCode::OK);
    }
}

#[test]
fn a_tag_outside_of_the_scope_is_refused() {
    let body = r#"{"tag":"sport"}"#.to_owned();
    guarded(Rule::Scope, Refusal::Scope, || Ask { body: body.clone(), ..Ask::right() }.request());
}

#[test]
fn a_body_that_is_too_long_is_refused_before_it_is_hashed() {
    let body = format!("{BODY}{}", " ".repeat(64 * 1024));
    guarded(Rule::BodyLimit, Refusal::TooLarge, || {
        Ask { body: body.clone(), ..Ask::right() }.request()
    });
    let longest = format!("{BODY}{}", " ".repeat(64 * 1024 - BODY.len()));
    assert_eq!(World::new().ask(&Ask { body: longest, ..Ask::right() }), StatusCode::OK);
}

#[test]
fn a_request_that_was_done_is_not_done_again() {
    let twice = || {
        let world = World::new();
        assert_eq!(world.ask(&Ask::right()), StatusCode::OK);
        let again = world.ask(&Ask::right());
        assert_eq!(world.ask(&Ask { nonce: 2, ..Ask::right() }), StatusCode::OK);
        (again, world.calls.count())
    };
    assert_eq!(twice(), (StatusCode::UNAUTHORIZED, 2));
    assert_eq!(without(Rule::Nonce, twice), (StatusCode::OK, 3));
}

#[test]
fn a_request_stays_done_until_its_minute_is_over() {
    let world = World::new();
    // Signed by a clock that is a minute ahead: two minutes during which it could come again.
    let ahead = Ask { at: UNIX + 60, ..Ask::right() };
    assert_eq!(world.ask(&ahead), StatusCode::OK);
    for later in [0, 60, 119, 120, 121] {
        world.unix.store(UNIX + later, Ordering::SeqCst);
        assert_eq!(world.ask(&ahead), StatusCode::UNAUTHORIZED, "{later}");
        assert_eq!(world.calls.count(), 1);
    }
}

#[test]
fn a_clock_that_is_put_back_makes_no_request_new() {
    let put_back = || {
        let world = World::new();
        assert_eq!(world.ask(&Ask::right()), StatusCode::OK);
        world.unix.store(UNIX + 100, Ordering::SeqCst);
        let later = Ask { at: UNIX + 100, nonce: 2, ..Ask::right() };
        assert_eq!(world.ask(&later), StatusCode::OK);
        world.unix.store(UNIX, Ordering::SeqCst);
        world.ask(&Ask::right())
    };
    assert_eq!(put_back(), StatusCode::UNAUTHORIZED);
    assert_eq!(without(Rule::Backwards, put_back), StatusCode::OK);
}

#[test]
fn a_key_that_asks_too_often_is_told_when_to_come_back() {
    let fourth = || {
        let world = World::new();
        let mut answers = (1..=4).map(|nonce| world.send(Ask { nonce, ..Ask::right() }.request()));
        assert!(answers.by_ref().take(3).all(|answer| answer.status() == StatusCode::OK));
        answers.next().unwrap()
    };
    let refused = fourth();
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()["retry-after"], "1");
    assert_eq!(without(Rule::Rate, fourth).status(), StatusCode::OK);
}

#[test]
fn what_nobody_has_signed_costs_a_key_nothing() {
    let world = World::new();
    for nonce in 0..20 {
        let forged = Ask { secret: "fedcba9876543210fedcba9876543210", nonce, ..Ask::right() };
        assert_eq!(world.ask(&forged), StatusCode::UNAUTHORIZED);
    }
    for _ in 0..20 {
        let _ = world.ask(&Ask::right());
    }
    // Of the twenty one was done, and nineteen were replays.
    for nonce in [2, 3] {
        assert_eq!(world.ask(&Ask { nonce, ..Ask::right() }), StatusCode::OK);
    }
}

/// How many of ten requests of one second get in where eight can be remembered.
fn remembered() -> (usize, Option<Refusal>) {
    let now = tokio::time::Instant::now();
    let mut quota = Quota::new(Rate { per_second: 100, burst: 100 }, 8);
    let admitted = (0..10).map(|nonce| quota.admit(UNIX, nonce, UNIX, now));
    let (done, refused): (Vec<_>, Vec<_>) = admitted.partition(Result::is_ok);
    (done.len(), refused.first().and_then(|it| it.err()))
}

#[test]
fn what_cannot_be_remembered_is_refused() {
    assert_eq!(remembered(), (8, Some(Refusal::Full)));
    assert_eq!(without(Rule::Room, remembered), (10, None));
}

#[test]
fn room_comes_back_when_the_minute_is_over() {
    let now = tokio::time::Instant::now();
    let mut quota = Quota::new(Rate { per_second: 100, burst: 100 }, 1);
    assert_eq!(quota.admit(UNIX, 1, UNIX, now), Ok(()));
    assert_eq!(quota.admit(UNIX + 60, 2, UNIX + 60, now), Err(Refusal::Full));
    assert_eq!(quota.admit(UNIX + 61, 2, UNIX + 61, now), Ok(()));
}

proptest! {
    /// Against the plainest bucket there is.
    #[test]
    fn no_more_get_in_than_the_burst_and_the_rate(
        per_second in 1..20_u32,
        burst in 1..20_u32,
        waits in proptest::collection::vec(0..400_u64, 1..200),
    ) {
        let start = tokio::time::Instant::now();
        let mut quota = Quota::new(Rate { per_second, burst }, usize::MAX);
        // In thousandths of a token.
        let (mut tokens, full) = (u64::from(burst) * 1000, u64::from(burst) * 1000);
        let mut passed = 0;
        for (nonce, wait) in waits.into_iter().enumerate() {
            passed += wait;
            tokens = full.min(tokens + wait * u64::from(per_second));
            let now = start + Duration::from_millis(passed);
            let admitted = quota.admit(UNIX, nonce as u128, UNIX, now);
            // A token's time is a fraction of nanoseconds short; a thousandth of a token is not.
            if tokens >= 1001 {
                prop_assert_eq!(admitted, Ok(()));
            } else if tokens <= 999 {
                let too_often = matches!(admitted, Err(Refusal::Rate { .. }));
                prop_assert!(too_often, "{admitted:?} with {tokens}");
            }
            tokens -= if admitted.is_ok() { tokens.min(1000) } else { 0 };
        }
    }
}

#[test]
fn nobody_learns_what_was_wrong_with_a_signature() {
    let world = World::new();
    assert_eq!(world.ask(&Ask::right()), StatusCode::OK);
    let with = |value: &str| {
        let mut request = Ask::right().request();
        request.headers_mut().insert(SIGNATURE, HeaderValue::from_str(value).unwrap());
        request
    };
    let unsigned = Request::post("/purge").body(Full::from(BODY)).unwrap();
    let mut doubled = Ask { nonce: 9, ..Ask::right() }.request();
    doubled.headers_mut().append(SIGNATURE, Ask::right().signature());
    let requests = [
        (unsigned, Refusal::Unsigned),
        (with("v1;key=newsroom"), Refusal::Malformed),
        (doubled, Refusal::Malformed),
        (Ask { at: 0, ..Ask::right() }.request(), Refusal::Stale),
        (Ask { id: "nobody", ..Ask::right() }.request(), Refusal::UnknownKey),
        (Ask { secret: &SECRET[1..33], ..Ask::right() }.request(), Refusal::WrongMac),
        (Ask::right().request(), Refusal::Replayed),
    ];
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut told = std::collections::HashSet::new();
    for (request, refusal) in requests {
        let response = world.send(request);
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.extensions().get::<Refusal>(), Some(&refusal));
        let headers = format!("{:?}", response.headers());
        let body = runtime.block_on(response.into_body().collect()).unwrap().to_bytes();
        assert!(body.ends_with(b"}\n") && body.iter().filter(|it| **it == b'\n').count() == 1);
        told.insert((headers, body));
    }
    assert_eq!(told.len(), 1);
    assert_eq!(world.calls.count(), 1);
}
