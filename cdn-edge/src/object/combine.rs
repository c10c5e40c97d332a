//! Parts of one representation become a larger part, or the whole of it (RFC 9110, 15.3.7.3; RFC 9111, 3.4).
//!
//! Only the same strong entity tag says that two parts are of the same bytes. A weak one says that they mean the
//! same, a date that they are of the same second; both would make a file that nobody ever sent.
//!
//! The bytes are copied: a body that keeps chunks of several others would keep all of them alive, and be slow to
//! find its way in. So it is done once, when a part is stored, and outside of every lock.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderValue};

use super::{Head, Object, Shapes};
use crate::content::{Budget, Content, Expect, State};
use crate::purge::Marks;
use crate::semantics::{Span, Stored};

/// Parts that touch or overlap, and what they are together.
#[derive(Debug)]
pub(crate) struct Combination {
    /// By the age of their headers, the newest last.
    parts: Vec<Arc<Object>>,
    span: Span,
}

impl Combination {
    /// What a part that has just come makes of those that are stored, if that is more than itself and not longer
    /// than `at_most`. A single part that covers all is the whole.
    pub(crate) fn of<'a>(
        part: &Arc<Object>,
        stored: impl IntoIterator<Item = &'a Arc<Object>>,
        at_most: u64,
    ) -> Option<Self> {
        let mut span = part.stored.span?;
        let mut others: Vec<_> =
            stored.into_iter().filter(|other| belong_together(part, other)).collect();
        let mut parts = vec![Arc::clone(part)];
        // One that did not touch may touch what has grown meanwhile.
        while let Some(at) = others.iter().position(|other| {
            other.stored.span.and_then(|other| joined(span, other, at_most)).is_some()
        }) {
            let other = others.remove(at);
            span = joined(span, other.stored.span?, at_most)?;
            parts.push(Arc::clone(other));
        }
        if parts.len() == 1 && !is_whole(span) {
            return None;
        }
        // The one that has just come stands first, and is the newest of the same second.
        parts.reverse();
        parts.sort_by_key(|part| part.stored.date);
        Some(Self { parts, span })
    }

    /// The parts that it is made of.
    pub(crate) fn parts(&self) -> &[Arc<Object>] {
        &self.parts
    }

    /// The response that they are together; `None` if it takes more memory than there is for such.
    pub(crate) async fn object(
        &self,
        shapes: &Shapes,
        budget: &Arc<Budget>,
        number: u64,
    ) -> Option<Object> {
        let newest = self.parts.last()?;
        let whole = is_whole(self.span);
        let status = if whole { StatusCode::OK } else { StatusCode::PARTIAL_CONTENT };
        let head = Head::encode(status, &self.headers(), shapes).ok()?;
        let span = (!whole).then_some(self.span);
        let stored = Stored { status, span, ..newest.stored.clone() };
        let marks = Marks::of_all(self.parts.iter().map(|part| &part.marks))?;
        let content = self.content(budget).await?;
        Some(Object { stored, head, content, marks, number })
    }

    /// Each field as the newest part that has it says; where it lies is no longer as any says.
    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for part in &self.parts {
            // Takes the place of all values of each name.
            headers.extend(part.head.headers(0));
        }
        headers.remove(header::CONTENT_RANGE);
        headers.remove(header::CONTENT_LENGTH);
        if is_whole(self.span) {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(self.span.total));
        }
        headers
    }

    async fn content(&self, budget: &Arc<Budget>) -> Option<Arc<Content>> {
        let length = self.span.end - self.span.start;
        let (mut filler, content) = Content::filling(Expect {
            length: Some(length),
            keep: length,
            window: length,
            budget: Some(Arc::clone(budget)),
        });
        for piece in self.pieces()? {
            filler.push(piece).await.ok()?;
        }
        filler.finish().ok()?;
        (content.state() == State::Whole).then_some(content)
    }

    /// The bytes, in order, each once.
    fn pieces(&self) -> Option<Vec<Bytes>> {
        let mut spans = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            spans.push((part.stored.span?, &part.content));
        }
        spans.sort_by_key(|(span, _)| span.start);
        let (mut at, mut pieces) = (self.span.start, Vec::new());
        for (span, content) in spans {
            if span.end > at {
                pieces.extend(content.slices(at.checked_sub(span.start)?..span.end - span.start)?);
                at = span.end;
            }
        }
        Some(pieces)
    }
}

/// Whether a stored part is of the same bytes, and for the same requests.
fn belong_together(part: &Arc<Object>, other: &Arc<Object>) -> bool {
    let (new, old) = (&part.stored, &other.stored);
    let same_bytes = match (&new.etag, &old.etag) {
        (Some(new), Some(old)) => new.strong_eq(old.as_bytes()),
        _ => false,
    };
    let coding = header::CONTENT_ENCODING;
    same_bytes
        && !Arc::ptr_eq(part, other)
        && new.selecting == old.selecting
        && part.head.get_all(&coding).eq(other.head.get_all(&coding))
        && other.content.state() == State::Whole
}

/// Two spans as one, if there is nothing between them and it is not too long.
fn joined(one: Span, other: Span, at_most: u64) -> Option<Span> {
    let touch = one.start <= other.end && other.start <= one.end && one.total == other.total;
    let (start, end) = (one.start.min(other.start), one.end.max(other.end));
    (touch && end - start <= at_most).then_some(Span { start, end, total: one.total })
}

fn is_whole(span: Span) -> bool {
    span.start == 0 && span.end == span.total
}
