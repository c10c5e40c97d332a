use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tokio::time::Instant;
use tower_service::Service;

use super::future::CausalFuture;
use super::incoming;
use super::layer::Shared;
use crate::token::CausalContext;

/// The service that [`CausalLayer`](super::CausalLayer) makes.
///
/// Its errors are the inner service's; a call that ends with one carries no token.
///
/// # Clone
///
/// Clones share the key, and clone the inner service.
#[derive(Clone, Debug)]
pub struct CausalService<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> CausalService<S> {
    pub(super) fn new(inner: S, shared: Arc<Shared>) -> Self {
        Self { inner, shared }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for CausalService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = CausalFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let Shared { key, carrier, clock, telemetry } = &*self.shared;
        let found: Vec<_> = incoming::tokens(request.headers(), *carrier)
            .filter_map(|text| telemetry.verified(key.verify_bytes(text, clock())))
            .collect();
        let came = incoming::choose(&found);
        // One may be there already, of an outer layer or of the application's own making.
        let context = request.extensions_mut().get_or_insert_with(CausalContext::new).clone();
        if let Some(token) = came {
            context.observe(token, Instant::now());
        }
        CausalFuture::new(self.inner.call(request), Arc::clone(&self.shared), context, came)
    }
}
