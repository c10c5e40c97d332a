//! Statements on what the pool hands out, and without taking a connection in hand.
//!
//! A statement is prepared once per connection and found by its text from then on.

use std::sync::Arc;

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::exchange::{AtMostOne, Checked, Count, Found, Params, Rows, Shape};
use super::{PgConnection, PgError, Postgres};
use crate::backend::Backend;
use crate::error::{Error, ErrorKind, Outcome};
use crate::pool::{Effect, Read, ReadConnection, Transaction, Write, WriteConnection};

/// A single question. Whatever goes wrong with one node is tried on another, as long as one is left
/// and the caller has not waited too long.
impl Read<'_, Postgres> {
    /// All rows.
    ///
    /// # Errors
    ///
    /// When the server says no, or no node can serve the read. With
    /// [`ReadOnly`](ErrorKind::ReadOnly), the statement tried to write.
    ///
    /// # Cancel safety
    ///
    /// Dropped midway, the connection is closed.
    pub async fn query(self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Error> {
        Ok(self.ask::<Rows>(sql, params).await?.0)
    }

    /// The only row.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query), and when there is no row, or more than one.
    ///
    /// # Cancel safety
    ///
    /// As [`query`](Self::query).
    pub async fn query_one(self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Row, Error> {
        let (found, connection) = self.ask::<AtMostOne>(sql, params).await?;
        one(found, Outcome::Refused, connection.served_by())
    }

    /// The only row, if there is one.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query), and when there is more than one row.
    ///
    /// # Cancel safety
    ///
    /// As [`query`](Self::query).
    pub async fn query_opt(
        self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, Error> {
        let (found, connection) = self.ask::<AtMostOne>(sql, params).await?;
        at_most_one(found, Outcome::Refused, connection.served_by())
    }

    async fn ask<S: Shape>(
        mut self,
        sql: &str,
        params: Params<'_>,
    ) -> Result<(S::Answer, ReadConnection<Postgres>), Error> {
        loop {
            let mut connection = self.pick().await?;
            if let Some(offset) = connection.pending() {
                match checked::<S>(&mut connection, offset, sql, params).await {
                    Ok(Checked::Reached(answer)) => {
                        self.shared.telemetry.caught_up(true);
                        return Ok((answer, connection));
                    }
                    Ok(Checked::Behind(_)) => match connection.settle(self.catch_up()).await {
                        Ok(true) => {}
                        Ok(false) => {
                            self.too_slow();
                            continue;
                        }
                        Err(error) => {
                            self.forgive(&connection, error)?;
                            continue;
                        }
                    },
                    Err(error) => {
                        self.forgive(&connection, error)?;
                        continue;
                    }
                }
            }
            match once::<S>(&mut connection, sql, params, true).await {
                Ok(answer) => return Ok((answer, connection)),
                Err(error) => self.forgive(&connection, error)?,
            }
        }
    }
}

async fn checked<S: Shape>(
    connection: &mut ReadConnection<Postgres>,
    offset: u64,
    sql: &str,
    params: Params<'_>,
) -> Result<Checked<S::Answer>, Error> {
    let (raw, watch, _) = connection.parts();
    let answer = watch.over(Effect::Read, async {
        match raw.ask_checked::<S>(offset, sql, params).await {
            Err(error) if error.is_stale() => raw.ask_checked::<S>(offset, sql, params).await,
            done => done,
        }
    });
    let answer = answer.await?;
    connection.reached(match &answer {
        Checked::Reached(_) => offset,
        Checked::Behind(at) => *at,
    });
    Ok(answer)
}

/// One question on a connection that may serve it. `alone` if it is in no transaction, where a stale
/// statement can be prepared and asked anew.
async fn once<S: Shape>(
    connection: &mut ReadConnection<Postgres>,
    sql: &str,
    params: Params<'_>,
    alone: bool,
) -> Result<S::Answer, Error> {
    if !connection.notes_position() {
        let (raw, watch, _) = connection.parts();
        let asking = async {
            match raw.ask::<S>(sql, params).await {
                Err(error) if alone && error.is_stale() => raw.ask::<S>(sql, params).await,
                done => done,
            }
        };
        return watch.over(Effect::Read, asking).await;
    }
    let (raw, watch, _) = connection.parts();
    let asking = async {
        match raw.ask_readable::<S>(sql, params).await {
            Err(error) if alone && error.is_stale() => raw.ask_readable::<S>(sql, params).await,
            done => done,
        }
    };
    let (answer, position) = watch.over(Effect::Read, asking).await?;
    connection.read_up_to(position);
    Ok(answer)
}

/// A connection for several questions.
impl ReadConnection<Postgres> {
    /// All rows.
    ///
    /// # Errors
    ///
    /// When the server says no, or nothing in time. With [`ReadOnly`](ErrorKind::ReadOnly), the
    /// statement tried to write.
    ///
    /// # Cancel safety
    ///
    /// Dropped midway, the connection is closed.
    pub async fn query(
        &mut self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        once::<Rows>(self, sql, params, false).await
    }

    /// The only row.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query), and when there is no row, or more than one.
    ///
    /// # Cancel safety
    ///
    /// As [`query`](Self::query).
    pub async fn query_one(
        &mut self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Row, Error> {
        let found = once::<AtMostOne>(self, sql, params, false).await?;
        one(found, Outcome::Refused, self.served_by())
    }

    /// The only row, if there is one.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query), and when there is more than one row.
    ///
    /// # Cancel safety
    ///
    /// As [`query`](Self::query).
    pub async fn query_opt(
        &mut self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, Error> {
        let found = once::<AtMostOne>(self, sql, params, false).await?;
        at_most_one(found, Outcome::Refused, self.served_by())
    }

    /// How many rows the statement names. It may set something, but not write.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query).
    ///
    /// # Cancel safety
    ///
    /// As [`query`](Self::query).
    pub async fn execute(
        &mut self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, Error> {
        once::<Count>(self, sql, params, false).await
    }

    /// Several statements in one text, without parameters and without rows.
    ///
    /// What they set stays set for the next user of the connection.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query).
    ///
    /// # Cancel safety
    ///
    /// As [`query`](Self::query).
    pub async fn batch_execute(&mut self, sql: &str) -> Result<(), Error> {
        self.run(async |connection| connection.batch_execute(sql).await).await
    }
}

/// A single statement, which commits by itself. It is sent again only if it is certain that it was
/// not carried out.
impl Write<'_, Postgres> {
    /// All rows, of `INSERT … RETURNING` for example.
    ///
    /// # Errors
    ///
    /// When the server says no, or no node takes writes. With
    /// [`Outcome::Unknown`], it was carried out once or not at all.
    ///
    /// # Cancel safety
    ///
    /// Dropped midway, the connection is closed, and whether the statement was carried out is not
    /// known.
    pub async fn query(self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Error> {
        Ok(self.ask::<Rows>(sql, params).await?.0)
    }

    /// The only row.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query), and when there is no row, or more than one. The statement was
    /// carried out then nevertheless, and the outcome is not called a refusal.
    ///
    /// # Cancel safety
    ///
    /// As [`query`](Self::query).
    pub async fn query_one(self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Row, Error> {
        let (found, connection) = self.ask::<AtMostOne>(sql, params).await?;
        one(found, Outcome::Unknown, connection.served_by())
    }

    /// The only row, if there is one.
    ///
    /// # Errors
    ///
    /// As [`query_one`](Self::query_one), but no row is no error.
    ///
    /// # Cancel safety
    ///
    /// As [`query`](Self::query).
    pub async fn query_opt(
        self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, Error> {
        let (found, connection) = self.ask::<AtMostOne>(sql, params).await?;
        at_most_one(found, Outcome::Unknown, connection.served_by())
    }

    /// How many rows the statement has changed.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query).
    ///
    /// # Cancel safety
    ///
    /// As [`query`](Self::query).
    pub async fn execute(self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<u64, Error> {
        Ok(self.ask::<Count>(sql, params).await?.0)
    }

    async fn ask<S: Shape>(
        mut self,
        sql: &str,
        params: Params<'_>,
    ) -> Result<(S::Answer, WriteConnection<Postgres>), Error> {
        loop {
            let mut connection = self.pick().await?;
            match write::<S>(&mut connection, sql, params).await {
                Ok(answer) => return Ok((answer, connection)),
                Err(error) => self.forgive(error)?,
            }
        }
    }
}

async fn write<S: Shape>(
    connection: &mut WriteConnection<Postgres>,
    sql: &str,
    params: Params<'_>,
) -> Result<S::Answer, Error> {
    let wants = connection.wants_position();
    let (raw, watch, backend) = connection.parts();
    let asking = async {
        // What an earlier statement left, nobody has asked for.
        backend.doubt(raw);
        if !wants {
            let answer = raw.ask::<S>(sql, params).await?;
            return confirmed(backend, raw, (answer, None));
        }
        let (answer, position) = raw.ask_written::<S>(sql, params).await?;
        confirmed(backend, raw, (answer, Some(position)))
    };
    let (answer, position) = watch.over(Effect::Write, asking).await?;
    if let Some(position) = position {
        connection.wrote(position);
    }
    Ok(answer)
}

fn confirmed<T>(backend: &Postgres, connection: &PgConnection, answer: T) -> Result<T, PgError> {
    match backend.doubt(connection) {
        Some(doubt) => Err(doubt),
        None => Ok(answer),
    }
}

/// A connection for several statements, each of which commits by itself.
impl WriteConnection<Postgres> {
    /// All rows, of `INSERT … RETURNING` for example.
    ///
    /// # Errors
    ///
    /// When the server says no, or nothing in time. With [`Outcome::Unknown`], it was carried out
    /// once or not at all.
    ///
    /// # Cancel safety
    ///
    /// Dropped midway, the connection is closed, and whether the statement was carried out is not
    /// known.
    pub async fn query(
        &mut self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        write::<Rows>(self, sql, params).await
    }

    /// The only row.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query), and when there is no row, or more than one. The statement was
    /// carried out then nevertheless, and the outcome is not called a refusal.
    ///
    /// # Cancel safety
    ///
    /// As [`query`](Self::query).
    pub async fn query_one(
        &mut self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Row, Error> {
        let found = write::<AtMostOne>(self, sql, params).await?;
        one(found, Outcome::Unknown, self.served_by())
    }

    /// The only row, if there is one.
    ///
    /// # Errors
    ///
    /// As [`query_one`](Self::query_one), but no row is no error.
    ///
    /// # Cancel safety
    ///
    /// As [`query`](Self::query).
    pub async fn query_opt(
        &mut self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, Error> {
        let found = write::<AtMostOne>(self, sql, params).await?;
        at_most_one(found, Outcome::Unknown, self.served_by())
    }

    /// How many rows the statement has changed.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query).
    ///
    /// # Cancel safety
    ///
    /// As [`query`](Self::query).
    pub async fn execute(
        &mut self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, Error> {
        write::<Count>(self, sql, params).await
    }

    /// Several statements in one text, without parameters and without rows. They are one
    /// transaction, unless the text says otherwise.
    ///
    /// What they set stays set for the next user of the connection.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query).
    ///
    /// # Cancel safety
    ///
    /// As [`query`](Self::query).
    pub async fn batch_execute(&mut self, sql: &str) -> Result<(), Error> {
        self.run(async |connection| connection.batch_execute(sql).await).await
    }
}

/// Statements inside the transaction. After an error of the database only a rollback helps, and
/// [`commit`](Transaction::commit) says so too.
impl Transaction<Postgres> {
    /// All rows.
    ///
    /// # Errors
    ///
    /// When the server says no, or nothing in time. Nothing of a transaction that does not commit
    /// stays.
    ///
    /// # Cancel safety
    ///
    /// Dropped midway, the connection is closed, and the transaction with it rolled back.
    pub async fn query(
        &mut self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        self.ask::<Rows>(sql, params).await
    }

    /// The only row.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query), and when there is no row, or more than one. The transaction is
    /// none the worse then, and what the statement did is part of it.
    ///
    /// # Cancel safety
    ///
    /// As [`query`](Self::query).
    pub async fn query_one(
        &mut self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Row, Error> {
        let found = self.ask::<AtMostOne>(sql, params).await?;
        one(found, Outcome::Refused, self.served_by())
    }

    /// The only row, if there is one.
    ///
    /// # Errors
    ///
    /// As [`query_one`](Self::query_one), but no row is no error.
    ///
    /// # Cancel safety
    ///
    /// As [`query`](Self::query).
    pub async fn query_opt(
        &mut self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, Error> {
        let found = self.ask::<AtMostOne>(sql, params).await?;
        at_most_one(found, Outcome::Refused, self.served_by())
    }

    /// How many rows the statement has changed.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query).
    ///
    /// # Cancel safety
    ///
    /// As [`query`](Self::query).
    pub async fn execute(
        &mut self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, Error> {
        self.ask::<Count>(sql, params).await
    }

    /// Several statements in one text, without parameters and without rows: a level of isolation,
    /// a savepoint. Not `COMMIT` or `ROLLBACK`, for which there are methods.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query).
    ///
    /// # Cancel safety
    ///
    /// As [`query`](Self::query).
    pub async fn batch_execute(&mut self, sql: &str) -> Result<(), Error> {
        self.run(async |connection| connection.batch_execute(sql).await).await
    }

    async fn ask<S: Shape>(&mut self, sql: &str, params: Params<'_>) -> Result<S::Answer, Error> {
        let (raw, watch, _) = self.parts();
        watch.over(Effect::InTransaction, raw.ask::<S>(sql, params)).await
    }
}

fn one(found: Found, outcome: Outcome, node: &str) -> Result<Row, Error> {
    match at_most_one(found, outcome, node)? {
        Some(row) => Ok(row),
        None => Err(miscounted("no row came where one was expected", outcome, node)),
    }
}

fn at_most_one(found: Found, outcome: Outcome, node: &str) -> Result<Option<Row>, Error> {
    match found {
        Found::Nothing => Ok(None),
        Found::One(row) => Ok(Some(row)),
        Found::Many => Err(miscounted("several rows came where one was expected", outcome, node)),
    }
}

fn miscounted(message: &str, outcome: Outcome, node: &str) -> Error {
    Error::new(ErrorKind::Statement, outcome).node(&Arc::from(node)).message(message)
}
