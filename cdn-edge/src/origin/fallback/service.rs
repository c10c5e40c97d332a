use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower::ServiceExt;
use tower_service::Service;

use super::order;
use crate::origin::{BoxError, Invalid, OriginError, ServerErrors};

/// Asks these origins in turn until one answers. See the [module](super).
///
/// # Errors
///
/// [`Invalid`] if there are none.
pub fn first_of<S>(origins: impl IntoIterator<Item = S>) -> Result<Fallback<S>, Invalid> {
    let origins: Arc<[S]> = origins.into_iter().collect();
    Invalid::check_count("origins", origins.len())?;
    Ok(Fallback { origins, failing: ServerErrors::default() })
}

/// Several origins of which the first that answers counts. See the [module](super).
///
/// It is always ready, since the request says who is asked. Its future is boxed, and asks of the
/// origins that they and their futures are `Send`. The body of the second request is `B::default()`,
/// which is to be an empty one.
///
/// # Cancel safety
///
/// Dropping the future drops the call that is under way; the next origin is not asked.
///
/// # Clone
///
/// Clones share the list; each call clones the origins that it asks.
#[derive(Debug)]
pub struct Fallback<S> {
    origins: Arc<[S]>,
    failing: ServerErrors,
}

impl<S> Fallback<S> {
    /// Which statuses of the first origin mean that it has failed.
    #[must_use]
    pub fn server_errors(self, failing: ServerErrors) -> Self {
        Self { failing, ..self }
    }
}

// By hand: the origins are shared, and need not be `Clone` for it.
impl<S> Clone for Fallback<S> {
    fn clone(&self) -> Self {
        Self { origins: Arc::clone(&self.origins), failing: self.failing }
    }
}

/// In the extensions of a response: the place of the origin that has given it, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AnsweredBy(pub usize);

impl<S, B, RB> Service<Request<B>> for Fallback<S>
where
    S: Service<Request<B>, Response = Response<RB>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body + Default + Send + 'static,
    RB: Send + 'static,
{
    type Response = Response<RB>;
    type Error = OriginError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<RB>, OriginError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), OriginError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Self { origins, failing } = self.clone();
        let has_body = !request.body().is_end_stream();
        let tries = order::tries(request.method(), has_body, origins.len());
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let again = (tries > 1).then(|| parts.clone());
            let first = ask(&origins, 0, Request::from_parts(parts, body)).await;
            if order::counts(0, status(&first), failing) {
                return first;
            }
            for position in 1..tries {
                let Some(parts) = again.clone() else { break };
                let next = ask(&origins, position, Request::from_parts(parts, B::default())).await;
                if next.is_ok() && order::counts(position, status(&next), failing) {
                    return next;
                }
            }
            first
        })
    }
}

async fn ask<S, B, RB>(
    origins: &[S],
    position: usize,
    request: Request<B>,
) -> Result<Response<RB>, OriginError>
where
    S: Service<Request<B>, Response = Response<RB>> + Clone,
    S::Error: Into<BoxError>,
{
    let Some(origin) = origins.get(position).cloned() else {
        return Err(OriginError::Request("there is no such origin".into()));
    };
    let mut response = origin.oneshot(request).await.map_err(OriginError::of_call)?;
    response.extensions_mut().insert(AnsweredBy(position));
    Ok(response)
}

fn status<RB>(
    result: &Result<Response<RB>, OriginError>,
) -> Result<http::StatusCode, &OriginError> {
    result.as_ref().map(Response::status)
}
