use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderValue;
use http_body::{Body, Frame, SizeHint};

use super::error::BoxError;
use crate::content::{Content, Cursor};

/// Several ranges of one stored body, as `multipart/byteranges` (RFC 9110, 14.6).
#[derive(Debug)]
pub(crate) struct Multipart {
    content: Arc<Content>,
    /// Where the content begins in the representation.
    offset: u64,
    parts: std::vec::IntoIter<(Bytes, Range<u64>)>,
    cursor: Option<Cursor>,
    end: Option<Bytes>,
    left: u64,
}

impl Multipart {
    /// `boundary` must not occur in the body; nobody checks, so it is random and long.
    pub(crate) fn new(
        content: Arc<Content>,
        offset: u64,
        total: u64,
        ranges: &[Range<u64>],
        kind: Option<&HeaderValue>,
        boundary: &str,
    ) -> Self {
        let mut parts = Vec::with_capacity(ranges.len());
        let mut left = 0;
        for (at, range) in ranges.iter().enumerate() {
            let mut head = Vec::with_capacity(128);
            head.extend_from_slice(if at == 0 { b"--" } else { b"\r\n--" });
            head.extend_from_slice(boundary.as_bytes());
            if let Some(kind) = kind {
                head.extend_from_slice(b"\r\nContent-Type: ");
                head.extend_from_slice(kind.as_bytes());
            }
            let line = format!(
                "\r\nContent-Range: bytes {}-{}/{total}\r\n\r\n",
                range.start,
                range.end - 1
            );
            head.extend_from_slice(line.as_bytes());
            left += head.len() as u64 + (range.end - range.start);
            parts.push((Bytes::from(head), range.clone()));
        }
        let end = Bytes::from(format!("\r\n--{boundary}--\r\n"));
        left += end.len() as u64;
        Self { content, offset, parts: parts.into_iter(), cursor: None, end: Some(end), left }
    }
}

impl Body for Multipart {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if let Some(cursor) = &mut this.cursor {
            match ready!(Pin::new(cursor).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    this.left -=
                        frame.data_ref().map_or(0, |data| data.len() as u64).min(this.left);
                    return Poll::Ready(Some(Ok(frame)));
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                None => this.cursor = None,
            }
        }
        let head = match this.parts.next() {
            Some((head, range)) => {
                let (from, until) = (range.start - this.offset, range.end - this.offset);
                this.cursor = Some(this.content.cursor(from, Some(until)));
                Some(head)
            }
            None => this.end.take(),
        };
        this.left -= head.as_ref().map_or(0, |head| head.len() as u64).min(this.left);
        Poll::Ready(head.map(|head| Ok(Frame::data(head))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0 && self.end.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
