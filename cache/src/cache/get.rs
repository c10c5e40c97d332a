use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;

use super::{Cache, Cached};
use crate::error::LoadError;
use crate::key::CacheKey;

/// The future of [`Cache::get`].
///
/// It looks when it is first polled. Only what has to wait is boxed, so that a hit carries no room
/// for it.
#[must_use = "futures do nothing unless polled"]
pub struct Get<'a, K, V> {
    cache: &'a Cache<K, V>,
    key: &'a K,
    slow: Option<BoxFuture<'a, Result<Cached<V>, LoadError>>>,
}

impl<'a, K, V> Get<'a, K, V> {
    #[inline]
    pub(super) fn new(cache: &'a Cache<K, V>, key: &'a K) -> Self {
        Self { cache, key, slow: None }
    }
}

impl<K, V> Future for Get<'_, K, V>
where
    K: CacheKey + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    type Output = Result<Cached<V>, LoadError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.slow.is_none()
            && let Some(cached) = self.cache.core.hit(self.key)
        {
            return Poll::Ready(Ok(cached));
        }
        self.wait(cx)
    }
}

impl<K, V> Get<'_, K, V>
where
    K: CacheKey + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// Apart, so that a hit does not make room for it on the stack.
    #[cold]
    #[inline(never)]
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<Result<Cached<V>, LoadError>> {
        let (cache, key) = (self.cache, self.key);
        let slow = self.slow.get_or_insert_with(|| Box::pin(cache.get_slowly(key)));
        slow.as_mut().poll(cx)
    }
}

impl<K, V> fmt::Debug for Get<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Get").field("waits", &self.slow.is_some()).finish_non_exhaustive()
    }
}
