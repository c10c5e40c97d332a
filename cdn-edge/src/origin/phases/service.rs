use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tokio::time::Instant;
use tower_service::Service;

use super::{Phases, TimedBody, TimedFuture};
use crate::origin::{BoxError, OriginError};

/// Ends a call whose phases take too long. See the [module](super).
#[derive(Clone, Copy, Debug)]
pub struct Timed<S> {
    pub(super) inner: S,
    pub(super) phases: Phases,
}

impl<S, B, RB> Service<Request<B>> for Timed<S>
where
    S: Service<Request<B>, Response = Response<RB>>,
    S::Error: Into<BoxError>,
    B: Body,
    RB: Body,
    RB::Error: Into<BoxError>,
{
    type Response = Response<TimedBody<RB>>;
    type Error = OriginError;
    type Future = TimedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), OriginError>> {
        self.inner.poll_ready(cx).map_err(OriginError::of_call)
    }

    fn call(&mut self, request: Request<B>) -> TimedFuture<S::Future> {
        // Before the inner service is called: its time counts from here.
        let now = Instant::now();
        let has_body = !request.body().is_end_stream();
        TimedFuture::new(self.inner.call(request), self.phases, has_body, now)
    }
}
