//! What goes wrong with PostgreSQL, and what that means to who asked.
//!
//! A server that answers with an error has rolled back: one call is one transaction. Only an answer that did not come
//! leaves open what was done.

use std::fmt;
use std::time::Duration;

use deadpool_postgres::PoolError;
use tokio_postgres::Error;
use tokio_postgres::error::{Severity, SqlState};

use crate::error::StoreError;

/// A call that failed.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) meaning: Meaning,
    source: crate::error::BoxError,
}

/// What a failure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Nothing was done, and it may work the next time.
    Unavailable,
    /// It may have been done.
    Unknown,
    /// Nothing was done, and the next time is no better.
    Invalid,
    /// There is one under this key.
    Duplicate,
}

impl Fault {
    /// No connection: there is none to be had, or making one failed.
    pub(super) fn connecting(error: PoolError) -> Self {
        Self { meaning: Meaning::Unavailable, source: error.into() }
    }

    /// While the statement was prepared, so before it was carried out.
    pub(super) fn preparing(error: Error) -> Self {
        let meaning = match error.code() {
            Some(code) if of(code) != Meaning::Unknown => of(code),
            _ => Meaning::Unavailable,
        };
        Self { meaning, source: error.into() }
    }

    /// After the statement was sent.
    pub(super) fn asking(error: Error) -> Self {
        let meaning = match error.code() {
            Some(code) => of(code),
            // The driver refused it, which no code of ours brings about, or the connection broke.
            None => Meaning::Unknown,
        };
        Self { meaning, source: error.into() }
    }

    /// The answer did not come in time.
    pub(super) fn late(after: Duration, meaning: Meaning) -> Self {
        Self { meaning, source: Late(after).into() }
    }

    pub(super) fn invalid(source: impl Into<crate::error::BoxError>) -> Self {
        Self { meaning: Meaning::Invalid, source: source.into() }
    }

    pub(super) fn is_duplicate(&self) -> bool {
        self.meaning == Meaning::Duplicate
    }

    /// Whether the connection is good for more.
    pub(super) fn spares_connection(&self) -> bool {
        let said = self.source.downcast_ref::<Error>().and_then(Error::as_db_error);
        // With anything worse than an error the server hangs up.
        let Some(said) = said.filter(|said| said.parsed_severity() == Some(Severity::Error)) else {
            return false;
        };
        // A prepared statement is worth nothing any more: the next connection prepares it anew.
        let stale = [&SqlState::INVALID_SQL_STATEMENT_NAME, &SqlState::FEATURE_NOT_SUPPORTED];
        // A server that refuses to write may have been the primary a moment ago.
        let read_only = &SqlState::READ_ONLY_SQL_TRANSACTION;
        !stale.contains(&said.code()) && said.code() != read_only
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault.meaning {
            Meaning::Unavailable => Self::Unavailable(fault.source),
            Meaning::Unknown => Self::Unknown(fault.source),
            Meaning::Invalid | Meaning::Duplicate => Self::Invalid(fault.source),
        }
    }
}

/// What an error of the server means.
fn of(code: &SqlState) -> Meaning {
    let class = code.code().get(..2).unwrap_or_default();
    match (code.code(), class) {
        // A crash of the server does not wait for anything: the commit may be on disk, and the answer was to follow.
        ("57P02" | "40003" | "08007", _) => Meaning::Unknown,
        ("23505", _) => Meaning::Duplicate,
        // A replica, a statement that was prepared for what is there no more, a lock that is not to be had. Then
        // whole classes: a connection; a deadlock or a conflict with recovery; no room; stopped, by an operator or the
        // time limit, or shutting down; a disk.
        ("25006" | "26000" | "0A000" | "55P03" | "55006", _)
        | (_, "08" | "40" | "53" | "57" | "58") => Meaning::Unavailable,
        _ => Meaning::Invalid,
    }
}

/// There was no answer in time.
#[derive(Debug)]
struct Late(Duration);

impl fmt::Display for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no answer from PostgreSQL within {:?}", self.0)
    }
}

impl std::error::Error for Late {}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(code: &str) -> Meaning {
        of(&SqlState::from_code(code))
    }

    #[test]
    fn what_was_rolled_back_and_may_work_the_next_time_is_unavailable() {
        for code in ["57014", "57P01", "57P03", "25006", "40001", "40P01", "53300", "26000"] {
            assert_eq!(meaning(code), Meaning::Unavailable, "{code}");
        }
    }

    #[test]
    fn a_crash_leaves_open_what_was_done() {
        assert_eq!(meaning("57P02"), Meaning::Unknown);
    }

    #[test]
    fn missing_functions_missing_rights_and_bad_data_are_invalid() {
        for code in ["42883", "42501", "22P02", "22003", "XX001"] {
            assert_eq!(meaning(code), Meaning::Invalid, "{code}");
        }
    }
}
