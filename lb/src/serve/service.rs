//! The user's service as hyper calls it, with the connection's bookkeeping around it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use http::header::{self, HeaderValue};
use http::{Request, Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::activity::Activity;
use crate::proxy::Peer;
use crate::proxy::call::Call;

/// One connection's service.
pub(super) struct Adapted<S> {
    /// Guards the service for the time of a `call`: hyper calls with `&self`, tower with
    /// `&mut self`. Only the connection's task ever takes it.
    service: Mutex<S>,
    peer: Option<Peer>,
    activity: Arc<Activity>,
}

impl<S> Adapted<S> {
    /// `peer` goes into the extensions of every request, if given.
    pub(super) fn new(service: S, peer: Option<Peer>, activity: Arc<Activity>) -> Self {
        Self { service: Mutex::new(service), peer, activity }
    }
}

impl<S, ResB> hyper::service::Service<Request<Incoming>> for Adapted<S>
where
    S: Service<Request<Incoming>, Response = Response<ResB>> + Clone,
    ResB: Body,
{
    type Response = Response<Counted<ResB>>;
    type Error = S::Error;
    type Future = Answer<S>;

    fn call(&self, mut request: Request<Incoming>) -> Answer<S> {
        let in_flight = InFlight::begin(&self.activity);
        if let Some(peer) = &self.peer {
            request.extensions_mut().insert(peer.clone());
        }
        let says_close = request.version() < Version::HTTP_2;
        let mut service = self.service.lock().unwrap_or_else(PoisonError::into_inner);
        let call = Call::new(&mut *service, request);
        Answer { call, in_flight: Some(in_flight), says_close }
    }
}

/// Counts one request from its call to the end of its response.
struct InFlight(Arc<Activity>);

impl InFlight {
    fn begin(activity: &Arc<Activity>) -> Self {
        activity.begin_request();
        Self(Arc::clone(activity))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.end_request();
    }
}

pin_project! {
    pub(super) struct Answer<S: Service<Request<Incoming>>> {
        #[pin]
        call: Call<S, Request<Incoming>>,
        in_flight: Option<InFlight>,
        says_close: bool,
    }
}

impl<S, ResB> Future for Answer<S>
where
    S: Service<Request<Incoming>, Response = Response<ResB>>,
{
    type Output = Result<Response<Counted<ResB>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.call.poll(cx))?;
        if let Some(InFlight(activity)) = this.in_flight {
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                activity.set_tunnel();
            } else if *this.says_close && activity.is_closing() {
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(header::CONNECTION, close);
            }
        }
        let in_flight = this.in_flight.take();
        Poll::Ready(Ok(response.map(|body| Counted { body, _in_flight: in_flight })))
    }
}

pin_project! {
    /// A response body that keeps its request counted until it is dropped.
    pub(super) struct Counted<B> {
        #[pin]
        body: B,
        _in_flight: Option<InFlight>,
    }
}

impl<B: Body> Body for Counted<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
