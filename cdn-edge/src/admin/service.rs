use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use tower_service::Service;

use super::audit::{Action, AuditEvent};
use super::body;
use super::builder::{AdminBuilder, Audit, Clock, Limits};
use super::control::Control;
use super::gate::{Gate, Moment};
use super::key::Key;
use super::refusal::Refusal;
use super::rule::{self, Rule};
use super::signature::Claim;

/// Purges, preloads and reports, for whoever signs.
///
/// Its future is boxed, for it waits for several things in a row: the request's body must be `Send`
/// and `'static`. A purge is done in one step, so a request whose future is dropped was purged or
/// was not; a preload that is dropped stops. A clone shares everything.
pub struct AdminService<C> {
    shared: Arc<Shared<C>>,
}

pub(super) struct Shared<C> {
    pub(super) control: C,
    pub(super) clock: Clock,
    pub(super) gate: Gate,
    pub(super) limits: Limits,
    pub(super) audit: Option<Audit>,
}

/// Why there is nothing to answer but that.
struct No {
    refusal: Refusal,
    /// Which field is wrong, for somebody with a key.
    detail: Option<String>,
}

impl<C: Control> AdminService<C> {
    /// A service over this cache. The clock says seconds since 1970.
    pub fn builder(control: C, clock: impl Fn() -> u64 + Send + Sync + 'static) -> AdminBuilder<C> {
        AdminBuilder::new(control, Arc::new(clock))
    }

    pub(super) fn new(shared: Shared<C>) -> Self {
        Self { shared: Arc::new(shared) }
    }
}

impl<C, B> Service<Request<B>> for AdminService<C>
where
    C: Control,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move { Ok(shared.answer(request).await) })
    }
}

impl<C: Control> Shared<C> {
    async fn answer<B>(&self, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: Body,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let (parts, body) = request.into_parts();
        let mut event = AuditEvent {
            unix: 0,
            key: None,
            claimed: None,
            action: Action::of(parts.uri.path()),
            target: None,
            sequence: None,
            refusal: None,
            status: StatusCode::OK,
        };
        let done = self.act(&parts, body, &mut event).await;
        let response = match done {
            Ok(value) => respond(StatusCode::OK, &value),
            Err(No { refusal, detail }) => {
                event.refusal = Some(refusal);
                refuse(refusal, detail.as_deref(), event.action)
            }
        };
        event.status = response.status();
        event.unix = (self.clock)();
        if let Some(audit) = &self.audit {
            audit(&event);
        }
        response
    }

    async fn act<B>(&self, parts: &Parts, body: B, event: &mut AuditEvent) -> Result<Value, No>
    where
        B: Body,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let claim = Claim::read(&parts.headers)?;
        event.claimed = Some(claim.key.clone());
        Gate::in_time(&claim, (self.clock)())?;
        let body = read(body, self.limits).await?;
        let moment = Moment { unix: (self.clock)(), now: Instant::now() };
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let key = self.gate.enter(&claim, &parts.method, path, &body, moment)?;
        event.key = Some(key.shared_id());
        match (event.action, &parts.method) {
            (Action::Purge, &Method::POST) => self.purge(key, &body, event),
            (Action::Preload, &Method::POST) => self.preload(key, &body, event).await,
            (Action::Status, &Method::GET) => self.status(key),
            (Action::Unknown, _) => Err(Refusal::NotFound.into()),
            (Action::Purge | Action::Preload | Action::Status, _) => Err(Refusal::Method.into()),
        }
    }

    fn purge(&self, key: &Key, body: &[u8], event: &mut AuditEvent) -> Result<Value, No> {
        let purge = body::purge(body)?;
        event.target = Some(purge.target.to_string());
        if !key.may_purge(&purge.target) {
            return Err(Refusal::Scope.into());
        }
        let outcome = self.control.purge(purge);
        event.sequence = Some(outcome.sequence);
        Ok(json!({ "purged": true, "sequence": outcome.sequence.number() }))
    }

    async fn preload(&self, key: &Key, body: &[u8], event: &mut AuditEvent) -> Result<Value, No> {
        if !key.may_preload() {
            return Err(Refusal::Scope.into());
        }
        let urls = body::preload(body)?;
        event.target = Some(format!("{} urls", urls.len()));
        match timeout(self.limits.preload_wait, self.control.preload(urls)).await {
            Ok(preloaded) => Ok(json!({ "preloaded": preloaded })),
            Err(_) => Err(Refusal::Deadline.into()),
        }
    }

    fn status(&self, key: &Key) -> Result<Value, No> {
        match key.may_read() {
            true => Ok(json!(self.control.report())),
            false => Err(Refusal::Scope.into()),
        }
    }
}

/// The whole body, if it is short, and comes in time.
async fn read<B>(body: B, limits: Limits) -> Result<Bytes, Refusal>
where
    B: Body,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let limit = if rule::on(Rule::BodyLimit) { limits.body } else { usize::MAX };
    // What says that it is too long need not be read.
    if usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX) > limit {
        return Err(Refusal::TooLarge);
    }
    match timeout(limits.body_wait, Limited::new(body, limit).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::TooLarge),
        Ok(Err(_)) => Err(Refusal::Broken),
        Err(_) => Err(Refusal::TooSlow),
    }
}

fn respond(status: StatusCode, value: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(format!("{value}\n")));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn refuse(refusal: Refusal, detail: Option<&str>, action: Action) -> Response<Full<Bytes>> {
    let told = detail.unwrap_or_else(|| refusal.told());
    let mut response = respond(refusal.status(), &json!({ "error": told }));
    let headers = response.headers_mut();
    match refusal {
        Refusal::Rate { retry_after } => {
            // Rounded up: a client that comes back too early is refused again.
            let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        Refusal::Method => {
            let allowed = if action == Action::Status { "GET" } else { "POST" };
            headers.insert(header::ALLOW, HeaderValue::from_static(allowed));
        }
        _ => {}
    }
    response.extensions_mut().insert(refusal);
    response
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, detail: None }
    }
}

/// A body that is wrong, from somebody who has signed it.
impl From<String> for No {
    fn from(detail: String) -> Self {
        Self { refusal: Refusal::Invalid, detail: Some(detail) }
    }
}

impl<C> Clone for AdminService<C> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<C> fmt::Debug for AdminService<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminService")
            .field("gate", &self.shared.gate)
            .field("limits", &self.shared.limits)
            .finish_non_exhaustive()
    }
}
