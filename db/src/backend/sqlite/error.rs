//! What goes wrong on an embedded node, and what it means for the pool.

use std::fmt;
use std::io;

use rusqlite::ErrorCode;

use super::control::ControlError;
use crate::backend::{Access, Fault};
use crate::position::Position;

/// Something that an embedded node or its cluster did not do.
#[derive(Debug)]
#[non_exhaustive]
pub enum SqliteError {
    /// SQLite said no, or could not be asked.
    Sqlite {
        /// What it said.
        error: rusqlite::Error,
        /// What it was asked on.
        access: Access,
    },
    /// The node does not take writes: it is a replica, or fenced.
    NotPrimary,
    /// The node was killed; no connection is made.
    Down,
    /// The node was killed, rebuilt or removed while the connection was open.
    Broken,
    /// The node is being rebuilt from the primary.
    Rebuilding,
    /// Committed, but too few replicas have it, or none that counts will ever have it.
    Unconfirmed {
        /// Where the commit stands.
        position: Position,
        /// How many replicas should have it.
        wanted: u32,
    },
    /// The closure ended the pool's transaction itself. What it committed is not counted, so that
    /// no token covers it.
    Ended,
    /// The closure panicked; its transaction was rolled back.
    Panicked(String),
    /// The connection is not in a transaction, or is in one already.
    OutOfTurn,
    /// A file beside the databases could not be read, written or locked.
    Io(io::Error),
    /// The control file is not one.
    Control(ControlError),
    /// The cluster has no node of this name.
    UnknownNode(String),
    /// The name is taken.
    Exists(String),
    /// A node's name is 1 to 64 bytes of letters, digits, `-`, `_` and `.`, and begins with a letter
    /// or a digit; a cluster has 1 to 64 nodes.
    Name(String),
    /// No primary is up, and the step needs one.
    NoPrimary,
    /// The node is in a state in which the step makes no sense.
    Refused(&'static str),
}

impl SqliteError {
    pub(crate) fn of(access: Access) -> impl Fn(rusqlite::Error) -> Self {
        move |error| Self::Sqlite { error, access }
    }

    /// What it means.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Sqlite { error, access } => fault_of(error, *access),
            Self::NotPrimary => Fault::ReadOnly,
            Self::Down | Self::NoPrimary => Fault::Unreachable,
            Self::Rebuilding => Fault::Unavailable,
            Self::Unconfirmed { .. } => Fault::Unconfirmed,
            Self::OutOfTurn | Self::Name(_) | Self::Refused(_) | Self::Exists(_) => Fault::Client,
            Self::UnknownNode(_) | Self::Control(_) => Fault::Denied,
            Self::Broken | Self::Ended | Self::Panicked(_) | Self::Io(_) => Fault::Broken,
        }
    }
}

fn fault_of(error: &rusqlite::Error, access: Access) -> Fault {
    let Some(code) = error.sqlite_error_code() else {
        return match error {
            rusqlite::Error::InvalidParameterCount(..)
            | rusqlite::Error::InvalidParameterName(_)
            | rusqlite::Error::ToSqlConversionFailure(_)
            | rusqlite::Error::NulError(_)
            | rusqlite::Error::MultipleStatement => Fault::Client,
            _ => Fault::Statement,
        };
    };
    match code {
        // Between transactions a writer's connection is read-only too: that is a slip of the
        // caller's, and says nothing about the node.
        ErrorCode::ReadOnly if access == Access::ReadOnly => Fault::ReadOnly,
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Fault::Conflict,
        ErrorCode::CannotOpen => Fault::Unreachable,
        ErrorCode::NotADatabase | ErrorCode::PermissionDenied => Fault::Denied,
        ErrorCode::SystemIoFailure
        | ErrorCode::DatabaseCorrupt
        | ErrorCode::OperationInterrupted
        | ErrorCode::FileLockingProtocolFailed => Fault::Broken,
        _ => Fault::Statement,
    }
}

impl From<io::Error> for SqliteError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<ControlError> for SqliteError {
    fn from(error: ControlError) -> Self {
        Self::Control(error)
    }
}

impl fmt::Display for SqliteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { .. } => f.write_str("SQLite reported an error"),
            Self::NotPrimary => f.write_str("the node does not take writes"),
            Self::Down => f.write_str("the node is down"),
            Self::Broken => f.write_str("the node went away under the connection"),
            Self::Rebuilding => f.write_str("the node is being rebuilt"),
            Self::Unconfirmed { position, wanted } => {
                write!(f, "commit {position} is not on {wanted} replicas")
            }
            Self::Ended => f.write_str("the closure ended the transaction itself"),
            Self::Panicked(message) => write!(f, "the closure panicked: {message}"),
            Self::OutOfTurn => f.write_str("a transaction is begun once and ended once"),
            Self::Io(_) => f.write_str("a file of the cluster cannot be used"),
            Self::Control(_) => f.write_str("the control file is damaged"),
            Self::UnknownNode(name) => write!(f, "the cluster has no node {name:?}"),
            Self::Exists(name) => write!(f, "{name:?} exists already"),
            Self::Name(name) => write!(f, "{name:?} cannot be a node's name"),
            Self::NoPrimary => f.write_str("no primary is up"),
            Self::Refused(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for SqliteError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Sqlite { error, .. } => Some(error),
            Self::Io(error) => Some(error),
            Self::Control(error) => Some(error),
            _ => None,
        }
    }
}
