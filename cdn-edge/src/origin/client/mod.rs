//! A client for an origin that is a URL, by hyper-util: HTTP/1.1, connections kept, and nothing
//! sent but the request.
//!
//! It asks one origin and no other, whatever a request's target says: the authority of the URL it
//! was made with is the one that is connected to, and targets go out in origin form. So a cache in
//! front of strangers cannot be made to ask somebody else.
//!
//! - **`Host` is the visitor's**, since that is what the origin's links and the cache's keys are
//!   made of; [`HostField::Origin`] is for storage that knows itself by another name.
//! - **A kept connection that died** is no reason to fail: a request that was not written yet is
//!   sent on another connection, whichever it is; one that was is sent once more if it is idempotent,
//!   has no body, and its connection had answered before (RFC 9112, section 9.3.1). On a fresh
//!   connection nothing is sent again: there the request itself may be what kills the origin.
//! - **Connecting has a limit of its own**, over name resolution, TCP and TLS together.
//!
//! The request is to be fit for forwarding: fields that belong to the visitor's connection are
//! the edge's to take out. Not for HTTP/2 origins: one connection for all is one point to stall, and
//! what it saves is handshakes, which kept connections save too.
//!
//! # Examples
//!
//! As it comes:
//!
//! ```no_run
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::Empty;
//! use terrace_cdn_edge::origin::Client;
//! use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::to("http://127.0.0.1:8080")?;
//! let request = Request::get("/static/app.css").body(Empty::<Bytes>::new())?;
//! let response = client.oneshot(request).await?;
//! println!("{}", response.status());
//! # Ok(())
//! # }
//! ```
//!
//! Adjusted, with everything around it that an origin needs:
//!
//! ```
//! use std::time::Duration;
//! use terrace_cdn_edge::origin::client::HostField;
//! use terrace_cdn_edge::origin::{Client, Guard, Phases, TimedLayer};
//! use tower::Layer;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder("http://storage.internal:9000/covers")?
//!     .connect_timeout(Duration::from_secs(1))
//!     .host(HostField::Origin)
//!     .build()?;
//! let origin = Guard::default().layer(TimedLayer::new(Phases::default())?.layer(client));
//! # drop(origin);
//! let error = Client::to("http://me:secret@storage/").unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "the URL \"http://…@storage/\" has a user or password, which would not be sent"
//! );
//! # Ok(())
//! # }
//! ```

mod builder;
mod connect;
mod failure;
mod request;
mod service;
#[cfg(test)]
mod tests;

pub use builder::Builder;
pub use request::HostField;
pub use service::Client;
