use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use super::lease::Watch;
use super::shared::Shared;
use super::verdict::Effect;
use super::write::{Write, WriteConnection};
use crate::backend::Backend;
use crate::error::Error;
use crate::position::Position;
use crate::token::CausalContext;

/// A transaction that is about to begin. Await it.
#[must_use = "a transaction does not begin until it is awaited"]
pub struct Begin<'a, B: Backend> {
    write: Write<'a, B>,
}

impl<'a, B: Backend> Begin<'a, B> {
    pub(crate) fn new(shared: &'a Arc<Shared<B>>) -> Self {
        Self { write: Write::new(shared) }
    }

    /// Notes the position of what is committed in this context, for its later reads.
    pub fn context(self, context: &CausalContext) -> Self {
        Self { write: self.write.context(context) }
    }

    /// How long each answer may take, instead of
    /// [`PoolConfig::answer`](crate::PoolConfig::answer).
    pub fn deadline(self, answer: Duration) -> Self {
        Self { write: self.write.deadline(answer) }
    }

    async fn begin(mut self) -> Result<Transaction<B>, Error> {
        loop {
            let mut connection = self.write.pick().await?;
            let (raw, watch, backend) = connection.parts();
            let begun = watch.over(Effect::InTransaction, pin!(backend.begin(raw))).await;
            match begun {
                Ok(()) => {
                    connection.lease.set_open(true);
                    return Ok(Transaction { connection });
                }
                Err(error) => self.write.forgive(error)?,
            }
        }
    }
}

impl<'a, B: Backend> IntoFuture for Begin<'a, B> {
    type Output = Result<Transaction<B>, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.begin())
    }
}

impl<B: Backend> fmt::Debug for Begin<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Begin").field("write", &self.write).finish()
    }
}

/// A transaction on the primary.
///
/// Dropped without [`commit`](Self::commit), it is rolled back before anybody else gets its
/// connection.
pub struct Transaction<B: Backend> {
    connection: WriteConnection<B>,
}

impl<B: Backend> Transaction<B> {
    /// The name of the node.
    #[must_use]
    pub fn served_by(&self) -> &str {
        self.connection.served_by()
    }

    /// Carries out statements under one deadline.
    ///
    /// # Errors
    ///
    /// When the database says no, or nothing in time. Nothing of a transaction that does not commit
    /// stays.
    ///
    /// # Cancel safety
    ///
    /// Dropped midway, the connection is closed, and the transaction with it rolled back.
    pub async fn run<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut B::Connection) -> Result<T, B::Error>,
    ) -> Result<T, Error> {
        let (connection, watch, _) = self.parts();
        watch.over(Effect::InTransaction, pin!(work(connection))).await
    }

    /// Commits. With a context, it also says a position that covers all of the transaction, and
    /// notes it there.
    ///
    /// # Errors
    ///
    /// With [`Outcome::Unknown`](crate::Outcome::Unknown), the answer was lost: the transaction was
    /// committed, or not. The pool never tries again by itself; an
    /// [idempotency row](crate#unknown-outcomes) tells which it was. With any other outcome, it was
    /// rolled back.
    ///
    /// # Cancel safety
    ///
    /// Dropped midway, the connection is closed, and whether it was committed is not known.
    pub async fn commit(mut self) -> Result<Option<Position>, Error> {
        let wants = self.connection.wants_position();
        let (connection, watch, backend) = self.parts();
        let exchange = async {
            let position = backend.commit(connection, wants).await?;
            match backend.doubt(connection) {
                Some(doubt) => Err(doubt),
                None => Ok(position),
            }
        };
        let position = watch.over(Effect::Commit, pin!(exchange)).await?;
        self.connection.lease.set_open(false);
        if let Some(position) = position {
            self.connection.wrote(position);
        }
        Ok(position)
    }

    /// Rolls back, and waits for it to be done.
    ///
    /// # Errors
    ///
    /// When the database does not answer; the transaction is rolled back nevertheless.
    ///
    /// # Cancel safety
    ///
    /// Dropped midway, the connection is closed.
    pub async fn rollback(mut self) -> Result<(), Error> {
        let (connection, watch, backend) = self.parts();
        watch.over(Effect::InTransaction, pin!(backend.rollback(connection))).await?;
        self.connection.lease.set_open(false);
        Ok(())
    }

    pub(crate) fn parts(&mut self) -> (&mut B::Connection, Watch<'_, B>, &B) {
        self.connection.parts()
    }
}

impl<B: Backend> fmt::Debug for Transaction<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").field("node", &self.served_by()).finish_non_exhaustive()
    }
}
