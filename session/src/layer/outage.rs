//! What happens while the store is away.

use std::task::{Context, Poll};
use std::time::Duration;

use http::Request;
use tower_layer::Layer;
use tower_service::Service;

use crate::session::Session;

/// What a request is told while the store cannot be reached.
///
/// None of the three ever removes a cookie: when the store is back, everybody is still logged in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outage {
    /// Reads are errors, and whatever the handler makes of them below 500 becomes a 503 with `Retry-After`. The
    /// default: who cannot be asked for must not be taken for a stranger.
    #[default]
    FailClosed,
    /// Reads find no session, and the handler's response is sent as it is. Changes are errors. For pages that greet a
    /// user and would do without.
    Anonymous,
    /// Reads are answered from what this process loaded less than so long ago, if it has a copy; else as
    /// [`FailClosed`](Self::FailClosed). Changes are errors.
    ///
    /// A logout or revocation by another process is not seen in a copy: the duration is how long it may be
    /// unknown while the store is away. Copies take at most 32 MiB a layer, and are only kept from the first
    /// request on that has this policy.
    StaleOk(Duration),
}

/// Another [`Outage`] policy for some routes: goes inside the [`SessionLayer`](super::SessionLayer).
///
/// Without a session layer outside it does nothing.
///
/// # Examples
///
/// The front page is shown to everybody, whatever the store does; all else follows the layer:
///
/// ```
/// use terrace_session::{Outage, OutageLayer};
/// use tower::ServiceBuilder;
/// # use http::{Request, Response};
/// # async fn front(_: Request<()>) -> Result<Response<()>, std::convert::Infallible> { Ok(Response::new(())) }
///
/// let front = ServiceBuilder::new()
///     .layer(OutageLayer::new(Outage::Anonymous))
///     .service_fn(front);
/// # drop(front);
/// ```
///
/// A page that may be half a minute old:
///
/// ```
/// use std::time::Duration;
/// use terrace_session::{Outage, OutageLayer};
///
/// let layer = OutageLayer::new(Outage::StaleOk(Duration::from_secs(30)));
/// # drop(layer);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct OutageLayer {
    outage: Outage,
}

impl OutageLayer {
    /// This policy for what is inside.
    #[must_use]
    pub const fn new(outage: Outage) -> Self {
        Self { outage }
    }
}

impl<S> Layer<S> for OutageLayer {
    type Service = OutagePolicy<S>;

    fn layer(&self, inner: S) -> Self::Service {
        OutagePolicy { inner, outage: self.outage }
    }
}

/// Tells the session of each request its [`Outage`] policy.
#[derive(Clone, Copy, Debug)]
pub struct OutagePolicy<S> {
    inner: S,
    outage: Outage,
}

impl<S, B> Service<Request<B>> for OutagePolicy<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if let Some(session) = request.extensions().get::<Session>() {
            session.set_outage(self.outage);
        }
        self.inner.call(request)
    }
}
