//! When a request is over.
//!
//! A balancer that compares requests in flight must know when one ends. For most services that is
//! the response. An HTTP response is only the head: the request keeps its endpoint busy until the
//! body has ended or was dropped, and a tunnel (a WebSocket) until both directions have closed. A
//! balancer that stops counting at the head sends new work to the endpoint that streams most.
//!
//! [`Balance`](crate::Balance) hands each request's [`Lease`] to a [`Completion`], which decides
//! how long to keep it:
//!
//! | completion | the lease ends | chosen by |
//! |---|---|---|
//! | [`AtResponse`] | with the response | default |
//! | [`AtBodyEnd`] | with the body, or with the tunnel | [`Builder::http`](crate::balance::Builder::http) |

mod body;

use std::sync::Arc;

use http::{Response, StatusCode};
use http_body::Body;

pub use body::LeaseBody;

use crate::Lease;

/// Keeps a [`Lease`] until its request is over.
pub trait Completion<Res>: Clone + Send + Sync + 'static {
    /// The response as the caller gets it.
    type Output;

    /// Takes over the lease of this response: drop it when the request is over.
    fn complete(&self, lease: Lease, response: Res) -> Self::Output;
}

/// A request is over when its response is there.
#[derive(Clone, Copy, Debug, Default)]
pub struct AtResponse;

impl<Res> Completion<Res> for AtResponse {
    type Output = Res;

    fn complete(&self, lease: Lease, response: Res) -> Res {
        drop(lease);
        response
    }
}

/// An HTTP request is over when its response's body is: read to the end, failed, or dropped.
///
/// A response with status 101 has no body of its own: what follows is a tunnel. Its lease goes into
/// the response's extensions as a [`TunnelLease`]; whoever runs the tunnel takes it from there and
/// drops it when both directions are closed.
#[derive(Clone, Copy, Debug, Default)]
pub struct AtBodyEnd;

impl<B: Body> Completion<Response<B>> for AtBodyEnd {
    type Output = Response<LeaseBody<B>>;

    fn complete(&self, lease: Lease, mut response: Response<B>) -> Self::Output {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            response.extensions_mut().insert(TunnelLease(Arc::new(lease)));
            return response.map(LeaseBody::untracked);
        }
        response.map(|body| LeaseBody::new(body, lease))
    }
}

/// The lease of a request that became a tunnel.
///
/// # Clone
///
/// Clones share the one lease, which ends with the last of them: extensions must be `Clone`.
#[derive(Clone, Debug)]
pub struct TunnelLease(Arc<Lease>);

impl TunnelLease {
    /// The lease itself.
    pub fn lease(&self) -> &Lease {
        &self.0
    }
}
