//! Tells statements that only read from all others, by parsing them.
//!
//! The pool never does this by itself: code knows whether it reads, and says so with
//! [`read`](crate::RwPool::read) and [`write`](crate::RwPool::write). A [`Classifier`] is for code that
//! hands on SQL which others wrote.
//!
//! It calls a statement a read only if it knows it to be one: a single `SELECT` (or `VALUES`) without a
//! locking clause, without `INTO`, whose subqueries and common table expressions are the same, and
//! which calls no function but those on its list. All else is a write, also what it cannot parse,
//! so that a mistake costs the primary some work, and nobody a wrong answer.
//!
//! What it cannot see: a view, an operator or a cast that calls a function with side effects. Such a
//! statement fails on a replica with [`ReadOnly`](crate::ErrorKind::ReadOnly) and changes nothing.
//!
//! ```
//! use terrace_db::classify::{Classifier, Intent};
//!
//! let classifier = Classifier::new();
//! assert_eq!(classifier.intent("SELECT name FROM users WHERE id = $1"), Intent::Read);
//! assert_eq!(classifier.intent("SELECT * FROM jobs FOR UPDATE SKIP LOCKED"), Intent::Write);
//! assert_eq!(classifier.intent("SELECT nextval('ids')"), Intent::Write);
//! ```
//!
//! A function of one's own that has no side effects is put on the list by name:
//!
//! ```
//! use terrace_db::classify::{Classifier, Intent};
//!
//! let classifier = Classifier::new().allow("price_of");
//! assert_eq!(classifier.intent("SELECT price_of(id) FROM items"), Intent::Read);
//! ```

mod functions;
mod parse;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::sync::{PoisonError, RwLock};

/// How many statements are remembered. Parsing takes tens of microseconds, looking up a tenth of
/// one; a program has some hundred statements, and one that builds them from values would fill any
/// memory: what does not fit is parsed each time.
const REMEMBERED: usize = 1024;

/// The longest statement that is parsed, in bytes: a chain of operators nests as deep as it is long.
const LONGEST: usize = 8 << 10;

/// What a statement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Intent {
    /// It only reads.
    Read,
    /// It writes, or nobody knows.
    Write,
}

/// Tells reads from writes.
#[derive(Debug, Default)]
pub struct Classifier {
    allowed: HashSet<String>,
    known: RwLock<HashMap<Box<str>, Intent>>,
}

impl Classifier {
    /// Knows the functions of PostgreSQL and SQLite that are in everyday use and have no side
    /// effects.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a function for one without side effects. Its name is compared without regard to case,
    /// and stands for itself in every schema.
    #[must_use]
    pub fn allow(mut self, function: &str) -> Self {
        self.allowed.insert(function.to_ascii_lowercase());
        self
    }

    /// What the statement is.
    #[must_use]
    pub fn intent(&self, statement: &str) -> Intent {
        if let Some(known) =
            self.known.read().unwrap_or_else(PoisonError::into_inner).get(statement)
        {
            return *known;
        }
        let intent = self.parsed(statement);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() < REMEMBERED && statement.len() <= LONGEST {
            known.insert(statement.into(), intent);
        }
        intent
    }

    fn parsed(&self, statement: &str) -> Intent {
        let harmless = |function: &str| {
            functions::HARMLESS.binary_search(&function).is_ok() || self.allowed.contains(function)
        };
        if statement.len() <= LONGEST && parse::only_reads(statement, &harmless) {
            Intent::Read
        } else {
            Intent::Write
        }
    }
}
