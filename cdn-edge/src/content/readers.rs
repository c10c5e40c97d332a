use std::task::Waker;

use super::rule::{Rule, on};

/// Who reads a body while it is filled: how far everybody is, and who waits.
///
/// A list of our own instead of a channel's: a cursor must be `Unpin` and not allocate when it waits,
/// and one walk over the list wakes everybody and finds the fastest.
#[derive(Debug, Default)]
pub(super) struct Readers {
    slots: Vec<Option<Reader>>,
    free: Vec<usize>,
    waiting: usize,
}

#[derive(Debug)]
struct Reader {
    at: u64,
    waker: Option<Waker>,
}

impl Readers {
    pub(super) fn count(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(super) fn join(&mut self, at: u64) -> usize {
        let reader = Some(Reader { at, waker: None });
        match self.free.pop() {
            Some(key) => {
                self.slots[key] = reader;
                key
            }
            None => {
                self.slots.push(reader);
                self.slots.len() - 1
            }
        }
    }

    /// Where the reader was, and its waker: to be dropped outside of the lock.
    pub(super) fn leave(&mut self, key: usize) -> Option<(u64, Option<Waker>)> {
        let Reader { at, waker } = self.slots.get_mut(key)?.take()?;
        self.free.push(key);
        self.waiting -= usize::from(waker.is_some());
        Some((at, waker))
    }

    pub(super) fn move_to(&mut self, key: usize, to: u64) {
        if let Some(reader) = self.get(key) {
            reader.at = to;
        }
    }

    pub(super) fn waits_with(&mut self, key: usize, waker: &Waker) -> bool {
        let reader = self.get(key);
        reader.is_some_and(|reader| reader.waker.as_ref().is_some_and(|own| own.will_wake(waker)))
    }

    /// Returns the waker that this one replaces: to be dropped outside of the lock.
    pub(super) fn wait(&mut self, key: usize, waker: Waker) -> Option<Waker> {
        let before = self.get(key)?.waker.replace(waker);
        self.waiting += usize::from(before.is_none());
        before
    }

    /// Takes the wakers of those who are before this byte.
    pub(super) fn take_wakers(&mut self, before: u64, into: &mut Vec<Waker>) {
        if self.waiting == 0 || !on(Rule::Wake) {
            return;
        }
        let taken = into.len();
        let readers = self.slots.iter_mut().flatten().filter(|reader| reader.at < before);
        into.extend(readers.filter_map(|reader| reader.waker.take()));
        self.waiting -= into.len() - taken;
    }

    /// How far the fastest is of those who are not behind this byte.
    pub(super) fn fastest(&self, start: u64) -> Option<u64> {
        let followers = self.slots.iter().flatten().map(|reader| reader.at);
        let mut followers = followers.filter(|at| *at >= start);
        match on(Rule::Fastest) {
            true => followers.max(),
            false => followers.next().map(|first| followers.fold(first, u64::min)),
        }
    }

    fn get(&mut self, key: usize) -> Option<&mut Reader> {
        self.slots.get_mut(key)?.as_mut()
    }
}
