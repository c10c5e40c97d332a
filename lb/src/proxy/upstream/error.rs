//! What went wrong between the proxy and one endpoint, and whether the request got out.

use std::error::Error as StdError;
use std::fmt;

use http::Request;

use crate::{BoxError, Sent};

/// The step of an exchange at which it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// No connection could be opened.
    Connect,
    /// No connection could be opened within the connect timeout.
    ConnectTimeout,
    /// The connection failed before any byte of the request was written.
    Send,
    /// The connection failed after the request was, or may have been, written.
    Response,
    /// The response head did not arrive within its timeout.
    HeadTimeout,
    /// The response head is not valid HTTP, or says something that cannot be forwarded.
    Invalid,
    /// The client's request body failed: the client's fault, not the endpoint's.
    RequestBody,
}

impl Phase {
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::Connect => "cannot connect to the endpoint",
            Self::ConnectTimeout => "connecting to the endpoint timed out",
            Self::Send => "the connection to the endpoint closed before the request was written",
            Self::Response => "the connection to the endpoint failed before the response head",
            Self::HeadTimeout => "the endpoint did not answer in time",
            Self::Invalid => "the endpoint's response is not valid",
            Self::RequestBody => "the request body failed",
        }
    }
}

/// One failed exchange with one endpoint.
///
/// [`sent`](Self::sent) says whether a retry elsewhere is safe for any request: with
/// [`Sent::No`] not one byte was written, and the request may still be here to be
/// [taken back](Self::take_request), body included.
pub struct UpstreamError<B> {
    phase: Phase,
    sent: Sent,
    request: Option<Box<Request<B>>>,
    source: Option<BoxError>,
}

impl<B> UpstreamError<B> {
    /// Nothing was written and the request is intact.
    pub(crate) fn unsent(
        phase: Phase,
        request: Request<B>,
        source: impl Into<Option<BoxError>>,
    ) -> Self {
        Self { phase, sent: Sent::No, request: Some(Box::new(request)), source: source.into() }
    }

    /// No connection, and no request either.
    pub(crate) fn not_connected(phase: Phase, source: impl Into<Option<BoxError>>) -> Self {
        Self { phase, sent: Sent::No, request: None, source: source.into() }
    }

    /// The request was handed to the connection; it may have arrived.
    pub(crate) fn maybe_sent(phase: Phase, source: impl Into<Option<BoxError>>) -> Self {
        Self { phase, sent: Sent::Maybe, request: None, source: source.into() }
    }

    /// The step at which the exchange failed.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether any byte of the request may have reached the endpoint.
    #[must_use]
    pub fn sent(&self) -> Sent {
        self.sent
    }

    /// Takes the unsent request back, once.
    pub fn take_request(&mut self) -> Option<Request<B>> {
        self.request.take().map(|request| *request)
    }
}

impl<B> fmt::Debug for UpstreamError<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamError")
            .field("phase", &self.phase)
            .field("sent", &self.sent)
            .field("has_request", &self.request.is_some())
            .field("source", &self.source)
            .finish()
    }
}

impl<B> fmt::Display for UpstreamError<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.phase.describe())
    }
}

impl<B> StdError for UpstreamError<B> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn StdError + 'static))
    }
}
