//! What may be shared, and under which key: decisions without a service.

use std::time::Duration;

use crate::freshness::Ttl;

/// A key, and whether it names the request's principal.
///
/// A key function may return a plain key, which is a [shared](Self::shared) one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Keyed<K> {
    key: K,
    by_principal: bool,
}

/// Who may share the response to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Sharing {
    /// Whoever asks under the same key.
    Anyone,
    /// The request carries credentials: only under a key that [names the principal](Keyed::by_principal).
    Principal,
    /// Nobody: the request changes something, or is answered by more than its response.
    Nobody,
}

/// What becomes of a response, beside going to its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Keep {
    /// It is kept as long as the cache's [`Freshness`](crate::freshness::Freshness) says.
    Store,
    /// It is kept, and fresh for this long.
    StoreFor(Ttl),
    /// Nobody else gets it, neither later nor those who wait for it now.
    DoNotStore,
}

/// Requests that say by themselves who may share their responses.
///
/// Implemented for [`http::Request`]; see the [module](super) for what it says. For a request type of
/// your own, say what names its sender. For types of others there is
/// [`with_sharing`](super::CacheLayer::with_sharing).
///
/// ```
/// use terrace_cache::layer::{Shareable, Sharing};
///
/// struct Search {
///     words: String,
///     token: Option<String>,
/// }
///
/// impl<Res> Shareable<Res> for Search {
///     fn sharing(&self) -> Sharing {
///         match self.token {
///             Some(_) => Sharing::Principal,
///             None => Sharing::Anyone,
///         }
///     }
/// }
/// ```
pub trait Shareable<Res> {
    /// Who may share the response to this request.
    fn sharing(&self) -> Sharing;

    /// Whether this response may be kept, unless the layer [says](super::CacheLayer::keep) so
    /// itself. As it comes, every response may.
    #[must_use]
    fn keep(response: &Res) -> Keep {
        let _ = response;
        Keep::Store
    }
}

impl<K> Keyed<K> {
    /// Whoever asks under this key may have the response. A request with credentials is not among
    /// them: it goes past the cache.
    pub fn shared(key: K) -> Self {
        Self { key, by_principal: false }
    }

    /// The key names who asks, by what was *verified* of them: the id of the session's user, not what
    /// a header claims. So requests with credentials may be cached under it.
    ///
    /// A key that does not hold this promise gives one user's response to another.
    pub fn by_principal(key: K) -> Self {
        Self { key, by_principal: true }
    }

    /// The key, if a request with this sharing may use it.
    pub(super) fn admit(self, sharing: Sharing) -> Option<K> {
        match (sharing, self.by_principal) {
            (Sharing::Anyone, _) | (Sharing::Principal, true) => Some(self.key),
            (Sharing::Principal, false) | (Sharing::Nobody, _) => None,
        }
    }
}

impl<K> From<K> for Keyed<K> {
    fn from(key: K) -> Self {
        Self::shared(key)
    }
}

impl Keep {
    /// Whether others may have the response.
    pub(super) fn is_shared(self) -> bool {
        // What is kept for no time is not kept.
        !matches!(self, Self::DoNotStore | Self::StoreFor(Ttl::For(Duration::ZERO)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_pass_only_under_a_key_that_names_the_principal() {
        let admitted = |keyed: Keyed<u8>, sharing| keyed.admit(sharing).is_some();
        let table = [
            (Sharing::Anyone, true, true),
            (Sharing::Principal, false, true),
            (Sharing::Nobody, false, false),
        ];
        for (sharing, shared, by_principal) in table {
            assert_eq!(admitted(Keyed::shared(1), sharing), shared, "{sharing:?}");
            assert_eq!(admitted(Keyed::by_principal(1), sharing), by_principal, "{sharing:?}");
        }
    }

    #[test]
    fn a_response_that_is_kept_for_no_time_is_not_shared() {
        assert!(Keep::Store.is_shared());
        assert!(Keep::StoreFor(Ttl::ForEver).is_shared());
        assert!(Keep::StoreFor(Ttl::For(Duration::from_nanos(1))).is_shared());
        assert!(!Keep::StoreFor(Ttl::For(Duration::ZERO)).is_shared());
        assert!(!Keep::DoNotStore.is_shared());
    }
}
