use std::error::Error;
use std::fmt;

type Source = Box<dyn Error + Send + Sync>;

/// A question that the database did not answer.
#[derive(Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    operation: &'static str,
    source: Option<Source>,
}

/// What went wrong, as far as a caller can act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The database is not there: not started, refused, gone in the middle.
    Unavailable,
    /// All connections were in use for as long as a request may wait for one.
    Busy,
    /// The database answered with an error, or with a row that makes no sense.
    Failed,
}

impl StoreError {
    pub(super) fn new(
        kind: StoreErrorKind,
        operation: &'static str,
        source: impl Into<Source>,
    ) -> Self {
        Self { kind, operation, source: Some(source.into()) }
    }

    /// The same, with the place of the database in front of the cause.
    pub(super) fn at(self, place: &str) -> Self {
        let mut line = place.to_owned();
        let mut cause = self.source.as_deref().map(|source| source as &dyn Error);
        while let Some(error) = cause {
            line.push_str(&format!(": {error}"));
            cause = error.source();
        }
        Self { source: Some(line.into()), ..self }
    }

    /// An error for a store of the caller's own, or for a test.
    #[must_use]
    pub fn of(kind: StoreErrorKind, operation: &'static str) -> Self {
        Self { kind, operation, source: None }
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }

    /// Whether the same question may be answered a moment later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.kind != StoreErrorKind::Failed
    }

    /// Whether a write that ended like this may have been carried out all the same.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        let source = self.source.as_deref().and_then(|source| source.downcast_ref());
        match source.map(terrace_db::Error::outcome) {
            Some(outcome) => outcome == terrace_db::Outcome::Unknown,
            None => self.kind != StoreErrorKind::Busy,
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            StoreErrorKind::Unavailable => "the database cannot be reached",
            StoreErrorKind::Busy => "all database connections are busy",
            StoreErrorKind::Failed => "the database reported an error",
        };
        write!(f, "{what} ({})", self.operation)?;
        let mut cause = self.source.as_deref().map(|source| source as &dyn Error);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl Error for StoreError {}
