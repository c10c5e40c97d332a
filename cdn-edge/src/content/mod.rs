//! A body that is filled once and read by many.
//!
//! A task drives the [`Filler`]; whoever asked for the body, and whoever comes while it is on its way
//! or later, reads it with a [`Cursor`] from any byte on. There is one copy in memory, and a reader
//! costs a place in a list.
//!
//! | a content is | when | what a reader sees |
//! |---|---|---|
//! | filling | the body is on its way | what has come, then it waits |
//! | whole | the filler has [finished](Filler::finish) | all of it, without a lock |
//! | a window | it is too large to keep | what the fastest reader has just read or will read next |
//! | failed | the body was broken, or the filler was dropped | what has come, then an error |
//!
//! # Why not a channel
//!
//! A broadcast channel drops what a slow reader has not read, or makes all wait for it; and who comes
//! later has missed the beginning. Here the filler never waits while the body is kept, for memory is
//! bounded by [`keep`](Expect::keep) anyway. A body that turns out to be larger becomes a window: the
//! filler goes no more than half a window ahead of the *fastest* reader, and what that one has read
//! stays for half a window more. A reader behind that has lost its place, and goes on by a request of
//! its own ([`Cursor::resume_with`]) or with an error. Whatever it does, the others do not wait.
//! Half a window each way, because a filler that was a whole window ahead would leave nothing to
//! those who are a little slower than the fastest.
//!
//! Trailers are not kept: a cache may drop them.
//!
//! # Example
//!
//! ```
//! use bytes::Bytes;
//! use http_body_util::BodyExt;
//! use terrace_cdn_edge::content::{Content, Expect, State};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let expect = Expect { length: Some(10), keep: 1 << 20, window: 1 << 20, budget: None };
//! let (mut filler, content) = Content::filling(expect);
//! let reader = tokio::spawn(content.cursor(4, None).collect());
//!
//! filler.push(Bytes::from_static(b"hello")).await?;
//! filler.push(Bytes::from_static(b"world")).await?;
//! assert_eq!(filler.finish()?, 10);
//!
//! assert_eq!(reader.await??.to_bytes(), "oworld");
//! assert_eq!(content.state(), State::Whole);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod budget;
mod chunks;
mod cursor;
mod error;
mod filler;
mod live;
mod readers;
mod resume;
mod rule;
mod whole;

#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::{Bytes, BytesMut};

use self::live::Live;
use self::whole::Whole;

pub use self::budget::Budget;
pub use self::cursor::Cursor;
pub use self::error::{BodyError, BoxError, Incomplete, PushError};
pub use self::filler::Filler;
pub use self::resume::{Resume, ResumedBody};

/// What the two counts of an `Arc` take, and what a chunk takes beside its bytes: its handle and the
/// count of its clones.
const ARC: usize = 2 * size_of::<usize>();
const HANDLE: usize = size_of::<Bytes>() + 3 * size_of::<usize>();

/// A body, on its way or there.
///
/// It is shared: each reader holds it, and so does whoever stores it.
pub struct Content {
    whole: OnceLock<Whole>,
    /// There until the body is whole. The lock guards what readers and filler know of each other,
    /// for a few lines each, and no code of others runs under it.
    live: Mutex<Option<Box<Live>>>,
}

/// What is known of a body before it comes, and what may be kept of it.
#[derive(Clone, Debug, Default)]
pub struct Expect {
    /// How long it will be, if that was announced. Another length is an error.
    pub length: Option<u64>,
    /// How many bytes are kept. A longer body becomes a window: one that is announced to be longer
    /// with the first push, another one when it is.
    pub keep: u64,
    /// How many bytes a window has. At least two chunks of 64 KiB.
    pub window: u64,
    /// What all fills together may hold. A fill that gets no more becomes a window; one that nobody
    /// reads is over then.
    pub budget: Option<Arc<Budget>>,
}

/// What a [`Content`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// The body is on its way, and kept.
    Filling,
    /// It is there, and does not change any more.
    Whole,
    /// It is not kept. It may be on its way or have ended.
    Windowed,
    /// It is broken.
    Failed,
}

impl Content {
    /// A body that somebody will fill. Its readers should come first: in a window, the first push
    /// without a reader fails.
    pub fn filling(expect: Expect) -> (Filler, Arc<Self>) {
        Self::filling_by(expect, chunks::CHUNK)
    }

    fn filling_by(expect: Expect, chunk: usize) -> (Filler, Arc<Self>) {
        let length = expect.length;
        let live = Box::new(Live::new(expect, chunk));
        let content = Arc::new(Self { whole: OnceLock::new(), live: Mutex::new(Some(live)) });
        (Filler::new(Arc::clone(&content), chunk, length), content)
    }

    /// A body that is there. The bytes are kept as they are: a slice keeps all of its buffer.
    #[must_use]
    pub fn whole(bytes: Bytes) -> Arc<Self> {
        let whole = OnceLock::from(Whole::One(chunks::shared(bytes)));
        Arc::new(Self { whole, live: Mutex::new(None) })
    }

    /// What it is now.
    #[must_use]
    pub fn state(&self) -> State {
        if self.whole.get().is_some() {
            return State::Whole;
        }
        match &*self.live() {
            None => State::Whole,
            Some(live) if matches!(live.ended, Some(Err(_))) => State::Failed,
            Some(live) if live.window => State::Windowed,
            Some(_) => State::Filling,
        }
    }

    /// Why it has failed, if it has.
    #[must_use]
    pub fn failure(&self) -> Option<BodyError> {
        self.live().as_ref()?.ended.clone()?.err()
    }

    /// How long the whole body is, if that was announced or has been seen.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.ask(|whole| Some(whole.len()), |live| live.length)
    }

    /// How many bytes have come.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.ask(Whole::len, |live| live.chunks.end())
    }

    /// How much memory it takes, in bytes: what is kept of the body, and what that costs.
    #[must_use]
    pub fn weight(&self) -> u64 {
        let with = |bytes: u64, chunks: usize, rest: usize| {
            bytes + (ARC + size_of::<Self>() + rest + chunks * HANDLE) as u64
        };
        self.ask(
            |whole| match whole {
                // Its handle is in the content.
                Whole::One(bytes) => with(bytes.len() as u64, 1, 0) - size_of::<Bytes>() as u64,
                Whole::Many(chunks) => with(whole.len(), chunks.len(), 0),
            },
            |live| with(live.chunks.kept(), live.chunks.count(), size_of::<Live>()),
        )
    }

    /// A reader of the bytes from `from` up to `until`, which is not among them, or up to the end.
    ///
    /// If the body turns out to end before `until`, the reader gets [`BodyError::Incomplete`].
    #[must_use]
    pub fn cursor(self: &Arc<Self>, from: u64, until: Option<u64>) -> Cursor {
        Cursor::new(Arc::clone(self), from, until)
    }

    /// How many read it while it is filled. Who has all that it wants is not counted, nor are the
    /// readers of a whole body; who has lost its place is until it notices.
    #[must_use]
    pub fn readers(&self) -> usize {
        self.ask(|_| 0, |live| live.readers.count())
    }

    /// Waits until nobody [reads](Self::readers) it while it is filled, or it is not filled any more.
    /// So it is over when all have read an announced length, a moment before the filler finishes.
    /// Cancel safe.
    pub async fn abandoned(&self) {
        loop {
            let left = match &*self.live() {
                Some(live) if live.is_read() => Arc::clone(&live.left),
                _ => return,
            };
            let notified = left.notified();
            tokio::pin!(notified);
            // Before the second look, or a reader that leaves in between would be missed.
            notified.as_mut().enable();
            if self.ask(|_| false, Live::is_read) {
                notified.await;
            }
        }
    }

    /// This part of a whole body, without a copy. `None` if it is not whole, or not so long.
    #[must_use]
    pub fn slices(&self, range: Range<u64>) -> Option<Vec<Bytes>> {
        self.whole.get()?.slices(range)
    }

    /// All of a whole body, copied if it consists of several chunks. `None` if it is not whole.
    #[must_use]
    pub fn to_bytes(&self) -> Option<Bytes> {
        match self.whole.get()? {
            Whole::One(bytes) => Some(bytes.clone()),
            Whole::Many(chunks) => {
                let mut all = BytesMut::new();
                chunks.iter().for_each(|chunk| all.extend_from_slice(chunk));
                Some(all.freeze())
            }
        }
    }

    fn ask<T: Default>(&self, whole: impl Fn(&Whole) -> T, live: impl FnOnce(&Live) -> T) -> T {
        if let Some(there) = self.whole.get() {
            return whole(there);
        }
        match &*self.live() {
            Some(there) => live(there),
            // It has become whole just now.
            None => self.whole.get().map(whole).unwrap_or_default(),
        }
    }

    fn live(&self) -> MutexGuard<'_, Option<Box<Live>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content")
            .field("state", &self.state())
            .field("length", &self.length())
            .field("received", &self.received())
            .finish_non_exhaustive()
    }
}
