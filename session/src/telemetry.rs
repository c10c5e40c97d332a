//! What sessions tell the outside. Every `cfg` for metrics and tracing is in this file.
//!
//! No convention of OpenTelemetry for sessions was found, so the names follow its form only. Labels come from closed
//! sets: no token, key or name of a user is among them.
//!
//! | metric | kind | labels | what |
//! |---|---|---|---|
//! | `terrace.session.requests` | counter | `outcome`: `untouched`, `read`, `written`, `gone`, `failed` | requests, each once, by what became of their session; a request that was dropped before its answer is in none |
//! | `terrace.session.store.duration` | histogram, seconds | `operation`: `load`, `create`, `patch`, `rotate`, `delete`, `list`, `revoke`, `epoch`, `sweep`; `outcome`: `ok`, `unavailable`, `unknown`, `invalid` | calls of the store; one that was dropped before its answer is not counted |
//! | `terrace.session.security` | counter | `operation`: `login`, `logout`, `elevate`, `renew`, `revoke` | what was done, not what was tried |
//! | `terrace.session.refused` | counter | `reason`: `forged`, `ambiguous` | cookies that led to no question to the store |

#[cfg(feature = "metrics")]
use std::sync::OnceLock;

#[cfg(feature = "metrics")]
use metrics::{Counter, Histogram};

use crate::error::StoreError;

/// One set of names: `label` is what a recorder sees.
macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($case:ident = $label:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $name { $($case,)+ }

        #[cfg(feature = "metrics")]
        impl $name {
            const ALL: &[(Self, &'static str)] = &[$((Self::$case, $label),)+];
        }
    };
}

labels! {
    /// What became of a request's session.
    Outcome {
        Untouched = "untouched",
        Read = "read",
        Written = "written",
        Gone = "gone",
        Failed = "failed",
    }
}

labels! {
    /// What the store is asked.
    Operation {
        Load = "load",
        Create = "create",
        Patch = "patch",
        Rotate = "rotate",
        Delete = "delete",
        List = "list",
        Revoke = "revoke",
        Epoch = "epoch",
        Sweep = "sweep",
    }
}

labels! {
    /// What was done for the sake of security.
    Security {
        Login = "login",
        Logout = "logout",
        Elevate = "elevate",
        Renew = "renew",
        Revoke = "revoke",
    }
}

labels! {
    /// Why a cookie is none.
    Refused {
        Forged = "forged",
        Ambiguous = "ambiguous",
    }
}

labels! {
    /// How a store answered.
    Answer {
        Ok = "ok",
        Unavailable = "unavailable",
        Unknown = "unknown",
        Invalid = "invalid",
    }
}

impl Answer {
    fn of(error: Option<&StoreError>) -> Self {
        match error {
            None => Self::Ok,
            Some(StoreError::Unavailable(_)) => Self::Unavailable,
            Some(StoreError::Unknown(_)) => Self::Unknown,
            Some(StoreError::Invalid(_)) => Self::Invalid,
        }
    }
}

/// A store has failed so often that it is left alone. Said once, and not with each request that finds out.
pub(crate) fn store_fails(error: &StoreError) {
    #[cfg(feature = "tracing")]
    {
        let cause = std::error::Error::source(error).map(tracing::field::display);
        tracing::warn!(%error, cause, "the session store fails, and is left alone");
    }
    let _ = error;
}

/// It is used again.
pub(crate) fn store_is_back() {
    #[cfg(feature = "tracing")]
    tracing::info!("the session store answers again");
}

/// The counters of one layer, made when the first of them counts.
#[derive(Default)]
pub(crate) struct Telemetry {
    #[cfg(feature = "metrics")]
    handles: OnceLock<Handles>,
}

/// When a call began.
pub(crate) struct Begun {
    #[cfg(feature = "metrics")]
    at: tokio::time::Instant,
}

impl Telemetry {
    /// A request is over.
    pub(crate) fn request(&self, outcome: Outcome) {
        #[cfg(feature = "metrics")]
        count(&self.handles().requests, outcome as usize);
        let _ = outcome;
    }

    /// Something was done for the sake of security.
    pub(crate) fn security(&self, operation: Security) {
        #[cfg(feature = "metrics")]
        count(&self.handles().security, operation as usize);
        let _ = operation;
    }

    /// A cookie was no reason to ask the store.
    pub(crate) fn refused(&self, reason: Refused) {
        #[cfg(feature = "metrics")]
        count(&self.handles().refused, reason as usize);
        let _ = reason;
    }

    /// The store is asked now.
    #[cfg_attr(not(feature = "metrics"), expect(clippy::unused_self, reason = "counts nothing"))]
    pub(crate) fn begin(&self) -> Begun {
        Begun {
            #[cfg(feature = "metrics")]
            at: tokio::time::Instant::now(),
        }
    }

    /// The store has answered.
    pub(crate) fn store(&self, operation: Operation, begun: Begun, error: Option<&StoreError>) {
        let answer = Answer::of(error);
        #[cfg(feature = "metrics")]
        {
            let took = tokio::time::Instant::now().saturating_duration_since(begun.at);
            let of = self.handles().store.get(operation as usize);
            if let Some(histogram) = of.and_then(|all| all.get(answer as usize)) {
                histogram.record(took);
            }
        }
        let _ = (operation, begun, answer);
    }

    #[cfg(feature = "metrics")]
    fn handles(&self) -> &Handles {
        self.handles.get_or_init(Handles::new)
    }
}

impl std::fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Telemetry").finish_non_exhaustive()
    }
}

#[cfg(feature = "metrics")]
struct Handles {
    requests: Vec<Counter>,
    security: Vec<Counter>,
    refused: Vec<Counter>,
    store: Vec<Vec<Histogram>>,
}

#[cfg(feature = "metrics")]
impl Handles {
    fn new() -> Self {
        let requests = |(_, label): &(_, &'static str)| metrics::counter!("terrace.session.requests", "outcome" => *label);
        let security = |(_, label): &(_, &'static str)| metrics::counter!("terrace.session.security", "operation" => *label);
        let refused = |(_, label): &(_, &'static str)| metrics::counter!("terrace.session.refused", "reason" => *label);
        let store = |(_, operation): &(_, &'static str)| {
            let each = |(_, outcome): &(_, &'static str)| {
                metrics::histogram!(
                    "terrace.session.store.duration", "operation" => *operation, "outcome" => *outcome
                )
            };
            Answer::ALL.iter().map(each).collect()
        };
        Self {
            requests: Outcome::ALL.iter().map(requests).collect(),
            security: Security::ALL.iter().map(security).collect(),
            refused: Refused::ALL.iter().map(refused).collect(),
            store: Operation::ALL.iter().map(store).collect(),
        }
    }
}

#[cfg(feature = "metrics")]
fn count(counters: &[Counter], at: usize) {
    if let Some(counter) = counters.get(at) {
        counter.increment(1);
    }
}
