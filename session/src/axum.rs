//! Extractors for axum, and errors as responses.

use axum_core::body::Body;
use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;

use crate::error::SessionError;
use crate::layer::advise;
use crate::session::{Session, SessionData, SessionValue};

/// The session that the layer put into the request. Nothing is loaded.
///
/// # Errors
///
/// [`SessionError::NoLayer`], which is a 500, if no layer did.
impl<S: Send + Sync> FromRequestParts<S> for Session {
    type Rejection = SessionError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        parts.extensions.get::<Self>().cloned().ok_or(SessionError::NoLayer)
    }
}

/// For handlers that work with and without the layer.
impl<S: Send + Sync> OptionalFromRequestParts<S> for Session {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned())
    }
}

/// The value of this type, or its default. The session is loaded.
impl<T: SessionValue, S: Send + Sync> FromRequestParts<S> for SessionData<T> {
    type Rejection = SessionError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let session = <Session as FromRequestParts<S>>::from_request_parts(parts, state).await?;
        Self::of(&session).await
    }
}

/// The error's [status](SessionError::status), an empty body, and the error in the extensions.
impl IntoResponse for SessionError {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status();
        advise(&self, response.headers_mut());
        response.extensions_mut().insert(self);
        response
    }
}
