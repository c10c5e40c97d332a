//! How connections to an endpoint are opened.

use crate::BoxError;
use http::Uri;
use hyper::rt::{Read, Write};
use std::future::Future;
use tower_service::Service;

/// Opens connections: any cloneable tower `Service<Uri>` whose response hyper can read and write,
/// so the connectors written for hyper-util fit (TLS among them).
///
/// Implemented for all such services; not to be implemented by hand.
pub trait Connect: Clone + Send + Sync + 'static {
    /// The opened stream.
    type Io: Read + Write + Unpin + Send + 'static;

    /// Opens one connection.
    fn connect(&self, uri: Uri) -> impl Future<Output = Result<Self::Io, BoxError>> + Send;
}

impl<S> Connect for S
where
    S: Service<Uri> + Clone + Send + Sync + 'static,
    S::Response: Read + Write + Unpin + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
{
    type Io = S::Response;

    async fn connect(&self, uri: Uri) -> Result<Self::Io, BoxError> {
        let mut service = self.clone();
        std::future::poll_fn(|cx| service.poll_ready(cx)).await.map_err(Into::into)?;
        service.call(uri).await.map_err(Into::into)
    }
}

#[cfg(unix)]
pub use unix::UnixConnector;

#[cfg(unix)]
mod unix {
    use http::Uri;
    use hyper_util::rt::TokioIo;
    use std::future::Future;
    use std::io;
    use std::path::Path;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll};
    use tokio::net::UnixStream;
    use tower_service::Service;

    /// Connects to one Unix domain socket, whatever the URI says.
    ///
    /// On one machine it keeps an application server off the network altogether: only who may
    /// open the file can reach it.
    #[derive(Debug, Clone)]
    pub struct UnixConnector {
        path: Arc<Path>,
    }

    impl UnixConnector {
        /// Connects to the socket at this path.
        #[must_use]
        pub fn new(path: impl AsRef<Path>) -> Self {
            Self { path: path.as_ref().into() }
        }
    }

    impl Service<Uri> for UnixConnector {
        type Response = TokioIo<UnixStream>;
        type Error = io::Error;
        type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<UnixStream>>> + Send>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Uri) -> Self::Future {
            let path = Arc::clone(&self.path);
            Box::pin(async move { UnixStream::connect(&path).await.map(TokioIo::new) })
        }
    }
}
