//! Answers that say no.
//!
//! A handler does not know in which form its caller reads, and neither do the middleware layers that
//! answer in its place (a timeout, a body too large, a panic). So they all answer with a bare status,
//! and [`error_pages`], outermost, turns that into a page, JSON or XML.

use std::any::Any;
use std::fmt;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use terrace_session::SessionError;

use super::negotiate::Format;
use super::params::BadParam;
use super::xml;
use crate::sessions::Shelf;
use crate::storage::{StoreError, StoreErrorKind};
use crate::view;

/// Why a request was not answered with what it asked for.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The request makes no sense; the text says why.
    BadRequest(String),
    /// There is no such thing; the text names the kind of thing.
    NotFound(&'static str),
    /// Only a listener may ask that, and nobody has said who they are.
    SignInFirst,
    /// The listener who asks does not exist.
    UnknownListener,
    /// A stranger keeps as many stations as have room in a session.
    SignInForMore,
    /// The database did not answer.
    Store(StoreError),
    /// The session could not be read or changed.
    Session(SessionError),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadRequest(reason) => f.write_str(reason),
            Self::NotFound(what) => write!(f, "there is no such {what}"),
            Self::SignInFirst => f.write_str("say who is listening: sign in first"),
            Self::UnknownListener => f.write_str("there is no such listener"),
            Self::SignInForMore => write!(f, "sign in to keep more than {} stations", Shelf::ROOM),
            Self::Session(error) => f.write_str(of_session(error)),
            // What the database said is for the log, not for the caller.
            Self::Store(error) => f.write_str(match error.kind() {
                StoreErrorKind::Unavailable => "the database cannot be reached right now",
                StoreErrorKind::Busy => "too many requests are waiting for the database",
                StoreErrorKind::Failed => "the database could not answer this",
            }),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Store(error) => Some(error),
            Self::Session(error) => Some(error),
            _ => None,
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<SessionError> for Error {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}

impl From<BadParam> for Error {
    fn from(error: BadParam) -> Self {
        Self::BadRequest(error.to_string())
    }
}

/// What [`error_pages`] tells the caller.
#[derive(Clone, Debug)]
struct Reason(String);

/// Marks a response whose body is meant as it is, whatever its status.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Complete;

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::SignInFirst | Self::UnknownListener | Self::SignInForMore => {
                StatusCode::UNAUTHORIZED
            }
            Self::Session(error) => error.status(),
            Self::Store(error) if error.is_retryable() => StatusCode::SERVICE_UNAVAILABLE,
            Self::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        match &self {
            Self::Store(error) => tracing::error!(%error, "a request failed"),
            Self::Session(error) if error.status().is_server_error() => {
                tracing::error!(%error, "a request failed for want of its session");
            }
            _ => {}
        }
        let mut response = status.into_response();
        response.extensions_mut().insert(Reason(self.to_string()));
        response
    }
}

/// The middleware that gives every error a body its caller can read. Belongs outermost, so that it
/// sees the answers of the other layers too.
pub async fn error_pages(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let format = Format::of_broken(&parts);
    let with_body = parts.method != Method::HEAD;
    let mut response = next.run(Request::from_parts(parts, body)).await;
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || response.extensions().get::<Complete>().is_some() {
        return response;
    }
    let reason = response.extensions_mut().remove::<Reason>();
    // A layer of sessions that could not keep what a handler has set.
    let session = || response.extensions().get().filter(|_| status.is_server_error());
    let default = || session().map_or_else(|| default_reason(status), of_session).to_owned();
    let reason = reason.map_or_else(default, |Reason(text)| text);
    let content = match format {
        Format::Html => view::error_page(status, &reason).into_string(),
        Format::Json => document(status, &reason).to_string(),
        Format::Xml => xml::document("error", &document(status, &reason)["error"]),
    };
    let headers = response.headers_mut();
    headers.remove(CONTENT_LENGTH);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if format == Format::Html {
        view::protect(headers, &view::Pictures::default());
    }
    if status == StatusCode::SERVICE_UNAVAILABLE && !headers.contains_key(RETRY_AFTER) {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response.extensions_mut().insert(Complete);
    *response.body_mut() = if with_body { Body::from(content) } else { Body::empty() };
    response
}

/// The response to a request whose handler panicked, for `CatchPanicLayer::custom`.
#[must_use]
pub fn panic_response(panic: Box<dyn Any + Send>) -> Response {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    tracing::error!(message, "a handler panicked");
    drop(panic);
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

fn document(status: StatusCode, reason: &str) -> serde_json::Value {
    serde_json::json!({ "error": { "status": status.as_u16(), "message": reason } })
}

/// What there is to say of a session that failed, by what it comes to for the caller.
fn of_session(error: &SessionError) -> &'static str {
    match error.status() {
        StatusCode::SERVICE_UNAVAILABLE => "it cannot be looked up right now who is signed in",
        StatusCode::CONFLICT => {
            "this session was changed or ended at the same moment; please try again"
        }
        StatusCode::FORBIDDEN => "nobody is signed in",
        _ => "something is wrong with this session",
    }
}

fn default_reason(status: StatusCode) -> &'static str {
    match status.as_u16() {
        403 => "this request came from another site",
        404 => "there is nothing at this address",
        405 => "this address does not take that method",
        408 | 503 | 504 => "this took too long; please try again",
        413 => "the request is too large",
        400..500 => "the request could not be understood",
        _ => "something went wrong on our side",
    }
}
