//! PostgreSQL: a primary and its streaming replicas.
//!
//! Statements are your own, with the parameters and rows of [`tokio_postgres`]; what comes from here
//! is what a pool needs to know about a server, learned with as few questions as possible. A
//! connection hears by itself that it was closed or that its server was promoted. How far a primary
//! has come is asked in the same round trip as the write, and whether a replica has come far enough
//! in the same round trip as the read.
//!
//! Positions are WAL positions of the flushed log, or of the inserted one for sessions with
//! `synchronous_commit = off`, moved before the header of a page in which nothing stands yet: a
//! replica would not come behind it before somebody writes again.
//!
//! Version 12 at least. Before version 14 a server does not report by itself that it was promoted,
//! so that is noticed one probe later. A user without any privileges will do; one who may execute
//! `pg_read_file` lets the pool say for certain whether a promotion has dropped a write, and
//! `pg_read_all_stats` lets it know the timeline of a replica at once after a failover.

mod calls;
mod claim;
mod connection;
mod error;
mod exchange;
mod history;
mod lsn;
mod own;
mod signals;
mod target;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use tokio_postgres::Socket;
use tokio_postgres::tls::{MakeTlsConnect, NoTls, TlsConnect};

use self::connection::{Dial, Dialler};
use super::{Access, Backend, Fault, Observation, Role};
use crate::position::Position;

pub use self::claim::IDEMPOTENCY_TABLE;
pub use self::connection::PgConnection;
pub use self::error::PgError;
pub use self::target::{PgTarget, TargetError};

/// The PostgreSQL backend.
///
/// # Clone
///
/// All clones connect in the same way.
#[derive(Clone)]
pub struct Postgres {
    dial: Arc<dyn Dial>,
}

impl Postgres {
    /// Connects without TLS. A target that demands it (`sslmode=require`) is then refused.
    #[must_use]
    pub fn new() -> Self {
        Self::with_tls(NoTls)
    }

    /// Connects with TLS, by any connector for [`tokio_postgres`]. Whether a server without TLS will
    /// do is said by the target's `sslmode`, whose default is that it will.
    pub fn with_tls<T>(connector: T) -> Self
    where
        T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
        T::Stream: Send,
        T::TlsConnect: Send,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        Self { dial: Arc::new(Dialler(connector)) }
    }

    /// Where a node is, from a URL (`postgres://user:password@host:port/database`) or a connection
    /// string (`host=… user=…`).
    ///
    /// # Errors
    ///
    /// [`TargetError`] when it cannot be read, or does not name exactly one host.
    pub fn target(text: &str) -> Result<PgTarget, TargetError> {
        text.parse()
    }
}

impl Default for Postgres {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").finish_non_exhaustive()
    }
}

impl Backend for Postgres {
    type Target = PgTarget;
    type Connection = PgConnection;
    type Error = PgError;

    fn system_name(&self) -> &'static str {
        "postgresql"
    }

    async fn connect(&self, target: &PgTarget, access: Access) -> Result<PgConnection, PgError> {
        self.dial.dial(target.config(access)).await.map_err(PgError::Connect)
    }

    fn is_open(&self, connection: &PgConnection) -> bool {
        !connection.signals().is_closed() && !connection.client().is_closed()
    }

    fn role(&self, connection: &PgConnection) -> Option<Role> {
        connection.signals().role()
    }

    async fn changed(&self, connection: &PgConnection) {
        connection.signals().changed().await;
    }

    // What is rare is boxed, for the sake of the futures that it would be a part of: those of every
    // query, because a query may come upon a connection that must be made or tested first.
    fn ping(
        &self,
        connection: &mut PgConnection,
    ) -> impl Future<Output = Result<(), PgError>> + Send {
        Box::pin(connection.batch_execute(""))
    }

    fn observe(
        &self,
        connection: &mut PgConnection,
    ) -> impl Future<Output = Result<Observation, PgError>> + Send {
        Box::pin(async {
            let (own, client) = connection.own();
            let observation = own.observe(client).await?;
            connection.signals().learn(observation.role);
            Ok(observation)
        })
    }

    /// On a node that was promoted: where its replay ended, even if it has written more since then,
    /// because what it has written is not what the caller asks for.
    async fn replayed(&self, connection: &mut PgConnection) -> Result<u64, PgError> {
        connection.replayed().await
    }

    async fn readable(&self, connection: &mut PgConnection) -> Result<Position, PgError> {
        let (own, client) = connection.own();
        let locate = own.readable(client).await?;
        locate.ask(client).await
    }

    async fn written(&self, connection: &mut PgConnection) -> Result<Position, PgError> {
        connection.written().await.map_err(PgError::after_the_fact)
    }

    async fn begin(&self, connection: &mut PgConnection) -> Result<(), PgError> {
        connection.begin().await
    }

    async fn commit(
        &self,
        connection: &mut PgConnection,
        position: bool,
    ) -> Result<Option<Position>, PgError> {
        connection.commit(position).await
    }

    async fn rollback(&self, connection: &mut PgConnection) -> Result<(), PgError> {
        connection.rollback().await
    }

    fn doubt(&self, connection: &PgConnection) -> Option<PgError> {
        connection.signals().doubt()
    }

    fn fault(&self, error: &PgError) -> Fault {
        error.fault()
    }
}
