//! Telling all connections of a server to leave, in steps.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::sync::Notify;

use super::activity::Activity;

/// How far a drain has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Stage {
    /// Serving.
    Open,
    /// Answers ask their clients to close; idle connections may still ask once more.
    Draining,
    /// Idle connections close; requests in flight end.
    Closing,
}

/// The connections of one server.
#[derive(Debug, Default)]
pub(super) struct Drain {
    stage: AtomicU8,
    next: AtomicU64,
    requests: AtomicU64,
    cut: AtomicU64,
    /// Guards the list of open connections; held to add, remove or copy.
    open: Mutex<HashMap<u64, Arc<Activity>>>,
    emptied: Notify,
}

/// One open connection's place in the list, given up when the connection's task ends.
pub(super) struct Place {
    drain: Arc<Drain>,
    number: u64,
    activity: Arc<Activity>,
    watched: bool,
}

impl Drain {
    pub(super) fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Acquire) {
            0 => Stage::Open,
            1 => Stage::Draining,
            _ => Stage::Closing,
        }
    }

    /// Moves on and wakes every connection to see it.
    pub(super) fn advance(&self, stage: Stage) {
        self.stage.store(stage as u8, Ordering::Release);
        for activity in self.all() {
            activity.wake();
        }
    }

    /// Makes every connection that is left fail; returns how many there were.
    pub(super) fn cut(&self) -> u64 {
        let left = self.all();
        for activity in &left {
            activity.cut();
        }
        let left = left.len() as u64;
        self.cut.store(left, Ordering::Relaxed);
        left
    }

    pub(super) fn enter(self: &Arc<Self>) -> Place {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let activity = Arc::new(Activity::default());
        self.lock().insert(number, Arc::clone(&activity));
        Place { drain: Arc::clone(self), number, activity, watched: false }
    }

    /// Connections accepted so far.
    pub(super) fn entered(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    /// Requests begun on connections that have ended.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Waits until no connection is open.
    pub(super) async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.lock().is_empty() {
                return;
            }
            emptied.await;
        }
    }

    fn all(&self) -> Vec<Arc<Activity>> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<Activity>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    pub(super) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// Ready when the connection has been cut. To be polled first by the connection's task, which
    /// keeps its waker for life.
    pub(super) fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.watched {
            self.watched = true;
            self.activity.watch(cx.waker());
        }
        if self.activity.is_cut() { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.drain.requests.fetch_add(self.activity.requests(), Ordering::Relaxed);
        let mut open = self.drain.lock();
        open.remove(&self.number);
        let empty = open.is_empty();
        drop(open);
        if empty {
            self.drain.emptied.notify_waiters();
        }
    }
}
