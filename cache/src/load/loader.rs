use std::future::Future;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::{BatchCx, LoadCx};
use crate::error::BoxError;

type One<K, V> =
    dyn Fn(K, LoadCx<V>) -> BoxFuture<'static, Result<Option<V>, BoxError>> + Send + Sync;
type Many<K, V> =
    dyn Fn(Vec<K>, BatchCx<V>) -> BoxFuture<'static, Result<Vec<(K, V)>, BoxError>> + Send + Sync;
/// A load that one reader brought along.
pub(crate) type Once<V> =
    Box<dyn FnOnce(LoadCx<V>) -> BoxFuture<'static, Result<Option<V>, BoxError>> + Send>;

/// The loaders that a cache was built with.
pub(crate) struct Loaders<K, V> {
    pub(crate) one: Option<Arc<One<K, V>>>,
    pub(crate) many: Option<Arc<Many<K, V>>>,
}

impl<K, V> Loaders<K, V>
where
    K: Send + 'static,
    V: Send + Sync + 'static,
{
    pub(crate) fn none() -> Self {
        Self { one: None, many: None }
    }

    pub(crate) fn is_none(&self) -> bool {
        self.one.is_none() && self.many.is_none()
    }

    pub(crate) fn set_one<S, F, Fut, E>(&mut self, state: S, load: F)
    where
        S: Clone + Send + Sync + 'static,
        F: Fn(S, K, LoadCx<V>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Option<V>, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.one = Some(Arc::new(move |key, cx| {
            let load = load(state.clone(), key, cx);
            Box::pin(async move { load.await.map_err(Into::into) })
        }));
    }

    pub(crate) fn set_many<S, F, Fut, I, E>(&mut self, state: S, load: F)
    where
        S: Clone + Send + Sync + 'static,
        F: Fn(S, Vec<K>, BatchCx<V>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<I, E>> + Send + 'static,
        I: IntoIterator<Item = (K, V)>,
        E: Into<BoxError>,
    {
        self.many = Some(Arc::new(move |keys, cx| {
            let load = load(state.clone(), keys, cx);
            Box::pin(async move {
                load.await.map(|found| found.into_iter().collect()).map_err(Into::into)
            })
        }));
    }
}

/// Boxes a reader's own load.
pub(crate) fn once<V, F, Fut, E>(load: F) -> Once<V>
where
    V: Send + Sync + 'static,
    F: FnOnce(LoadCx<V>) -> Fut + Send + 'static,
    Fut: Future<Output = Result<Option<V>, E>> + Send + 'static,
    E: Into<BoxError>,
{
    Box::new(move |cx| {
        // The closure itself runs inside of the future, where a panic of it is caught.
        Box::pin(async move { load(cx).await.map_err(Into::into) })
    })
}
