//! The test's side of a [`ControlledService`](super::ControlledService): switches and counters.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::sync::Notify;

use super::body::ProbeBody;
use super::error::ProbeError;
use super::plan::{Counts, Latency, Plan, Readiness};

#[derive(Debug, Default)]
struct State {
    readiness: Readiness,
    capacity: Option<usize>,
    plan: Plan,
    script: VecDeque<Plan>,
    counts: Counts,
    ready_wakers: Vec<Waker>,
    next_call: u64,
    /// Calls in flight that wait for a release, oldest first.
    held: BTreeMap<u64, Option<Waker>>,
}

#[derive(Debug, Default)]
pub(super) struct Ledger {
    state: Mutex<State>,
    changed: Notify,
}

impl Ledger {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A subject may panic while it holds nothing of ours; the counters stay true either way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, then wakes `until` waiters.
    fn update<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let value = change(&mut self.lock());
        self.changed.notify_waiters();
        value
    }

    fn wake_ready(&self) {
        let wakers = self.update(|state| {
            state.counts.wakes += state.ready_wakers.len();
            std::mem::take(&mut state.ready_wakers)
        });
        // Outside the lock: a waker may run the task in place.
        wakers.into_iter().for_each(Waker::wake);
    }

    pub(super) fn cloned(&self) {
        self.update(|state| state.counts.clones += 1);
    }

    pub(super) fn poll_ready(
        &self,
        reserved: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), ProbeError>> {
        self.update(|state| {
            state.counts.ready_polls += 1;
            let taken = state.counts.in_flight + state.counts.reservations;
            match &state.readiness {
                Readiness::Failing(message) => {
                    return Poll::Ready(Err(ProbeError(message.clone())));
                }
                Readiness::Ready
                    if reserved || state.capacity.is_none_or(|capacity| taken < capacity) =>
                {
                    if !reserved {
                        state.counts.reservations += 1;
                    }
                    return Poll::Ready(Ok(()));
                }
                Readiness::Ready | Readiness::Pending => {}
            }
            if !state.ready_wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
                state.ready_wakers.push(cx.waker().clone());
            }
            Poll::Pending
        })
    }

    pub(super) fn drop_reservation(&self) {
        self.update(|state| state.counts.reservations -= 1);
        self.wake_ready();
    }

    pub(super) fn call(&self, ready: bool) -> (u64, Plan) {
        self.update(|state| {
            let counts = &mut state.counts;
            counts.calls += 1;
            counts.in_flight += 1;
            counts.max_in_flight = counts.max_in_flight.max(counts.in_flight);
            if ready {
                counts.reservations -= 1;
            } else {
                counts.unready_calls += 1;
            }
            let id = state.next_call;
            state.next_call += 1;
            let plan = state.script.pop_front().unwrap_or_else(|| state.plan.clone());
            if plan.latency == Latency::Held {
                state.held.insert(id, None);
            }
            (id, plan)
        })
    }

    pub(super) fn poll_held(&self, id: u64, cx: &mut Context<'_>) -> Poll<()> {
        match self.lock().held.get_mut(&id) {
            Some(waker) => {
                *waker = Some(cx.waker().clone());
                Poll::Pending
            }
            None => Poll::Ready(()),
        }
    }

    pub(super) fn ended(&self, id: u64, end: End) {
        self.update(|state| {
            state.held.remove(&id);
            state.counts.in_flight -= 1;
            match end {
                End::Completed => state.counts.completed += 1,
                End::Failed => state.counts.failed += 1,
                End::Cancelled => state.counts.cancelled += 1,
            }
        });
        self.wake_ready();
    }

    pub(super) fn body_opened(&self) {
        self.update(|state| state.counts.open_bodies += 1);
    }

    pub(super) fn body_closed(&self) {
        self.update(|state| state.counts.open_bodies -= 1);
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    Completed,
    Failed,
    Cancelled,
}

/// Controls and observes a [`ControlledService`](super::ControlledService) and all its clones.
///
/// # Clone
///
/// Clones control the same service.
#[derive(Clone, Debug, Default)]
pub struct ServiceProbe {
    pub(super) ledger: Arc<Ledger>,
}

impl ServiceProbe {
    /// What the service saw so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.ledger.lock().counts
    }

    /// Sets what `poll_ready` answers from now on, and wakes those who wait for it.
    pub fn readiness(&self, readiness: Readiness) {
        self.ledger.update(|state| state.readiness = readiness);
        self.ledger.wake_ready();
    }

    /// Limits calls in flight plus reservations; beyond it `poll_ready` is Pending.
    ///
    /// Without a limit (the default) every instance is ready at once.
    pub fn capacity(&self, capacity: Option<usize>) {
        self.ledger.update(|state| state.capacity = capacity);
        self.ledger.wake_ready();
    }

    /// Sets what happens to each call for which the script has nothing.
    pub fn plan(&self, plan: Plan) {
        self.ledger.update(|state| state.plan = plan);
    }

    /// Appends plans for the next calls, one each.
    pub fn script(&self, plans: impl IntoIterator<Item = Plan>) {
        self.ledger.update(|state| state.script.extend(plans));
    }

    /// Lets the oldest held call end; false if none is held.
    #[expect(clippy::must_use_candidate, reason = "called for its effect")]
    pub fn release(&self) -> bool {
        let released = self.ledger.update(|state| {
            let released = state.held.pop_first();
            if let Some((_, Some(_))) = released {
                state.counts.wakes += 1;
            }
            released
        });
        let Some((_, waker)) = released else {
            return false;
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    /// Lets every held call end, and holds no more.
    pub fn release_all(&self) {
        self.ledger.update(|state| {
            if state.plan.latency == Latency::Held {
                state.plan.latency = Latency::Immediate;
            }
            state.script.retain(|plan| plan.latency != Latency::Held);
        });
        while self.release() {}
    }

    /// A body of these frames that [`Counts::open_bodies`] follows from now to its end or drop.
    pub fn body<F: Into<bytes::Bytes>>(&self, frames: impl IntoIterator<Item = F>) -> ProbeBody {
        ProbeBody::tracked(frames, self.ledger.clone())
    }

    /// Waits until the counters satisfy `condition`.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn until(&self, condition: impl Fn(&Counts) -> bool) {
        loop {
            let changed = self.ledger.changed.notified();
            tokio::pin!(changed);
            // Registered before the look, so that a change between the two is not missed.
            changed.as_mut().enable();
            if condition(&self.counts()) {
                return;
            }
            changed.await;
        }
    }
}
