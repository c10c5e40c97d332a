use async_trait::async_trait;
use axum::http::header::{HeaderName, HeaderValue};
use axum::http::request::Parts;
use terrace_session::{Device, Login, Session, SessionError};

use super::Shelf;
use crate::http::client::ClientAddr;
use crate::http::error::Error;
use crate::identity::Identity;
use crate::model::ListenerId;

/// Knows listeners by their session.
///
/// Neither the `x-listener` header nor the `listener` cookie is believed: only who has signed in is somebody. The
/// sessions' layer has to be around the site, and sends the cookies.
#[derive(Clone, Copy, Debug, Default)]
pub struct SessionIdentity;

#[async_trait]
impl Identity for SessionIdentity {
    async fn listener(&self, request: &Parts) -> Result<Option<ListenerId>, Error> {
        let subject = session(request)?.subject().await?;
        Ok(subject.and_then(|subject| subject.parse().ok()))
    }

    async fn sign_in(
        &self,
        request: &Parts,
        listener: ListenerId,
        from: ClientAddr,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, Error> {
        let mut device = Device::from_headers(&request.headers);
        if let Some(address) = from.0 {
            device = device.network(address);
        }
        session(request)?.login(Login::new(listener.to_string()).device(device)).await?;
        Ok(Vec::new())
    }

    async fn sign_out(&self, request: &Parts) -> Result<Vec<(HeaderName, HeaderValue)>, Error> {
        session(request)?.logout().await?;
        Ok(Vec::new())
    }

    fn shelf(&self, request: &Parts) -> Option<Shelf> {
        session(request).ok().map(|session| Shelf::new(session.clone()))
    }
}

fn session(request: &Parts) -> Result<&Session, SessionError> {
    request.extensions.get().ok_or(SessionError::NoLayer)
}
