use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use proptest::prelude::*;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::signature::Claim;
use super::{
    Action, AdminError, AdminService, AuditEvent, Control, Key, Miss, Preloaded, Purge,
    PurgeOutcome, PurgeTarget, Rate, Refusal, Report, SIGNATURE, Scope, sign,
};
use crate::purge::{Mode, Sequence};

pub(super) const SECRET: &str = "a secret of more than 32 bytes, in words";
const UNIX: u64 = 1_700_000_000;

/// A cache that remembers what it was asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Calls {
    purges: Arc<Mutex<Vec<Purge>>>,
    /// Preloads never end.
    stuck: bool,
}

impl Calls {
    pub(super) fn count(&self) -> usize {
        self.purges.lock().unwrap().len()
    }
}

impl Control for Calls {
    fn purge(&self, purge: Purge) -> PurgeOutcome {
        let mut purges = self.purges.lock().unwrap();
        purges.push(purge);
        PurgeOutcome { sequence: Sequence(purges.len() as u64) }
    }

    async fn preload(&self, urls: Vec<Uri>) -> Vec<Preloaded> {
        if self.stuck {
            std::future::pending::<()>().await;
        }
        let stored = |url: &Uri| Preloaded { url: url.to_string(), stored: true, reason: "stored" };
        urls.iter().map(stored).collect()
    }

    fn report(&self) -> Report {
        let miss =
            Miss { url: "https://a.test/".to_owned(), count: 3, reason: "private", bytes: 7 };
        let decisions = [("hit", [("fresh", 9)].into())].into();
        Report { hit_ratio: 0.5, top_misses: vec![miss], decisions, ..Report::default() }
    }
}

fn key() -> Key {
    let key = Key::new("all", SECRET).unwrap();
    key.allow(Scope::All).allow(Scope::Preload).allow(Scope::Read)
}

type Events = Arc<Mutex<Vec<AuditEvent>>>;

fn service(calls: &Calls, key: Key) -> (AdminService<Calls>, Events) {
    let events = Events::default();
    let kept = Arc::clone(&events);
    let builder = AdminService::builder(calls.clone(), || UNIX)
        .key(key)
        .rate(Rate { per_second: 1000, burst: 1000 })
        .audit(move |event| kept.lock().unwrap().push(event.clone()));
    (builder.build().unwrap(), events)
}

fn signed(method: &Method, path: &str, body: &[u8], nonce: [u8; 16]) -> Request<Full<Bytes>> {
    let signature = sign(&key(), method, path, body, UNIX, nonce);
    let request = Request::builder().method(method).uri(path).header(SIGNATURE, signature);
    request.body(Full::from(body.to_vec())).unwrap()
}

async fn answer(
    service: &AdminService<Calls>,
    request: Request<Full<Bytes>>,
) -> (StatusCode, Value) {
    let response = service.clone().oneshot(request).await.unwrap();
    let status = response.status();
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.headers()["cache-control"], "no-store");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

/// What becomes of a body that is signed rightly.
async fn purge_with(key: Key, body: &str) -> (StatusCode, Value, Vec<Purge>) {
    let calls = Calls::default();
    let (service, _) = service(&calls, key);
    let request = signed(&Method::POST, "/purge", body.as_bytes(), [1; 16]);
    let (status, value) = answer(&service, request).await;
    let purges = calls.purges.lock().unwrap().clone();
    (status, value, purges)
}

#[tokio::test]
async fn every_target_reaches_the_cache_as_it_was_named() {
    let text = str::to_owned;
    let group = PurgeTarget::Group { origin: text("https://a.test"), name: text("news") };
    let cases = [
        (r#"{"url":"https://a.test/b?v=1"}"#, PurgeTarget::Url(text("https://a.test/b?v=1"))),
        (r#"{"path":"http://a.test/b"}"#, PurgeTarget::UrlPath(text("http://a.test/b"))),
        (r#"{"tag":"front page"}"#, PurgeTarget::Tag(text("front page"))),
        (r#"{"group":{"origin":"https://a.test","name":"news"}}"#, group),
        (r#"{"prefix":"https://a.test/b/"}"#, PurgeTarget::Prefix(text("a.test/b/"))),
        (r#"{"prefix":"a.test"}"#, PurgeTarget::Prefix(text("a.test"))),
        (r#"{"all":true}"#, PurgeTarget::All),
    ];
    for (body, target) in cases {
        for (mode, wanted) in [("", Mode::Hard), ("soft", Mode::Soft), ("hard", Mode::Hard)] {
            let mut body: Value = serde_json::from_str(body).unwrap();
            if !mode.is_empty() {
                body["mode"] = json!(mode);
            }
            let (status, value, purges) = purge_with(key(), &body.to_string()).await;
            assert_eq!((status, value["sequence"].as_u64()), (StatusCode::OK, Some(1)));
            assert_eq!(purges, [Purge { target: target.clone(), mode: wanted }]);
        }
    }
}

#[tokio::test]
async fn a_body_that_asks_for_nothing_is_answered_with_the_field_that_is_wrong() {
    let cases = [
        ("", "body:"),
        ("[]", "body:"),
        ("{\"tag\":", "body:"),
        ("{}", "one of url, path, tag, group, prefix and all is needed"),
        (r#"{"mode":"soft"}"#, "one of url"),
        (r#"{"tag":"a","mode":"gentle"}"#, "mode:"),
        (r#"{"tag":7}"#, "tag:"),
        (r#"{"tag":""}"#, "tag:"),
        ("{\"tag\":\"a\\u0000\"}", "tag:"),
        (r#"{"all":false}"#, "all:"),
        (r#"{"all":1}"#, "all:"),
        (r#"{"everything":true}"#, "everything: unknown field"),
        (r#"{"url":"/b"}"#, "url:"),
        (r#"{"url":"ftp://a.test/"}"#, "url:"),
        (r#"{"url":"https://user@a.test/"}"#, "url:"),
        (r#"{"url":"https://a.test/#b"}"#, "url:"),
        (r#"{"url":null}"#, "url:"),
        (r#"{"path":"a.test"}"#, "path:"),
        (r#"{"prefix":""}"#, "prefix:"),
        (r#"{"prefix":"/b"}"#, "prefix:"),
        (r#"{"prefix":"ftp://a.test"}"#, "prefix:"),
        (r#"{"prefix":"https://"}"#, "prefix:"),
        (r#"{"prefix":"a.test/?b"}"#, "prefix:"),
        (r#"{"prefix":"user@a.test/"}"#, "prefix:"),
        (r#"{"group":"news"}"#, "group:"),
        (r#"{"group":{"origin":"https://a.test/","name":"b"}}"#, "group.origin:"),
        (r#"{"group":{"name":"b"}}"#, "group.origin:"),
        (r#"{"group":{"origin":"https://a.test"}}"#, "group.name:"),
        (r#"{"group":{"origin":"https://a.test","name":"b","c":1}}"#, "group.c:"),
    ];
    for (body, wanted) in cases {
        let (status, value, purges) = purge_with(key(), body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        let told = value["error"].as_str().unwrap();
        assert!(told.starts_with(wanted), "{body}: {told}");
        assert_eq!(purges, []);
    }
    // Which of two comes first is a matter of a feature that others may switch on.
    let (status, value, purges) = purge_with(key(), r#"{"tag":"a","all":true}"#).await;
    let told = value["error"].as_str().unwrap();
    assert!(told.ends_with(": one target is enough"), "{told}");
    assert_eq!((status, purges), (StatusCode::BAD_REQUEST, vec![]));
}

#[tokio::test]
async fn a_scope_allows_what_is_below_it_and_nothing_beside_it() {
    let below = |prefix: &str| Scope::Url { prefix: prefix.to_owned() };
    let tag = |prefix: &str| Scope::Tag { prefix: prefix.to_owned() };
    let group = r#"{"group":{"origin":"https://a.test","name":"b"}}"#;
    let cases = [
        (below("a.test/img/"), r#"{"url":"https://a.test/img/b?v=1"}"#, true),
        (below("https://A.test/img/"), r#"{"path":"http://a.TEST/img/b"}"#, true),
        (below("a.test/img/"), r#"{"prefix":"a.test/img/b"}"#, true),
        (below("a.test"), r#"{"prefix":"a.test"}"#, true),
        (below("a.test"), group, true),
        (tag("article-"), r#"{"tag":"article-7"}"#, true),
        (Scope::All, r#"{"all":true}"#, true),
        (Scope::All, group, true),
        (below("a.test/img/"), r#"{"url":"https://a.test/imgs"}"#, false),
        (below("a.test/img/"), r#"{"url":"https://b.test/img/b"}"#, false),
        (below("a.test/img/"), r#"{"url":"https://a.test:8443/img/b"}"#, false),
        (below("a.test/img/"), r#"{"url":"https://a.test/IMG/b"}"#, false),
        (below("a.test/img/"), r#"{"prefix":"a.test/im"}"#, false),
        (below("a.test/img/"), r#"{"prefix":"a.test"}"#, false),
        (below("a.test/img/"), group, false),
        (below("a.test"), r#"{"url":"https://a.test.evil.test/"}"#, false),
        (below("a.test"), r#"{"tag":"a.test/"}"#, false),
        (below("a.test"), r#"{"all":true}"#, false),
        (tag("article-"), r#"{"tag":"article"}"#, false),
        (tag("article-"), r#"{"url":"https://article-7/"}"#, false),
        (tag("article-"), r#"{"all":true}"#, false),
        (Scope::Read, r#"{"tag":"a"}"#, false),
        (Scope::Preload, r#"{"tag":"a"}"#, false),
    ];
    for (scope, body, allowed) in cases {
        let key = Key::new("all", SECRET).unwrap().allow(scope.clone());
        let (status, _, purges) = purge_with(key, body).await;
        let wanted = if allowed { StatusCode::OK } else { StatusCode::FORBIDDEN };
        assert_eq!(status, wanted, "{scope:?} {body}");
        assert_eq!(purges.len(), usize::from(allowed));
    }
}

#[tokio::test]
async fn who_may_purge_everything_may_neither_preload_nor_read() {
    let (service, _) =
        service(&Calls::default(), Key::new("all", SECRET).unwrap().allow(Scope::All));
    let status = signed(&Method::GET, "/status", b"", [1; 16]);
    assert_eq!(answer(&service, status).await.0, StatusCode::FORBIDDEN);
    let preload = signed(&Method::POST, "/preload", br#"{"urls":["http://a.test/"]}"#, [2; 16]);
    assert_eq!(answer(&service, preload).await.0, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn urls_are_preloaded_and_the_report_is_read() {
    let (service, _) = service(&Calls::default(), key());
    let body = br#"{"urls":["http://a.test/","http://a.test/b?c"]}"#;
    let (status, value) = answer(&service, signed(&Method::POST, "/preload", body, [1; 16])).await;
    assert_eq!(status, StatusCode::OK);
    let second = json!({ "url": "http://a.test/b?c", "stored": true, "reason": "stored" });
    assert_eq!(value["preloaded"][1], second);

    let (status, value) = answer(&service, signed(&Method::GET, "/status", b"", [2; 16])).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(value["hit_ratio"], 0.5);
    assert_eq!(value["top_misses"][0]["reason"], "private");
    assert_eq!(value["decisions"]["hit"]["fresh"], 9);
}

#[tokio::test]
async fn a_list_that_cannot_be_preloaded_is_answered_with_the_place_that_is_wrong() {
    let (service, _) = service(&Calls::default(), key());
    let many = json!({ "urls": vec!["http://a.test/"; 257] }).to_string();
    let cases = [
        ("{}", "urls:"),
        (r#"{"urls":"http://a.test/"}"#, "urls:"),
        (r#"{"urls":[]}"#, "urls:"),
        (r#"{"urls":["http://a.test/","b"]}"#, "urls[1]:"),
        (r#"{"urls":["http://a.test/"],"now":true}"#, "now:"),
        (&many, "urls:"),
    ];
    for (nonce, (body, wanted)) in (1..).zip(cases) {
        let request = signed(&Method::POST, "/preload", body.as_bytes(), [nonce; 16]);
        let (status, value) = answer(&service, request).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert!(value["error"].as_str().unwrap().starts_with(wanted), "{body}: {value}");
    }
}

#[tokio::test]
async fn only_whoever_signs_learns_which_paths_there_are() {
    let (service, _) = service(&Calls::default(), key());
    for path in ["/", "/purge", "/nothing"] {
        let request = Request::get(path).body(Full::default()).unwrap();
        assert_eq!(answer(&service, request).await.0, StatusCode::UNAUTHORIZED);
    }
    let unknown = signed(&Method::GET, "/nothing", b"", [1; 16]);
    assert_eq!(answer(&service, unknown).await.0, StatusCode::NOT_FOUND);
    let method = signed(&Method::GET, "/purge", b"", [2; 16]);
    let response = service.clone().oneshot(method).await.unwrap();
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(response.headers()["allow"], "POST");
}

#[tokio::test(start_paused = true)]
async fn neither_a_body_nor_a_preload_keeps_a_request_for_ever() {
    let calls = Calls { stuck: true, ..Calls::default() };
    let (service, _) = service(&calls, key());
    let body = br#"{"urls":["http://a.test/"]}"#;
    let request = signed(&Method::POST, "/preload", body, [1; 16]);
    let started = tokio::time::Instant::now();
    assert_eq!(answer(&service, request).await.0, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(tokio::time::Instant::now() - started, Duration::from_secs(60));

    let signature = sign(&key(), &Method::POST, "/purge", b"", UNIX, [2; 16]);
    let frames = futures_util::stream::pending::<Result<http_body::Frame<Bytes>, std::io::Error>>();
    let request = Request::post("/purge").header(SIGNATURE, signature);
    let request = request.body(http_body_util::StreamBody::new(frames)).unwrap();
    let started = tokio::time::Instant::now();
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT);
    assert_eq!(tokio::time::Instant::now() - started, Duration::from_secs(10));
}

#[tokio::test]
async fn everything_is_on_record_with_who_and_why() {
    let (service, events) = service(&Calls::default(), key());
    let done = signed(&Method::POST, "/purge", br#"{"tag":"news"}"#, [1; 16]);
    answer(&service, done).await;
    let mut forged = signed(&Method::POST, "/purge", br#"{"tag":"news"}"#, [2; 16]);
    *forged.body_mut() = Full::from(r#"{"all":true}"#);
    answer(&service, forged).await;

    let events = events.lock().unwrap();
    let [done, forged] = &events[..] else { panic!("{events:?}") };
    assert_eq!((done.key.as_deref(), done.action), (Some("all"), Action::Purge));
    assert_eq!((done.target.as_deref(), done.sequence), (Some("tag news"), Some(Sequence(1))));
    assert_eq!((done.refusal, done.status, done.unix), (None, StatusCode::OK, UNIX));
    assert_eq!((&forged.key, forged.claimed.as_deref()), (&None, Some("all")));
    assert_eq!((forged.refusal, forged.target.as_ref()), (Some(Refusal::WrongMac), None));
}

#[test]
fn a_service_without_a_sound_key_is_not_built() {
    let build = |keys: Vec<Key>| {
        let builder = AdminService::builder(Calls::default(), || UNIX);
        keys.into_iter().fold(builder, super::AdminBuilder::key).build().err()
    };
    let id = "all".to_owned();
    let plain = || Key::new("all", SECRET).unwrap();
    let below = |prefix: &str| Scope::Url { prefix: prefix.to_owned() };
    assert_eq!(build(vec![key()]), None);
    assert_eq!(build(vec![]), Some(AdminError::NoKey));
    assert_eq!(build(vec![key(), key()]), Some(AdminError::DuplicateKey(id.clone())));
    assert_eq!(build(vec![plain()]), Some(AdminError::NoScope(id.clone())));
    for prefix in ["", "/", "https://"] {
        let built = build(vec![plain().allow(below(prefix))]);
        assert_eq!(built, Some(AdminError::EmptyScope(id.clone())), "{prefix}");
    }
    let any_tag = Scope::Tag { prefix: String::new() };
    assert_eq!(build(vec![plain().allow(any_tag)]), Some(AdminError::EmptyScope(id.clone())));
    assert_eq!(Key::new("all", &SECRET[..31]).err(), Some(AdminError::ShortSecret(id)));
    for id in ["", "a b", "a;b", "ä", &"a".repeat(65)] {
        assert_eq!(Key::new(id, SECRET).err(), Some(AdminError::KeyId(id.to_owned())));
    }
    for rate in [Rate { per_second: 0, burst: 1 }, Rate { per_second: 1, burst: 0 }] {
        let builder = AdminService::builder(Calls::default(), || UNIX).key(key()).rate(rate);
        assert_eq!(builder.build().err(), Some(AdminError::Rate));
    }
}

#[test]
fn nothing_prints_a_secret() {
    let (service, _) = service(&Calls::default(), key());
    let builder = AdminService::builder(Calls::default(), || UNIX).key(key());
    let error = Key::new("all", "short and secret").err();
    let printed = format!("{:?} {service:?} {builder:?} {error:?}", key());
    assert!(printed.contains("all"));
    assert!(!printed.contains("secret of") && !printed.contains("short and"), "{printed}");
    let bytes = format!("{:?}", SECRET.as_bytes());
    assert!(!printed.contains(bytes.trim_matches(['[', ']'])), "{printed}");
    assert!(!printed.contains("Hmac") && !printed.contains("mac:"), "{printed}");
}

#[tokio::test]
async fn a_router_of_its_own_takes_the_service() {
    let (service, _) = service(&Calls::default(), key());
    let router = axum::Router::new().fallback_service(service);
    let request = signed(&Method::GET, "/status?now", b"", [1; 16]).map(axum::body::Body::new);
    let response = router.oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
}

fn header() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<Vec<u8>>(),
        "v1;key=[a-z]{0,3};t=[0-9]{0,22};nonce=[0-9a-fA-F]{30,34};mac=[0-9a-f]{62,66}(;x)?"
            .prop_map(String::into_bytes),
    ]
}

proptest! {
    #[test]
    fn no_bytes_in_the_signature_panic_or_open_anything(bytes in header()) {
        let _ = Claim::parse(&bytes);
        if let Ok(value) = HeaderValue::from_bytes(&bytes) {
            let calls = Calls::default();
            let (service, _) = service(&calls, key());
            let request = Request::post("/purge").header(SIGNATURE, value);
            let request = request.body(Full::<Bytes>::from(r#"{"all":true}"#)).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
            let (status, _) = runtime.block_on(answer(&service, request));
            prop_assert_eq!(status, StatusCode::UNAUTHORIZED);
            prop_assert_eq!(calls.count(), 0);
        }
    }

    #[test]
    fn any_other_byte_in_a_signature_closes_it(at in 0..200_usize, byte: u8) {
        let body = br#"{"all":true}"#;
        let right = sign(&key(), &Method::POST, "/purge", body, UNIX, [1; 16]);
        let mut bytes = right.as_bytes().to_vec();
        let at = at % bytes.len();
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        let same = Claim::parse(&bytes).filter(|claim| {
            let other = claim.key != "all";
            !other && claim.proves(key().mac(), &Method::POST, "/purge", body)
        });
        prop_assert_eq!(same, None);
        let right = Claim::parse(right.as_bytes()).unwrap();
        prop_assert!(right.proves(key().mac(), &Method::POST, "/purge", body));
    }

    #[test]
    fn no_body_that_is_signed_panics(body: Vec<u8>, text: String, path: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let (service, _) = service(&Calls::default(), key());
        let named = json!({ "prefix": text, "mode": "soft" }).to_string().into_bytes();
        let path = if path { "/purge" } else { "/preload" };
        for (nonce, body) in [(1, body), (2, named)] {
            let request = signed(&Method::POST, path, &body, [nonce; 16]);
            let (status, value) = runtime.block_on(answer(&service, request));
            prop_assert!([200, 400].contains(&status.as_u16()), "{status} {value}");
        }
    }
}
