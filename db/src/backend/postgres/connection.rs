//! A connection, and the exchanges that save round trips.

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;

use deadpool_postgres::ClientWrapper;
use futures_util::future::join;
use futures_util::stream::TryStreamExt;
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Config, Error, Row, SimpleQueryMessage, Socket, Statement};

use super::PgError;
use super::error::{is_row_count, is_stale};
use super::own::{COMMIT, COMMIT_AND_LOCATE, Own, lsn_in};
use super::signals::{Signals, listen};
use crate::position::Position;

/// Parameters of a statement.
pub(super) type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// A connection to a PostgreSQL server.
///
/// It keeps the statements it has prepared, and listens while nobody asks it anything: it knows
/// whether it was closed, and from version 14 on whether its server was promoted.
pub struct PgConnection {
    client: ClientWrapper,
    signals: Arc<Signals>,
    own: Own,
}

/// What came back where one row should.
#[derive(Debug)]
pub(super) enum AtMostOne {
    /// No row.
    None,
    /// One.
    One(Row),
    /// More.
    Many,
}

/// The answer to a question that was only to be answered by a node that has come far enough.
#[derive(Debug)]
pub(super) enum Checked<T> {
    /// It has.
    Reached(T),
    /// It has not: it had come this far.
    Behind(#[allow(dead_code, reason = "tests look at it")] u64),
}

impl PgConnection {
    fn new(client: ClientWrapper, signals: Arc<Signals>) -> Self {
        Self { client, signals, own: Own::default() }
    }

    /// The client, for everything that has no method here: `COPY`, `LISTEN`, transactions with
    /// savepoints.
    ///
    /// It has no deadline of its own; see `run` on the pool's connections.
    #[must_use]
    pub fn client(&self) -> &ClientWrapper {
        &self.client
    }

    /// The same, for what needs it alone.
    pub fn client_mut(&mut self) -> &mut ClientWrapper {
        &mut self.client
    }

    /// Prepares a statement, or finds it prepared already.
    ///
    /// # Errors
    ///
    /// When the server does not accept it, or the connection breaks.
    pub async fn prepare_cached(&self, sql: &str) -> Result<Statement, PgError> {
        Ok(self.client.prepare_cached(sql).await?)
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
        let statement = self.client.prepare_cached(sql).await?;
        self.kept(sql, self.client.query(&statement, params).await)
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
        let statement = self.client.prepare_cached(sql).await?;
        self.kept(sql, self.client.query_one(&statement, params).await)
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
        let statement = self.client.prepare_cached(sql).await?;
        self.kept(sql, self.client.query_opt(&statement, params).await)
    }

    /// How many rows the statement has changed.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query).
    pub async fn execute(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<u64, PgError> {
        let statement = self.client.prepare_cached(sql).await?;
        self.kept(sql, self.client.execute(&statement, params).await)
    }

    /// Several statements in one text, without parameters and without rows.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query). Without a transaction in the text, all of it is one.
    pub async fn batch_execute(&self, sql: &str) -> Result<(), PgError> {
        Ok(self.client.batch_execute(sql).await?)
    }

    pub(super) fn signals(&self) -> &Signals {
        &self.signals
    }

    pub(super) fn own(&mut self) -> (&mut Own, &ClientWrapper) {
        (&mut self.own, &self.client)
    }

    /// Asked where more or fewer rows are the caller's mistake, and not the connection's.
    pub(super) async fn at_most_one(
        &self,
        sql: &str,
        params: Params<'_>,
    ) -> Result<AtMostOne, PgError> {
        let statement = self.client.prepare_cached(sql).await?;
        match self.client.query_opt(&statement, params).await {
            Ok(Some(row)) => Ok(AtMostOne::One(row)),
            Ok(None) => Ok(AtMostOne::None),
            Err(error) if is_row_count(&error) => Ok(AtMostOne::Many),
            Err(error) => self.kept(sql, Err(error)),
        }
    }

    /// Asks a replica whether it has come as far as `offset`, and the question itself, in one round
    /// trip.
    ///
    /// Two statements, one after the other: within one, the snapshot of the data could be older than
    /// the answer to the check.
    pub(super) async fn query_checked(
        &mut self,
        offset: u64,
        sql: &str,
        params: Params<'_>,
    ) -> Result<Checked<Vec<Row>>, PgError> {
        let Self { client, own, .. } = self;
        let (check, statement) = join(own.replayed(client), client.prepare_cached(sql)).await;
        let (check, statement) = (check?, statement?);
        let reached = client.query_one(&check, &[]);
        let (reached, rows) = join(reached, client.query(&statement, params)).await;
        let reached = lsn_in(&reached?, 0)?;
        if reached < offset {
            return Ok(Checked::Behind(reached));
        }
        self.kept(sql, rows).map(Checked::Reached)
    }

    /// [`query`](Self::query), and what it has written lies before the position.
    pub(super) async fn query_with_position(
        &mut self,
        sql: &str,
        params: Params<'_>,
    ) -> Result<(Vec<Row>, Position), PgError> {
        self.with_position(sql, async |client, statement| client.query(statement, params).await)
            .await
    }

    /// [`execute`](Self::execute), and what it has written lies before the position.
    pub(super) async fn execute_with_position(
        &mut self,
        sql: &str,
        params: Params<'_>,
    ) -> Result<(u64, Position), PgError> {
        self.with_position(sql, async |client, statement| client.execute(statement, params).await)
            .await
    }

    /// A statement that commits by itself, and the primary's position, in one round trip.
    async fn with_position<T>(
        &mut self,
        sql: &str,
        ask: impl AsyncFnOnce(&ClientWrapper, &Statement) -> Result<T, Error>,
    ) -> Result<(T, Position), PgError> {
        self.signals.doubt();
        let Self { client, own, .. } = self;
        let (statement, locate) = join(client.prepare_cached(sql), own.written(client)).await;
        let (statement, locate) = (statement?, locate?);
        let (answer, position) = join(ask(client, &statement), locate.ask(client)).await;
        Ok((self.kept(sql, answer)?, position.map_err(PgError::after_the_fact)?))
    }

    /// On a replica: how far it has replayed.
    pub(super) async fn replayed(&mut self) -> Result<u64, PgError> {
        let statement = self.own.replayed(&self.client).await?;
        lsn_in(&self.client.query_one(&statement, &[]).await?, 0)
    }

    /// On a primary: what covers all that was committed here.
    pub(super) async fn written(&mut self) -> Result<Position, PgError> {
        self.own.written(&self.client).await?.ask(&self.client).await
    }

    pub(super) async fn begin(&mut self) -> Result<(), PgError> {
        self.signals.doubt();
        self.batch_execute("BEGIN").await
    }

    /// Commits, and says how far the primary has come, if it is asked to; in one round trip.
    pub(super) async fn commit(&mut self, position: bool) -> Result<Option<Position>, PgError> {
        self.signals.doubt();
        let sql = if position { COMMIT_AND_LOCATE } else { COMMIT };
        let mut answers = pin!(self.client.simple_query_raw(sql).await?);
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
                let position = self.own.committed(&row, asynchronous);
                Ok(Some(position.map_err(PgError::after_the_fact)?))
            }
            None if position => Err(PgError::Unintelligible("answer to a commit").after_the_fact()),
            None => Ok(None),
        }
    }

    /// The commit was not tried, so the transaction is still open: it must not be when the next user
    /// comes.
    async fn not_committed(&self, error: Error) -> PgError {
        if error.as_db_error().is_none() || self.client.is_closed() {
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
        self.signals.doubt();
        done
    }

    /// Forgets a statement that will not work again.
    fn kept<T>(&self, sql: &str, answer: Result<T, Error>) -> Result<T, PgError> {
        answer.map_err(|error| {
            if is_stale(&error) {
                self.client.statement_cache.remove(sql, &[]);
            }
            PgError::Postgres(error)
        })
    }
}

impl fmt::Debug for PgConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PgConnection")
            .field("role", &self.signals.role())
            .field("closed", &self.signals.is_closed())
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
