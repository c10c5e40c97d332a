use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client as Pool;
use tower_service::Service;

use super::Builder;
use super::connect::{Answered, Connector};
use super::failure::{self, RequestBody};
use super::request::{self, HostField};
use crate::origin::rule::{Rule, on};
use crate::origin::url::{OriginUrl, OriginUrlError};
use crate::origin::{BoxError, OriginError};

type Outgoing = UnsyncBoxBody<Bytes, RequestBody>;

/// Asks the origin at one URL. See the [module](super).
///
/// # Cancel safety
///
/// Dropping a call closes its connection, unless it was not used yet.
///
/// # Clone
///
/// Clones share the connections.
#[derive(Clone)]
pub struct Client(Arc<Shared>);

struct Shared {
    url: OriginUrl,
    host: HostField,
    pool: Pool<Connector, Outgoing>,
}

impl Client {
    /// A client for `http://host[:port][/base]`, or `https` with the feature `tls-rustls`.
    ///
    /// # Errors
    ///
    /// [`OriginUrlError`], which says what is wrong with the URL.
    pub fn to(url: &str) -> Result<Self, OriginUrlError> {
        Builder::new(url).map(Builder::assemble)
    }

    /// The same, to be adjusted first.
    ///
    /// # Errors
    ///
    /// As [`to`](Self::to).
    pub fn builder(url: &str) -> Result<Builder, OriginUrlError> {
        Builder::new(url)
    }

    /// The origin.
    #[must_use]
    pub fn url(&self) -> &OriginUrl {
        &self.0.url
    }

    pub(super) fn new(url: OriginUrl, host: HostField, pool: Pool<Connector, Outgoing>) -> Self {
        Self(Arc::new(Shared { url, host, pool }))
    }
}

impl<B> Service<Request<B>> for Client
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Incoming>;
    type Error = OriginError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Incoming>, OriginError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), OriginError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let shared = Arc::clone(&self.0);
        let body = |body: B| body.map_err(|error| RequestBody(error.into())).boxed_unsync();
        Box::pin(async move { shared.exchange(request.map(body)).await })
    }
}

impl Shared {
    async fn exchange(
        &self,
        request: Request<Outgoing>,
    ) -> Result<Response<Incoming>, OriginError> {
        let (mut parts, body) = request.into_parts();
        request::direct(&mut parts, &self.url, self.host)?;
        let again = request::to_repeat(&parts, !body.is_end_stream());
        let mut result = self.pool.request(Request::from_parts(parts, body)).await;
        if let (Err(error), Some(parts)) = (&result, again)
            && on(Rule::Again)
            && failure::is_of_age(error)
        {
            let nothing = Empty::new().map_err(|never| match never {}).boxed_unsync();
            result = self.pool.request(Request::from_parts(parts, nothing)).await;
        }
        let mut response = result.map_err(failure::read)?;
        Answered::mark(response.extensions_mut());
        Ok(response)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { url, host, .. } = &*self.0;
        f.debug_struct("Client").field("url", url).field("host", host).finish_non_exhaustive()
    }
}
