//! How a reader goes on that has fallen behind a body that is not kept.

use std::error::Error;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::BodyExt;
use tower::ServiceExt;
use tower_service::Service;

use super::body::OriginBody;
use super::error::BoxError;
use super::forward;
use super::shared::Shared;
use crate::content::{Resume, ResumedBody};
use crate::object::Object;

/// Asks the origin for the rest, on the condition that it is still the same.
pub(super) struct Again<S, B, RB> {
    // Locked for a clone: what is inside need not be `Sync`.
    inner: Mutex<S>,
    parts: Arc<Parts>,
    etag: HeaderValue,
    shared: Arc<Shared>,
    /// The hash of the key.
    key: u128,
    carries: PhantomData<fn(B) -> RB>,
}

impl<S> Again<S, (), ()> {
    /// The way back to a response; none if it has no strong validator, for then nobody can tell whether the rest
    /// belongs to the beginning.
    pub(super) fn to<B, RB>(
        object: &Object,
        inner: &S,
        parts: &Arc<Parts>,
        shared: &Arc<Shared>,
        key: u128,
    ) -> Option<Arc<dyn Resume>>
    where
        S: Service<Request<OriginBody<B>>, Response = Response<RB>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        B: Send + 'static,
        RB: Body<Data = Bytes> + Send + 'static,
        RB::Error: Into<BoxError>,
    {
        let etag = object.stored.etag().filter(|etag| !etag.is_weak())?;
        // A part begins elsewhere than its body does.
        if object.stored.span().is_some() {
            return None;
        }
        Some(Arc::new(Again::<S, B, RB> {
            inner: Mutex::new(inner.clone()),
            parts: Arc::clone(parts),
            etag: HeaderValue::from_bytes(etag.as_bytes()).ok()?,
            shared: Arc::clone(shared),
            key,
            carries: PhantomData,
        }))
    }
}

impl<S, B, RB> Resume for Again<S, B, RB>
where
    S: Service<Request<OriginBody<B>>, Response = Response<RB>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Send + 'static,
    RB: Body<Data = Bytes> + Send + 'static,
    RB::Error: Into<BoxError>,
{
    fn resume(
        &self,
        from: u64,
        until: Option<u64>,
    ) -> BoxFuture<'static, Result<ResumedBody, BoxError>> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut request = forward::fill(&self.parts, None, false, &self.shared.manner);
        let range = match until {
            Some(until) => format!("bytes={from}-{}", until.saturating_sub(1)),
            None => format!("bytes={from}-"),
        };
        if let Ok(range) = HeaderValue::from_str(&range) {
            request.headers_mut().insert(header::RANGE, range);
        }
        request.headers_mut().insert(header::IF_RANGE, self.etag.clone());
        let deadline = self.shared.limits.first_byte;
        self.shared.telemetry.asked();
        let mut meter = self.shared.telemetry.meter(Some(self.key));
        Box::pin(async move {
            let response = tokio::time::timeout(deadline, inner.oneshot(request))
                .await
                .map_err(|_| Changed)?;
            let response = response.map_err(Into::into)?;
            // A 200 is another representation, or an origin without ranges: its beginning is not wanted.
            if response.status() != StatusCode::PARTIAL_CONTENT {
                return Err(Changed.into());
            }
            let body = response.into_body().map_err(Into::into).map_frame(move |frame| {
                meter.received(frame.data_ref().map_or(0, Bytes::len));
                frame
            });
            Ok(body.boxed_unsync())
        })
    }
}

/// The rest of a response cannot be had.
#[derive(Debug)]
struct Changed;

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the origin did not give the rest of the same response")
    }
}

impl Error for Changed {}
