//! The receiving end that all buses share: from bytes to subscribers.

use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use tokio::time::Instant;

use super::counts::{Event, Tally};
use super::frame::{self, Body, Unreadable};
use super::rule::{Rule, on};
use super::sequence::{Heard, Said, Sequences};
use super::{Change, Subscriber};

pub(super) struct Hub {
    /// The publisher of this process, which is not listened to.
    own: u64,
    subscribers: Mutex<HashMap<Box<str>, Vec<Weak<dyn Subscriber>>>>,
    sequences: Mutex<Sequences>,
    pub(super) tally: Tally,
}

impl Hub {
    pub(super) fn new(own: u64) -> Self {
        Self {
            own,
            subscribers: Mutex::default(),
            sequences: Mutex::default(),
            tally: Tally::default(),
        }
    }

    pub(super) fn own(&self) -> u64 {
        self.own
    }

    pub(super) fn subscribe(&self, space: &str, subscriber: Weak<dyn Subscriber>) {
        let mut subscribers = lock(&self.subscribers);
        // Whoever comes clears away who went.
        subscribers.retain(|_, of_space| {
            of_space.retain(|subscriber| subscriber.strong_count() > 0);
            !of_space.is_empty()
        });
        subscribers.entry(space.into()).or_default().push(subscriber);
    }

    /// A frame has come. Frames of one publisher must come here one after another.
    pub(super) fn receive(&self, bytes: &Bytes, now: Instant) {
        let frame = match frame::read(bytes) {
            Ok(frame) if frame.head.publisher == self.own => return,
            Ok(frame) => frame,
            Err(Unreadable::Foreign) => return self.tally.count(Event::Foreign),
            Err(Unreadable::Damaged) => return self.unreadable(Event::Damaged),
        };
        self.tally.count(Event::Received);
        let number = frame.head.number;
        let said = match frame.body {
            Body::Changes { .. } | Body::Unknown => Said::Changes(number),
            Body::Beat => Said::Beat(number),
            Body::Farewell => Said::Farewell(number),
        };
        let heard = lock(&self.sequences).hear(frame.head.publisher, said, frame.head.beat, now);
        // First what may be missing, then what is there.
        if heard == Heard::Gap {
            self.tally.count(Event::Gap);
            self.missed();
        }
        match frame.body {
            Body::Changes { space, changes } => self.deliver(space, &changes),
            Body::Unknown => self.unreadable(Event::Unknown),
            Body::Beat | Body::Farewell => {}
        }
    }

    /// Who has not been heard of for long may have said something last.
    pub(super) fn notice_silence(&self, now: Instant) {
        let silent = lock(&self.sequences).fallen_silent(now);
        for _ in 0..silent {
            self.tally.count(Event::Silence);
        }
        if silent > 0 {
            self.missed();
        }
    }

    /// Something may have been missed, by whoever listens.
    pub(super) fn missed(&self) {
        let everybody: Vec<_> =
            lock(&self.subscribers).values().flatten().filter_map(Weak::upgrade).collect();
        for subscriber in everybody {
            self.guarded(|| subscriber.missed());
        }
    }

    fn unreadable(&self, event: Event) {
        self.tally.count(event);
        if on(Rule::Damage) {
            self.missed();
        }
    }

    fn deliver(&self, space: &str, changes: &Bytes) {
        let subscribers: Vec<_> = match lock(&self.subscribers).get(space) {
            Some(of_space) => of_space.iter().filter_map(Weak::upgrade).collect(),
            None => return,
        };
        if subscribers.is_empty() {
            return;
        }
        let Ok(changes) = frame::changes(changes) else {
            return self.unreadable(Event::Damaged);
        };
        for subscriber in subscribers {
            self.tell(&*subscriber, &changes);
        }
    }

    /// A subscriber that panics may not have done what it was told. It hears so, and the others
    /// hear of nothing.
    fn tell(&self, subscriber: &dyn Subscriber, changes: &[Change]) {
        let told = self.guarded(|| changes.iter().for_each(|change| subscriber.changed(change)));
        if !told {
            self.guarded(|| subscriber.missed());
        }
    }

    fn guarded(&self, call: impl FnOnce()) -> bool {
        // Nothing of ours is borrowed in there, and no lock is held.
        let done = catch_unwind(AssertUnwindSafe(call)).is_ok();
        if !done {
            self.tally.count(Event::Panic);
        }
        done
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("counts", &self.tally.counts()).finish_non_exhaustive()
    }
}

/// Neither of the two maps is ever left half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
