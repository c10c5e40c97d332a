//! A second attempt, when it is safe.
//!
//! A request may run twice only if the first run left no trace: nothing of it was sent, or it is
//! idempotent and no part of the response has reached the client. [`Balance`](crate::Balance) makes
//! at most one further attempt, always on another endpoint, and only before it has returned a
//! response, so that the second condition holds by construction. What is safe and how to have the
//! request again is the [`Retry`]'s business, because only it knows the request and the error.

use crate::Sent;

/// Says whether a failed request may be sent again, and with what.
///
/// The default methods retry nothing: [`NoRetry`] is the trait as it stands.
pub trait Retry<Req, E>: Send + Sync + 'static {
    /// Keeps what a second attempt would send, before the first is made.
    ///
    /// Only for a request that may be executed twice; `None` for all others, and for those that
    /// cannot be copied. Runs for every request that has more than one endpoint to choose from, so
    /// it should be cheap.
    fn save(&self, request: &Req) -> Option<Req> {
        let _ = request;
        None
    }

    /// Whether the failed attempt may have reached the endpoint. Default: it may.
    fn sent(&self, error: &E) -> Sent {
        let _ = error;
        Sent::Maybe
    }

    /// Takes the request back from an attempt that never sent it. Asked only after
    /// [`sent`](Self::sent) said [`Sent::No`]: any request may then go to another endpoint.
    fn reclaim(&self, error: &mut E) -> Option<Req> {
        let _ = error;
        None
    }
}

/// Every request gets one attempt.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRetry;

impl<Req, E> Retry<Req, E> for NoRetry {}
