//! Caches the responses of any tower service.
//!
//! [`CacheLayer`] asks a function for the key of each request, and answers from a [`Cache`] of
//! responses what it can. It promises what the cache does: concurrent misses of one key call the
//! service once, a response is served stale while a new one is on its way, and after an acknowledged
//! invalidation nobody gets the old one.
//!
//! [`Cache`]: crate::Cache
//!
//! # Examples
//!
//! As it comes, for HTTP: `GET`s of one path share a response.
//!
//! ```
//! use std::convert::Infallible;
//! use http::{Request, Response};
//! use terrace_cache::{Cache, CacheLayer};
//! use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let pages = Cache::builder("pages").build()?;
//! let layer = CacheLayer::new(pages.clone(), |request: &Request<()>| {
//!     Some(request.uri().path().to_owned())
//! });
//! let mut service = ServiceBuilder::new().layer(layer).service(service_fn(page));
//!
//! for _ in 0..3 {
//!     let response = service.ready().await?.call(Request::get("/jazz").body(())?).await?;
//!     assert_eq!(response.body(), "all about /jazz");
//! }
//! assert_eq!((pages.stats().loads, pages.stats().hits), (1, 2));
//!
//! // When the page has changed:
//! pages.invalidate(&"/jazz".to_owned()).await?;
//! # Ok(())
//! # }
//!
//! async fn page(request: Request<()>) -> Result<Response<String>, Infallible> {
//!     Ok(Response::new(format!("all about {}", request.uri().path())))
//! }
//! ```
//!
//! Adjusted: pages that each user sees differently, kept until a row that they show changes. What
//! stands in front has verified the user and put the id into the extensions.
//!
//! ```
//! use http::{Request, Response};
//! use terrace_cache::freshness::Ttl;
//! use terrace_cache::layer::{Keep, Keyed};
//! use terrace_cache::tag::row;
//! use terrace_cache::{Cache, CacheLayer};
//!
//! #[derive(Clone, Copy)]
//! struct User(u64);
//!
//! # fn main() -> Result<(), terrace_cache::BuildError> {
//! let pages: Cache<(u64, String), Response<String>> = Cache::builder("home").build()?;
//! let layer = CacheLayer::new(pages, |request: &Request<()>| {
//!     let User(id) = *request.extensions().get::<User>()?;
//!     Some(Keyed::by_principal((id, request.uri().path().to_owned())))
//! })
//! .keep(|response| match response.status().is_success() {
//!     true => Keep::StoreFor(Ttl::ForEver),
//!     false => Keep::DoNotStore,
//! })
//! .tags(|(id, _), _| [row("users", id)]);
//! # let _: CacheLayer<Request<()>, _, _> = layer;
//! # Ok(())
//! # }
//! ```
//!
//! # Who may share what
//!
//! A cache in front of a service is where one user's page is shown to another. So:
//!
//! - A request with credentials goes past the cache unless its key is [`Keyed::by_principal`]. For
//!   HTTP these are `Authorization`, `Proxy-Authorization` and `Cookie`; what else names a sender in
//!   your service (a header with an API key, a client certificate) say
//!   [`credentials`](CacheLayer::credentials). Other types of requests [say it](Shareable)
//!   themselves or through [`with_sharing`](CacheLayer::with_sharing).
//! - Only `GET` is cached. `HEAD` goes past too: its response has no body, and a key that forgets the
//!   method would give that to the next `GET`.
//! - Kept are successes but 206, without `Set-Cookie`, without `Vary` (the key may not name what it
//!   varies by), and without `no-store`, `no-cache` or `private` in `Cache-Control`.
//!   [`keep`](CacheLayer::keep) replaces this rule.
//! - A response that is not kept is for its own request alone. Who waited for it calls the service
//!   with their own request, and has waited in vain: requests whose responses are never kept better
//!   have no key.
//!
//! The rest is the key's: it must name all that the response depends on, the query, the language,
//! the host. What it names can be chosen by whoever sends requests; the cache's capacity bounds how
//! many there are.
//!
//! # How it waits
//!
//! `poll_ready` is always ready, so hits are answered while the service is not. A miss drives a clone
//! of the service to readiness and calls it, in a task of its own: it is not lost when its caller
//! leaves. It has the cache's [`hard_timeout`](crate::freshness::Freshness::hard_timeout), and at
//! most [`max_loads`](crate::Builder::max_loads) run at a time. A request that goes past the cache has
//! the service's own time.
//!
//! Errors of the service are for all who waited, and for whoever asks within the cache's
//! [`error_backoff`](crate::freshness::Freshness::error_backoff). A response is a response, whatever
//! its status: it is not what `stale_if_error` speaks of.
//!
//! # In axum
//!
//! axum's bodies are streams, so they are collected inside of the cache; and its routes want their
//! errors handled, which is the last thing outside of it.
//!
//! ```
//! use axum::body::{Body, Bytes, to_bytes};
//! use axum::error_handling::HandleErrorLayer;
//! use axum::http::{Request, Response, StatusCode};
//! use axum::{Router, routing::get};
//! use http_body_util::Full;
//! use terrace_cache::{BoxError, Cache, CacheLayer, LayerError};
//! use tower::ServiceBuilder;
//!
//! async fn collect(response: Response<Body>) -> Result<Response<Full<Bytes>>, BoxError> {
//!     let (head, body) = response.into_parts();
//!     Ok(Response::from_parts(head, Full::new(to_bytes(body, 1 << 20).await?)))
//! }
//!
//! # fn main() -> Result<(), terrace_cache::BuildError> {
//! let pages = Cache::builder("pages").build()?;
//! let cached = ServiceBuilder::new()
//!     .layer(HandleErrorLayer::new(|error: LayerError| async move {
//!         (StatusCode::SERVICE_UNAVAILABLE, error.to_string())
//!     }))
//!     .layer(CacheLayer::new(pages, |request: &Request<Body>| Some(request.uri().to_string())))
//!     .and_then(collect)
//!     .map_err(BoxError::from);
//! let app: Router = Router::new().route("/", get(|| async { "hello" })).layer(cached);
//! # let _ = app;
//! # Ok(())
//! # }
//! ```
//!
//! # When not to use it
//!
//! This is no HTTP cache: it reads no ages and no validators, answers no conditional requests, and
//! adds no headers. For a cache at the edge, use one that follows RFC 9111. Bodies must be `Clone`,
//! so a response is collected before it can be kept; large or streamed ones do not belong here. A
//! cache with a second level wants a [codec](crate::codec) for the whole response. And where the value behind the response can be cached, a [`Cache`] of that serves every route that
//! shows it.

mod error;
mod future;
mod http;
#[expect(clippy::module_inception, reason = "a folder for a middleware, and a file for its layer")]
mod layer;
mod rules;
mod service;

pub use self::error::LayerError;
pub use self::future::CacheFuture;
pub use self::layer::CacheLayer;
pub use self::rules::{Keep, Keyed, Shareable, Sharing};
pub use self::service::CacheService;
