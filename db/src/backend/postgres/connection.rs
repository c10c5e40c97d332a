//! A connection, and the exchanges that save round trips.

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;

use deadpool_postgres::ClientWrapper;
use futures_util::stream::TryStreamExt;
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Config, Error, Row, SimpleQueryMessage, Socket, Statement};

use super::PgError;
use super::exchange::{AtMostOne, Count, Found, Rows};
use super::own::{COMMIT, COMMIT_AND_LOCATE, Own, lsn_in};
use super::signals::{Signals, listen};
use crate::position::Position;

/// A connection to a PostgreSQL server.
///
/// It keeps the statements it has prepared, and listens while nobody asks it anything: it knows
/// whether it was closed, and from version 14 on whether its server was promoted.
pub struct PgConnection {
    // It is handed on many times a query, from the pool to its user and back.
    inner: Box<Inner>,
}

struct Inner {
    client: ClientWrapper,
    signals: Arc<Signals>,
    own: Own,
}

impl PgConnection {
    fn new(client: ClientWrapper, signals: Arc<Signals>) -> Self {
        Self { inner: Box::new(Inner { client, signals, own: Own::default() }) }
    }

    /// The client, for everything that has no method here: `COPY`, `LISTEN`, transactions with
    /// savepoints.
    ///
    /// It has no deadline of its own; see `run` on the pool's connections.
    #[must_use]
    pub fn client(&self) -> &ClientWrapper {
        &self.inner.client
    }

    /// The same, for what needs it alone.
    pub fn client_mut(&mut self) -> &mut ClientWrapper {
        &mut self.inner.client
    }

    /// Prepares a statement, or finds it prepared already.
    ///
    /// # Errors
    ///
    /// When the server does not accept it, or the connection breaks.
    pub async fn prepare_cached(&self, sql: &str) -> Result<Statement, PgError> {
        Ok(self.inner.client.prepare_cached(sql).await?)
    }

    /// All rows.
    ///
    /// # Errors
    ///
    /// When the server answers with an error, a parameter does not fit, or the connection breaks.
    pub async fn query(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, PgError> {
        self.ask::<Rows>(sql, params).await.map_err(PgError::among_others)
    }

    /// The only row.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query), and when there is no row, or more than one.
    pub async fn query_one(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Row, PgError> {
        match self.ask::<AtMostOne>(sql, params).await.map_err(PgError::among_others)? {
            Found::One(row) => Ok(row),
            Found::Nothing | Found::Many => Err(PgError::RowCount),
        }
    }

    /// The only row, if there is one.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query), and when there is more than one row.
    pub async fn query_opt(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, PgError> {
        match self.ask::<AtMostOne>(sql, params).await.map_err(PgError::among_others)? {
            Found::One(row) => Ok(Some(row)),
            Found::Nothing => Ok(None),
            Found::Many => Err(PgError::RowCount),
        }
    }

    /// How many rows the statement has changed.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query).
    pub async fn execute(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<u64, PgError> {
        self.ask::<Count>(sql, params).await.map_err(PgError::among_others)
    }

    /// Several statements in one text, without parameters and without rows.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query). Without a transaction in the text, all of it is one.
    pub async fn batch_execute(&self, sql: &str) -> Result<(), PgError> {
        Ok(self.inner.client.batch_execute(sql).await?)
    }

    pub(super) fn signals(&self) -> &Signals {
        &self.inner.signals
    }

    pub(super) fn own(&mut self) -> (&mut Own, &ClientWrapper) {
        let inner = &mut *self.inner;
        (&mut inner.own, &inner.client)
    }

    /// On a replica: how far it has replayed.
    pub(super) async fn replayed(&mut self) -> Result<u64, PgError> {
        let statement = self.inner.own.replayed(&self.inner.client).await?;
        lsn_in(&self.inner.client.query_one(&statement, &[]).await?, 0)
    }

    /// On a primary: what covers all that was committed here.
    pub(super) async fn written(&mut self) -> Result<Position, PgError> {
        self.inner.own.written(&self.inner.client).await?.ask(&self.inner.client).await
    }

    pub(super) async fn begin(&mut self) -> Result<(), PgError> {
        self.inner.signals.doubt();
        self.batch_execute("BEGIN").await
    }

    /// Commits, and says how far the primary has come, if it is asked to; in one round trip.
    pub(super) async fn commit(&mut self, position: bool) -> Result<Option<Position>, PgError> {
        self.inner.signals.doubt();
        let sql = if position { COMMIT_AND_LOCATE } else { COMMIT };
        let mut answers = pin!(self.inner.client.simple_query_raw(sql).await?);
        let mut done = 0;
        let mut asynchronous = false;
        let mut located = None;
        loop {
            match answers.try_next().await {
                Ok(Some(SimpleQueryMessage::Row(row))) if done == 0 => {
                    asynchronous = row.try_get(0).ok().flatten() == Some("off");
                }
                Ok(Some(SimpleQueryMessage::Row(row))) => located = Some(row),
                Ok(Some(SimpleQueryMessage::CommandComplete(_))) => done += 1,
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) if done == 0 => return Err(self.not_committed(error).await),
                Err(error) if done == 1 => return Err(error.into()),
                Err(error) => return Err(PgError::asking_a_primary(error).after_the_fact()),
            }
        }
        match located {
            Some(row) => {
                let position = self.inner.own.committed(&row, asynchronous);
                Ok(Some(position.map_err(PgError::after_the_fact)?))
            }
            None if position => Err(PgError::Unintelligible("answer to a commit").after_the_fact()),
            None => Ok(None),
        }
    }

    /// The commit was not tried, so the transaction is still open: it must not be when the next user
    /// comes.
    async fn not_committed(&self, error: Error) -> PgError {
        if error.as_db_error().is_none() || self.inner.client.is_closed() {
            return error.into();
        }
        let aborted = error.code() == Some(&SqlState::IN_FAILED_SQL_TRANSACTION);
        match self.batch_execute("ROLLBACK").await {
            Err(error) => error,
            Ok(()) if aborted => PgError::Aborted,
            Ok(()) => error.into(),
        }
    }

    pub(super) async fn rollback(&mut self) -> Result<(), PgError> {
        let done = self.batch_execute("ROLLBACK").await;
        // It warns if there was nothing to roll back.
        self.inner.signals.doubt();
        done
    }
}

impl fmt::Debug for PgConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PgConnection")
            .field("role", &self.inner.signals.role())
            .field("closed", &self.inner.signals.is_closed())
            .finish_non_exhaustive()
    }
}

type Dialling<'a> = Pin<Box<dyn Future<Output = Result<PgConnection, Error>> + Send + 'a>>;

/// Connects, with or without TLS. Hides which, so that no type of the pool has to name it.
pub(super) trait Dial: Send + Sync {
    fn dial(&self, config: Config) -> Dialling<'_>;
}

pub(super) struct Dialler<T>(pub(super) T);

impl<T> Dial for Dialler<T>
where
    T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
    T::Stream: Send,
    T::TlsConnect: Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    fn dial(&self, config: Config) -> Dialling<'_> {
        let tls = self.0.clone();
        Box::pin(async move {
            let (client, connection) = config.connect(tls).await?;
            let signals = Arc::new(Signals::default());
            signals.hot_standby(connection.parameter("in_hot_standby"));
            // Ended by the wrapper's drop.
            let listener = tokio::spawn(listen(connection, Arc::clone(&signals)));
            Ok(PgConnection::new(ClientWrapper::new(client, listener), signals))
        })
    }
}
