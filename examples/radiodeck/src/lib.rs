//! Radiodeck, an internet radio site: stations, tracks, what is on air, favourites, cover photos.
//!
//! It is the application that every stage shares, so that the difference between two stages is the
//! difference between two `main.rs` files. What a stage decides stands there: which database, which
//! middleware, who listens where. What does not change from stage to stage stands here.
//!
//! - [`router`] is the site: HTML for people, JSON for programs, XML for old programs, by `Host` and
//!   `Accept` (see [`Format`]).
//! - [`Store`] is what it asks of a database; [`SqliteStore`] and [`PostgresStore`] answer.
//! - [`Seed`] fills a new database with the same rows everywhere.
//! - [`sessions`] keeps sign-ins outside of the app servers.
//! - [`servers`] starts app servers as children of a balancer.
//! - [`edge`] is what the site has to do with an edge cache in front of it.
//! - [`launch`] is what every executable needs: options, an address, a signal, a goodbye.
//!
//! # Examples
//!
//! ```no_run
//! use axum::middleware::from_fn;
//! use radiodeck::{App, Seed, SqliteStore};
//!
//! # async fn run() -> Result<(), radiodeck::launch::Error> {
//! let store = SqliteStore::open("radiodeck.db".as_ref(), 4).await?;
//! store.fill(&Seed::default()).await?;
//! let site = radiodeck::router(App::new(store)).layer(from_fn(radiodeck::error_pages));
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//! axum::serve(listener, site).await?;
//! # Ok(())
//! # }
//! ```

mod api;
mod app;
mod assets;
mod clock;
pub mod contract;
pub mod counts;
mod cover;
pub mod edge;
mod http;
mod identity;
pub mod launch;
pub mod model;
mod routes;
pub mod schedule;
pub mod seed;
pub mod servers;
pub mod sessions;
pub mod storage;
pub mod telemetry;
mod view;

pub use app::App;
pub use clock::Clock;
pub use http::client::{ClientAddr, Peer};
pub use http::error::{Error, error_pages, panic_response};
pub use http::negotiate::Format;
pub use identity::{CookieIdentity, Identity};
pub use routes::router;
pub use seed::Seed;
pub use storage::{PostgresStore, SqliteStore, Store};
