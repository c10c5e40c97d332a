//! Waiting for a node only as long as it is there.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, timeout};

/// How often somebody who waits for an answer looks whether the node is still there. A frozen node
/// is found by its monitor; whoever waits for it learns of it this much later, at most.
const PATIENCE: Duration = Duration::from_millis(100);

/// Waits for `work` until `limit` has passed, or `lost` says that the node will not answer.
pub(crate) async fn patiently<T>(
    started: Instant,
    limit: Duration,
    lost: impl Fn() -> bool,
    work: impl Future<Output = T>,
) -> Option<T> {
    let mut work = pin!(work);
    let mut left = limit;
    loop {
        if let Ok(done) = timeout(left.min(PATIENCE), &mut work).await {
            return Some(done);
        }
        left = limit.saturating_sub(Instant::now().saturating_duration_since(started));
        if left.is_zero() || lost() {
            return None;
        }
    }
}
