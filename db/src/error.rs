//! Errors: what failed, where, and whether trying again is safe.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

type Source = Box<dyn StdError + Send + Sync>;

/// What is known about the effect of what failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Nothing of it was carried out. Trying again is safe.
    NotExecuted,
    /// It was on its way when the answer was lost: it was carried out once, or not at all. The pool
    /// never repeats such a statement; an [idempotency row](crate#unknown-outcomes) tells which.
    Unknown,
    /// The database said no, and nothing of it stays. The same again will get the same answer,
    /// except after a [`Conflict`](ErrorKind::Conflict).
    Refused,
}

/// What went wrong, as far as a caller can act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No node takes writes, and none did for as long as a write may wait.
    NoPrimary,
    /// More than one node takes writes, on equal timelines: the pool refuses to choose.
    SplitBrain,
    /// No node can serve the read.
    NoNode,
    /// No node is as fresh as the read demands.
    TooStale,
    /// All connections stayed in use for as long as a caller may wait for one, or too many callers
    /// wait already.
    Busy,
    /// The database did not answer in time.
    Timeout,
    /// The connection broke, or none could be made.
    Disconnected,
    /// The node stopped being the primary.
    NotPrimary,
    /// The node belongs to another cluster.
    ForeignCluster,
    /// The token was made by another cluster.
    ForeignToken,
    /// The database does not let this user in.
    Denied,
    /// A statement tried to write in a read.
    ReadOnly,
    /// The statement lost against a concurrent one, or against replication.
    Conflict,
    /// Carried out on the primary, but not confirmed by its synchronous replicas.
    Unconfirmed,
    /// The database answered with an error; the source has it.
    Statement,
    /// A setting is out of its range, or a node's name is taken.
    Config,
}

impl ErrorKind {
    /// A short name, the same in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoPrimary => "no_primary",
            Self::SplitBrain => "split_brain",
            Self::NoNode => "no_node",
            Self::TooStale => "too_stale",
            Self::Busy => "busy",
            Self::Timeout => "timeout",
            Self::Disconnected => "disconnected",
            Self::NotPrimary => "not_primary",
            Self::ForeignCluster => "foreign_cluster",
            Self::ForeignToken => "foreign_token",
            Self::Denied => "denied",
            Self::ReadOnly => "read_only",
            Self::Conflict => "conflict",
            Self::Unconfirmed => "unconfirmed",
            Self::Statement => "statement",
            Self::Config => "config",
        }
    }
}

/// Something that the pool, or the database behind it, did not do.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    outcome: Outcome,
    node: Option<Arc<str>>,
    message: Option<String>,
    source: Option<Source>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, outcome: Outcome) -> Self {
        Self(Box::new(Inner { kind, outcome, node: None, message: None, source: None }))
    }

    /// Nothing was executed.
    pub(crate) fn before(kind: ErrorKind) -> Self {
        Self::new(kind, Outcome::NotExecuted)
    }

    #[must_use]
    pub(crate) fn node(mut self, node: &Arc<str>) -> Self {
        self.0.node = Some(Arc::clone(node));
        self
    }

    #[must_use]
    pub(crate) fn message(mut self, message: impl Into<String>) -> Self {
        self.0.message = Some(message.into());
        self
    }

    #[must_use]
    pub(crate) fn source_of(mut self, source: impl Into<Source>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether what was asked for was carried out.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.0.outcome
    }

    /// The node it happened on, if it happened on one.
    #[must_use]
    pub fn at(&self) -> Option<&str> {
        self.0.node.as_deref()
    }

    /// Whether the same again is safe and may succeed a moment later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self.0.kind {
            ErrorKind::Conflict => true,
            ErrorKind::Denied
            | ErrorKind::Config
            | ErrorKind::ForeignCluster
            | ErrorKind::ForeignToken => false,
            _ => self.0.outcome == Outcome::NotExecuted,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(node) = &self.0.node {
            write!(f, "{node}: ")?;
        }
        f.write_str(match self.0.kind {
            ErrorKind::NoPrimary => "no node takes writes",
            ErrorKind::SplitBrain => "more than one node takes writes",
            ErrorKind::NoNode => "no node can serve the read",
            ErrorKind::TooStale => "no node is fresh enough",
            ErrorKind::Busy => "all connections are in use",
            ErrorKind::Timeout => "the database did not answer in time",
            ErrorKind::Disconnected => "no connection to the database",
            ErrorKind::NotPrimary => "the node is not the primary",
            ErrorKind::ForeignCluster => "the node belongs to another cluster",
            ErrorKind::ForeignToken => "the token is another cluster's",
            ErrorKind::Denied => "the database refused to let us in",
            ErrorKind::ReadOnly => "a read tried to write",
            ErrorKind::Conflict => "lost against a concurrent change",
            ErrorKind::Unconfirmed => "written, but not confirmed by synchronous replicas",
            ErrorKind::Statement => "the database reported an error",
            ErrorKind::Config => "bad configuration",
        })?;
        if let Some(message) = &self.0.message {
            write!(f, ": {message}")?;
        }
        match (self.0.outcome, self.0.kind) {
            (Outcome::Unknown, _) => f.write_str(" (whether it was carried out is not known)"),
            _ => Ok(()),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}
