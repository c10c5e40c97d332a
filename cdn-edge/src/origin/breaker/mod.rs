//! When an origin that failed is asked again. Pure: time comes in, a decision comes out.
//!
//! A dead origin costs every fill its whole timeout, and the edge could have served something stale
//! in the meantime. So what failed several times is left alone for a while, and then *one* fill finds
//! out whether it is back:
//!
//! ```text
//!          failures in a row, or too large a share of a window
//!   closed ───────────────────────────────────────────────────▶ open
//!     ▲                                                        ▲  │ backoff is over:
//!     │ the probe is answered             the probe fails:     │  │ the next call is
//!     │                                   backoff twice as long│  ▼ the probe
//!     └──────────────────────────────────────────────────── half-open
//! ```
//!
//! - **Two ways to open**, because each misses what the other sees: an origin that is gone fails in
//!   a row and within milliseconds; one that loses every second request never fails in a row.
//! - **One probe, not a trickle.** Whoever asks meanwhile is refused at once, and has something stale
//!   to serve or an answer to give. A thousand requests on a server that is just starting kill it.
//! - **A probe that says nothing** (its caller went away) frees its place, after the same backoff: it
//!   has proved nothing. One that does not come back at all is given up after a time.
//! - **What was under way when it opened** ends later, and tells of a state that is over. It changes
//!   nothing, so an old failure cannot open what has just closed.
//! - **No chance in it**: there is one probe per edge and backoff, and nothing to spread out.
//!
//! Not for a service that fails a request by itself, such as a validator: there, every failure is
//! the caller's.
//!
//! # Examples
//!
//! As it comes:
//!
//! ```
//! use std::time::Duration;
//! use terrace_cdn_edge::origin::breaker::{Admit, Breaker, BreakerSettings, Outcome};
//! use tokio::time::Instant;
//!
//! let mut breaker = Breaker::new(BreakerSettings::default())?;
//! let now = Instant::now();
//! for _ in 0..5 {
//!     let Admit::Through(ticket) = breaker.ask(now) else { unreachable!() };
//!     breaker.report(ticket, Outcome::Failed, now);
//! }
//! assert_eq!(breaker.ask(now), Admit::Refused { retry_after: Duration::from_secs(1) });
//! # Ok::<(), terrace_cdn_edge::origin::Invalid>(())
//! ```
//!
//! Adjusted, and through a probe:
//!
//! ```
//! use std::time::Duration;
//! use terrace_cdn_edge::origin::breaker::{Admit, Breaker, BreakerSettings, Condition, Outcome};
//! use tokio::time::Instant;
//!
//! let settings = BreakerSettings::default()
//!     .failures(1)
//!     .backoff(Duration::from_millis(200), Duration::from_secs(5));
//! let mut breaker = Breaker::new(settings)?;
//! let now = Instant::now();
//! let Admit::Through(ticket) = breaker.ask(now) else { unreachable!() };
//! breaker.report(ticket, Outcome::Failed, now);
//!
//! let later = now + Duration::from_millis(200);
//! let Admit::Probe(probe) = breaker.ask(later) else { unreachable!() };
//! assert!(matches!(breaker.ask(later), Admit::Refused { .. })); // one is enough
//! breaker.report(probe, Outcome::Answered, later);
//! assert_eq!(breaker.condition(), Condition::Closed);
//! # Ok::<(), terrace_cdn_edge::origin::Invalid>(())
//! ```

mod settings;
mod state;
#[cfg(test)]
mod tests;
mod window;

pub use settings::BreakerSettings;
pub use state::{Admit, Breaker, Condition, Outcome, Ticket};
