//! Writes that commit by themselves.

use std::pin::pin;

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::super::exchange::{AtMostOne, Count, Params, Rows, Shape};
use super::super::{PgConnection, PgError, Postgres};
use super::{at_most_one, one};
use crate::backend::Backend;
use crate::error::{Error, Outcome};
use crate::pool::{Effect, Write, WriteConnection};

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
    let (answer, position) = {
        let asking = pin!(async {
            // What an earlier statement left, nobody has asked for.
            backend.doubt(raw);
            if !wants {
                let answer = raw.ask::<S>(sql, params).await?;
                return confirmed(backend, raw, (answer, None));
            }
            let (answer, position) = raw.ask_written::<S>(sql, params).await?;
            confirmed(backend, raw, (answer, Some(position)))
        });
        watch.over(Effect::Write, asking).await?
    };
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
