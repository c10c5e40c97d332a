//! Waiting for a node only as long as it is there.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

/// How often somebody who waits for an answer looks whether the node is still there, and whether
/// there is time left. A frozen node is found by its monitor; whoever waits for it learns of it this
/// much later, at most.
const TICK: Duration = Duration::from_millis(50);

/// One clock for all that wait.
///
/// A timer for each statement would cost more than all the rest that a pool does for it.
#[derive(Clone, Default)]
pub(crate) struct Ticks(Arc<Notify>);

impl Ticks {
    /// Ticks until the handle is aborted.
    pub(crate) fn run(&self) -> AbortHandle {
        let ticks = self.clone();
        let ticking = tokio::spawn(async move {
            loop {
                sleep(TICK).await;
                ticks.0.notify_waiters();
            }
        });
        ticking.abort_handle()
    }

    /// Waits for `work` until `limit` has passed, or `lost` says that the node will not answer.
    ///
    /// The work is pinned by the caller: moved here, every byte of its future would be copied, for
    /// each statement.
    pub(crate) async fn patiently<T>(
        &self,
        started: Instant,
        limit: Duration,
        lost: impl Fn() -> bool,
        mut work: Pin<&mut impl Future<Output = T>>,
    ) -> Option<T> {
        let mut left = limit;
        loop {
            // Towards the end of its time, it has a timer of its own.
            let answered = if left > 2 * TICK {
                let mut pause = pin!(self.0.notified());
                poll_fn(|cx| match work.as_mut().poll(cx) {
                    Poll::Ready(done) => Poll::Ready(Some(done)),
                    Poll::Pending => pause.as_mut().poll(cx).map(|()| None),
                })
                .await
            } else {
                let mut pause = pin!(sleep(left.min(TICK)));
                poll_fn(|cx| match work.as_mut().poll(cx) {
                    Poll::Ready(done) => Poll::Ready(Some(done)),
                    Poll::Pending => pause.as_mut().poll(cx).map(|()| None),
                })
                .await
            };
            if answered.is_some() {
                return answered;
            }
            left = limit.saturating_sub(Instant::now().saturating_duration_since(started));
            if left.is_zero() || lost() {
                return None;
            }
        }
    }
}
