//! What the filler and the readers of a body share while it is filled. No waiting and no waking here:
//! who holds the lock asks, and does what comes out after it has let go.

use std::sync::Arc;
use std::task::Waker;

use bytes::Bytes;
use tokio::sync::Notify;

use super::budget::Share;
use super::chunks::{Chunks, Tail};
use super::error::BodyError;
use super::readers::Readers;
use super::rule::{Rule, on};
use super::{Expect, whole::Whole};

#[derive(Debug)]
pub(super) struct Live {
    pub(super) chunks: Chunks,
    pub(super) readers: Readers,
    /// Announced, or known since the end.
    pub(super) length: Option<u64>,
    /// Whether it is a window: from then on it is not kept.
    pub(super) window: bool,
    pub(super) ended: Option<Result<(), BodyError>>,
    /// Told when the last reader leaves, and at the end.
    pub(super) left: Arc<Notify>,
    keep: u64,
    /// How many bytes the filler may be ahead of the fastest reader, and how many are there for those
    /// behind it: half a window each.
    half: u64,
    /// How far anybody has been since it is a window. Who was further and has left before that is
    /// nobody whom the others must keep up with.
    lead: u64,
    waits: Option<Waits>,
    share: Share,
}

/// The filler of a window waits.
#[derive(Debug)]
struct Waits {
    waker: Waker,
    /// Until somebody is here,
    goal: u64,
    /// or whoever was as far as this has left.
    fastest: u64,
}

/// Whether the filler may go on.
#[derive(Debug)]
pub(super) enum Pace {
    Go,
    /// When a reader is at this byte. The fastest is at the other one.
    Wait {
        goal: u64,
        fastest: u64,
    },
    /// Nobody needs it.
    Gone,
}

/// What there is for a reader.
#[derive(Debug)]
pub(super) enum Look {
    Frame(Bytes),
    Nothing,
    /// It is behind the window.
    Lost,
    Ended(Result<(), BodyError>),
}

/// What is to be woken or dropped once the lock is free: both may run code of others.
#[derive(Debug, Default)]
#[must_use = "somebody is to be woken"]
pub(super) struct After {
    wake: Option<Waker>,
    told: Option<Arc<Notify>>,
    dropped: Option<Waker>,
}

impl After {
    pub(super) fn run(self) {
        if let Some(waker) = self.wake {
            waker.wake();
        }
        if let Some(left) = self.told {
            left.notify_waiters();
        }
        drop(self.dropped);
    }
}

impl Live {
    pub(super) fn new(expect: Expect, chunk: usize) -> Self {
        Self {
            chunks: Chunks::new(chunk),
            readers: Readers::default(),
            length: expect.length,
            window: false,
            ended: None,
            left: Arc::default(),
            keep: expect.keep,
            half: (expect.window / 2).max(chunk as u64),
            lead: 0,
            waits: None,
            share: Share::new(expect.budget),
        }
    }

    /// Whether the filler may push so many bytes now, at most a chunk. Takes them from the budget.
    pub(super) fn pace(&mut self, bytes: u64) -> Pace {
        if !self.window {
            let kept = self.length.unwrap_or(0).max(self.chunks.end() + bytes) <= self.keep;
            if kept && self.share.grow(bytes) {
                return Pace::Go;
            }
            self.window = true;
        }
        let end = self.chunks.end();
        let Some(fastest) = self.readers.fastest(self.chunks.start()) else { return Pace::Gone };
        // Not by `reached` alone: a reader that begins far ahead has read nothing yet.
        self.lead = self.lead.max(fastest.min(end));
        self.forget(self.lead.saturating_sub(self.behind()));
        if fastest.saturating_add(self.half) < end + bytes && on(Rule::Pace) {
            return Pace::Wait { goal: end + bytes - self.half, fastest };
        }
        if self.share.grow(bytes) {
            return Pace::Go;
        }
        // Nothing left of the budget. What is only there for slower readers goes first, then the
        // filler waits until the fastest has read what there is. It never waits for other fills: two
        // that do that would wait for each other.
        self.forget(fastest.min(end));
        if self.share.grow(bytes) {
            return Pace::Go;
        }
        if fastest < end {
            return Pace::Wait { goal: end, fastest };
        }
        self.share.overdraw(bytes);
        Pace::Go
    }

    /// How far behind the lead the bytes are still there.
    fn behind(&self) -> u64 {
        if on(Rule::Behind) { self.half } else { 0 }
    }

    fn forget(&mut self, before: u64) {
        if on(Rule::Forget) {
            let bytes = self.chunks.forget(before);
            self.share.shrink(bytes);
        }
    }

    /// The filler waits, as [`pace`](Self::pace) said. Returns the waker that this one replaces.
    pub(super) fn wait(&mut self, waker: Waker, goal: u64, fastest: u64) -> Option<Waker> {
        self.waits.replace(Waits { waker, goal, fastest }).map(|waits| waits.waker)
    }

    pub(super) fn publish(
        &mut self,
        sealed: Option<Bytes>,
        tail: &Tail,
        bytes: u64,
        woken: &mut Vec<Waker>,
    ) {
        self.chunks.publish(sealed, tail, bytes);
        self.readers.take_wakers(self.chunks.end(), woken);
    }

    pub(super) fn join(&mut self, at: u64) -> (usize, After) {
        (self.readers.join(at), self.met(at))
    }

    /// What there is for a reader at this byte, which has it from now on.
    pub(super) fn look(&mut self, key: Option<usize>, at: u64, until: u64) -> (Look, After) {
        if at < self.chunks.start() {
            return (Look::Lost, After::default());
        }
        let Some(frame) = self.chunks.get(at, until) else {
            let look = self.ended.clone().map_or(Look::Nothing, Look::Ended);
            return (look, After::default());
        };
        let at = at + frame.len() as u64;
        if let Some(key) = key {
            self.readers.move_to(key, at);
        }
        let after = self.reached(at);
        (Look::Frame(frame), after)
    }

    fn reached(&mut self, at: u64) -> After {
        if self.window && at > self.lead {
            self.lead = at;
            self.forget(at.saturating_sub(self.behind()));
        }
        self.met(at)
    }

    /// Somebody is at this byte: it may be what the filler waits for.
    fn met(&mut self, at: u64) -> After {
        let wake = self.waits.take_if(|waits| waits.goal <= at).map(|waits| waits.waker);
        After { wake, ..After::default() }
    }

    pub(super) fn leave(&mut self, key: usize) -> After {
        let Some((at, dropped)) = self.readers.leave(key) else { return After::default() };
        let last = self.readers.count() == 0;
        let wake = self.waits.take_if(|waits| last || waits.fastest <= at);
        After {
            wake: wake.map(|waits| waits.waker),
            told: last.then(|| Arc::clone(&self.left)),
            dropped,
        }
    }

    /// Nothing more comes. What there is can still be read.
    pub(super) fn end(&mut self, how: Result<(), BodyError>, woken: &mut Vec<Waker>) -> After {
        if how.is_ok() {
            self.length = Some(self.chunks.end());
        }
        self.ended.get_or_insert(how);
        self.readers.take_wakers(u64::MAX, woken);
        let dropped = self.waits.take().map(|waits| waits.waker);
        After { told: Some(Arc::clone(&self.left)), dropped, ..After::default() }
    }

    /// Whether it is filled for somebody.
    pub(super) fn is_read(&self) -> bool {
        self.ended.is_none() && self.readers.count() > 0
    }

    /// The body as it will be stored.
    pub(super) fn whole(&mut self, last: Option<Bytes>) -> Whole {
        Whole::new(self.chunks.take_full(), last)
    }
}
