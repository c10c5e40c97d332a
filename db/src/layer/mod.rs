//! Carries tokens between HTTP requests and responses.
//!
//! [`CausalLayer`] gives each request a [`CausalContext`](crate::CausalContext) in its extensions,
//! which goes on where the same client's last response stopped. A handler passes the context to its
//! reads and writes; when the head of the response is ready and the context has moved, the client
//! gets a new token. No session, no store: what a user must see travels with the user.
//!
//! # Examples
//!
//! As it comes, for browsers: a cookie. An axum handler takes the context as an
//! [`Extension`](https://docs.rs/axum/latest/axum/struct.Extension.html).
//!
//! ```
//! use axum::{Extension, Router, routing::get};
//! use terrace_db::{CausalContext, CausalLayer, TokenKey};
//!
//! async fn page(Extension(context): Extension<CausalContext>) -> String {
//!     // pool.read().context(&context) sees what this user wrote a moment ago.
//!     format!("you have written up to {:?}", context.position())
//! }
//!
//! # fn main() -> Result<(), terrace_db::KeyError> {
//! # let directory = tempfile::tempdir().unwrap();
//! # let path = directory.path().join("terrace.key");
//! let key = TokenKey::from_file(path)?;
//! let app: Router = Router::new().route("/", get(page)).layer(CausalLayer::cookie(key));
//! # Ok(())
//! # }
//! ```
//!
//! Adjusted, for services that call each other: a header, around any tower service. A caller sends
//! back what it got.
//!
//! ```
//! use std::convert::Infallible;
//! use std::time::Duration;
//! use http::{Request, Response};
//! use terrace_db::{CausalContext, CausalLayer, Position, SystemId, Token, TokenKey};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let key = TokenKey::new([7; 32])?.max_age(Duration::from_secs(600));
//! let service = ServiceBuilder::new()
//!     .layer(CausalLayer::header(key))
//!     .service(service_fn(|request: Request<String>| async move {
//!         let context = CausalContext::of(&request).cloned().unwrap_or_default();
//!         // In place of pool.write().context(&context): a token that came with a message.
//!         let position = Position::new(1, 42);
//!         let token = Token { system: SystemId(7), position, seen: 0, issued: 0 };
//!         context.observe(token, tokio::time::Instant::now());
//!         Ok::<_, Infallible>(Response::new(String::new()))
//!     }));
//!
//! let response = service.oneshot(Request::new(String::new())).await?;
//! assert_eq!(response.headers()["terrace-token"].len(), 60);
//! # Ok(())
//! # }
//! ```
//!
//! # What comes in
//!
//! Requests are not trusted. A token that is no token, or is not signed with the key, or is too
//! old, counts as none: the request is served as if its user were new, and the metric
//! `terrace.db.tokens` says how many there were. If there are several, as when a neighbouring
//! domain has set a cookie of the same name, the valid one with the highest position is taken; of
//! two clusters' tokens, those of the cluster that the youngest speaks of.
//!
//! # What goes out
//!
//! A token goes out if it would say something else than the one that came in, or if that one has
//! passed half of its age and the request has used the database. Once a promotion has lost what the
//! token that came in speaks of, and nothing has replaced it, the client is told to forget it: the
//! cookie is removed, the header is there and empty.
//!
//! A response with a token is one user's. By RFC 9111, a `Set-Cookie` keeps no cache from storing
//! the response, and whoever got another user's token from a cache would lose their own. So a
//! response without `Cache-Control` gets `private`. One that has it keeps it as it is if it says
//! `private` or `no-store`; if not, `private="set-cookie"` (or the header's name) is added: shared
//! caches may store the response, but not the token. Many take that for a plain `private`. For
//! pages that caches shall share, do not use the context; then there is no token to protect.
//!
//! # When not to use it
//!
//! The context must have moved before the head of the response: what a streamed body reads or
//! writes later is not carried. Two requests of one browser at the same time may each get a token,
//! and the one that arrives last stays, though the other may be further: what a user must see next
//! should be written by the request before it. A browser's script reads the header from another
//! origin only if CORS exposes it.

mod future;
mod incoming;
#[expect(clippy::module_inception, reason = "a folder for a middleware, and a file for its layer")]
mod layer;
mod outgoing;
mod service;
mod telemetry;

#[cfg(test)]
mod tests;

pub use self::future::CausalFuture;
pub use self::layer::CausalLayer;
pub use self::service::CausalService;

/// The header's name, and the cookie's.
const NAME: &str = "terrace-token";

/// How a token travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carrier {
    Header,
    Cookie { secure: bool },
}
