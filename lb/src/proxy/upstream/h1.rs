//! One HTTP/1 connection, driven by whoever uses it.
//!
//! hyper splits a connection into a sender and a driver and suggests a task for the driver. A
//! proxy pays for that twice a request: a task switch to write and another to read. Here the
//! driver stays with the exchange, then with the response body, then in the pool, and is polled
//! from there. Only an exchange whose two directions may run at once (a request body still on its
//! way when the response starts, or an upgrade) gets a task, because then progress in one
//! direction must not wait for a reader of the other.

use super::error::{Phase, UpstreamError};
use super::relay::Relay;
use super::send_body::{Progress, SendBody};
use crate::BoxError;
use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Request, Response, StatusCode, Version};
use http_body::{Body, Frame};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::rt::{Read, Write};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use tokio::time::{Duration, Instant, Sleep};

type Driver = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

/// The largest read and write buffer of a connection. Two of them is what a stalled exchange may
/// hold in memory; more does not make bulk transfers faster on measured machines.
const MAX_BUFFER: usize = 64 * 1024;

/// An open HTTP/1 connection.
pub(super) struct H1<B> {
    sender: SendRequest<SendBody<B>>,
    /// `None` once the connection has ended: dropping the driver is what closes the socket and
    /// gives a queued request back.
    driver: Option<Driver>,
    relay: Relay,
    /// Registered once and then only moved, which costs no lock.
    timer: Pin<Box<Sleep>>,
    pub(super) born: Instant,
    pub(super) idle_since: Instant,
}

/// How an answered exchange goes on.
pub(super) enum Answer<B> {
    /// The response is complete with its head and the connection is idle again.
    Idle(Response<Incoming>, Box<H1<B>>),
    /// The body follows on this connection.
    Streaming(Response<Incoming>, Box<H1<B>>),
    /// The connection lives in a task of its own until both directions end, or has ended.
    Detached(Response<Incoming>),
}

impl<B> H1<B>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    pub(super) async fn handshake<I>(io: I, now: Instant) -> hyper::Result<Box<Self>>
    where
        I: Read + Write + Unpin + Send + 'static,
    {
        let (sender, connection) = Builder::new().max_buf_size(MAX_BUFFER).handshake(io).await?;
        Ok(Box::new(Self {
            sender,
            driver: Some(Box::pin(connection.with_upgrades())),
            relay: Relay::new(),
            timer: Box::pin(tokio::time::sleep_until(now)),
            born: now,
            idle_since: now,
        }))
    }

    /// Sends one request and waits for the response head.
    pub(super) async fn exchange(
        mut self: Box<Self>,
        request: Request<SendBody<B>>,
        head_timeout: Duration,
        now: Instant,
    ) -> Result<Answer<B>, UpstreamError<B>> {
        let progress = request.body().progress();
        let mut mark = progress.as_ref().map_or(0, |progress| progress.mark());
        self.timer.as_mut().reset(now + head_timeout);
        let mut answered = pin!(self.sender.try_send_request(request));
        let (driver, relay, timer) = (&mut self.driver, &mut self.relay, &mut self.timer);
        let answer = poll_fn(|cx| {
            relay.enter(cx);
            drive(driver, relay);
            // The driver was polled just above and is the only one to complete this future, so
            // this poll needs no waker.
            let mut quiet = Context::from_waker(Waker::noop());
            let polled = answered.as_mut().poll(&mut quiet);
            relay.leave(cx);
            if let Poll::Ready(answer) = polled {
                return Poll::Ready(Some(answer));
            }
            if driver.is_none() {
                // Not reachable: an ended connection answers its requests first.
                return Poll::Ready(None);
            }
            while timer.as_mut().poll(cx).is_ready() {
                let moved = progress.as_ref().map_or(0, |progress| progress.mark());
                if moved == mark {
                    return Poll::Ready(None);
                }
                // The clock for the answer starts when the request has been taken.
                mark = moved;
                timer.as_mut().reset(Instant::now() + head_timeout);
            }
            Poll::Pending
        })
        .await;
        match answer {
            Some(Ok(response)) => Ok(self.continue_with(response, progress.as_deref())),
            Some(Err(mut error)) => Err(match error.take_message() {
                Some(request) => {
                    let request = request.map(SendBody::into_inner);
                    UpstreamError::unsent(Phase::Send, request, boxed(error.into_error()))
                }
                None => {
                    let error = error.into_error();
                    UpstreamError::maybe_sent(phase_of(&error), boxed(error))
                }
            }),
            None if self.driver.is_none() => {
                UpstreamError::maybe_sent(Phase::Response, None).into()
            }
            None => UpstreamError::maybe_sent(Phase::HeadTimeout, None).into(),
        }
    }

    fn continue_with(
        mut self: Box<Self>,
        response: Response<Incoming>,
        progress: Option<&Progress>,
    ) -> Answer<B> {
        let sending = progress.is_some_and(|progress| !progress.has_ended());
        if sending || response.status() == StatusCode::SWITCHING_PROTOCOLS {
            if let Some(driver) = self.driver.take() {
                tokio::spawn(driver);
            }
            return Answer::Detached(response);
        }
        if response.body().is_end_stream() {
            return Answer::Idle(response, self);
        }
        Answer::Streaming(response, self)
    }

    /// Polls a part of the response body, which lets the connection make progress for it.
    pub(super) fn poll_body(
        &mut self,
        incoming: &mut Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        self.relay.enter(cx);
        // Takes what is there, or says that we want more: the connection reads what is wanted.
        let mut polled = Pin::new(&mut *incoming).poll_frame(cx);
        match &polled {
            Poll::Pending => {
                drive(&mut self.driver, &self.relay);
                polled = Pin::new(incoming).poll_frame(cx);
            }
            // After the last part an idle connection has nothing left to do.
            Poll::Ready(Some(Ok(part))) if is_last(part, incoming) && self.is_idle() => {
                self.relay.dismiss();
            }
            // The room that was made is filled at once: the next part comes without a wake.
            Poll::Ready(_) => drive(&mut self.driver, &self.relay),
        }
        self.relay.leave(cx);
        polled
    }

    /// Looks whether an idle connection is still open, without waiting.
    pub(super) fn is_open(&mut self) -> bool {
        drive(&mut self.driver, &self.relay);
        self.is_idle()
    }

    /// Forgets its user, whom nothing that happens from now on concerns.
    pub(super) fn rest(&mut self) {
        self.relay.rest();
    }

    /// Whether the last exchange has ended on both sides and the connection can take another.
    pub(super) fn is_idle(&self) -> bool {
        self.driver.is_some() && self.sender.is_ready()
    }
}

/// Whether this was the last part of the body. A reader may stop at it without asking for the end.
pub(super) fn is_last(part: &Frame<Bytes>, incoming: &Incoming) -> bool {
    incoming.is_end_stream() || part.is_trailers()
}

fn drive(driver: &mut Option<Driver>, relay: &Relay) {
    if let Some(running) = driver
        && running.as_mut().poll(&mut Context::from_waker(relay.waker())).is_ready()
    {
        // Its error, if any, has gone to the exchange or the body already.
        *driver = None;
    }
}

impl<B> From<UpstreamError<B>> for Result<Answer<B>, UpstreamError<B>> {
    fn from(error: UpstreamError<B>) -> Self {
        Err(error)
    }
}

fn boxed(error: hyper::Error) -> BoxError {
    Box::new(error)
}

pub(super) fn phase_of(error: &hyper::Error) -> Phase {
    if error.is_user() {
        Phase::RequestBody
    } else if error.is_parse() {
        Phase::Invalid
    } else {
        Phase::Response
    }
}

/// Makes the head say what the body is, whatever the client's head said: a length if it is known,
/// else chunks.
pub(super) fn frame<B: Body>(request: &mut Request<B>) {
    *request.version_mut() = Version::HTTP_11;
    if request.body().is_end_stream() {
        // Kept when it says zero, because some servers insist on it for POST.
        let length = request.headers().get(header::CONTENT_LENGTH);
        if length.is_some_and(|length| length.as_bytes() != b"0") {
            request.headers_mut().remove(header::CONTENT_LENGTH);
        }
        return;
    }
    let length = request.body().size_hint().exact();
    let headers = request.headers_mut();
    headers.remove(header::TRANSFER_ENCODING);
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    } else {
        headers.remove(header::CONTENT_LENGTH);
        // Said explicitly, because hyper would drop the chunked body of a GET without it.
        headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::ProxyBody;
    use http_body_util::{Full, StreamBody};

    fn framed(body: ProxyBody, fields: &[(&'static str, &'static str)]) -> http::HeaderMap {
        let mut request = Request::new(body);
        for (name, value) in fields {
            request.headers_mut().append(*name, HeaderValue::from_static(value));
        }
        frame(&mut request);
        request.headers().clone()
    }

    #[test]
    fn the_body_decides_the_framing_whatever_the_head_said() {
        let five = || ProxyBody::new(Full::new(Bytes::from_static(b"12345")));
        let headers = framed(five(), &[("content-length", "9"), ("transfer-encoding", "chunked")]);
        assert_eq!(headers["content-length"], "5");
        assert!(!headers.contains_key("transfer-encoding"));

        let endless = futures_util::stream::pending::<Result<Frame<Bytes>, BoxError>>();
        let headers = framed(ProxyBody::new(StreamBody::new(endless)), &[("content-length", "9")]);
        assert_eq!(headers["transfer-encoding"], "chunked");
        assert!(!headers.contains_key("content-length"));

        let headers = framed(ProxyBody::empty(), &[("content-length", "9")]);
        assert!(headers.is_empty());
        let headers = framed(ProxyBody::empty(), &[("content-length", "0")]);
        assert_eq!(headers["content-length"], "0");
    }
}
