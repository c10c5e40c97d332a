use std::fmt;
use std::sync::Arc;

use tower_layer::Layer;

use super::service::CacheService;
use super::{Keep, Keyed, Shareable, Sharing};
use crate::cache::Cache;
use crate::key::CacheKey;
use crate::load::LoadCx;
use crate::tag::Tag;

/// Answers requests from a cache of responses. The [module](super) has examples.
///
/// # Clone
///
/// Clones share the cache and the rules.
pub struct CacheLayer<Req, K, Res> {
    shared: Arc<Shared<Req, K, Res>>,
}

type KeyOf<Req, K> = Arc<dyn Fn(&Req) -> Option<Keyed<K>> + Send + Sync>;
type SharingOf<Req> = Arc<dyn Fn(&Req) -> Sharing + Send + Sync>;
type KeepOf<Res> = Arc<dyn Fn(&Res) -> Keep + Send + Sync>;
type TagsOf<K, Res> = Arc<dyn Fn(&K, &Res) -> Vec<Tag> + Send + Sync>;

/// What outlives a request.
pub(super) struct Shared<Req, K, Res> {
    pub(super) cache: Cache<K, Res>,
    key: KeyOf<Req, K>,
    sharing: SharingOf<Req>,
    keep: KeepOf<Res>,
    tags: Option<TagsOf<K, Res>>,
}

impl<Req, K, Res> CacheLayer<Req, K, Res>
where
    Req: 'static,
    K: CacheKey + Clone + Send + Sync + 'static,
    Res: Send + Sync + 'static,
{
    /// Caches responses under the key that `key` makes of the request, a plain one or a [`Keyed`];
    /// `None` sends the request past the cache.
    ///
    /// Who may share a response and which one is kept say the [types](Shareable) themselves.
    pub fn new<Q: Into<Keyed<K>>>(
        cache: Cache<K, Res>,
        key: impl Fn(&Req) -> Option<Q> + Send + Sync + 'static,
    ) -> Self
    where
        Req: Shareable<Res>,
    {
        Self::build(cache, Shareable::sharing, Req::keep, key)
    }

    /// The same for requests that do not say who may share their responses: `sharing` says it.
    ///
    /// It is also the way around what the type says: a rule that answers [`Sharing::Anyone`] for a
    /// request with credentials gives one user's response to another.
    pub fn with_sharing<Q: Into<Keyed<K>>>(
        cache: Cache<K, Res>,
        sharing: impl Fn(&Req) -> Sharing + Send + Sync + 'static,
        key: impl Fn(&Req) -> Option<Q> + Send + Sync + 'static,
    ) -> Self {
        Self::build(cache, sharing, |_| Keep::Store, key)
    }

    fn build<Q: Into<Keyed<K>>>(
        cache: Cache<K, Res>,
        sharing: impl Fn(&Req) -> Sharing + Send + Sync + 'static,
        keep: impl Fn(&Res) -> Keep + Send + Sync + 'static,
        key: impl Fn(&Req) -> Option<Q> + Send + Sync + 'static,
    ) -> Self {
        let key: KeyOf<Req, K> = Arc::new(move |request| key(request).map(Into::into));
        let (sharing, keep) = (Arc::new(sharing), Arc::new(keep));
        Self { shared: Arc::new(Shared { cache, key, sharing, keep, tags: None }) }
    }

    /// Requests for which `also` is true carry credentials too: an API key in a header of its own, a
    /// client certificate, whatever the request's type does not know of.
    #[must_use]
    pub fn credentials(self, also: impl Fn(&Req) -> bool + Send + Sync + 'static) -> Self {
        self.with(|shared| {
            let before = Arc::clone(&shared.sharing);
            shared.sharing = Arc::new(move |request| match before(request) {
                Sharing::Anyone if also(request) => Sharing::Principal,
                sharing => sharing,
            });
        })
    }

    /// Says what becomes of a response, instead of what its type says. It must say the same of the
    /// same response each time.
    #[must_use]
    pub fn keep(self, keep: impl Fn(&Res) -> Keep + Send + Sync + 'static) -> Self {
        self.with(|shared| shared.keep = Arc::new(keep))
    }

    /// Says what a response is made of: a bump of one of its tags makes it old. It must not be more
    /// than [`MAX_TAGS`](crate::envelope::MAX_TAGS); a response with more is not kept.
    #[must_use]
    pub fn tags<T: IntoIterator<Item = Tag>>(
        self,
        tags: impl Fn(&K, &Res) -> T + Send + Sync + 'static,
    ) -> Self {
        self.with(|shared| {
            shared.tags =
                Some(Arc::new(move |key, response| tags(key, response).into_iter().collect()));
        })
    }

    /// The cache: to invalidate, and to see its [figures](Cache::stats).
    #[must_use]
    pub fn cache(&self) -> &Cache<K, Res> {
        &self.shared.cache
    }

    fn with(self, change: impl FnOnce(&mut Shared<Req, K, Res>)) -> Self {
        let mut shared = Arc::unwrap_or_clone(self.shared);
        change(&mut shared);
        Self { shared: Arc::new(shared) }
    }
}

impl<Req, K, Res> Shared<Req, K, Res> {
    /// The key under which the response to this request may be shared.
    pub(super) fn admit(&self, request: &Req) -> Option<K> {
        (self.key)(request)?.admit((self.sharing)(request))
    }

    /// Whether others than its caller may have the response.
    pub(super) fn is_shared(&self, response: &Res) -> bool {
        (self.keep)(response).is_shared()
    }

    /// Tells the cache about a response that it is about to keep.
    pub(super) fn describe(&self, key: &K, response: &Res, cx: &LoadCx<Res>) {
        match (self.keep)(response) {
            keep if !keep.is_shared() => return cx.do_not_store(),
            Keep::StoreFor(ttl) => cx.ttl(ttl),
            _ => {}
        }
        let tags = self.tags.iter().flat_map(|tags| tags(key, response));
        tags.for_each(|tag| cx.tag(tag));
    }
}

impl<S, Req, K, Res> Layer<S> for CacheLayer<Req, K, Res> {
    type Service = CacheService<S, Req, K, Res>;

    fn layer(&self, inner: S) -> Self::Service {
        CacheService::new(inner, Arc::clone(&self.shared))
    }
}

impl<Req, K, Res> Clone for CacheLayer<Req, K, Res> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

// Each field is a handle; the derived one would want the same of requests and responses.
impl<Req, K, Res> Clone for Shared<Req, K, Res> {
    fn clone(&self) -> Self {
        Self {
            cache: self.cache.clone(),
            key: Arc::clone(&self.key),
            sharing: Arc::clone(&self.sharing),
            keep: Arc::clone(&self.keep),
            tags: self.tags.clone(),
        }
    }
}

impl<Req, K, Res> fmt::Debug for CacheLayer<Req, K, Res> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheLayer").field("cache", &self.shared.cache).finish_non_exhaustive()
    }
}
