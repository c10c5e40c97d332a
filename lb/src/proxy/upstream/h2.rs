//! HTTP/2 with prior knowledge: a few connections, each with many streams.

use super::connect::Connect;
use super::error::{Phase, UpstreamError};
use super::h1::phase_of;
use super::send_body::SendBody;
use super::{Config, connect_within};
use crate::BoxError;
use bytes::Bytes;
use http::header;
use http::uri::{PathAndQuery, Scheme, Uri};
use http::{Request, Response, Version};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::{Duration, Instant};

/// Streams per connection before another is opened: the lowest limit that servers in the field
/// announce, and few enough that one lost packet does not hold up everybody.
const STREAMS_PER_CONNECTION: usize = 100;
/// A full window for one stream on a 100 Mbit/s path of 80 ms, times eight for a connection.
const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 8 * 1024 * 1024;
/// A silent connection is asked, so that a vanished endpoint is noticed without traffic.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// The connections to one endpoint.
pub(super) struct H2<B> {
    /// Guards the list; held to choose or add, never across an await.
    open: Mutex<Vec<Arc<Connection<B>>>>,
    /// One connection attempt at a time, so that a burst opens one connection and not a hundred.
    opening: tokio::sync::Mutex<()>,
}

struct Connection<B> {
    sender: SendRequest<SendBody<B>>,
    streams: Arc<AtomicUsize>,
    born: Instant,
}

/// Counts one stream for as long as it lives.
pub(super) struct StreamGuard(Arc<AtomicUsize>);

impl Drop for StreamGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<B> H2<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    pub(super) fn new() -> Self {
        Self { open: Mutex::new(Vec::new()), opening: tokio::sync::Mutex::new(()) }
    }

    pub(super) async fn exchange<C: Connect>(
        &self,
        connector: &C,
        config: &Config,
        request: Request<B>,
    ) -> Result<(Response<Incoming>, StreamGuard), UpstreamError<B>> {
        let mut request = request.map(SendBody::new);
        absolute(&mut request, &config.uri);
        loop {
            let now = Instant::now();
            let (mut sender, guard) = match self.pick(config, now) {
                Some(picked) => picked,
                None => match self.open(connector, config).await {
                    Ok(picked) => picked,
                    Err((phase, source)) => {
                        let request = request.map(SendBody::into_inner);
                        return Err(UpstreamError::unsent(phase, request, source));
                    }
                },
            };
            let answered = sender.try_send_request(request);
            match tokio::time::timeout(config.head_timeout, answered).await {
                Ok(Ok(response)) => return Ok((response, guard)),
                Ok(Err(mut error)) => match error.take_message() {
                    // The connection ended before it took the request. It will not be picked
                    // again, so this loop ends with a fresh one or with a connect error.
                    Some(unsent) => request = unsent,
                    None => {
                        let error = error.into_error();
                        let source: BoxError = Box::new(error);
                        let phase = source.downcast_ref().map_or(Phase::Response, phase_of);
                        return Err(UpstreamError::maybe_sent(phase, source));
                    }
                },
                Err(elapsed) => {
                    let source: BoxError = Box::new(elapsed);
                    return Err(UpstreamError::maybe_sent(Phase::HeadTimeout, source));
                }
            }
        }
    }

    /// The first open connection with a free stream: filling one before using the next lets the
    /// others run empty and retire.
    fn pick(
        &self,
        config: &Config,
        now: Instant,
    ) -> Option<(SendRequest<SendBody<B>>, StreamGuard)> {
        let mut open = self.lock();
        open.retain(|connection| {
            !connection.sender.is_closed()
                && now.saturating_duration_since(connection.born) < config.limits.max_age
        });
        let connection = open.iter().find(|connection| {
            connection.streams.load(Ordering::Relaxed) < STREAMS_PER_CONNECTION
        })?;
        connection.streams.fetch_add(1, Ordering::Relaxed);
        Some((connection.sender.clone(), StreamGuard(Arc::clone(&connection.streams))))
    }

    async fn open<C: Connect>(
        &self,
        connector: &C,
        config: &Config,
    ) -> Result<(SendRequest<SendBody<B>>, StreamGuard), (Phase, Option<BoxError>)> {
        let _turn = self.opening.lock().await;
        if let Some(picked) = self.pick(config, Instant::now()) {
            return Ok(picked);
        }
        let io = connect_within(connector, config).await?;
        let (sender, driver) = Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .keep_alive_interval(KEEP_ALIVE_INTERVAL)
            .handshake(io)
            .await
            .map_err(|error| (Phase::Connect, Some(error.into())))?;
        tokio::spawn(driver);
        let streams = Arc::new(AtomicUsize::new(1));
        let guard = StreamGuard(Arc::clone(&streams));
        let connection = Connection { sender: sender.clone(), streams, born: Instant::now() };
        self.lock().push(Arc::new(connection));
        Ok((sender, guard))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Connection<B>>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// HTTP/2 carries the authority in the target and has no `Host`.
fn absolute<B>(request: &mut Request<B>, endpoint: &Uri) {
    *request.version_mut() = Version::HTTP_2;
    let host = request.headers_mut().remove(header::HOST);
    let authority = host
        .as_ref()
        .and_then(|host| host.as_bytes().try_into().ok())
        .or_else(|| endpoint.authority().cloned());
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(endpoint.scheme().cloned().unwrap_or(Scheme::HTTP));
    parts.authority = authority;
    let path = request.uri().path_and_query().cloned();
    parts.path_and_query = Some(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
}
