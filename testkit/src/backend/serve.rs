//! The accept loop and the service that plays replies.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderValue, Request, Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::body::{CutBody, PatternBody};
use super::reply::{Content, Cut, Reply};
use super::tap::Tap;
use super::watched::Watched;
use super::{CHECKSUM_START, Counts, Seen, Shared};

type OutBody = UnsyncBoxBody<Bytes, io::Error>;

/// Runs `undo` on the counters when dropped.
struct Counted {
    shared: Arc<Shared>,
    undo: fn(&mut Counts),
}

impl Counted {
    fn new(shared: &Arc<Shared>, change: impl FnOnce(&mut Counts), undo: fn(&mut Counts)) -> Self {
        shared.count(change);
        Self { shared: shared.clone(), undo }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.shared.count(self.undo);
    }
}

pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // A failed accept (out of descriptors, reset in the backlog) concerns one peer.
                let Ok((stream, peer)) = accepted else { continue };
                connections.spawn(connection(stream, peer, shared.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, shared: Arc<Shared>) {
    let mut number = 0;
    let _open = Counted::new(
        &shared,
        |counts| {
            number = counts.connections;
            counts.connections += 1;
            counts.open_connections += 1;
        },
        |counts| counts.open_connections -= 1,
    );
    let _ = stream.set_nodelay(true);
    let service = hyper::service::service_fn(|request| {
        let shared = shared.clone();
        async move { answer(request, peer, number, shared).await }
    });
    let io = TokioIo::new(Tap::new(stream, shared.raw_of(number)));
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().half_close(true);
    // What a client did wrong is in the counters and the records; there is nobody to tell.
    let _ = server.serve_connection_with_upgrades(io, service).await;
}

async fn answer(
    mut request: Request<Incoming>,
    peer: SocketAddr,
    connection: usize,
    shared: Arc<Shared>,
) -> Result<Response<OutBody>, io::Error> {
    // Before the request counts: whoever releases after seeing it counted must reach it.
    let mut released = shared.released.subscribe();
    let in_flight = Counted::new(
        &shared,
        |counts| {
            counts.requests += 1;
            counts.in_flight += 1;
            counts.max_in_flight = counts.max_in_flight.max(counts.in_flight);
        },
        |counts| counts.in_flight -= 1,
    );
    let upgrade = hyper::upgrade::on(&mut request);
    let (parts, body) = request.into_parts();
    let reply = shared.decide(&parts);
    let seen = Seen {
        method: parts.method.clone(),
        uri: parts.uri.clone(),
        version: parts.version,
        headers: parts.headers.clone(),
        body_bytes: 0,
        body_checksum: CHECKSUM_START,
        trailers: None,
        complete: false,
        peer,
        connection,
    };
    let mut watched = Watched { body, seen: Some(seen), shared: shared.clone() };
    if reply.drain_request {
        while let Some(Ok(_)) = watched.frame().await {}
    }
    if !reply.delay.is_zero() {
        tokio::time::sleep(reply.delay).await;
    }
    if reply.held {
        // An error means that the backend is gone, and this task with it.
        let _ = released.changed().await;
    }
    if reply.cut == Some(Cut::BeforeHead) {
        return Err(io::Error::other("cut by the script"));
    }
    if reply.upgrade {
        return Ok(tunnel(&parts, upgrade, &reply, &shared));
    }
    let mut response = Response::new(
        Riding { body: content(&reply, watched), _in_flight: in_flight }.boxed_unsync(),
    );
    *response.status_mut() = reply.status;
    if let (Some(Cut::AfterHead | Cut::AfterBody(_)), Some(length), false) =
        (reply.cut, length(&reply.content), reply.chunked)
    {
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    response.headers_mut().extend(reply.headers);
    if parts.version >= Version::HTTP_2 {
        response.headers_mut().remove(CONNECTION);
        response.headers_mut().remove(TRANSFER_ENCODING);
    }
    Ok(response)
}

fn length(content: &Content) -> Option<u64> {
    match content {
        Content::Bytes(bytes) => Some(bytes.len() as u64),
        Content::Pattern(bytes) => Some(*bytes),
        Content::Echo => None,
    }
}

fn content(reply: &Reply, request: Watched) -> OutBody {
    let cut = match reply.cut {
        Some(Cut::AfterHead) => Some(0),
        Some(Cut::AfterBody(bytes)) => Some(bytes),
        Some(Cut::BeforeHead) | None => None,
    };
    match (&reply.content, cut) {
        (Content::Echo, _) => request.boxed_unsync(),
        (Content::Bytes(bytes), None) if reply.trailers.is_none() && !reply.chunked => {
            Full::new(bytes.clone()).map_err(infallible).boxed_unsync()
        }
        (Content::Bytes(bytes), None) => {
            let frames = [
                (!bytes.is_empty()).then(|| Frame::data(bytes.clone())),
                reply.trailers.clone().map(Frame::trailers),
            ];
            let frames = frames.into_iter().flatten().map(Ok);
            StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync()
        }
        (Content::Bytes(bytes), Some(cut)) => {
            let kept = usize::try_from(cut).map_or(bytes.len(), |cut| cut.min(bytes.len()));
            CutBody { data: Some(bytes.slice(..kept)), flushed: false }.boxed_unsync()
        }
        (Content::Pattern(bytes), cut) => {
            let mut body = PatternBody::new(*bytes).pace(reply.pace);
            if let Some(trailers) = &reply.trailers {
                body = body.trailers(trailers.clone());
            }
            if reply.chunked {
                body = body.without_length();
            }
            if let Some(cut) = cut {
                body = body.failing_after(cut);
            }
            body.boxed_unsync()
        }
    }
}

fn infallible(never: Infallible) -> io::Error {
    match never {}
}

/// The response body with what counts the request out at its end.
struct Riding {
    body: OutBody,
    _in_flight: Counted,
}

impl Body for Riding {
    type Data = Bytes;
    type Error = io::Error;
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }
    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn tunnel(
    parts: &http::request::Parts,
    upgrade: hyper::upgrade::OnUpgrade,
    reply: &Reply,
    shared: &Arc<Shared>,
) -> Response<OutBody> {
    let mut response = Response::new(Full::default().map_err(infallible).boxed_unsync());
    let connect = parts.method == http::Method::CONNECT;
    *response.status_mut() = if connect { StatusCode::OK } else { reply.status };
    if !connect {
        let protocol = parts.headers.get(UPGRADE).cloned();
        let protocol = protocol.unwrap_or_else(|| HeaderValue::from_static("echo"));
        response.headers_mut().insert(UPGRADE, protocol);
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
    response.headers_mut().extend(reply.headers.clone());
    let open = shared.clone();
    shared.spawn_tunnel(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let _open = Counted::new(&open, |counts| counts.tunnels += 1, |counts| counts.tunnels -= 1);
        let (mut read, mut write) = tokio::io::split(TokioIo::new(upgraded));
        // Whichever side ends it, the tunnel is over.
        let _ = tokio::io::copy(&mut read, &mut write).await;
        let _ = tokio::io::AsyncWriteExt::shutdown(&mut write).await;
    });
    response
}
