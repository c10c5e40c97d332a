//! Sessions in PostgreSQL, from version 13 on: one table, one round trip for each operation.
//!
//! ```no_run
//! use terrace_session::store::Postgres;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Postgres::connect("postgres://app@db.internal/app").await?;
//! # let _ = store; Ok(()) }
//! ```
//!
//! In a schema of its own, and with other numbers:
//!
//! ```no_run
//! use std::time::Duration;
//! use terrace_session::store::Postgres;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Postgres::builder("postgres://app@db.internal/app?sslmode=require")
//!     .schema("sessions")
//!     .pool_size(8)
//!     .timeout(Duration::from_millis(500))
//!     .connect()
//!     .await?;
//! # let _ = store; Ok(()) }
//! ```
//!
//! # How it works
//!
//! Each operation is a function in PL/pgSQL (`sql/`), which the migration makes. One statement would do for a patch; a
//! login with a limit, or a revocation against a rotation, needs several that see what the one before has waited for.
//! In a function they do, at the isolation level *read committed*, and cost one round trip and no `BEGIN`.
//!
//! | race | why it is right |
//! |---|---|
//! | two patches | the second waits for the row's lock, and merges into what the first has left |
//! | patch and logout | whoever is second finds the row changed, or gone: a patch never inserts |
//! | two rotations of one key | the second waits, and looks at the row again under its new key: it has moved, or is gone |
//! | rotation and revocation | a rotation changes the row's key and keeps the row: who waits for the row to delete it, deletes it |
//! | login and revocation | both take the subject's advisory lock first; what comes after sees all of what was before. The epoch stands behind that |
//! | two logins at the limit | the same lock: they are counted one after the other, each by a statement that begins when it has the lock |
//! | use and anything | noting a use passes by a row that is locked; the next use is noted |
//! | sweep and anything | `SKIP LOCKED` passes by who is in use |
//!
//! Two logins that each take over a session of the other's subject *and* evict it can wait for each other. PostgreSQL
//! ends one of them after a second: [`Unavailable`](crate::StoreError::Unavailable), nothing was done.
//!
//! A use that is noted changes no indexed column and so writes to no index: the index that the sweep goes by is on a
//! time that only the sweep and rotations move. A session in use costs it one entry in each idle time instead of eight.
//!
//! # Behind a replica or a pooler
//!
//! A replica that is asked answers loads that have nothing to note, and refuses the rest: [`Unavailable`](crate::StoreError::Unavailable).
//! With `target_session_attrs=read-write` and several hosts in the URL, new connections find the primary.
//!
//! PgBouncer in transaction mode works from version 1.21 on, with `max_prepared_statements` and
//! `ignore_startup_parameters = options`; set the database's `statement_timeout` then.

mod builder;
mod calls;
mod error;
mod link;
mod migrate;
mod operations;
mod rows;
mod schema;

use std::sync::Arc;

use deadpool_postgres::Pool;

use self::calls::Calls;
use self::link::Link;
use self::rows::time;
use self::schema::Schema;
use crate::clock::Clock;
use crate::error::StoreError;

pub use self::builder::PostgresBuilder;

/// Sessions in PostgreSQL. See the [module](self).
#[derive(Debug)]
pub struct Postgres {
    link: Link,
    calls: Calls,
    clock: Option<Arc<dyn Clock>>,
}

impl Postgres {
    /// Connects, and makes what is missing in the database.
    ///
    /// # Errors
    ///
    /// As [`PostgresBuilder::connect`].
    ///
    /// # Cancel safety
    ///
    /// As [`PostgresBuilder::connect`].
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::builder(url).connect().await
    }

    /// Connections of its own, by a URL (`postgres://user:password@host:port/database`) or a connection string
    /// (`host=… user=…`).
    pub fn builder(url: &str) -> PostgresBuilder {
        PostgresBuilder::url(url)
    }

    /// Connections of a pool that the application has.
    ///
    /// They need the isolation level *read committed*, which is PostgreSQL's default, and should have a
    /// `statement_timeout`.
    pub fn from_pool(pool: Pool) -> PostgresBuilder {
        PostgresBuilder::pool(pool)
    }

    fn new(link: Link, schema: &Schema, clock: Option<Arc<dyn Clock>>) -> Self {
        Self { link, calls: Calls::new(schema), clock }
    }

    /// The time, if it is not the server's.
    fn at(&self) -> Option<i64> {
        self.clock.as_ref().map(|clock| time(clock.now()))
    }
}
