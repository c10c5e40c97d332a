use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower::ServiceExt;
use tower_service::Service;

use super::{Guard, GuardedBody};
use crate::origin::breaker::Outcome;
use crate::origin::rule::{Rule, on};
use crate::origin::{BoxError, OriginError};

/// Asks an origin only as its [`Guard`] allows. See the [module](super).
///
/// It is always ready: it may answer without the origin, and waits inside its future. That is boxed,
/// and asks of the inner service that it and its futures are `Send`.
///
/// # Cancel safety
///
/// Dropping the future frees its place, and the probe's if it was the probe.
#[derive(Clone, Debug)]
pub struct Guarded<S> {
    pub(super) inner: S,
    pub(super) guard: Guard,
}

impl<S, B, RB> Service<Request<B>> for Guarded<S>
where
    S: Service<Request<B>, Response = Response<RB>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Send + 'static,
    RB: Body,
    RB::Error: Into<BoxError>,
{
    type Response = Response<GuardedBody<RB>>;
    type Error = OriginError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, OriginError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), OriginError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (inner, guard) = (self.inner.clone(), self.guard.clone());
        Box::pin(async move {
            // Not worth to queue for. Who has its place asks again.
            if on(Rule::LookFirst) {
                guard.refuses()?;
            }
            let early = (!on(Rule::AskLast)).then(|| guard.ask()).transpose()?;
            let place = guard.cap.enter().await?;
            let mut asking = early.map_or_else(|| guard.ask(), Ok)?;
            match inner.oneshot(request).await {
                Ok(response) => {
                    let failed = guard.server_errors.contains(response.status());
                    asking.report(if failed { Outcome::Failed } else { Outcome::Answered });
                    Ok(response.map(|body| GuardedBody::new(body, asking, place)))
                }
                Err(error) => {
                    let error = OriginError::of_call(error);
                    let blamed = error.blames_origin();
                    asking.report(if blamed { Outcome::Failed } else { Outcome::Unknown });
                    Err(error)
                }
            }
        })
    }
}
