use std::error::Error;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use tokio::task::coop::poll_proceed;

use super::Content;
use super::chunks::Tail;
use super::error::{BodyError, Incomplete, PushError};
use super::live::{After, Pace};
use super::rule::{Rule, on};

/// The one who fills a [`Content`].
///
/// Dropped before [`finish`](Self::finish) it fails the body: readers get
/// [`BodyError::Aborted`], not an end.
#[derive(Debug)]
#[must_use = "dropping the filler fails the body"]
pub struct Filler {
    content: Arc<Content>,
    tail: Tail,
    length: Option<u64>,
    received: u64,
    over: bool,
    /// Empty but for a moment: the memory is used again.
    woken: Vec<Waker>,
}

impl Filler {
    pub(super) fn new(content: Arc<Content>, chunk: usize, length: Option<u64>) -> Self {
        let tail = Tail::new(chunk);
        Self { content, tail, length, received: 0, over: false, woken: Vec::new() }
    }

    /// Adds bytes, and copies them: what is passed in is not kept.
    ///
    /// While the body is kept it waits for nobody, and lets other tasks run now and then. When the
    /// body is a window it waits for the fastest reader, for as long as that takes: whoever calls it
    /// has the deadline.
    ///
    /// # Errors
    ///
    /// [`PushError`] if it makes no sense to go on. The body has failed then.
    ///
    /// # Cancel safety
    ///
    /// None: some of the bytes may have been pushed. The filler can only be dropped then.
    pub async fn push(&mut self, mut bytes: Bytes) -> Result<(), PushError> {
        poll_fn(|cx| self.poll_push(cx, &mut bytes)).await
    }

    /// As [`push`](Self::push); what is left in `bytes` has not been pushed yet.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn poll_push(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &mut Bytes,
    ) -> Poll<Result<(), PushError>> {
        if self.over {
            return Poll::Ready(Err(PushError::Gone));
        }
        let announced = self.length.unwrap_or(u64::MAX);
        if self.received.saturating_add(bytes.len() as u64) > announced && on(Rule::Length) {
            // Not even what was announced: a message that is longer may be another one.
            self.received = self.received.saturating_add(bytes.len() as u64);
            self.end(Err(BodyError::TooLong));
            return Poll::Ready(Err(PushError::TooLong));
        }
        while !bytes.is_empty() {
            let piece = bytes.len().min(self.tail.room());
            // A body that is in memory already would be copied without a break.
            let progress = ready!(poll_proceed(cx));
            let gone = ready!(self.pace(cx, piece as u64));
            progress.made_progress();
            if gone.is_err() {
                // What is known to be missing, should anybody call `finish` all the same.
                self.length.get_or_insert(self.received + bytes.len() as u64);
                self.end(Err(BodyError::Aborted));
                return Poll::Ready(gone);
            }
            let piece = bytes.split_to(piece);
            let sealed = self.tail.add(&piece);
            self.received += piece.len() as u64;
            if let Some(live) = &mut *self.content.live() {
                live.publish(sealed, &self.tail, piece.len() as u64, &mut self.woken);
            }
            self.wake();
        }
        Poll::Ready(Ok(()))
    }

    /// Whether so many bytes may be pushed now, or the way to hear of it.
    fn pace(&self, cx: &Context<'_>, bytes: u64) -> Poll<Result<(), PushError>> {
        // Cloned outside of the lock, because it is code of others; needed only in a window, where
        // the network is slower than this.
        let waker = cx.waker().clone();
        let mut content = self.content.live();
        let pace = content.as_mut().map_or(Pace::Gone, |live| live.pace(bytes));
        let (Pace::Wait { goal, fastest }, Some(live)) = (&pace, content.as_mut()) else {
            return Poll::Ready(match pace {
                Pace::Gone => Err(PushError::Gone),
                _ => Ok(()),
            });
        };
        let replaced = live.wait(waker, *goal, *fastest);
        drop(content);
        drop(replaced);
        Poll::Pending
    }

    /// Ends the body: if it was kept, it is whole. Returns its length.
    ///
    /// # Errors
    ///
    /// [`Incomplete`] if it is not as long as it was announced, or a push has failed before. The body
    /// has failed then.
    pub fn finish(mut self) -> Result<u64, Incomplete> {
        let got = self.received;
        let expected = self.length.unwrap_or(got);
        if self.over || (expected != got && on(Rule::Length)) {
            self.end(Err(BodyError::Incomplete { expected, got }));
            return Err(Incomplete { expected, got });
        }
        self.end(Ok(()));
        Ok(got)
    }

    /// Ends the body with the origin's error, which all readers get when they have read what there
    /// is.
    pub fn fail(mut self, error: Arc<dyn Error + Send + Sync>) {
        self.end(Err(BodyError::Origin(error)));
    }

    fn end(&mut self, how: Result<(), BodyError>) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        let tail = std::mem::replace(&mut self.tail, Tail::new(1));
        let last = how.is_ok().then(|| tail.into_last()).flatten();
        let mut content = self.content.live();
        let (mut over, mut after) = (None, After::default());
        if let Some(live) = &mut *content {
            let kept = how.is_ok() && !live.window;
            after = live.end(how, &mut self.woken);
            if kept {
                // Before it is not filled any more: a reader looks for one or the other.
                let _ = self.content.whole.set(live.whole(last));
                over = content.take();
            }
        }
        drop(content);
        drop(over);
        self.wake();
        after.run();
    }

    fn wake(&mut self) {
        for waker in self.woken.drain(..) {
            waker.wake();
        }
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        match on(Rule::Abort) {
            true => self.end(Err(BodyError::Aborted)),
            false => self.end(Ok(())),
        }
    }
}
