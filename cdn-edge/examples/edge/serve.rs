//! A small accept loop: HTTP/1.1, a bound for everything a client may hold, a drain at the end.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tower::{Service, ServiceExt};

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
    B: http_body::Body + Send + 'static,
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
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<AnyError>,
{
    // Small answers should not wait for each other; without it they are only slower.
    let _ = stream.set_nodelay(true);
    let each = hyper::service::service_fn(move |request| service.clone().oneshot(request));
    let connection = http1::Builder::new()
        .pipeline_flush(true)
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), each);
    let mut served = pin!(connection);
    // How a connection ended is the client's affair: it went away, or sent what is no HTTP.
    tokio::select! {
        _ = served.as_mut() => return,
        () = stop.wait() => {}
    }
    served.as_mut().graceful_shutdown();
    let _ = served.await;
}
