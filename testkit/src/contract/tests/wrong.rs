//! Small wrong services for what the gate cannot show: errors, readiness flags, constructors.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower::util::{MapErrLayer, ServiceExt};
use tower_layer::layer_fn;
use tower_service::Service;

use crate::contract::model::{Admission, InvalidLimit};
use crate::contract::{ControlledService, Law, ProbeBody, ProbeError, Subject};

type Inner = ControlledService<usize, usize>;
type Build = fn() -> Result<(), BoxError>;
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Remembers readiness in a flag that the derived Clone copies.
#[derive(Clone)]
struct Flagged {
    inner: Inner,
    ready: bool,
}

impl Service<usize> for Flagged {
    type Response = usize;
    type Error = ProbeError;
    type Future = <Inner as Service<usize>>::Future;
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ProbeError>> {
        if !self.ready {
            std::task::ready!(self.inner.poll_ready(cx))?;
            self.ready = true;
        }
        Poll::Ready(Ok(()))
    }
    fn call(&mut self, n: usize) -> Self::Future {
        self.ready = false;
        self.inner.call(n)
    }
}

#[test]
fn a_readiness_flag_that_clones_copy_is_caught() {
    let layer = || layer_fn(|inner: Inner| Flagged { inner, ready: false });
    let verdict = Subject::new("Flagged", layer, |n| n, |n: &usize| *n).check();
    assert!(verdict.breaks(Law::Readiness), "{verdict}");
}

/// Asks the inner service in `poll_ready`, then calls a fresh clone: the classic of tower.
#[derive(Clone)]
struct ClonesInCall(Inner);

impl Service<usize> for ClonesInCall {
    type Response = usize;
    type Error = ProbeError;
    type Future = Pin<Box<dyn Future<Output = Result<usize, ProbeError>> + Send>>;
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ProbeError>> {
        self.0.poll_ready(cx)
    }
    fn call(&mut self, n: usize) -> Self::Future {
        let mut inner = self.0.clone();
        Box::pin(async move { inner.call(n).await })
    }
}

#[test]
fn a_clone_in_call_is_caught() {
    let verdict =
        Subject::new("ClonesInCall", || layer_fn(ClonesInCall), |n| n, |n: &usize| *n).check();
    assert!(verdict.breaks(Law::DrivenClones), "{verdict}");
}

/// Takes a Pending inner service for the end of the matter and keeps no waker.
#[derive(Clone)]
struct ForgetsWaker(Inner);

impl Service<usize> for ForgetsWaker {
    type Response = usize;
    type Error = ProbeError;
    type Future = <Inner as Service<usize>>::Future;
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ProbeError>> {
        self.0.poll_ready(&mut Context::from_waker(std::task::Waker::noop()))
    }
    fn call(&mut self, n: usize) -> Self::Future {
        self.0.call(n)
    }
}

#[test]
fn a_lost_wakeup_in_poll_ready_is_caught() {
    let verdict =
        Subject::new("ForgetsWaker", || layer_fn(ForgetsWaker), |n| n, |n: &usize| *n).check();
    assert!(verdict.breaks(Law::Readiness), "{verdict}");
}

#[test]
fn an_error_without_its_source_is_caught() {
    let layer = || MapErrLayer::new(|_: ProbeError| std::fmt::Error);
    let verdict = Subject::new("no source", layer, |n| n, |n: &usize| *n).check();
    assert!(verdict.breaks(Law::Errors), "{verdict}");
}

#[test]
fn a_boxed_error_is_caught() {
    let layer = || MapErrLayer::new(|error: ProbeError| -> BoxError { error.into() });
    let verdict = Subject::new("boxed", layer, |n| n, |n: &usize| *n).check();
    assert!(verdict.breaks(Law::Errors), "{verdict}");
}

#[test]
fn an_http_layer_with_an_error_of_its_own_is_caught() {
    let layer = || MapErrLayer::new(|error: ProbeError| std::io::Error::other(error));
    let verdict = Subject::http("own error", layer).check();
    assert!(verdict.breaks(Law::Errors), "{verdict}");
    // Declared, it is allowed: for what stands inside a service that answers.
    Subject::http("own error", layer).names_errors().check().assert();
    let boxed = || MapErrLayer::new(|error: ProbeError| -> BoxError { error.into() });
    let verdict = Subject::http("boxed error", boxed).names_errors().check();
    assert!(verdict.breaks(Law::Errors), "{verdict}");
}

#[test]
fn an_http_service_that_turns_failures_into_responses_passes() {
    let layer = || {
        layer_fn(|inner: ControlledService<Request<ProbeBody>, Response<ProbeBody>>| {
            tower::service_fn(move |request| {
                let inner = inner.clone();
                async move {
                    Ok::<_, Infallible>(inner.oneshot(request).await.unwrap_or_else(|_| {
                        let mut response = Response::new(ProbeBody::default());
                        *response.status_mut() = http::StatusCode::BAD_GATEWAY;
                        response
                    }))
                }
            })
        })
    };
    Subject::http("bad gateway", layer).skips_inner().check().assert();
}

/// Never calls anything.
#[derive(Clone)]
struct Idle;

impl Service<usize> for Idle {
    type Response = usize;
    type Error = ProbeError;
    type Future = Ready<Result<usize, ProbeError>>;
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ProbeError>> {
        Poll::Ready(Ok(()))
    }
    fn call(&mut self, n: usize) -> Self::Future {
        ready(Ok(n))
    }
}

#[test]
fn a_subject_that_never_reaches_the_inner_service_is_no_subject() {
    let verdict = Subject::new("Idle", || layer_fn(|_: Inner| Idle), |n| n, |n: &usize| *n).check();
    assert!(verdict.breaks(Law::Serves), "{verdict}");
}

#[test]
fn constructors_that_accept_panic_or_do_not_name_the_value_are_caught() {
    let subject = || Subject::new("new", || Admission::new(1).unwrap(), |n| n, |n: &usize| *n);
    let cases: [(&str, Build); 3] = [
        ("accepts", || Ok(())),
        ("panics", || panic!("a limit of 0")),
        ("does not name it", || Err("bad limit".into())),
    ];
    for (what, build) in cases {
        let verdict = subject().skips_inner().refuses(what, "0", build).check();
        assert!(verdict.breaks(Law::NoPanic), "{what}: {verdict}");
    }
    let good = subject().skips_inner().refuses("0", "0", || Admission::new(0));
    let verdict = good.check();
    assert!(!verdict.breaks(Law::NoPanic), "{verdict}");
    assert_eq!(
        Admission::new(0).unwrap_err().to_string(),
        "a limit of 0 admits nothing; use 1 or more"
    );
    let _: fn(usize) -> Result<Admission, InvalidLimit> = Admission::new;
}

#[test]
fn a_check_of_shared_state_that_fails_is_reported() {
    let subject = |known: bool| {
        Subject::new("shares", || Admission::new(1).unwrap(), |n| n, |n: &usize| *n)
            .skips_inner()
            .shares_state(move |first, second, probe| async move {
                first.oneshot(1).await.map_err(|error| error.to_string())?;
                second.oneshot(1).await.map_err(|error| error.to_string())?;
                if known && probe.counts().calls == 2 { Ok(()) } else { Err("forgot".into()) }
            })
            .check()
    };
    assert!(!subject(true).breaks(Law::SharedState));
    assert!(subject(false).breaks(Law::SharedState));
}
