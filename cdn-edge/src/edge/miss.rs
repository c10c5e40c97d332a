//! A request that needs the origin: it leads a flight, waits for one, or goes alone.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body::Body;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tower_service::Service;

use super::body::{EdgeBody, OriginBody};
use super::error::{BoxError, EdgeFailure};
use super::fill::{Fill, First};
use super::flight::{Flight, Landing, Lead, Role};
use super::serve::{Source, Via};
use super::shared::{Shared, Want};
use crate::content::{Resume, State};
use crate::key::Key;
use crate::object::Object;
use crate::purge::Verdict;
use crate::semantics::{Facts, Failure, Reason, rescue};

/// How often a request joins a flight before it goes alone: the first may bring another variant, the second
/// may be overtaken by a purge.
const JOINS: usize = 4;

/// A request that is not answered from the store.
pub(super) struct Miss<S> {
    pub(super) shared: Arc<Shared>,
    pub(super) inner: S,
    pub(super) parts: Arc<Parts>,
    pub(super) facts: Facts,
    pub(super) key: Key,
    pub(super) want: Want,
}

impl<S> Miss<S> {
    /// The client's answer.
    pub(super) async fn answer<B, RB>(mut self) -> Response<EdgeBody>
    where
        S: Service<Request<OriginBody<B>>, Response = Response<RB>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        B: Send + 'static,
        RB: Body<Data = Bytes> + Send + 'static,
        RB::Error: Into<BoxError>,
    {
        let mut varies: Option<Box<[HeaderName]>> = self.want.varies.take();
        let mut alone = self.want.alone;
        for _ in 0..JOINS {
            if alone {
                break;
            }
            let role = self.join(varies.as_deref());
            let mut flight = match role {
                Role::Lead(lead) => return self.lead::<B, RB>(Some(lead)).await,
                Role::Wait(flight) => flight,
            };
            let waited = tokio::time::timeout(self.shared.limits.collapse, flight.landed()).await;
            match waited {
                // No answer in time is none: whoever has something stale does not add to the load.
                Err(_) => match self.stand_in(Failure::Unreachable) {
                    Some(response) => return response,
                    None => alone = true,
                },
                Ok(Landing::Unshared) => alone = true,
                Ok(Landing::Failed(failure, trouble)) => return self.failed(failure, trouble),
                Ok(Landing::Shared(object, resume)) => {
                    if self.fits(&object) {
                        let response = self.collapsed(&object, resume);
                        // Looked at when the reader has its place: from then on nothing gets lost. A body that is
                        // broken already is answered as it is: to ask again would multiply a failure.
                        let is_whole = object.content.state() != State::Windowed;
                        if is_whole && self.is_valid(&object) {
                            self.shared.telemetry.collapsed(self.want.reason);
                            return response;
                        }
                        // A purge came between, or the body is too large to be kept and its beginning may be gone.
                    } else {
                        varies =
                            object.stored.selecting().map(|selecting| selecting.names().into());
                    }
                }
            }
        }
        self.lead::<B, RB>(None).await
    }

    fn join(&self, varies: Option<&[HeaderName]>) -> Role {
        let Shared { flights, changes, .. } = &*self.shared;
        let key =
            |facts: &Facts| self.shared.flight_key(&self.key, varies, facts, &self.parts.headers);
        // Whoever wants a part takes it from the whole, if that is on its way.
        if self.facts.range {
            let whole = Facts { range: false, ..self.facts.clone() };
            if let Some(wait) = flights.find(key(&whole), |flight| self.is_of_use(flight)) {
                return Role::Wait(wait);
            }
        }
        flights.join(key(&self.facts), changes.now(), |flight| self.is_of_use(flight))
    }

    /// Whether a flight is worth joining: nothing that it brings may be of before a write that has been answered.
    pub(super) fn is_of_use(&self, flight: &Flight) -> bool {
        if self.shared.changes.since(self.key.hash(), flight.began()) {
            return false;
        }
        match flight.landed() {
            None => true,
            Some(Landing::Shared(object, _)) => {
                self.is_valid(&object)
                    && matches!(object.content.state(), State::Filling | State::Whole)
            }
            Some(Landing::Unshared | Landing::Failed(..)) => false,
        }
    }

    fn is_valid(&self, object: &Object) -> bool {
        self.shared.invalidations.verdict(&object.marks) == Verdict::Valid
    }

    pub(super) fn fits(&self, object: &Object) -> bool {
        let request = &self.parts.headers;
        let selected =
            object.stored.selecting().is_none_or(|it| it.matches(request, &self.shared.rules));
        let leave = !self.facts.authorization || object.stored.leave;
        selected && leave
    }

    /// Asks the origin, for others too if a flight is led.
    async fn lead<B, RB>(self, lead: Option<Lead>) -> Response<EdgeBody>
    where
        S: Service<Request<OriginBody<B>>, Response = Response<RB>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        B: Send + 'static,
        RB: Body<Data = Bytes> + Send + 'static,
        RB::Error: Into<BoxError>,
    {
        self.shared.telemetry.wanted(&self.key, self.want.reason);
        let (_task, told) = self.begin::<B, RB>(lead);
        match told.await {
            Ok(First::Stored { object, original, status, hold, resume }) => {
                let source = Source { object: &object, original, resume };
                let response = self.stored(source, status);
                drop(hold);
                response
            }
            Ok(First::Unstored { response, reason }) => self.unstored(response, reason),
            Ok(First::Once { object, header, reason }) => self.once(&object, header, reason),
            Ok(First::Failed(failure, trouble)) => self.failed(failure, trouble),
            // The task panicked: the inner service did.
            Err(_) => self.failed(EdgeFailure::Origin(Arc::new(Panicked)), Failure::Unreachable),
        }
    }

    /// Begins the fill, in a task of its own.
    pub(super) fn begin<B, RB>(
        &self,
        lead: Option<Lead>,
    ) -> (JoinHandle<()>, oneshot::Receiver<First>)
    where
        S: Service<Request<OriginBody<B>>, Response = Response<RB>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        B: Send + 'static,
        RB: Body<Data = Bytes> + Send + 'static,
        RB::Error: Into<BoxError>,
    {
        let (first, told) = oneshot::channel();
        let fill = Fill {
            shared: Arc::clone(&self.shared),
            inner: self.inner.clone(),
            parts: Arc::clone(&self.parts),
            facts: self.facts.clone(),
            key: self.key.clone(),
            stored: self.want.stored.clone(),
            lead,
            first: Some(first),
            began: self.shared.changes.now(),
        };
        (tokio::spawn(fill.run::<B, RB>()), told)
    }

    fn stored(&self, source: Source<'_>, status: StatusCode) -> Response<EdgeBody> {
        let now = self.shared.clock.now();
        let reason = self.want.reason;
        let via = Via::Forwarded {
            reason,
            status: Some(status),
            stored: true,
            collapsed: false,
            detail: None,
        };
        self.shared.telemetry.missed(reason, None);
        self.shared.respond(source, &self.facts, &self.parts.headers, now, via)
    }

    fn collapsed(
        &self,
        object: &Arc<Object>,
        resume: Option<Arc<dyn Resume>>,
    ) -> Response<EdgeBody> {
        let now = self.shared.clock.now();
        let reason = self.want.reason;
        let via =
            Via::Forwarded { reason, status: None, stored: false, collapsed: true, detail: None };
        let source = Source { object, original: None, resume };
        self.shared.respond(source, &self.facts, &self.parts.headers, now, via)
    }

    fn once(&self, object: &Arc<Object>, header: HeaderMap, reason: Reason) -> Response<EdgeBody> {
        let now = self.shared.clock.now();
        let status = Some(StatusCode::NOT_MODIFIED);
        let via = Via::Forwarded {
            reason: self.want.reason,
            status,
            stored: false,
            collapsed: false,
            detail: Some(reason),
        };
        self.not_stored(reason);
        let source = Source { object, original: Some(header), resume: None };
        self.shared.respond(source, &self.facts, &self.parts.headers, now, via)
    }

    fn unstored(
        &self,
        response: Response<http_body_util::combinators::UnsyncBoxBody<Bytes, BoxError>>,
        reason: Reason,
    ) -> Response<EdgeBody> {
        let telemetry = &self.shared.telemetry;
        self.not_stored(reason);
        let meter = telemetry.meter(Some(self.key.hash()));
        let response = response.map(|body| EdgeBody::passed(body, meter));
        self.shared.pass_back(response, self.want.reason, Some(reason))
    }

    fn not_stored(&self, reason: Reason) {
        self.shared.telemetry.missed(self.want.reason, Some(reason));
        self.shared.telemetry.not_found_again(&self.key, reason);
    }

    /// Something stale, if it may stand in for an origin that failed so.
    fn stand_in(&self, trouble: Failure) -> Option<Response<EdgeBody>> {
        let (shared, object) = (&self.shared, self.want.stored.as_ref()?);
        let now = shared.clock.now();
        let purged = match shared.invalidations.verdict(&object.marks) {
            Verdict::Valid => false,
            Verdict::Soft => true,
            Verdict::Hard => return None,
        };
        let right = rescue(&object.stored, purged, trouble, &self.facts, now, &shared.rules)?;
        let (source, via) = (Source::stored(object), Via::Hit(right));
        Some(shared.respond(source, &self.facts, &self.parts.headers, now, via))
    }

    /// The origin failed: something stale, the fallback, or the truth.
    fn failed(&self, failure: EdgeFailure, trouble: Failure) -> Response<EdgeBody> {
        if let Some(response) = self.stand_in(trouble) {
            return response;
        }
        let shared = &self.shared;
        let failure = if self.want.stored.is_some() { failure.not_validated() } else { failure };
        shared.telemetry.not_found_again(&self.key, Reason::OriginFailed);
        if let Some(response) =
            shared.fallback.as_ref().and_then(|fallback| fallback(&self.parts.uri))
        {
            let mut response = response.map(EdgeBody::bytes);
            response
                .headers_mut()
                .insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
            response.extensions_mut().insert(failure);
            shared.telemetry.failed(Reason::OriginFailed);
            return shared.pass_back(response, self.want.reason, Some(Reason::OriginFailed));
        }
        shared.refusal(failure, Reason::OriginFailed)
    }
}

#[derive(Debug)]
struct Panicked;

impl std::fmt::Display for Panicked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the origin's service panicked")
    }
}

impl std::error::Error for Panicked {}
