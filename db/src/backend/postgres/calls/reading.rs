//! Reads.

use std::pin::pin;

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::super::Postgres;
use super::super::exchange::{AtMostOne, Checked, Count, Params, Rows, Shape};
use super::{at_most_one, one};
use crate::error::{Error, Outcome};
use crate::pool::{Effect, Read, ReadConnection};

/// A single question. Whatever goes wrong with one node is tried on another, as long as one is left
/// and the caller has not waited too long.
impl Read<'_, Postgres> {
    /// All rows.
    ///
    /// # Errors
    ///
    /// When the server says no, or no node can serve the read. With
    /// [`ReadOnly`](crate::ErrorKind::ReadOnly), the statement tried to write.
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
                match Box::pin(checked::<S>(&mut connection, offset, sql, params)).await {
                    Ok(Checked::Reached(answer)) => {
                        self.shared.telemetry.caught_up(true);
                        return Ok((answer, connection));
                    }
                    Ok(Checked::Behind(_)) => {
                        match Box::pin(connection.settle(self.catch_up())).await {
                            Ok(true) => {}
                            Ok(false) => {
                                self.too_slow();
                                continue;
                            }
                            Err(error) => {
                                self.forgive(&connection, error)?;
                                continue;
                            }
                        }
                    }
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
    let answer = async {
        match raw.ask_checked::<S>(offset, sql, params).await {
            Err(error) if error.is_stale() => raw.ask_checked::<S>(offset, sql, params).await,
            done => done,
        }
    };
    let answer = watch.over(Effect::Read, pin!(answer)).await?;
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
    if connection.notes_position() {
        return Box::pin(once_noted::<S>(connection, sql, params, alone)).await;
    }
    let (raw, watch, _) = connection.parts();
    // Pinned here, it is not moved from hand to hand: these futures are large.
    let asking = pin!(raw.ask_renewed::<S>(sql, params, alone));
    watch.over(Effect::Read, asking).await
}

/// [`once`] on a primary, for a reader who is to go on elsewhere.
async fn once_noted<S: Shape>(
    connection: &mut ReadConnection<Postgres>,
    sql: &str,
    params: Params<'_>,
    alone: bool,
) -> Result<S::Answer, Error> {
    let (raw, watch, _) = connection.parts();
    let asking = async {
        match raw.ask_readable::<S>(sql, params).await {
            Err(error) if alone && error.is_stale() => raw.ask_readable::<S>(sql, params).await,
            done => done,
        }
    };
    let (answer, position) = watch.over(Effect::Read, pin!(asking)).await?;
    connection.read_up_to(position);
    Ok(answer)
}

/// A connection for several questions.
impl ReadConnection<Postgres> {
    /// All rows.
    ///
    /// # Errors
    ///
    /// When the server says no, or nothing in time. With [`ReadOnly`](crate::ErrorKind::ReadOnly), the
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
