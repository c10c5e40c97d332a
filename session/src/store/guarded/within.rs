//! A time limit that costs nothing when nobody waits.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};

pin_project! {
    /// See [`within`].
    pub(super) struct Within<F> {
        #[pin]
        inner: F,
        limit: Duration,
        #[pin]
        timer: Option<Sleep>,
    }
}

/// What `inner` gives, or nothing if that takes longer than `limit`, from the first poll on.
///
/// A store inside the process is ready at once, and pays for no timer: there is one only when there is something to
/// wait for.
pub(super) fn within<F: Future>(limit: Duration, inner: F) -> Within<F> {
    Within { inner, limit, timer: None }
}

impl<F: Future> Future for Within<F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Poll::Ready(output) = this.inner.poll(cx) {
            return Poll::Ready(Some(output));
        }
        if this.timer.is_none() {
            this.timer.set(Some(sleep(*this.limit)));
        }
        let timer = this.timer.as_pin_mut();
        timer.map_or(Poll::Pending, |timer| timer.poll(cx).map(|()| None))
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use futures_util::FutureExt;
    use tokio::time::Instant;

    use super::*;

    const LIMIT: Duration = Duration::from_millis(250);

    #[test]
    fn what_is_ready_at_once_needs_no_timer() {
        // There is no runtime here that could have one.
        assert_eq!(within(LIMIT, ready(7)).now_or_never(), Some(Some(7)));
    }

    #[test]
    fn control_without_a_runtime_a_timer_is_noticed() {
        let waits = || within(LIMIT, pending::<()>()).now_or_never();
        assert!(catch_unwind(AssertUnwindSafe(waits)).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn what_takes_longer_than_the_limit_is_given_up() {
        let began = Instant::now();
        assert_eq!(within(LIMIT, pending::<()>()).await, None);
        assert_eq!(Instant::now() - began, LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn what_ends_in_time_is_given() {
        let in_time = async {
            sleep(LIMIT - Duration::from_millis(1)).await;
            7
        };
        assert_eq!(within(LIMIT, in_time).await, Some(7));
    }
}
