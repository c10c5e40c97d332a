//! Which HTTP requests a balancer may send a second time.

use http::{Method, Request};
use http_body::Body;

use super::upstream::UpstreamError;
use crate::{Retry, Sent};

/// Retries what cannot do harm twice: idempotent requests without a body, and anything of which
/// not one byte was written.
///
/// Idempotent are GET, HEAD, OPTIONS, TRACE, PUT and DELETE (RFC 9110 §9.2.2), and PUT only with an
/// empty body like the others: bodies stream and are not kept. An unsent request goes to another
/// endpoint whole, body included.
#[derive(Debug, Clone, Copy, Default)]
pub struct HttpRetry;

impl<B> Retry<Request<B>, UpstreamError<B>> for HttpRetry
where
    B: Body + Default,
{
    fn save(&self, request: &Request<B>) -> Option<Request<B>> {
        if !is_idempotent(request.method()) || !request.body().is_end_stream() {
            return None;
        }
        let mut copy = Request::new(B::default());
        *copy.method_mut() = request.method().clone();
        *copy.uri_mut() = request.uri().clone();
        *copy.version_mut() = request.version();
        *copy.headers_mut() = request.headers().clone();
        *copy.extensions_mut() = request.extensions().clone();
        Some(copy)
    }

    fn sent(&self, error: &UpstreamError<B>) -> Sent {
        error.sent()
    }

    fn reclaim(&self, error: &mut UpstreamError<B>) -> Option<Request<B>> {
        error.take_request()
    }
}

fn is_idempotent(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
    )
}
