//! The tower laws, held against the layer.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::time::Duration;

use http::{HeaderValue, Request, Response, header};
use terrace_session::store::{Memory, SubjectLimit, WhenFull};
use terrace_session::{Expiry, Keys, Limits, Outage, OutageLayer, Session, SessionLayer};
use terrace_testkit::contract::{ControlledService, Law, ProbeBody, ServiceProbe, Subject};
use tower::layer::layer_fn;
use tower::util::MapRequest;
use tower::{Layer, Service, ServiceExt};

type Inner = ControlledService<Request<ProbeBody>, Response<ProbeBody>>;
type Touch = fn(Request<ProbeBody>) -> Request<ProbeBody>;

/// The layer around a service that sets a value in each session.
#[derive(Clone, Debug)]
struct Touched(SessionLayer);

impl Layer<Inner> for Touched {
    type Service = terrace_session::layer::SessionService<MapRequest<Inner, Touch>>;

    fn layer(&self, inner: Inner) -> Self::Service {
        let touch: Touch = |request| {
            if let Some(session) = request.extensions().get::<Session>() {
                session.set_blind("seen", &true).unwrap();
            }
            request
        };
        self.0.layer(MapRequest::new(inner, touch))
    }
}

fn keys() -> Keys {
    Keys::new(1, &[7; 32]).unwrap()
}

fn layer() -> SessionLayer {
    SessionLayer::builder(Memory::new(), keys()).seed(1).build().unwrap()
}

fn touched() -> Touched {
    Touched(layer())
}

/// A session of one product is known to the other.
async fn share(
    first: impl Service<Request<ProbeBody>, Response = Response<ProbeBody>>,
    second: impl Service<Request<ProbeBody>, Response = Response<ProbeBody>>,
    _: ServiceProbe,
) -> Result<(), String> {
    let ask = |cookie: Option<HeaderValue>| {
        let mut request = Request::new(ProbeBody::default());
        if let Some(cookie) = cookie {
            request.headers_mut().insert(header::COOKIE, cookie);
        }
        request
    };
    let Ok(response) = first.oneshot(ask(None)).await else { return Err("no answer".into()) };
    let cookie = response.headers().get(header::SET_COOKIE).cloned();
    let pair = cookie.as_ref().and_then(|line| line.to_str().ok()?.split(';').next());
    let Some(pair) = pair else { return Err("no session".into()) };
    let cookie = HeaderValue::from_str(pair).map_err(|error| error.to_string())?;
    let Ok(again) = second.oneshot(ask(Some(cookie))).await else { return Err("no answer".into()) };
    match again.extensions().get::<terrace_session::SessionError>() {
        None => Ok(()),
        Some(error) => Err(format!("the second one does not know the session: {error}")),
    }
}

#[test]
fn a_layer_whose_sessions_nobody_touches_keeps_the_laws() {
    let zero = Duration::ZERO;
    let builder = || SessionLayer::builder(Memory::new(), keys());
    Subject::http("SessionLayer, untouched", layer)
        .refuses("no time unused", "expiry.idle", move || {
            builder().expiry(Expiry::new(zero, Duration::from_secs(1))).build()
        })
        .refuses("no time at all", "expiry.absolute", move || {
            builder().expiry(Expiry::new(Duration::from_secs(1), zero)).build()
        })
        .refuses("no time for the store", "store_timeout", move || {
            builder().store_timeout(zero).build()
        })
        .refuses("no room", "limits.values", move || {
            builder().limits(Limits { values: 0, ..Limits::default() }).build()
        })
        .refuses("no session for anybody", "subject_limit.sessions", move || {
            let limit = SubjectLimit { sessions: 0, when_full: WhenFull::Reject };
            builder().subject_limit(limit).build()
        })
        .refuses("copies that are always too old", "outage", move || {
            builder().outage(Outage::StaleOk(zero)).build()
        })
        .check()
        .assert();
}

#[test]
fn a_layer_that_commits_with_each_response_keeps_the_laws() {
    Subject::http("SessionLayer, touched", touched).shares_state(share).check().assert();
}

#[test]
fn a_policy_for_a_route_keeps_the_laws() {
    Subject::http("OutageLayer", || OutageLayer::new(Outage::Anonymous)).check().assert();
}

#[test]
fn control_a_layer_that_makes_a_store_for_each_product_is_caught() {
    let each = || layer_fn(|inner: Inner| touched().layer(inner));
    let verdict = Subject::http("forgetful", each).shares_state(share).check();
    assert!(verdict.breaks(Law::SharedState), "{verdict}");
}
