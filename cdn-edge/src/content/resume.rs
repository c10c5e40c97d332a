use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body::Body;
use http_body_util::combinators::UnsyncBoxBody;

use super::error::{BodyError, BoxError};

/// A body with which a reader goes on.
pub type ResumedBody = UnsyncBoxBody<Bytes, BoxError>;

/// How a reader goes on that is too slow for a body that is not kept: by a request of its own.
///
/// The request must make sure that it gets the same representation, by `If-Range` with a strong
/// entity tag, and return an error otherwise.
pub trait Resume: Send + Sync {
    /// The bytes from `from` up to `until`, which is not among them, or up to the end.
    ///
    /// # Errors
    ///
    /// Whatever went wrong. The reader gets it as [`BodyError::Origin`].
    fn resume(
        &self,
        from: u64,
        until: Option<u64>,
    ) -> BoxFuture<'static, Result<ResumedBody, BoxError>>;
}

/// A reader that goes on by itself.
pub(super) struct Resumed {
    // Never locked: it makes a cursor `Sync`, which some response types demand of their bodies.
    step: Mutex<Step>,
}

enum Step {
    Asks(BoxFuture<'static, Result<ResumedBody, BoxError>>),
    Reads(ResumedBody),
}

impl Resumed {
    pub(super) fn new(resume: &dyn Resume, from: u64, until: Option<u64>) -> Box<Self> {
        Box::new(Self { step: Mutex::new(Step::Asks(resume.resume(from, until))) })
    }

    /// The next bytes, at least one.
    pub(super) fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BodyError>>> {
        let step = self.step.get_mut().unwrap_or_else(PoisonError::into_inner);
        loop {
            let error = match step {
                Step::Asks(asks) => match ready!(asks.as_mut().poll(cx)) {
                    Ok(body) => {
                        *step = Step::Reads(body);
                        continue;
                    }
                    Err(error) => error,
                },
                Step::Reads(body) => match ready!(Pin::new(body).poll_frame(cx)) {
                    None => return Poll::Ready(None),
                    Some(Ok(frame)) => match frame.into_data() {
                        Ok(bytes) if !bytes.is_empty() => return Poll::Ready(Some(Ok(bytes))),
                        // Trailers of a part are not those of the whole.
                        _ => continue,
                    },
                    Some(Err(error)) => error,
                },
            };
            return Poll::Ready(Some(Err(BodyError::Origin(Arc::from(error)))));
        }
    }
}
