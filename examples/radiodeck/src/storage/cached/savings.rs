//! What the caches have saved, in the database's currency: queries.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use terrace_cache::{Cached, LoadError, Status};

/// Where an answer came from, the nearest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum From {
    #[default]
    Memory,
    Shared,
    Waited,
    Database,
}

impl From {
    fn of(status: Status) -> Self {
        match status {
            Status::L2 => Self::Shared,
            Status::Joined => Self::Waited,
            Status::Loaded => Self::Database,
            _ => Self::Memory,
        }
    }
}

/// What one question of the site cost, which may look into several caches.
#[derive(Debug, Default)]
pub(super) struct Cost {
    pub(super) from: From,
    /// Queries that this question's own loads made.
    pub(super) queries: u32,
}

impl Cost {
    /// Takes note of where one value came from.
    pub(super) fn one<V>(&mut self, answer: &Result<Cached<V>, LoadError>) {
        self.many(std::slice::from_ref(answer));
    }

    /// The same for several that were asked for at once: one query, whatever is missing of them.
    pub(super) fn many<V>(&mut self, answers: &[Result<Cached<V>, LoadError>]) {
        let from = answers.iter().flatten().map(|cached| From::of(cached.status())).max();
        let from = from.unwrap_or_default();
        self.queries += u32::from(from == From::Database);
        self.from = self.from.max(from);
    }
}

/// Counts of one process.
#[derive(Debug, Default)]
pub(super) struct Savings {
    from: [AtomicU64; 4],
    failed: AtomicU64,
    queries: AtomicU64,
}

impl Savings {
    /// A question was answered.
    pub(super) fn answered(&self, from: From) {
        let [memory, shared, waited, database] = &self.from;
        let count = match from {
            From::Memory => memory,
            From::Shared => shared,
            From::Waited => waited,
            From::Database => database,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// A question was not answered.
    pub(super) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// A load made the database run this many statements.
    pub(super) fn asked(&self, queries: u32) {
        self.queries.fetch_add(queries.into(), Ordering::Relaxed);
    }

    pub(super) fn so_far(&self) -> Saved {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let [memory, shared, waited, database] = self.from.each_ref().map(read);
        Saved {
            questions: memory + shared + waited + database + read(&self.failed),
            memory,
            shared,
            waited,
            database,
            queries: read(&self.queries),
            servers: Vec::new(),
        }
    }
}

/// What the caches of one app server have saved since it started.
///
/// A question is what the site asks about stations and tracks; without a cache each would be a query.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Saved {
    /// All of them.
    pub questions: u64,
    /// Those that were answered from memory.
    pub memory: u64,
    /// From the cache servers.
    pub shared: u64,
    /// By a load that another visitor had begun.
    pub waited: u64,
    /// By a load of their own.
    pub database: u64,
    /// Queries that all loads made, those that nobody waited for among them.
    pub queries: u64,
    /// The cache servers; none if there is memory alone.
    pub servers: Vec<Server>,
}

/// A cache server, as this app server sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Server {
    /// Its address.
    pub name: String,
    /// Whether it answered when it was last asked.
    pub answering: bool,
}

impl Saved {
    /// Which part of the queries was saved, in thousandths: a cold cache may ask more than it is asked.
    #[must_use]
    pub fn per_mille(&self) -> u64 {
        let saved = self.questions.saturating_sub(self.queries);
        (saved * 1000).checked_div(self.questions).unwrap_or(0)
    }
}

impl fmt::Display for Saved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { questions, memory, shared, waited, queries, servers, .. } = self;
        let per_mille = self.per_mille();
        write!(f, "{questions} questions, {memory} answered from memory, ")?;
        if !servers.is_empty() {
            write!(f, "{shared} from Redis, ")?;
        }
        if *waited > 0 {
            write!(f, "{waited} by another's query, ")?;
        }
        let plural = if *queries == 1 { "query" } else { "queries" };
        write!(f, "{queries} {plural}: {}.{} % saved", per_mille / 10, per_mille % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_what_was_not_asked() {
        let savings = Savings::default();
        assert_eq!(savings.so_far().per_mille(), 0);
        savings.answered(From::Database);
        savings.asked(2);
        assert_eq!(savings.so_far().per_mille(), 0, "a cold list costs more than it saves");
        for from in [From::Memory, From::Memory, From::Shared, From::Waited] {
            savings.answered(from);
        }
        let mut saved = savings.so_far();
        assert_eq!((saved.questions, saved.queries, saved.per_mille()), (5, 2, 600));
        let line =
            "5 questions, 2 answered from memory, 1 by another's query, 2 queries: 60.0 % saved";
        assert_eq!(saved.to_string(), line);
        saved.servers = vec![Server { name: "a".into(), answering: true }];
        assert!(saved.to_string().contains("1 from Redis"), "{saved}");
    }
}
