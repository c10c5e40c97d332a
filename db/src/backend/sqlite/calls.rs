//! The embedded backend's own methods on the pool's guards.
//!
//! All take a closure, for SQLite blocks: it runs on tokio's blocking pool, under the pool's
//! deadline. `prepare_cached` in it keeps statements with the connection.

use std::pin::pin;
use std::sync::Arc;

use super::Sqlite;
use crate::error::Error;
use crate::pool::{Effect, Read, ReadConnection, Transaction, Write, WriteConnection};

impl Read<'_, Sqlite> {
    /// Reads with this closure, on a node that may serve the read.
    ///
    /// If a node fails before it has answered, the closure runs again on another one.
    ///
    /// # Errors
    ///
    /// [`ReadOnly`](crate::ErrorKind::ReadOnly) if the closure writes,
    /// [`Statement`](crate::ErrorKind::Statement) if it fails, and what is wrong with the nodes.
    ///
    /// # Cancel safety
    ///
    /// Dropped midway, the statement is interrupted and the connection closed.
    pub async fn call<T: Send + 'static>(
        mut self,
        work: impl Fn(&rusqlite::Connection) -> rusqlite::Result<T> + Send + Sync + 'static,
    ) -> Result<T, Error> {
        let work = Arc::new(work);
        loop {
            let mut connection = self.pick().await?;
            let error = match connection.settle(self.catch_up()).await {
                Ok(true) => {
                    let work = Arc::clone(&work);
                    match connection.call(move |raw| work(raw)).await {
                        Ok(value) => return Ok(value),
                        Err(error) => error,
                    }
                }
                Ok(false) => {
                    self.too_slow();
                    continue;
                }
                Err(error) => error,
            };
            self.forgive(&connection, error)?;
        }
    }
}

impl ReadConnection<Sqlite> {
    /// Reads with this closure.
    ///
    /// Its statements see one state each; begin a transaction in the closure for one state of them
    /// all. A transaction that it leaves open is rolled back.
    ///
    /// # Errors
    ///
    /// As [`Read::call`].
    ///
    /// # Cancel safety
    ///
    /// Dropped midway, the statement is interrupted and the connection closed.
    pub async fn call<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let notes = self.notes_position();
        let (connection, watch, _) = self.parts();
        let exchange = async {
            let value = connection.read(work).await?;
            let position = if notes { Some(connection.readable().await?) } else { None };
            Ok((value, position))
        };
        let (value, position) = watch.over(Effect::Read, pin!(exchange)).await?;
        if let Some(position) = position {
            self.read_up_to(position);
        }
        Ok(value)
    }
}

impl Write<'_, Sqlite> {
    /// Writes with this closure, in one transaction, which commits if the closure returns `Ok`.
    ///
    /// If the node turns out to be no primary before the commit, the closure runs again on the one
    /// that is; nothing of the first run stays.
    ///
    /// # Errors
    ///
    /// [`Statement`](crate::ErrorKind::Statement) if the closure fails: nothing of it stays. With
    /// [`Outcome::Unknown`](crate::Outcome::Unknown), it was committed once, or not at all.
    ///
    /// # Cancel safety
    ///
    /// Dropped midway, the connection is closed, and whether it was committed is not known.
    pub async fn call<T: Send + 'static>(
        mut self,
        work: impl Fn(&rusqlite::Transaction<'_>) -> rusqlite::Result<T> + Send + Sync + 'static,
    ) -> Result<T, Error> {
        let work = Arc::new(work);
        loop {
            let mut connection = self.pick().await?;
            let work = Arc::clone(&work);
            match connection.call(move |transaction| work(transaction)).await {
                Ok(value) => return Ok(value),
                Err(error) => self.forgive(error)?,
            }
        }
    }
}

impl WriteConnection<Sqlite> {
    /// Writes with this closure, in one transaction, which commits if the closure returns `Ok`.
    ///
    /// # Errors
    ///
    /// As [`Write::call`].
    ///
    /// # Cancel safety
    ///
    /// Dropped midway, the connection is closed, and whether it was committed is not known.
    pub async fn call<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&rusqlite::Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let (connection, watch, _) = self.parts();
        let (value, position) = watch.over(Effect::Write, pin!(connection.write(work))).await?;
        self.wrote(position);
        Ok(value)
    }
}

impl Transaction<Sqlite> {
    /// Carries out this closure in the transaction.
    ///
    /// # Errors
    ///
    /// When it fails. What it did before stays in the transaction; roll that back, or use a
    /// savepoint.
    ///
    /// # Cancel safety
    ///
    /// Dropped midway, the connection is closed, and the transaction with it rolled back.
    pub async fn call<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let (connection, watch, _) = self.parts();
        watch.over(Effect::InTransaction, pin!(connection.within(work))).await
    }
}
