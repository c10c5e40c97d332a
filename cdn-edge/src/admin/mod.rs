//! A service that purges, preloads and reports, for whoever signs.
//!
//! It is apart from the cache that the public talks to: mount it on a listener of its own, on an
//! address that only operators reach. Do not put it behind a path of the public listener, where a
//! mistake in a route, or in a proxy before it, opens it to everybody. Without a [`Key`] it is not
//! built, and no request does anything that is not signed.
//!
//! | request | body | scope |
//! |---|---|---|
//! | `POST /purge` | one of `{"url": "https://example.org/a?v=1"}`, `{"path": "https://example.org/a"}` for all its queries, `{"tag": "news"}`, `{"group": {"origin": "https://example.org", "name": "news"}}`, `{"prefix": "example.org/img/"}`, `{"all": true}`; and `"mode": "soft"` if it is not to be `"hard"` | [`Scope::Url`], [`Scope::Tag`], [`Scope::All`] |
//! | `POST /preload` | `{"urls": ["https://example.org/a"]}` | [`Scope::Preload`] |
//! | `GET /status` | | [`Scope::Read`] |
//!
//! As it comes:
//!
//! ```
//! use std::convert::Infallible;
//! use terrace_cdn_edge::admin::{
//!     AdminService, Control, Key, Preloaded, Purge, PurgeOutcome, Report, SIGNATURE, Scope, sign,
//! };
//! use terrace_cdn_edge::purge::{Invalidations, Limits, Target};
//! # use bytes::Bytes;
//! # use http_body_util::Full;
//! # use tower::ServiceExt as _;
//!
//! /// Stands for the handle of an edge.
//! struct Cache(Invalidations);
//!
//! impl Control for Cache {
//!     fn purge(&self, purge: Purge) -> PurgeOutcome {
//!         PurgeOutcome { sequence: self.0.purge(&Target::All, purge.mode) }
//!     }
//!
//!     async fn preload(&self, _urls: Vec<http::Uri>) -> Vec<Preloaded> {
//!         Vec::new()
//!     }
//!
//!     fn report(&self) -> Report {
//!         Report::default()
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let key = Key::new("deploy", "0123456789abcdef0123456789abcdef")?.allow(Scope::All);
//! let clock = || 1_700_000_000; // Seconds since 1970, of the machine's clock.
//! let cache = Cache(Invalidations::new(Limits::default(), 7));
//! let admin = AdminService::builder(cache, clock).key(key.clone()).build()?;
//!
//! let body = r#"{"all": true}"#;
//! let nonce = [7; 16]; // Random, and never the same again.
//! let signature = sign(&key, &http::Method::POST, "/purge", body.as_bytes(), clock(), nonce);
//! let request = http::Request::post("/purge").header(SIGNATURE, signature);
//! let response = admin.oneshot(request.body(Full::<Bytes>::from(body))?).await?;
//! assert_eq!(response.status(), 200);
//! # Ok(())
//! # }
//! ```
//!
//! Adjusted, with a key for each who asks, and what they did on record:
//!
//! ```
//! # use terrace_cdn_edge::admin::{AdminError, AdminService, Control, Key, Rate, Scope};
//! # fn adjusted(cache: impl Control, clock: fn() -> u64, secrets: [&str; 2]) -> Result<(), AdminError> {
//! let newsroom = Key::new("newsroom", secrets[0])?
//!     .allow(Scope::Tag { prefix: "article-".to_owned() })
//!     .allow(Scope::Url { prefix: "example.org/news/".to_owned() });
//! let dashboard = Key::new("dashboard", secrets[1])?.allow(Scope::Read);
//! let admin = AdminService::builder(cache, clock)
//!     .key(newsroom)
//!     .key(dashboard)
//!     .rate(Rate { per_second: 2, burst: 100 })
//!     .audit(|event| eprintln!("{:?} {:?} {}", event.key, event.target, event.status))
//!     .build()?;
//! # Ok(())
//! # }
//! ```
//!
//! # The signature
//!
//! `terrace-signature: v1;key=ID;t=UNIX;nonce=HEX;mac=HEX`: the time in seconds since 1970, a nonce
//! of 16 random bytes, and the HMAC-SHA-256, under the key's secret, of six lines: `v1`, the
//! method, the path with its query, the time, the nonce, and the SHA-256 of the body. Everything in
//! hex is in lower case. From a shell:
//!
//! ```sh
//! body='{"tag":"front page"}' t=$(date +%s) nonce=$(openssl rand -hex 16)
//! hash=$(printf %s "$body" | openssl dgst -sha256 -r | cut -d' ' -f1)
//! mac=$(printf 'v1\nPOST\n/purge\n%s\n%s\n%s' "$t" "$nonce" "$hash" |
//!     openssl dgst -sha256 -hmac "$SECRET" -r | cut -d' ' -f1)
//! curl --data-binary "$body" -H "terrace-signature: v1;key=deploy;t=$t;nonce=$nonce;mac=$mac" \
//!     http://127.0.0.1:9090/purge
//! ```
//!
//! ```
//! # use terrace_cdn_edge::admin::{Key, sign};
//! // What the lines above come to with these values, printed by openssl.
//! let key = Key::new("deploy", "0123456789abcdef0123456789abcdef").unwrap();
//! let nonce = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
//! let body = br#"{"tag":"front page"}"#;
//! assert_eq!(
//!     sign(&key, &http::Method::POST, "/purge", body, 1_700_000_000, nonce),
//!     "v1;key=deploy;t=1700000000;nonce=000102030405060708090a0b0c0d0e0f;\
//!      mac=c94683b46b2c8e6f88f4031d875ec660e0b930afb435b2177ccc94e364735381",
//! );
//! ```
//!
//! # What it guards against, and what not
//!
//! - Without the secret nothing is done, and the answer is the same whatever was wrong. The
//!   operator finds the reason in the [`AuditEvent`].
//! - A request that was recorded is not done twice: its time is within 60 seconds of the clock, and
//!   its nonce is remembered for as long as that could be. What cannot be remembered is refused.
//! - A key that leaked does what its scopes say, as often as its [`Rate`] says.
//! - Nothing is encrypted: who listens on the way sees what is purged, and the report. Put TLS
//!   before it where that matters.
//! - Nonces are of one process. Edges that share a key do each other's requests, and one that has
//!   just started does those of the last minute: a purge too many, or a preload. Where that
//!   matters, every edge gets a key of its own.

mod audit;
mod body;
mod builder;
mod control;
mod error;
mod gate;
mod key;
mod quota;
mod refusal;
mod rule;
mod service;
mod signature;
mod target;

#[cfg(test)]
mod guard_tests;
#[cfg(test)]
mod tests;

pub use self::audit::{Action, AuditEvent};
pub use self::builder::AdminBuilder;
pub use self::control::{Control, Miss, Preloaded, Purge, PurgeOutcome, PurgeTarget, Report};
pub use self::error::AdminError;
pub use self::key::{Key, Scope};
pub use self::quota::Rate;
pub use self::refusal::Refusal;
pub use self::service::AdminService;
pub use self::signature::{SIGNATURE, sign};
