//! A small accept loop: HTTP/1.1, a bound for everything a client may hold, a drain at the end.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tower::Service;

use super::AnyError;

/// Beyond it, clients wait in the kernel's queue: each connection holds a descriptor and a buffer.
const CONNECTIONS: usize = 10_000;
/// For the head of a request, and thereby for how long an idle connection is kept.
const HEAD_WITHIN: Duration = Duration::from_secs(30);
/// Room for the head of one request and what is read ahead of it.
const BUFFER: usize = 64 * 1024;
/// What requests in flight get after the end was asked for.
const DRAIN: Duration = Duration::from_secs(10);
/// After a failed accept, most often for want of descriptors: trying at once would only spin.
const PAUSE: Duration = Duration::from_millis(50);

/// Completes once the process was asked to end.
#[derive(Clone)]
pub(crate) struct Stop(pub(crate) watch::Receiver<bool>);

impl Stop {
    async fn wait(mut self) {
        // An error means that nobody can ask any more, which is as good as being asked.
        let _ = self.0.wait_for(|asked| *asked).await;
    }
}

/// Serves until the end is asked for and the connections have drained; says how many were cut.
pub(crate) async fn serve<S, B>(listener: TcpListener, service: S, stop: Stop) -> usize
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: http_body::Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<AnyError>,
{
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    let mut asked = pin!(stop.clone().wait());
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        tokio::select! {
            () = &mut asked => break,
            Some(_) = connections.join_next() => {}
            (place, accepted) = accepted => match accepted {
                Ok((stream, _)) => {
                    let served = connection(stream, service.clone(), stop.clone());
                    connections.spawn(async move {
                        let _place = place;
                        served.await;
                    });
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            },
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(DRAIN, drained).await;
    connections.len()
}

async fn connection<S, B>(stream: TcpStream, service: S, stop: Stop)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: http_body::Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<AnyError>,
{
    // Small answers should not wait for each other; without it they are only slower.
    let _ = stream.set_nodelay(true);
    let activity = Arc::new(Activity::default());
    let seen = Arc::clone(&activity);
    let each = hyper::service::service_fn(move |request| {
        let in_flight = InFlight::begin(&seen);
        // An edge is always ready.
        let answer = service.clone().call(request);
        async move {
            answer
                .await
                .map(|response| response.map(|body| Tracked { body, _in_flight: in_flight }))
        }
    });
    let connection = http1::Builder::new()
        .pipeline_flush(true)
        // One timer a connection does it, below, at no cost for each request.
        .header_read_timeout(None)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), each);
    let mut served = pin!(connection);
    // How a connection ended is the client's affair: it went away, or sent what is no HTTP.
    tokio::select! {
        _ = served.as_mut() => return,
        () = stop.wait() => {}
        () = activity.stopped() => {}
    }
    served.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(DRAIN, served).await;
}

/// What happens on a connection.
#[derive(Debug, Default)]
struct Activity {
    begun: AtomicU64,
    in_flight: AtomicU64,
}

impl Activity {
    /// Completes when for [`HEAD_WITHIN`] or a little longer nothing has been on its way and nothing has begun: the
    /// client is idle, or sends the head of a request byte by byte.
    async fn stopped(&self) {
        let mut begun = None;
        loop {
            tokio::time::sleep(HEAD_WITHIN / 2).await;
            let now = (self.begun.load(Relaxed), self.in_flight.load(Relaxed));
            if now.1 == 0 && begun == Some(now) {
                return;
            }
            begun = Some(now);
        }
    }
}

/// A request that has begun and not been answered to the end.
struct InFlight(Arc<Activity>);

impl InFlight {
    fn begin(activity: &Arc<Activity>) -> Self {
        activity.begun.fetch_add(1, Relaxed);
        activity.in_flight.fetch_add(1, Relaxed);
        Self(Arc::clone(activity))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

/// A body that tells when it has ended.
struct Tracked<B> {
    body: B,
    _in_flight: InFlight,
}

impl<B: http_body::Body + Unpin> http_body::Body for Tracked<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
