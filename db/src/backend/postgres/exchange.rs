//! Exchanges that save round trips: a statement together with a question of the pool's.

use std::future::Future;

use deadpool_postgres::ClientWrapper;
use futures_util::future::join;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row, Statement};

use super::connection::PgConnection;
use super::error::{PgError, is_row_count, is_stale};
use super::own::{Locate, lsn_in};
use crate::position::Position;

/// Parameters of a statement.
pub(super) type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// What is taken of an answer.
pub(super) trait Shape {
    /// What the client makes of it.
    type Raw: Send;
    type Answer: Send;

    fn ask(
        client: &ClientWrapper,
        statement: &Statement,
        params: Params<'_>,
    ) -> impl Future<Output = Result<Self::Raw, Error>> + Send;

    fn take(raw: Result<Self::Raw, Error>) -> Result<Self::Answer, Error>;
}

/// All rows.
pub(super) struct Rows;

impl Shape for Rows {
    type Raw = Vec<Row>;
    type Answer = Vec<Row>;

    fn ask(
        client: &ClientWrapper,
        statement: &Statement,
        params: Params<'_>,
    ) -> impl Future<Output = Result<Vec<Row>, Error>> + Send {
        client.query(statement, params)
    }

    fn take(raw: Result<Vec<Row>, Error>) -> Result<Vec<Row>, Error> {
        raw
    }
}

/// One row, or none. More of them are the mistake of the caller, and not an error on the
/// connection.
pub(super) struct AtMostOne;

#[derive(Debug)]
pub(super) enum Found {
    Nothing,
    One(Row),
    Many,
}

impl Shape for AtMostOne {
    type Raw = Option<Row>;
    type Answer = Found;

    fn ask(
        client: &ClientWrapper,
        statement: &Statement,
        params: Params<'_>,
    ) -> impl Future<Output = Result<Option<Row>, Error>> + Send {
        client.query_opt(statement, params)
    }

    fn take(raw: Result<Option<Row>, Error>) -> Result<Found, Error> {
        match raw {
            Ok(Some(row)) => Ok(Found::One(row)),
            Ok(None) => Ok(Found::Nothing),
            Err(error) if is_row_count(&error) => Ok(Found::Many),
            Err(error) => Err(error),
        }
    }
}

/// How many rows were changed.
pub(super) struct Count;

impl Shape for Count {
    type Raw = u64;
    type Answer = u64;

    fn ask(
        client: &ClientWrapper,
        statement: &Statement,
        params: Params<'_>,
    ) -> impl Future<Output = Result<u64, Error>> + Send {
        client.execute(statement, params)
    }

    fn take(raw: Result<u64, Error>) -> Result<u64, Error> {
        raw
    }
}

/// The answer to a question that only a node may answer that has come far enough.
#[derive(Debug)]
pub(super) enum Checked<T> {
    /// It has.
    Reached(T),
    /// It has not: it had come this far.
    Behind(u64),
}

impl PgConnection {
    pub(super) fn ask<S: Shape>(
        &self,
        sql: &str,
        params: Params<'_>,
    ) -> impl Future<Output = Result<S::Answer, PgError>> + Send {
        self.ask_renewed::<S>(sql, params, false)
    }

    /// The same; with `renew`, a statement that is stale is prepared and asked once more. Inside a
    /// transaction there is no such second time.
    pub(super) async fn ask_renewed<S: Shape>(
        &self,
        sql: &str,
        params: Params<'_>,
        mut renew: bool,
    ) -> Result<S::Answer, PgError> {
        loop {
            let statement = self.client().prepare_cached(sql).await.map_err(PgError::preparing)?;
            self.open()?;
            let answer = S::ask(self.client(), &statement, params).await;
            match self.keep::<S>(sql, answer) {
                Err(error) if renew && error.is_stale() => renew = false,
                done => return done,
            }
        }
    }

    /// Asks a replica how far it has come, and the question itself, in one round trip.
    ///
    /// Two statements, one after the other: within one, the snapshot of the data could be older than
    /// the answer to the check.
    pub(super) async fn ask_checked<S: Shape>(
        &mut self,
        offset: u64,
        sql: &str,
        params: Params<'_>,
    ) -> Result<Checked<S::Answer>, PgError> {
        let (own, client) = self.own();
        let (check, statement) = join(own.replayed(client), client.prepare_cached(sql)).await;
        let (check, statement) =
            (check.map_err(PgError::before)?, statement.map_err(PgError::preparing)?);
        let reached = client.query_one(&check, &[]);
        let (reached, answer) = join(reached, S::ask(client, &statement, params)).await;
        let reached = lsn_in(&reached?, 0)?;
        if reached < offset {
            return Ok(Checked::Behind(reached));
        }
        self.keep::<S>(sql, answer).map(Checked::Reached)
    }

    /// A statement that commits by itself, and a position that covers it, in one round trip.
    pub(super) async fn ask_written<S: Shape>(
        &mut self,
        sql: &str,
        params: Params<'_>,
    ) -> Result<(S::Answer, Position), PgError> {
        let (own, client) = self.own();
        let (statement, locate) = join(client.prepare_cached(sql), own.written(client)).await;
        let (statement, locate) =
            (statement.map_err(PgError::preparing)?, locate.map_err(PgError::before)?);
        let (answer, position) = self.ask_located::<S>(sql, &statement, params, &locate).await?;
        Ok((answer, position.map_err(PgError::after_the_fact)?))
    }

    /// A question to a primary, and a position that covers all that it can have seen, in one round
    /// trip.
    pub(super) async fn ask_readable<S: Shape>(
        &mut self,
        sql: &str,
        params: Params<'_>,
    ) -> Result<(S::Answer, Position), PgError> {
        let (own, client) = self.own();
        let (statement, locate) = join(client.prepare_cached(sql), own.readable(client)).await;
        let (statement, locate) =
            (statement.map_err(PgError::preparing)?, locate.map_err(PgError::before)?);
        let (answer, position) = self.ask_located::<S>(sql, &statement, params, &locate).await?;
        Ok((answer, position?))
    }

    async fn ask_located<S: Shape>(
        &self,
        sql: &str,
        statement: &Statement,
        params: Params<'_>,
        locate: &Locate,
    ) -> Result<(S::Answer, Result<Position, PgError>), PgError> {
        self.open()?;
        let client = self.client();
        let asking = S::ask(client, statement, params);
        let (answer, position) = join(asking, locate.ask(client)).await;
        Ok((self.keep::<S>(sql, answer)?, position))
    }

    /// Nothing is sent on a connection that is closed, and whoever asks may know that.
    fn open(&self) -> Result<(), PgError> {
        if self.client().is_closed() { Err(PgError::Unsent(None)) } else { Ok(()) }
    }

    /// What is taken of the answer. Forgets a statement that will not work again.
    fn keep<S: Shape>(&self, sql: &str, raw: Result<S::Raw, Error>) -> Result<S::Answer, PgError> {
        S::take(raw).map_err(|error| {
            if is_stale(&error) {
                self.client().statement_cache.remove(sql, &[]);
            }
            PgError::Postgres(error)
        })
    }
}
