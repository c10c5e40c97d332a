//! The tests that every store has to pass, for authors of stores.
//!
//! Every promise of [`Store`] is a check here, named by what it promises. A check opens a store of its own, that has to be
//! empty and to go by the clock that it is given, and asks it through nothing but the trait.
//!
//! ```
//! use std::sync::Arc;
//! use terrace_session::conformance;
//! use terrace_session::store::{Memory, Store};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let report = conformance::run(async |clock| {
//!     let store: Arc<dyn Store> = Arc::new(Memory::builder().clock(clock).build());
//!     Ok(store)
//! })
//! .await;
//! report.assert();
//! # }
//! ```
//!
//! [`replay`] compares a store with a plain model over any sequence of questions, and [`storm`] lets many tasks at a
//! few sessions at random: for random tests, with a seed.
//!
//! Some checks let many tasks at one session at once. They find more on a runtime with several threads. A check that
//! passes says that it did not see the fault; that it would see it is tested here with stores that have it.

mod checks;
mod ground;
mod model;
mod replay;
mod report;
mod storm;

pub use checks::names;
pub use replay::{Step, replay};
pub use report::{Failure, Outcome, Report};
pub use storm::storm;

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{ManualClock, UnixMillis};
use crate::error::BoxError;
use crate::store::Store;
use ground::Ground;

/// When the clocks of checks begin: some time in 2027.
const START: UnixMillis = UnixMillis(1_800_000_000_000);
/// How long a check may take. Ten times what the slowest takes on a busy machine; a store that hangs is reported by then.
const LONGEST: Duration = Duration::from_secs(120);

/// Runs all checks, each with a store that `open` gives.
///
/// `open` gives a store that has no sessions, and that goes by this clock and no other. Checks run one after the
/// other.
pub async fn run<F>(open: F) -> Report
where
    F: AsyncFn(ManualClock) -> Result<Arc<dyn Store>, BoxError>,
{
    run_those(|_| true, open).await
}

/// Runs the checks whose name `chosen` chooses.
pub async fn run_those<F>(chosen: impl Fn(&str) -> bool, open: F) -> Report
where
    F: AsyncFn(ManualClock) -> Result<Arc<dyn Store>, BoxError>,
{
    let mut report = Report::default();
    for check in checks::all().filter(|check| chosen(check.name)) {
        let clock = ManualClock::at(START);
        let result = match open(clock.clone()).await {
            Ok(store) => {
                let run = (check.run)(Ground::new(check.name, store, clock));
                let in_time = tokio::time::timeout(LONGEST, run).await;
                in_time.unwrap_or_else(|_| Err(Failure::new("an end", "none in time")))
            }
            Err(error) => Err(Failure::new("a store to check", error)),
        };
        report.outcomes.push(Outcome { check: check.name, result });
    }
    report
}
