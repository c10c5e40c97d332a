//! Who is asking.
//!
//! The site reads and writes "who" only through [`Identity`], so that real sessions can take the
//! place of the bare cookie without a change to any handler.

use std::fmt;

use async_trait::async_trait;
use axum::http::header::{COOKIE, HeaderName, HeaderValue, SET_COOKIE};
use axum::http::request::Parts;

use crate::model::ListenerId;

const COOKIE_NAME: &str = "listener";
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-listener");

/// Knows the listener behind a request, and remembers one.
#[async_trait]
pub trait Identity: fmt::Debug + Send + Sync + 'static {
    /// The listener who asks, if any. Something unreadable is nobody.
    async fn listener(&self, request: &Parts) -> Option<ListenerId>;

    /// The headers of a response that remembers the listener from now on.
    async fn sign_in(
        &self,
        request: &Parts,
        listener: ListenerId,
    ) -> Vec<(HeaderName, HeaderValue)>;

    /// The headers of a response that forgets the listener.
    async fn sign_out(&self, request: &Parts) -> Vec<(HeaderName, HeaderValue)>;
}

/// Believes the `x-listener` header, else the `listener` cookie.
///
/// This is a name badge and not a key: whoever asks says who they are. It is enough to show
/// favourites, and nothing here is worth more yet.
#[derive(Clone, Copy, Debug, Default)]
pub struct CookieIdentity;

#[async_trait]
impl Identity for CookieIdentity {
    async fn listener(&self, request: &Parts) -> Option<ListenerId> {
        if let Some(header) = request.headers.get(HEADER) {
            return header.to_str().ok()?.parse().ok();
        }
        request
            .headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(name, _)| *name == COOKIE_NAME)
            .and_then(|(_, value)| value.parse().ok())
    }

    async fn sign_in(&self, _: &Parts, listener: ListenerId) -> Vec<(HeaderName, HeaderValue)> {
        // 30 days. `Lax`: another site's form cannot act in the listener's name.
        cookie(&format!("{listener}; Max-Age=2592000"))
    }

    async fn sign_out(&self, _: &Parts) -> Vec<(HeaderName, HeaderValue)> {
        cookie("; Max-Age=0")
    }
}

fn cookie(value: &str) -> Vec<(HeaderName, HeaderValue)> {
    let text = format!("{COOKIE_NAME}={value}; Path=/; HttpOnly; SameSite=Lax");
    HeaderValue::from_str(&text).map(|value| (SET_COOKIE, value)).into_iter().collect()
}
