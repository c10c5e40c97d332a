use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::Content;
use super::error::BodyError;
use super::live::{After, Look};
use super::resume::{Resume, Resumed};
use super::rule::{Rule, on};

/// One reader of a [`Content`]: a body that yields its bytes without copying them.
///
/// Of a body that is whole it takes neither a lock nor memory. While the body is filled the content
/// knows where each of its readers is; dropping the cursor ends that.
///
/// After an error there is nothing more.
pub struct Cursor {
    content: Arc<Content>,
    at: u64,
    /// Where it ends, if that is known.
    until: Option<u64>,
    /// Its place among the readers of what is being filled.
    key: Option<usize>,
    over: bool,
    resume: Option<Arc<dyn Resume>>,
    resumed: Option<Box<Resumed>>,
}

impl Cursor {
    pub(super) fn new(content: Arc<Content>, from: u64, until: Option<u64>) -> Self {
        let mut cursor =
            Self { content, at: from, until, key: None, over: false, resume: None, resumed: None };
        let mut length = cursor.content.whole.get().map(super::Whole::len);
        let mut after = After::default();
        if length.is_none() {
            if let Some(live) = &mut *cursor.content.live() {
                length = live.length;
                if until.or(length).is_none_or(|until| from < until) {
                    let (key, met) = live.join(from);
                    (cursor.key, after) = (Some(key), met);
                }
            } else {
                length = cursor.content.length();
            }
        }
        after.run();
        cursor.until = until.or(length).map(|until| until.max(from));
        cursor
    }

    /// How it goes on when it is more than the window behind. Without it, it ends with
    /// [`BodyError::FellBehind`].
    pub fn resume_with(&mut self, resume: Arc<dyn Resume>) {
        self.resume = Some(resume);
    }

    /// The byte that comes next.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.at
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyError>> {
        let until = self.until.unwrap_or(u64::MAX);
        loop {
            if self.at >= until {
                return Poll::Ready(Ok(None));
            }
            if let Some(resumed) = &mut self.resumed {
                let next = ready!(resumed.poll_data(cx)).transpose()?;
                return Poll::Ready(self.resumed_next(next));
            }
            if let Some(whole) = self.content.whole.get() {
                let next = whole.get(self.at, until);
                return Poll::Ready(self.next_or_end(next, whole.len()));
            }
            return match self.look(cx) {
                Some(Look::Frame(frame)) => Poll::Ready(Ok(Some(frame))),
                Some(Look::Nothing) => Poll::Pending,
                Some(Look::Lost) => {
                    self.leave();
                    let Some(resume) = self.resume.take() else {
                        return Poll::Ready(Err(BodyError::FellBehind));
                    };
                    // The fill may have seen the end by now: then the rest must have it too.
                    self.until = self.until.or_else(|| self.content.length());
                    self.resumed = Some(Resumed::new(&*resume, self.at, self.until));
                    continue;
                }
                Some(Look::Ended(Err(error))) => Poll::Ready(Err(error)),
                Some(Look::Ended(Ok(()))) => {
                    let length = self.content.received();
                    Poll::Ready(self.next_or_end(None, length))
                }
                // It has become whole just now.
                None => continue,
            };
        }
    }

    /// What there is, or the way to hear of more. `None` if it is not filled any more.
    fn look(&mut self, cx: &Context<'_>) -> Option<Look> {
        let until = self.until.unwrap_or(u64::MAX);
        let mut waker = None;
        loop {
            let mut content = self.content.live();
            let live = content.as_mut()?;
            let (look, after) = live.look(self.key, self.at, until);
            let mut leaves = After::default();
            let mut enough = true;
            let mut replaced = None;
            match (&look, self.key) {
                (Look::Frame(frame), Some(key)) if self.at + frame.len() as u64 >= until => {
                    // It needs nothing more, and nobody must wait for it.
                    leaves = live.leave(key);
                    self.key = None;
                }
                (Look::Nothing, Some(key)) if !live.readers.waits_with(key, cx.waker()) => {
                    match waker.take() {
                        Some(waker) => replaced = live.readers.wait(key, waker),
                        None => enough = false,
                    }
                }
                _ => {}
            }
            drop(content);
            after.run();
            leaves.run();
            drop(replaced);
            if enough {
                if let Look::Frame(frame) = &look {
                    self.at += frame.len() as u64;
                }
                return Some(look);
            }
            // Not under the lock, because it is code of others. Then it looks again.
            waker = Some(cx.waker().clone());
        }
    }

    fn resumed_next(&mut self, next: Option<Bytes>) -> Result<Option<Bytes>, BodyError> {
        let Some(bytes) = next else {
            return match self.until {
                Some(expected) if on(Rule::Resumed) => {
                    Err(BodyError::Incomplete { expected, got: self.at })
                }
                _ => Ok(None),
            };
        };
        let at = self.at.saturating_add(bytes.len() as u64);
        if self.until.is_some_and(|until| at > until) && on(Rule::Resumed) {
            return Err(BodyError::TooLong);
        }
        self.at = at;
        Ok(Some(bytes))
    }

    /// At the end of the body: whether the reader has got what it was to get.
    fn next_or_end(
        &mut self,
        next: Option<Bytes>,
        length: u64,
    ) -> Result<Option<Bytes>, BodyError> {
        match next {
            Some(bytes) => {
                self.at += bytes.len() as u64;
                Ok(Some(bytes))
            }
            None if self.until.unwrap_or(self.at) <= length => Ok(None),
            None => {
                let expected = self.until.unwrap_or(self.at);
                Err(BodyError::Incomplete { expected, got: length })
            }
        }
    }

    fn leave(&mut self) {
        if let Some(key) = self.key.take()
            && on(Rule::Leave)
        {
            let after = self.content.live().as_mut().map(|live| live.leave(key));
            after.unwrap_or_default().run();
        }
    }

    fn end(&self) -> Option<u64> {
        self.until.or_else(|| self.content.whole.get().map(super::Whole::len))
    }
}

impl Body for Cursor {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let cursor = self.get_mut();
        if cursor.over {
            return Poll::Ready(None);
        }
        let next = ready!(cursor.poll_next(cx)).transpose();
        if !matches!(next, Some(Ok(_))) {
            cursor.over = true;
            cursor.leave();
            cursor.resumed = None;
        }
        Poll::Ready(next.map(|next| next.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.end() == Some(self.at)
    }

    fn size_hint(&self) -> SizeHint {
        match self.end() {
            _ if self.over => SizeHint::with_exact(0),
            Some(end) => SizeHint::with_exact(end.saturating_sub(self.at)),
            None => SizeHint::default(),
        }
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        self.leave();
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursor")
            .field("at", &self.at)
            .field("until", &self.until)
            .field("resumed", &self.resumed.is_some())
            .finish_non_exhaustive()
    }
}
