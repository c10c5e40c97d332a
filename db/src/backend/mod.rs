//! What the pool asks of a database.
//!
//! [`Backend`] is small on purpose: connect, look, and end a transaction. Statements are not part of
//! it. Each backend has its own connection type, and people write their own SQL on it; a dialect
//! layer would hide what differs between databases, which is what matters when they fail.

use std::error::Error;
use std::fmt;
use std::future::{Future, pending};

use crate::cluster::History;
use crate::position::{Position, SystemId};

#[cfg(feature = "postgres")]
#[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
pub mod postgres;
#[cfg(feature = "sqlite")]
#[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
pub mod sqlite;

/// What a connection may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Read only, wherever it leads. The database enforces it, so that code which writes in a read
    /// fails every day, and not just on the day it falls back to the primary.
    ReadOnly,
    /// Read and write.
    ReadWrite,
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
pub enum Role {
    /// It takes writes.
    Primary,
    /// It follows a primary.
    Replica,
}

/// What a node says about itself, in one exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The cluster it belongs to.
    pub system: SystemId,
    /// What it is now.
    pub role: Role,
    /// On a primary: the end of what it has written, at least every write that somebody can read
    /// there. On a replica: the end of what can be read there.
    ///
    /// The timeline of a replica may be a lower bound, if it does not know better.
    pub position: Position,
    /// Changes whenever the node may have gone back in time: a restart, a rebuild.
    pub incarnation: u64,
    /// Where earlier timelines ended, if the node says so.
    pub history: Option<History>,
}

/// What an error of the database means for the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// No connection was made; nothing was sent.
    Unreachable,
    /// Who asks may not come in: credentials, database name, TLS. Trying again does not help.
    Denied,
    /// The node is there and takes nobody now: it starts up, shuts down, or is full. Nothing was
    /// executed.
    Unavailable,
    /// The connection broke. Whether a statement under way was executed is not known.
    Broken,
    /// The statement wanted to write where that is not allowed. Nothing was executed.
    ReadOnly,
    /// The statement lost against another one, or against replication, and left nothing behind.
    /// Trying the whole transaction again may help.
    Conflict,
    /// It was carried out here, but the database could not make it as safe as it should: a wait for
    /// synchronous replication was cut short.
    Unconfirmed,
    /// The database answered with an error, and nothing of the statement stays.
    Statement,
    /// The caller's own code failed before anything was sent: a parameter of the wrong type, say.
    Client,
}

/// A database that [`RwPool`](crate::RwPool) can split reads and writes over.
///
/// Every future may be dropped at any await. The pool then throws the connection away, unless it
/// was between two exchanges. Each call is made under a deadline of the pool's.
pub trait Backend: Send + Sync + Sized + 'static {
    /// Where a node is: what a connection needs to know.
    type Target: Clone + fmt::Debug + Send + Sync + 'static;
    /// A connection, as users of the pool get it.
    type Connection: Send + Sync + 'static;
    /// What goes wrong on it.
    type Error: Error + Send + Sync + 'static;

    /// What databases of this kind are called in metrics (`db.system.name`), `postgresql` for
    /// example.
    fn system_name(&self) -> &'static str;

    /// Connects.
    fn connect(
        &self,
        target: &Self::Target,
        access: Access,
    ) -> impl Future<Output = Result<Self::Connection, Self::Error>> + Send;

    /// Whether the connection may be handed out, as far as that is known without asking.
    fn is_open(&self, connection: &Self::Connection) -> bool;

    /// The node's role, if this connection has learned it without asking.
    fn role(&self, connection: &Self::Connection) -> Option<Role> {
        let _ = connection;
        None
    }

    /// Returns as soon as the connection closes, or learns that the node's role has changed.
    fn changed(&self, connection: &Self::Connection) -> impl Future<Output = ()> + Send {
        let _ = connection;
        pending()
    }

    /// Asks for any answer.
    fn ping(
        &self,
        connection: &mut Self::Connection,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Asks what the node is, and how far it is.
    fn observe(
        &self,
        connection: &mut Self::Connection,
    ) -> impl Future<Output = Result<Observation, Self::Error>> + Send;

    /// On a replica: the offset up to which its data can be read, as a statement of its own, whose
    /// snapshot ends before the next statement's begins.
    fn replayed(
        &self,
        connection: &mut Self::Connection,
    ) -> impl Future<Output = Result<u64, Self::Error>> + Send;

    /// On a primary: a position that covers all that could be read there until now.
    fn readable(
        &self,
        connection: &mut Self::Connection,
    ) -> impl Future<Output = Result<Position, Self::Error>> + Send {
        async { Ok(self.observe(connection).await?.position) }
    }

    /// On a primary: a position that covers all that this connection has committed.
    fn written(
        &self,
        connection: &mut Self::Connection,
    ) -> impl Future<Output = Result<Position, Self::Error>> + Send;

    /// Begins a transaction.
    fn begin(
        &self,
        connection: &mut Self::Connection,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Commits. With `position`, also says how far the primary has come, as
    /// [`written`](Self::written) does; better in the same round trip.
    fn commit(
        &self,
        connection: &mut Self::Connection,
        position: bool,
    ) -> impl Future<Output = Result<Option<Position>, Self::Error>> + Send;

    /// Rolls back.
    fn rollback(
        &self,
        connection: &mut Self::Connection,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// What speaks against the last successful answer, and was not part of it: a notice that a
    /// wait for synchronous replicas was cut short. Asked after every write and every commit.
    fn doubt(&self, connection: &Self::Connection) -> Option<Self::Error> {
        let _ = connection;
        None
    }

    /// What an error means.
    fn fault(&self, error: &Self::Error) -> Fault;
}
