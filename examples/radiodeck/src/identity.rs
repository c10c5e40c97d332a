//! Who is asking.
//!
//! The site reads and writes "who" only through [`Identity`], so that real sessions can take the
//! place of the bare cookie without a change to any handler.

use std::fmt;

use async_trait::async_trait;
use axum::http::HeaderMap;
use axum::http::header::{COOKIE, HeaderName, HeaderValue, SET_COOKIE};
use axum::http::request::Parts;

use crate::http::client::ClientAddr;
use crate::http::error::Error;
use crate::model::ListenerId;
use crate::sessions::Shelf;

const COOKIE_NAME: &str = "listener";
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-listener");

/// Knows the listener behind a request, and remembers one.
#[async_trait]
pub trait Identity: fmt::Debug + Send + Sync + 'static {
    /// The listener who asks, if any. Something unreadable is nobody.
    ///
    /// # Errors
    ///
    /// When it cannot be known now, which is not the same as nobody.
    async fn listener(&self, request: &Parts) -> Result<Option<ListenerId>, Error>;

    /// The headers of a response that remembers the listener from now on.
    ///
    /// # Errors
    ///
    /// When they cannot be remembered now.
    async fn sign_in(
        &self,
        request: &Parts,
        listener: ListenerId,
        from: ClientAddr,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, Error>;

    /// The headers of a response that forgets the listener.
    ///
    /// # Errors
    ///
    /// When they may still be remembered.
    async fn sign_out(&self, request: &Parts) -> Result<Vec<(HeaderName, HeaderValue)>, Error>;

    /// What a stranger keeps until they sign in; `None` where strangers keep nothing.
    fn shelf(&self, _: &Parts) -> Option<Shelf> {
        None
    }
}

/// Believes the `x-listener` header, else the `listener` cookie.
///
/// This is a name badge and not a key: whoever asks says who they are. It is enough to show
/// favourites, and nothing here is worth more yet.
#[derive(Clone, Copy, Debug, Default)]
pub struct CookieIdentity;

#[async_trait]
impl Identity for CookieIdentity {
    async fn listener(&self, request: &Parts) -> Result<Option<ListenerId>, Error> {
        Ok(badge(&request.headers))
    }

    async fn sign_in(
        &self,
        _: &Parts,
        listener: ListenerId,
        _: ClientAddr,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, Error> {
        // 30 days. `Lax`: another site's form cannot act in the listener's name.
        Ok(cookie(&format!("{listener}; Max-Age=2592000")))
    }

    async fn sign_out(&self, _: &Parts) -> Result<Vec<(HeaderName, HeaderValue)>, Error> {
        Ok(cookie("; Max-Age=0"))
    }
}

fn badge(headers: &HeaderMap) -> Option<ListenerId> {
    if let Some(header) = headers.get(HEADER) {
        return header.to_str().ok()?.parse().ok();
    }
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE_NAME)
        .and_then(|(_, value)| value.parse().ok())
}

fn cookie(value: &str) -> Vec<(HeaderName, HeaderValue)> {
    let text = format!("{COOKIE_NAME}={value}; Path=/; HttpOnly; SameSite=Lax");
    HeaderValue::from_str(&text).map(|value| (SET_COOKIE, value)).into_iter().collect()
}
