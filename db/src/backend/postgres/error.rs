//! What goes wrong on a connection, and what that means.

use std::error::Error as StdError;
use std::{fmt, io};

use tokio_postgres::Error;
use tokio_postgres::error::{DbError, Severity, SqlState};

use crate::backend::Fault;

/// What goes wrong with PostgreSQL.
#[derive(Debug)]
#[non_exhaustive]
pub enum PgError {
    /// No connection was made.
    Connect(Error),
    /// The connection was closed.
    Closed,
    /// It went wrong before the statement itself was sent, while it was prepared. `None` if the
    /// connection was closed already.
    Unsent(Option<Error>),
    /// The server answered with an error, or the connection broke, or the driver refused what it was
    /// given.
    Postgres(Error),
    /// The statement was carried out, and no row came, or several, where one was expected.
    RowCount,
    /// The commit was carried out on the primary, and the wait for its synchronous replicas was cut
    /// short.
    Unconfirmed,
    /// There was nothing to commit: the transaction had been ended by a statement inside it.
    Ended,
    /// The transaction was rolled back instead of committed, because a statement in it had failed.
    Aborted,
    /// It was carried out, and how far the primary has come with it could not be learned.
    NoPosition(Box<PgError>),
    /// The server is a replica, and was asked for what only a primary has.
    InRecovery,
    /// The server said something about itself that cannot be.
    Unintelligible(&'static str),
}

impl PgError {
    /// The error of PostgreSQL, if the server sent one.
    #[must_use]
    pub fn as_db_error(&self) -> Option<&DbError> {
        match self {
            Self::Connect(error) | Self::Unsent(Some(error)) | Self::Postgres(error) => {
                error.as_db_error()
            }
            Self::NoPosition(error) => error.as_db_error(),
            _ => None,
        }
    }

    /// The SQLSTATE, if the server sent one.
    #[must_use]
    pub fn code(&self) -> Option<&SqlState> {
        self.as_db_error().map(DbError::code)
    }

    pub(super) fn fault(&self) -> Fault {
        match self {
            Self::Connect(error) => while_connecting(error),
            Self::Unsent(None) => Fault::Unreachable,
            Self::Unsent(Some(error)) => match on_a_connection(error) {
                Fault::Broken => Fault::Unreachable,
                fault => fault,
            },
            Self::Postgres(error) => on_a_connection(error),
            Self::Unconfirmed | Self::Ended | Self::RowCount => Fault::Unconfirmed,
            Self::Aborted => Fault::Statement,
            // What broke the connection is said; nothing else takes back what was carried out.
            Self::NoPosition(error) => match error.fault() {
                Fault::Broken => Fault::Broken,
                _ => Fault::Unconfirmed,
            },
            Self::InRecovery => Fault::ReadOnly,
            Self::Closed | Self::Unintelligible(_) => Fault::Broken,
        }
    }

    /// Whether the statement was refused because what was prepared is worth nothing any more. The
    /// connection has forgotten it, and the same again works.
    pub(super) fn is_stale(&self) -> bool {
        matches!(self, Self::Postgres(error) if is_stale(error))
    }

    /// What an error means where other statements may have been sent before.
    pub(super) fn among_others(self) -> Self {
        match self {
            Self::Unsent(Some(error)) => Self::Postgres(error),
            Self::Unsent(None) => Self::Closed,
            error => error,
        }
    }

    /// What an error of a question means that goes before the statement itself.
    pub(super) fn before(self) -> Self {
        match self {
            Self::Postgres(error) => Self::Unsent(Some(error)),
            Self::Closed => Self::Unsent(None),
            error => error,
        }
    }

    /// An error while a statement was prepared.
    pub(super) fn preparing(error: Error) -> Self {
        Self::Unsent(Some(error))
    }

    /// What an error means for a statement whose effect it cannot take back.
    pub(super) fn after_the_fact(self) -> Self {
        match self {
            Self::InRecovery => self,
            error => Self::NoPosition(Box::new(error)),
        }
    }

    /// An error of a statement that asks for a primary's position.
    pub(super) fn asking_a_primary(error: Error) -> Self {
        if error.code() == Some(&SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE) {
            return Self::InRecovery;
        }
        Self::Postgres(error)
    }
}

/// An error on a connection that was made.
impl From<Error> for PgError {
    fn from(error: Error) -> Self {
        Self::Postgres(error)
    }
}

impl fmt::Display for PgError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) | Self::Unsent(Some(error)) | Self::Postgres(error) => {
                match error.as_db_error() {
                    // The driver's own words are just "db error".
                    Some(said) => write!(f, "{} ({})", said.message(), said.code().code()),
                    None => error.fmt(f),
                }
            }
            Self::Closed | Self::Unsent(None) => f.write_str("the connection was closed"),
            Self::RowCount => f.write_str("the number of rows is not the expected one"),
            Self::Unconfirmed => f.write_str("the wait for synchronous replicas was cut short"),
            Self::Ended => f.write_str("no transaction was open: a statement in it had ended it"),
            Self::Aborted => f.write_str("rolled back, because a statement before had failed"),
            Self::NoPosition(error) => write!(f, "carried out, but its position is lost: {error}"),
            Self::InRecovery => f.write_str("the server is a replica"),
            Self::Unintelligible(what) => write!(f, "the server reports a {what} that cannot be"),
        }
    }
}

impl StdError for PgError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Connect(error) | Self::Unsent(Some(error)) | Self::Postgres(error) => {
                error.source()
            }
            Self::NoPosition(error) => error.source(),
            _ => None,
        }
    }
}

fn while_connecting(error: &Error) -> Fault {
    if let Some(said) = error.as_db_error() {
        return refused(said.code().code());
    }
    // The driver does not name its kinds of error, except in words.
    match Kind::of(error) {
        Kind::Tls if lost(error) => Fault::Unreachable,
        Kind::Tls | Kind::Authentication | Kind::Config => Fault::Denied,
        _ => Fault::Unreachable,
    }
}

/// The server said that it takes no connection.
fn refused(code: &str) -> Fault {
    match code.get(..2) {
        Some("08") => Fault::Unreachable,
        // Full; out of memory; starting up or shutting down; its own trouble.
        Some("53" | "57" | "58" | "XX") => Fault::Unavailable,
        // A wrong password or database, or one that takes no connections; an unknown parameter.
        _ => Fault::Denied,
    }
}

fn on_a_connection(error: &Error) -> Fault {
    if let Some(said) = error.as_db_error() {
        return answered(said);
    }
    match Kind::of(error) {
        Kind::Unsent => Fault::Client,
        // It was carried out; what came back is not what the caller's code takes.
        Kind::Answer => Fault::Unconfirmed,
        _ => Fault::Broken,
    }
}

fn answered(said: &DbError) -> Fault {
    // An old server does not say the severity in plain words.
    let fatal = match said.parsed_severity() {
        Some(severity) => matches!(severity, Severity::Fatal | Severity::Panic),
        None => matches!(said.severity(), "FATAL" | "PANIC"),
    };
    meaning(said.code().code(), fatal)
}

/// By more than the code: a recovery conflict has the same one whether it ends the statement or the
/// connection.
fn meaning(code: &str, fatal: bool) -> Fault {
    match (code, code.get(..2).unwrap_or_default()) {
        ("53300" | "57P03", _) => Fault::Unavailable,
        ("3D000", _) | (_, "28") if fatal => Fault::Denied,
        _ if fatal => Fault::Broken,
        ("57P01" | "57P02" | "57P04" | "57P05" | "25P03" | "40003", _) | (_, "08") => Fault::Broken,
        ("25006", _) => Fault::ReadOnly,
        ("40001" | "40P01", _) => Fault::Conflict,
        _ => Fault::Statement,
    }
}

/// The driver's kinds of error, as far as they mean different things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A parameter that does not fit, too many or too few of them, text with a zero byte.
    Unsent,
    /// More or fewer rows than expected, or a column of another type.
    Answer,
    Tls,
    Authentication,
    Config,
    Other,
}

impl Kind {
    fn of(error: &Error) -> Self {
        Self::named(&error.to_string())
    }

    fn named(words: &str) -> Self {
        match words {
            "error encoding message to server" => Self::Unsent,
            "query returned an unexpected number of rows"
            | "query returned an unexpected number of columns" => Self::Answer,
            "error performing TLS handshake" => Self::Tls,
            "authentication error" => Self::Authentication,
            "invalid configuration" | "invalid connection string" => Self::Config,
            _ if words.starts_with("error serializing parameter") => Self::Unsent,
            _ if words.starts_with("expected ") && words.contains(" parameters but got ") => {
                Self::Unsent
            }
            _ if words.starts_with("error deserializing column") => Self::Answer,
            _ if words.starts_with("invalid column ") => Self::Answer,
            _ => Self::Other,
        }
    }
}

/// Whether more than one row came where at most one should.
pub(super) fn is_row_count(error: &Error) -> bool {
    error.as_db_error().is_none() && Kind::of(error) == Kind::Answer
}

/// Whether a kept statement is worth nothing any more: its tables have changed, or somebody has
/// discarded it.
pub(super) fn is_stale(error: &Error) -> bool {
    match error.as_db_error() {
        Some(said) if *said.code() == SqlState::FEATURE_NOT_SUPPORTED => {
            said.routine() == Some("RevalidateCachedQuery")
        }
        Some(said) => *said.code() == SqlState::INVALID_SQL_STATEMENT_NAME,
        None => false,
    }
}

/// Whether the peer went away, rather than said something.
fn lost(error: &Error) -> bool {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, TimedOut, UnexpectedEof,
    };
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return matches!(
                error.kind(),
                BrokenPipe
                    | ConnectionAborted
                    | ConnectionRefused
                    | ConnectionReset
                    | TimedOut
                    | UnexpectedEof
            );
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests;
