//! What is known about one connection, without asking a clock.
//!
//! The stream, the service and the task of a connection each see a part: bytes, requests, time.
//! They share these counters. Only the task looks at the time, and only a few times a timeout, so
//! that requests pay for atomic writes to a line that nobody else touches and for nothing more.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::Waker;

#[derive(Debug, Default)]
pub(super) struct Activity {
    /// Bytes that arrived. Written by the stream alone.
    read: AtomicU64,
    /// Bytes that the kernel took. Written by the stream alone.
    written: AtomicU64,
    /// `read` when the last request in flight ended.
    read_at_end: AtomicU64,
    /// Requests begun in the upper half, requests in flight in the lower.
    requests: AtomicU64,
    /// The client does not take what we write.
    write_blocked: AtomicBool,
    /// Responses shall ask the client to close.
    closing: AtomicBool,
    /// The stream is being, or has become, a tunnel.
    tunnel: AtomicBool,
    /// The stream has been dropped.
    gone: AtomicBool,
    /// All use of the stream shall fail now.
    cut: AtomicBool,
    /// Guards the wakers of the connection's task and of its tunnel; held to store or take one.
    wakers: Mutex<Wakers>,
}

#[derive(Debug, Default)]
struct Wakers {
    task: Option<Waker>,
    tunnel: Option<Waker>,
}

const BEGUN: u64 = 1 << 32;
const IN_FLIGHT: u64 = BEGUN - 1;

/// What a connection waits for, as a timeout sees it. Two equal values at two times mean that
/// nothing has moved in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waiting {
    /// For the client to ask anything, after this many requests.
    Idle(u64),
    /// For the rest of the head of this request. Bytes do not count as progress: a client that
    /// sends one at a time would never be too slow.
    Head(u64),
    /// For the client to take what is written, so far this much.
    Client(u64),
    /// For the service: its own timeouts apply.
    Service,
}

impl Activity {
    pub(super) fn add_read(&self, bytes: usize) {
        let read = self.read.load(Ordering::Relaxed);
        self.read.store(read.wrapping_add(bytes as u64), Ordering::Relaxed);
    }

    pub(super) fn add_written(&self, bytes: usize) {
        let written = self.written.load(Ordering::Relaxed);
        self.written.store(written.wrapping_add(bytes as u64), Ordering::Relaxed);
    }

    pub(super) fn set_write_blocked(&self, blocked: bool) {
        self.write_blocked.store(blocked, Ordering::Relaxed);
    }

    pub(super) fn begin_request(&self) {
        self.requests.fetch_add(BEGUN + 1, Ordering::Relaxed);
    }

    pub(super) fn end_request(&self) {
        self.read_at_end.store(self.read.load(Ordering::Relaxed), Ordering::Relaxed);
        self.requests.fetch_sub(1, Ordering::Release);
    }

    /// Requests begun so far.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed) >> 32
    }

    /// No request is in flight and nothing waits to be written: what the client sends next, or
    /// has begun to send, is a request of its own.
    pub(super) fn is_quiet(&self) -> bool {
        let in_flight = self.requests.load(Ordering::Acquire) & IN_FLIGHT;
        in_flight == 0 && !self.write_blocked.load(Ordering::Relaxed)
    }

    pub(super) fn waiting(&self) -> Waiting {
        let requests = self.requests.load(Ordering::Acquire);
        if self.write_blocked.load(Ordering::Relaxed) {
            return Waiting::Client(self.written.load(Ordering::Relaxed));
        }
        if requests & IN_FLIGHT != 0 {
            return Waiting::Service;
        }
        let begun = requests >> 32;
        let read = self.read.load(Ordering::Relaxed);
        // A new connection has connected in order to ask, so its silence counts as a slow head.
        if begun == 0 || read != self.read_at_end.load(Ordering::Relaxed) {
            Waiting::Head(begun)
        } else {
            Waiting::Idle(begun)
        }
    }

    pub(super) fn set_closing(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    pub(super) fn set_tunnel(&self) {
        self.tunnel.store(true, Ordering::Release);
    }

    pub(super) fn is_tunnel(&self) -> bool {
        self.tunnel.load(Ordering::Acquire)
    }

    pub(super) fn set_gone(&self) {
        self.gone.store(true, Ordering::Release);
        self.wake();
    }

    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// Makes the stream fail wherever it is.
    pub(super) fn cut(&self) {
        self.cut.store(true, Ordering::Release);
        let tunnel = self.lock().tunnel.take();
        if let Some(tunnel) = tunnel {
            tunnel.wake();
        }
        self.wake();
    }

    pub(super) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    /// Says whom to wake when something about the connection changes from outside.
    pub(super) fn watch(&self, waker: &Waker) {
        self.lock().task = Some(waker.clone());
    }

    /// Says whom to wake when the tunnel must end.
    pub(super) fn watch_tunnel(&self, waker: &Waker) {
        let stored = &mut self.lock().tunnel;
        if !stored.as_ref().is_some_and(|stored| stored.will_wake(waker)) {
            *stored = Some(waker.clone());
        }
    }

    pub(super) fn wake(&self) {
        let task = self.lock().task.clone();
        if let Some(task) = task {
            task.wake();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Wakers> {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_a_connection_waits_for() {
        let activity = Activity::default();
        assert_eq!(activity.waiting(), Waiting::Head(0));
        activity.add_read(10);
        assert_eq!(activity.waiting(), Waiting::Head(0));
        activity.begin_request();
        assert_eq!(activity.waiting(), Waiting::Service);
        assert!(!activity.is_quiet());
        activity.set_write_blocked(true);
        activity.add_written(7);
        assert_eq!(activity.waiting(), Waiting::Client(7));
        activity.end_request();
        assert!(!activity.is_quiet());
        activity.set_write_blocked(false);
        assert!(activity.is_quiet());
        assert_eq!(activity.waiting(), Waiting::Idle(1));
        activity.add_read(1);
        assert_eq!(activity.waiting(), Waiting::Head(1));
        assert_eq!(activity.requests(), 1);
    }
}
