//! The waker of a connection that is driven by its users.
//!
//! hyper's driver, its body channel and its request queue wake each other, because it expects the
//! driver in a task of its own. Driven from the user's task, each such signal would wake the very
//! task that is running and poll it once more in vain: half as many polls again for a plain GET.
//! A [`Relay`] stands between: signals that the running poll takes care of itself are dropped, all
//! others reach whichever task uses the connection now.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Wake, Waker};

/// A connection's waker, and the user's end of it.
pub(super) struct Relay {
    shared: Arc<Shared>,
    waker: Waker,
    /// The task that was told to the other end last, kept here to compare without a lock.
    user: Option<Waker>,
}

struct Shared {
    /// The user is polling at this moment.
    inside: AtomicBool,
    /// A signal came while the user was polling.
    signalled: AtomicBool,
    /// Guards the waker of the user's task; held to store or to wake it.
    user: Mutex<Option<Waker>>,
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.inside.load(Ordering::SeqCst) {
            self.signalled.store(true, Ordering::SeqCst);
            if self.inside.load(Ordering::SeqCst) {
                // The user looks at the flag when it leaves.
                return;
            }
        }
        let user = self.user.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(user) = &*user {
            user.wake_by_ref();
        }
    }
}

impl Relay {
    pub(super) fn new() -> Self {
        let shared = Arc::new(Shared {
            inside: AtomicBool::new(false),
            signalled: AtomicBool::new(false),
            user: Mutex::new(None),
        });
        Self { waker: Waker::from(Arc::clone(&shared)), shared, user: None }
    }

    /// Begins a poll by this task. To be followed by [`leave`](Self::leave).
    pub(super) fn enter(&mut self, cx: &Context<'_>) {
        if !self.user.as_ref().is_some_and(|user| user.will_wake(cx.waker())) {
            self.user = Some(cx.waker().clone());
            self.store(Some(cx.waker().clone()));
        }
        self.shared.inside.store(true, Ordering::SeqCst);
    }

    /// The waker to drive with. Whatever was signalled before is taken care of by the poll that
    /// follows.
    pub(super) fn waker(&self) -> &Waker {
        self.dismiss();
        &self.waker
    }

    /// Drops what was signalled: there is nothing that the driver could do about it.
    pub(super) fn dismiss(&self) {
        self.shared.signalled.store(false, Ordering::SeqCst);
    }

    /// Ends a poll; passes on what was signalled since the driver was polled.
    pub(super) fn leave(&self, cx: &Context<'_>) {
        self.shared.inside.store(false, Ordering::SeqCst);
        if self.shared.signalled.swap(false, Ordering::SeqCst) {
            cx.waker().wake_by_ref();
        }
    }

    /// Nobody uses the connection until the next [`enter`](Self::enter).
    pub(super) fn rest(&mut self) {
        if self.user.take().is_some() {
            self.store(None);
        }
    }

    fn store(&self, user: Option<Waker>) {
        let old = {
            let mut stored = self.shared.user.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *stored, user)
        };
        // Dropping the last reference to a task runs its destructors: not under the lock.
        drop(old);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn task() -> (Arc<Count>, Waker) {
        let count = Arc::new(Count::default());
        (Arc::clone(&count), Waker::from(count))
    }

    fn woken(count: &Count) -> usize {
        count.0.load(Ordering::SeqCst)
    }

    #[test]
    fn signals_from_outside_reach_the_last_user() {
        let mut relay = Relay::new();
        let ((first, first_waker), (second, second_waker)) = (task(), task());
        let signal = relay.waker().clone();
        signal.wake_by_ref();
        for (count, waker) in [(&first, &first_waker), (&second, &second_waker)] {
            let cx = Context::from_waker(waker);
            relay.enter(&cx);
            relay.leave(&cx);
            signal.wake_by_ref();
            assert_eq!(woken(count), 1);
        }
        assert_eq!(woken(&first), 1);
        relay.rest();
        signal.wake_by_ref();
        assert_eq!((woken(&first), woken(&second)), (1, 1));
    }

    #[test]
    fn a_signal_is_dropped_only_if_the_driver_is_polled_after_it() {
        let mut relay = Relay::new();
        let (count, waker) = task();
        let cx = Context::from_waker(&waker);
        let signal = relay.waker().clone();
        relay.enter(&cx);
        signal.wake_by_ref();
        let _poll_of_the_driver = relay.waker();
        relay.leave(&cx);
        assert_eq!(woken(&count), 0);
        // The control: the signal comes after the driver's poll, or during it.
        relay.enter(&cx);
        let _poll_of_the_driver = relay.waker();
        signal.wake_by_ref();
        relay.leave(&cx);
        assert_eq!(woken(&count), 1);
    }

    #[test]
    fn no_signal_is_lost_between_threads() {
        // A signal on another thread while polls come and go: after the last signal there is
        // either a wake or a poll of the driver that began after it.
        for _ in 0..200 {
            let mut relay = Relay::new();
            let (count, waker) = task();
            let cx = Context::from_waker(&waker);
            let signal = relay.waker().clone();
            let flag = Arc::new(AtomicBool::new(false));
            let raised = Arc::clone(&flag);
            let thread = std::thread::spawn(move || {
                raised.store(true, Ordering::SeqCst);
                signal.wake_by_ref();
            });
            let mut seen = false;
            for _ in 0..50 {
                relay.enter(&cx);
                let _poll_of_the_driver = relay.waker();
                seen = flag.load(Ordering::SeqCst);
                relay.leave(&cx);
            }
            thread.join().unwrap();
            assert!(seen || woken(&count) > 0);
        }
    }
}
