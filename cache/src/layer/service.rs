use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tower::ServiceExt;
use tower_service::Service;

use super::LayerError;
use super::future::CacheFuture;
use super::layer::Shared;
use crate::cache::{Ask, Look, Status};
use crate::error::{BoxError, LoadError};
use crate::key::CacheKey;
use crate::load::{Once, once};

/// The service of [`CacheLayer`](super::CacheLayer).
///
/// # Errors
///
/// [`LayerError`]: the inner service's own for a request that went past the cache, else one that is
/// shared with all who waited for the same response.
///
/// # Cancel safety
///
/// A future that is dropped stops waiting. A load that it began goes on, and the next request has
/// its response; a request that went past the cache is dropped with it.
///
/// # Clone
///
/// Clones share the cache. The inner service is cloned.
pub struct CacheService<S, Req, K, Res> {
    inner: S,
    shared: Arc<Shared<Req, K, Res>>,
}

impl<S, Req, K, Res> CacheService<S, Req, K, Res> {
    pub(super) fn new(inner: S, shared: Arc<Shared<Req, K, Res>>) -> Self {
        Self { inner, shared }
    }
}

impl<S, Req, K, Res> Service<Req> for CacheService<S, Req, K, Res>
where
    S: Service<Req, Response = Res> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    Req: Send + 'static,
    K: CacheKey + Clone + Send + Sync + 'static,
    Res: Clone + Send + Sync + 'static,
{
    type Response = Res;
    type Error = LayerError;
    type Future = CacheFuture<S, Req>;

    /// Always ready: whether the inner service is needed is known only with the request.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let Some(key) = self.shared.admit(&request) else { return self.past(request) };
        let core = self.shared.cache.core();
        let (cached, ask) = match core.look(&key) {
            Look::Hit(cached) => (cached, None),
            Look::Refresh(cached, ask) => (cached, Some(ask)),
            Look::Ask(ask) => return self.load(key, ask, request),
        };
        // Somebody else's knowledge that there is no value: a service has a response for everything.
        let Some(response) = cached.as_ref() else { return self.past(request) };
        if let Some(ask) = ask {
            let own = Errand::new(self.inner.clone(), request).load(&self.shared, key.clone());
            core.refresh(key, ask, Some(own));
        }
        CacheFuture::hit(response.clone())
    }
}

impl<S, Req, K, Res> CacheService<S, Req, K, Res>
where
    S: Service<Req, Response = Res> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    Req: Send + 'static,
    K: CacheKey + Clone + Send + Sync + 'static,
    Res: Clone + Send + Sync + 'static,
{
    fn past(&self, request: Req) -> CacheFuture<S, Req> {
        self.shared.cache.core().telemetry.bypassed();
        CacheFuture::past(self.inner.clone(), request)
    }

    fn load(&self, key: K, ask: Ask<Res>, request: Req) -> CacheFuture<S, Req> {
        let shared = Arc::clone(&self.shared);
        let errand = Errand::new(self.inner.clone(), request);
        CacheFuture::load(Box::pin(async move {
            let core = shared.cache.core();
            let own = Arc::clone(&errand).load(&shared, key.clone());
            let answer = core.resolve(key, ask, Some(own)).await;
            core.telemetry.resolved(&answer);
            let cached = answer.map_err(LayerError::Load)?;
            // What another request's load found and nobody else may have is not for this one.
            let mine =
                |response: &&Res| cached.status() != Status::Joined || shared.is_shared(response);
            if let Some(response) = cached.as_ref().filter(mine) {
                return Ok(response.clone());
            }
            // It is there: only this request's own load takes it, and whose response is that is above.
            let Some((inner, request)) = errand.take() else {
                return Err(LayerError::Load(LoadError::NoLoader));
            };
            core.telemetry.bypassed();
            inner.oneshot(request).await.map_err(|error| LayerError::Inner(error.into()))
        }))
    }
}

/// A request and the service for it, until somebody goes: the load, or who joined another one in
/// vain.
struct Errand<S, Req>(Mutex<Option<(S, Req)>>);

impl<S, Req> Errand<S, Req> {
    fn new(inner: S, request: Req) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Some((inner, request)))))
    }

    fn take(&self) -> Option<(S, Req)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn load<K, Res>(self: Arc<Self>, shared: &Arc<Shared<Req, K, Res>>, key: K) -> Once<Res>
    where
        S: Service<Req, Response = Res> + Send + 'static,
        S::Future: Send,
        S::Error: Into<BoxError>,
        Req: Send + 'static,
        K: Send + Sync + 'static,
        Res: Send + Sync + 'static,
    {
        let shared = Arc::clone(shared);
        once(move |cx| async move {
            let Some((inner, request)) = self.take() else {
                return Err(BoxError::from(LoadError::NoLoader));
            };
            let response = inner.oneshot(request).await.map_err(Into::into)?;
            shared.describe(&key, &response, &cx);
            Ok(Some(response))
        })
    }
}

// By hand: derived, it would want requests, keys and responses to be Clone.
impl<S: Clone, Req, K, Res> Clone for CacheService<S, Req, K, Res> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), shared: Arc::clone(&self.shared) }
    }
}

impl<S: fmt::Debug, Req, K, Res> fmt::Debug for CacheService<S, Req, K, Res> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheService")
            .field("inner", &self.inner)
            .field("cache", &self.shared.cache)
            .finish()
    }
}
