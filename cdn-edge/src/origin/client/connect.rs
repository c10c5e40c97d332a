//! Connections that are opened in time, and know whether they have answered before.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Extensions, Uri};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::Error;
use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::time::timeout;
use tower_service::Service;

use crate::origin::BoxError;

/// What opens connections to the origin.
#[cfg(feature = "tls-rustls")]
pub(super) type Opener =
    hyper_rustls::HttpsConnector<hyper_util::client::legacy::connect::HttpConnector>;
/// What opens connections to the origin.
#[cfg(not(feature = "tls-rustls"))]
pub(super) type Opener = hyper_util::client::legacy::connect::HttpConnector;

/// Opens connections within a time.
#[derive(Clone, Debug)]
pub(super) struct Connector<C = Opener> {
    inner: C,
    within: Duration,
}

impl<C> Connector<C> {
    pub(super) fn new(inner: C, within: Duration) -> Self {
        Self { inner, within }
    }
}

impl<C> Service<Uri> for Connector<C>
where
    C: Service<Uri>,
    C::Error: Into<BoxError>,
    C::Future: Send + 'static,
{
    type Response = Link<C::Response>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (opening, within) = (self.inner.call(uri), self.within);
        Box::pin(async move {
            match timeout(within, opening).await {
                Ok(Ok(io)) => Ok(Link { io, answered: Answered::default() }),
                Ok(Err(error)) => Err(error.into()),
                Err(_) => {
                    let what = format!("no connection within {within:?}");
                    Err(io::Error::new(io::ErrorKind::TimedOut, what).into())
                }
            }
        })
    }
}

/// Whether a connection has answered before: then what fails on it may be its age.
#[derive(Clone, Debug, Default)]
pub(super) struct Answered(Arc<AtomicBool>);

impl Answered {
    /// The connection of this response has answered.
    pub(super) fn mark(response: &mut Extensions) {
        if let Some(answered) = response.remove::<Self>() {
            answered.0.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the connection of this error had.
    pub(super) fn before(error: &Error) -> bool {
        let mut extras = Extensions::new();
        if let Some(connected) = error.connect_info() {
            connected.get_extras(&mut extras);
        }
        extras.get::<Self>().is_some_and(|answered| answered.0.load(Ordering::Relaxed))
    }
}

/// A connection with its mark.
#[derive(Debug)]
pub(super) struct Link<T> {
    io: T,
    answered: Answered,
}

impl<T: Connection> Connection for Link<T> {
    fn connected(&self) -> Connected {
        self.io.connected().extra(self.answered.clone())
    }
}

impl<T: Read + Unpin> Read for Link<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<T: Write + Unpin> Write for Link<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tower::{ServiceExt, service_fn};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_name_that_is_never_resolved_is_given_up() {
        let hangs = service_fn(|_: Uri| pending::<Result<(), BoxError>>());
        let connector = Connector::new(hangs, Duration::from_secs(3));
        let error = connector.oneshot(Uri::from_static("http://a")).await.unwrap_err();
        assert_eq!(error.to_string(), "no connection within 3s");
        let kind = error.downcast_ref::<io::Error>().unwrap().kind();
        assert_eq!(kind, io::ErrorKind::TimedOut);
    }
}
