//! The tower laws, held against the balancer and the reverse proxy.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::sync::OnceLock;

use http::{Request, Response};
use terrace_lb::completion::{AtBodyEnd, AtResponse, Completion};
use terrace_lb::proxy::{ProxyBody, ReverseProxy};
use terrace_lb::{Balance, Endpoint};
use terrace_testkit::contract::{ControlledService, ProbeBody, Subject};
use tower::layer::layer_fn;
use tower::{Layer, ServiceExt};

/// A balancer over two clones of the inner service. One for all products of this layer, as an
/// application has one: [`Balance`] is a leaf, and this is what stands in for its layer.
struct Balanced<Req, Res, C> {
    completion: C,
    balance: OnceLock<Balance<ControlledService<Req, Res>, Req, C>>,
}

impl<Req: 'static, Res: 'static, C: Clone> Balanced<Req, Res, C> {
    fn new(completion: C) -> Self {
        Self { completion, balance: OnceLock::new() }
    }

    fn in_flight(&self) -> usize {
        let statuses = self.balance.get().map(Balance::status).unwrap_or_default();
        statuses.iter().map(|endpoint| endpoint.in_flight as usize).sum()
    }
}

impl<Req, Res, C> Layer<ControlledService<Req, Res>> for Balanced<Req, Res, C>
where
    Req: 'static,
    Res: 'static,
    C: Completion<Res>,
{
    type Service = Balance<ControlledService<Req, Res>, Req, C>;

    fn layer(&self, inner: ControlledService<Req, Res>) -> Self::Service {
        let build = || {
            let endpoints = ["a", "b"].map(|name| Endpoint::new(name, inner.clone()).unwrap());
            let builder = Balance::builder().endpoints(endpoints).seed(1);
            builder.completion(self.completion.clone()).build().unwrap().0
        };
        self.balance.get_or_init(build).clone()
    }
}

#[test]
fn a_balancer_of_any_service_keeps_the_laws() {
    Subject::new("Balance", || Balanced::new(AtResponse), |n| n, |n: &usize| *n)
        .in_flight(Balanced::in_flight)
        .skips_inner()
        .refuses("an empty name", "name", || Endpoint::new("", ()))
        .refuses("a name with a line break", "a\\nb", || Endpoint::new("a\nb", ()))
        .check()
        .assert();
}

#[test]
fn a_balancer_of_http_services_keeps_the_laws() {
    type Http = Balanced<Request<ProbeBody>, Response<ProbeBody>, AtBodyEnd>;
    Subject::http("Balance::http", || Http::new(AtBodyEnd))
        .in_flight(Balanced::in_flight)
        .skips_inner()
        .names_errors()
        .check()
        .assert();
}

#[test]
fn a_balancer_that_forgets_the_body_is_caught() {
    // The control: leases that end at the head break law 4 for HTTP.
    type Forgetful = Balanced<Request<ProbeBody>, Response<ProbeBody>, AtResponse>;
    let verdict = Subject::http("forgetful", || Forgetful::new(AtResponse))
        .in_flight(Balanced::in_flight)
        .skips_inner()
        .check();
    assert!(verdict.to_string().contains("law 4"), "{verdict}");
}

#[test]
fn a_reverse_proxy_keeps_the_laws() {
    // The suite's own error type cannot explain itself to a proxy, so it travels in a box; and the
    // suite makes the inner requests, so the proxied body stays outside.
    let proxy = |inner: ControlledService<Request<ProbeBody>, Response<ProbeBody>>| {
        let inner = inner
            .map_request(|request: Request<ProxyBody>| request.map(|_| ProbeBody::new([""; 0])))
            .map_err(terrace_lb::BoxError::from);
        ReverseProxy::new(inner)
    };
    Subject::http("ReverseProxy", move || layer_fn(proxy))
        .skips_inner()
        .answers_errors()
        .check()
        .assert();
}
