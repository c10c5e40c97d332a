//! The request's body on its way in.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::{Seen, Shared, checksum_more};

/// The request's body; what came of it is recorded at its end or drop.
pub(super) struct Watched {
    pub(super) body: Incoming,
    pub(super) seen: Option<Seen>,
    pub(super) shared: Arc<Shared>,
}

impl Watched {
    fn record(&mut self, complete: bool) {
        if let Some(mut seen) = self.seen.take() {
            seen.complete = complete;
            self.shared.record(seen);
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let complete = self.body.is_end_stream();
        self.record(complete);
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = io::Error;
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let (Some(data), Some(seen)) = (frame.data_ref(), &mut self.seen) {
                    let bytes = data.len() as u64;
                    seen.body_bytes += bytes;
                    seen.body_checksum = checksum_more(seen.body_checksum, data);
                    self.shared.count(|counts| counts.body_bytes += bytes);
                }
                if let (Some(trailers), Some(seen)) = (frame.trailers_ref(), &mut self.seen) {
                    seen.trailers = Some(trailers.clone());
                }
            }
            Some(Err(_)) => self.record(false),
            None => self.record(true),
        }
        Poll::Ready(frame.map(|frame| frame.map_err(io::Error::other)))
    }
    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
