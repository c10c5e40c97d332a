//! One request on its way through the proxy.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::body::ProxyBody;
use super::call::Call;
use super::failure::{Failure, Reason};
use super::headers;
use super::response::ProxyResponseBody;
use super::service::Settings;
use super::upgrade::{Asked, is_switch};

pin_project! {
    /// The future of [`ReverseProxy`](super::ReverseProxy).
    pub struct ProxyFuture<S: Service<Request<ProxyBody>>> {
        #[pin]
        state: State<S>,
        settings: Arc<Settings>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S: Service<Request<ProxyBody>>> {
        Forward {
            #[pin]
            call: Call<S, Request<ProxyBody>>,
            asked: Option<Asked>,
        },
        Refuse { reason: Reason },
    }
}

impl<S: Service<Request<ProxyBody>>> ProxyFuture<S> {
    pub(super) fn forward(
        call: Call<S, Request<ProxyBody>>,
        asked: Option<Asked>,
        settings: Arc<Settings>,
    ) -> Self {
        Self { state: State::Forward { call, asked }, settings }
    }

    pub(super) fn refuse(reason: Reason, settings: Arc<Settings>) -> Self {
        Self { state: State::Refuse { reason }, settings }
    }
}

impl<S, ResB> Future for ProxyFuture<S>
where
    S: Service<Request<ProxyBody>, Response = Response<ResB>>,
    S::Error: Failure,
    ResB: Body<Data = Bytes>,
{
    type Output = Result<Response<ProxyResponseBody<ResB>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answered = match this.state.project() {
            StateProj::Forward { call, asked } => match ready!(call.poll(cx)) {
                Ok(response) => finish(response, asked.take()),
                Err(error) => Err(error.reason()),
            },
            StateProj::Refuse { reason } => Err(*reason),
        };
        Poll::Ready(Ok(match answered {
            Ok(response) => response,
            Err(reason) => reason.respond(this.settings.retry_after),
        }))
    }
}

/// Makes of the endpoint's response the one that the client gets.
fn finish<ResB>(
    mut response: Response<ResB>,
    asked: Option<Asked>,
) -> Result<Response<ProxyResponseBody<ResB>>, Reason> {
    let upgrade = headers::clean_response(response.headers_mut());
    let upgrade = upgrade.map_err(|_| Reason::BadResponse)?;
    // What the endpoint speaks is not what we speak; the server adapts it to the client's.
    *response.version_mut() = Version::HTTP_11;
    if is_switch(&response) {
        let agreed = asked.is_some_and(|asked| asked.accept(&mut response, upgrade));
        if !agreed {
            return Err(Reason::BadUpgrade);
        }
    }
    Ok(response.map(ProxyResponseBody::forwarded))
}

impl<S: Service<Request<ProxyBody>>> fmt::Debug for ProxyFuture<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyFuture").finish_non_exhaustive()
    }
}
