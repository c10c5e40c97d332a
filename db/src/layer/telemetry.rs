//! How many tokens came and went. Every `cfg` for it is in this file.
//!
//! Handles are made at first use: one made before the application installs its recorder would be
//! dead for ever.

use crate::token::{Token, TokenError};

#[derive(Clone, Default)]
pub(super) struct Telemetry {
    #[cfg(feature = "metrics")]
    handles: std::sync::OnceLock<Handles>,
}

#[cfg(feature = "metrics")]
#[derive(Clone)]
struct Handles {
    accepted: metrics::Counter,
    malformed: metrics::Counter,
    forged: metrics::Counter,
    expired: metrics::Counter,
    issued: metrics::Counter,
}

impl Telemetry {
    /// A request brought a token. What is refused counts here, and is forgotten.
    pub(super) fn verified(&self, result: Result<Token, TokenError>) -> Option<Token> {
        #[cfg(feature = "metrics")]
        {
            let handles = self.handles();
            let counter = match result {
                Ok(_) => &handles.accepted,
                Err(TokenError::Malformed) => &handles.malformed,
                Err(TokenError::Forged) => &handles.forged,
                Err(TokenError::Expired) => &handles.expired,
            };
            counter.increment(1);
        }
        result.ok()
    }

    /// A response takes a new token along.
    pub(super) fn issued(&self) {
        #[cfg(feature = "metrics")]
        self.handles().issued.increment(1);
    }

    #[cfg(feature = "metrics")]
    fn handles(&self) -> &Handles {
        self.handles.get_or_init(|| {
            let tokens = |result| metrics::counter!("terrace.db.tokens", "result" => result);
            Handles {
                accepted: tokens("accepted"),
                malformed: tokens("malformed"),
                forged: tokens("forged"),
                expired: tokens("expired"),
                issued: tokens("issued"),
            }
        })
    }
}

impl std::fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Telemetry")
    }
}
