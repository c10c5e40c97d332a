//! The response body on the proxy's way.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The body of a response from [`ReverseProxy`](super::ReverseProxy): the endpoint's, passed
    /// through frame by frame, or the proxy's own fixed line.
    #[derive(Debug)]
    pub struct ProxyResponseBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = KindProj]
    enum Kind<B> {
        Forwarded { #[pin] body: B },
        Fixed { text: Option<Bytes> },
    }
}

impl<B> ProxyResponseBody<B> {
    pub(super) fn forwarded(body: B) -> Self {
        Self { kind: Kind::Forwarded { body } }
    }

    pub(super) fn fixed(text: Bytes) -> Self {
        let text = (!text.is_empty()).then_some(text);
        Self { kind: Kind::Fixed { text } }
    }
}

impl<B: Body<Data = Bytes>> Body for ProxyResponseBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().kind.project() {
            KindProj::Forwarded { body } => body.poll_frame(cx),
            KindProj::Fixed { text } => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Forwarded { body } => body.is_end_stream(),
            Kind::Fixed { text } => text.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Forwarded { body } => body.size_hint(),
            Kind::Fixed { text } => {
                SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64))
            }
        }
    }
}
