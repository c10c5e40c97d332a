//! An accept loop that can face the internet, and leave it politely.
//!
//! [`serve`] runs any tower HTTP service, HTTP/1 and HTTP/2 on one port, over TCP, a Unix socket or
//! any [`Listener`]. It adds what a bare loop lacks: a cap on connections, timeouts for clients
//! that are slow to ask or to read, bounded buffers, patience with a full file table, and a drain.
//!
//! # Draining
//!
//! When the shutdown future completes:
//!
//! 1. What waits in the listener's queue is accepted and the listener closes. New connections are
//!    refused from here on.
//! 2. For the [linger](Server::linger) everything goes on, but each HTTP/1 response asks its client
//!    to close. A request that was on its way to a kept-alive connection is answered.
//! 3. Connections without a request close. One that has received even a single byte of a request
//!    stays: it gets its whole answer.
//! 4. At the [deadline](Server::drain_deadline) what is left is cut, and the [`Report`] says how
//!    much that was.
//!
//! The one gap is the kernel's: a client whose handshake completes between the last accept and the
//! close of the listener, microseconds later, is reset.
//!
//! # When not to use it
//!
//! In tests and tools `axum::serve` is shorter. It has no timeouts and no cap.
//!
//! # Examples
//!
//! ```no_run
//! use terrace_lb::serve;
//!
//! # async fn run() -> std::io::Result<()> {
//! let app = axum::Router::new().route("/", axum::routing::get(|| async { "on air" }));
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//! let stop = async { drop(tokio::signal::ctrl_c().await) };
//! let report = serve::serve(listener, app, stop).await;
//! println!("{} requests", report.requests);
//! # Ok(())
//! # }
//! ```

mod acceptor;
mod activity;
mod config;
mod connection;
mod drain;
mod io;
mod listener;
mod patience;
mod run;
mod service;
mod telemetry;

use std::future::Future;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use tower_service::Service;

pub use acceptor::{Acceptor, Plain};
pub use config::Server;
pub use listener::Listener;
pub use run::Report;

use crate::BoxError;

/// A service that can be served: any cloneable tower service from hyper's requests to responses.
/// Its errors close the connection without an answer.
///
/// Implemented for all such services; not to be implemented by hand.
pub trait HttpService:
    Service<
        Request<Incoming>,
        Response = Response<Self::Body>,
        Error: Into<BoxError> + Send,
        Future: Send + 'static,
    > + Clone
    + Send
    + 'static
{
    /// The response's body.
    type Body: Body<Data: Send, Error: Into<BoxError>> + Send + 'static;
}

impl<S, B> HttpService for S
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError> + Send,
    S::Future: Send + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Body = B;
}

/// Serves a service with the defaults of [`Server`] until `shutdown` completes, then drains.
///
/// Each request carries the client's [`Peer`](crate::proxy::Peer) in its extensions.
///
/// # Cancel safety
///
/// Dropping the future closes the listener; open connections go on in their tasks.
pub async fn serve<L, S>(listener: L, service: S, shutdown: impl Future<Output = ()>) -> Report
where
    L: Listener,
    S: HttpService,
{
    Server::new().serve(listener, service, shutdown).await
}
