use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use pin_project_lite::pin_project;

use super::answer;
use crate::session::Session;

type Commit<ResBody> = Pin<Box<dyn Future<Output = Response<ResBody>> + Send>>;

pin_project! {
    /// The response of a [`SessionService`](super::SessionService).
    ///
    /// Nothing is boxed for a request that leaves nothing to ask the store for.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it commits nothing that was set, or all of it. A login, a logout or a renewal that has begun is finished.
    #[project = StepProjection]
    #[must_use = "futures do nothing unless polled"]
    pub struct SessionFuture<F, ResBody> {
        #[pin]
        inner: F,
        session: Session,
        commit: Option<Commit<ResBody>>,
        over: bool,
    }

    /// Nobody will get the cookie of a login that a task begins from now on, and the user would be without a session.
    impl<F, ResBody> PinnedDrop for SessionFuture<F, ResBody> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if !*this.over {
                this.session.abandon();
            }
        }
    }
}

impl<F, ResBody> SessionFuture<F, ResBody> {
    pub(super) fn new(inner: F, session: Session) -> Self {
        Self { inner, session, commit: None, over: false }
    }
}

impl<F, ResBody, E> Future for SessionFuture<F, ResBody>
where
    F: Future<Output = Result<Response<ResBody>, E>>,
    ResBody: Default + Send + 'static,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if this.commit.is_none() {
            let response = match ready!(this.inner.poll(cx)) {
                Ok(response) => response,
                Err(error) => return Poll::Ready(Err(error)),
            };
            if this.session.close_untouched() {
                *this.over = true;
                return Poll::Ready(Ok(response));
            }
            if let Some(closing) = this.session.close_now(response.status()) {
                *this.over = true;
                return Poll::Ready(Ok(answer::with(closing, response)));
            }
            let session = this.session.clone();
            *this.commit = Some(Box::pin(async move {
                let closing = session.close(response.status()).await;
                answer::with(closing, response)
            }));
        }
        match this.commit {
            Some(commit) => {
                let response = ready!(commit.as_mut().poll(cx));
                *this.over = true;
                Poll::Ready(Ok(response))
            }
            None => Poll::Pending,
        }
    }
}

impl<F, ResBody> fmt::Debug for SessionFuture<F, ResBody> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionFuture").field("session", &self.session).finish_non_exhaustive()
    }
}
