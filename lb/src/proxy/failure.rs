//! What a client is told when there is no response to forward, and why.

use std::convert::Infallible;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Response, StatusCode};

use super::headers::HeaderRejection;
use super::host::HostRejection;
use super::response::ProxyResponseBody;
use super::upstream::{Phase, UpstreamError};
use crate::BalanceError;

/// Why the proxy answered itself; found in the extensions of such a response.
///
/// The client sees a status and a fixed line. What an endpoint said, or its address, never
/// reaches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// 400: the request has no single valid host or target.
    Host(HostRejection),
    /// 400 or 501: a header field forbids forwarding.
    Header(HeaderRejection),
    /// 501: CONNECT would make the proxy a way into its own network.
    Connect,
    /// 405 or 204: `Max-Forwards` ran out here.
    MaxForwards,
    /// 503: the balancer has no endpoint that may take a request.
    Unavailable,
    /// 400, 502 or 504: the exchange with the endpoint failed at this phase.
    Endpoint(Phase),
    /// 502: the endpoint's response cannot be forwarded.
    BadResponse,
    /// 502: the endpoint switched to a protocol that nobody asked for.
    BadUpgrade,
    /// 500: the service behind the proxy failed in a way that it does not explain.
    Internal,
}

impl Reason {
    /// The status that the client gets.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::Host(_)
            | Self::Header(HeaderRejection::MaxForwards)
            | Self::Endpoint(Phase::RequestBody) => StatusCode::BAD_REQUEST,
            Self::Header(HeaderRejection::TransferCoding) | Self::Connect => {
                StatusCode::NOT_IMPLEMENTED
            }
            Self::MaxForwards => StatusCode::METHOD_NOT_ALLOWED,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Endpoint(Phase::ConnectTimeout | Phase::HeadTimeout) => {
                StatusCode::GATEWAY_TIMEOUT
            }
            Self::Endpoint(Phase::Connect | Phase::Send | Phase::Response | Phase::Invalid)
            | Self::BadResponse
            | Self::BadUpgrade => StatusCode::BAD_GATEWAY,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The whole answer. `retry_after` goes with what time can heal: 502, 503 and 504.
    pub(super) fn respond<B>(
        self,
        retry_after: Option<Duration>,
    ) -> Response<ProxyResponseBody<B>> {
        let status = self.status();
        let text: &'static str = match status {
            StatusCode::BAD_REQUEST => "400 bad request\n",
            StatusCode::METHOD_NOT_ALLOWED => "405 method not allowed\n",
            StatusCode::NOT_IMPLEMENTED => "501 not implemented\n",
            StatusCode::BAD_GATEWAY => "502 bad gateway\n",
            StatusCode::SERVICE_UNAVAILABLE => "503 service unavailable\n",
            StatusCode::GATEWAY_TIMEOUT => "504 gateway timeout\n",
            _ => "500 internal server error\n",
        };
        let body = ProxyResponseBody::fixed(Bytes::from_static(text.as_bytes()));
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, plain);
        let heals = matches!(
            status,
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
        );
        if heals && let Some(wait) = retry_after {
            // At least one: zero would ask all clients back at once.
            let seconds = HeaderValue::from(wait.as_secs().max(1));
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host(HostRejection::Missing) => "the request names no host",
            Self::Host(HostRejection::Repeated) => "the request names its host twice",
            Self::Host(HostRejection::Invalid) => "the request's host is not valid",
            Self::Host(HostRejection::Mismatch) => "the request names two hosts",
            Self::Host(HostRejection::Target) => "the request's target is not a path",
            Self::Header(HeaderRejection::TransferCoding) => "unknown transfer coding",
            Self::Header(HeaderRejection::MaxForwards) => "Max-Forwards is not a number",
            Self::Connect => "CONNECT is not forwarded",
            Self::MaxForwards => "Max-Forwards is used up",
            Self::Unavailable => "no endpoint may take a request",
            Self::Endpoint(phase) => phase.describe(),
            Self::BadResponse => "the endpoint's response cannot be forwarded",
            Self::BadUpgrade => "the endpoint switched to a protocol that was not asked for",
            Self::Internal => "the service failed",
        })
    }
}

/// An error that says how it looks to the client.
pub trait Failure {
    /// The reason, which decides the status.
    fn reason(&self) -> Reason;
}

impl<B> Failure for UpstreamError<B> {
    fn reason(&self) -> Reason {
        Reason::Endpoint(self.phase())
    }
}

impl<E: Failure> Failure for BalanceError<E> {
    fn reason(&self) -> Reason {
        match self {
            Self::Endpoint { source, .. } => source.reason(),
            Self::NoEndpoints | Self::AllUnavailable { .. } | Self::Refused { .. } => {
                Reason::Unavailable
            }
        }
    }
}

impl Failure for Infallible {
    fn reason(&self) -> Reason {
        match *self {}
    }
}

impl Failure for crate::BoxError {
    fn reason(&self) -> Reason {
        Reason::Internal
    }
}
