//! What the session makes of a response. Pure.

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::cookie::shared_caches;
use crate::error::SessionError;
use crate::session::{Closing, Readers, Verdict};

/// What is said of a body that is not sent.
const OF_THE_BODY: [HeaderName; 12] = [
    header::ACCEPT_RANGES,
    header::CONTENT_DISPOSITION,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LENGTH,
    header::CONTENT_LOCATION,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::ETAG,
    header::LAST_MODIFIED,
    header::LOCATION,
    header::TRANSFER_ENCODING,
];

/// A response, with what there is to say about the session.
pub(super) fn with<B: Default>(closing: Closing, mut response: Response<B>) -> Response<B> {
    let Closing { cookie, readers, failure, verdict } = closing;
    if let Verdict::Replace(status) = verdict {
        response = instead(status, response);
        if let Some(error) = &failure {
            advise(error, response.headers_mut());
        }
    }
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    match readers {
        Readers::Strangers => shared_caches::tell_apart(response.headers_mut()),
        Readers::One => shared_caches::keep_out(response.headers_mut()),
    }
    if let Some(error) = failure {
        response.extensions_mut().insert(error);
    }
    response
}

/// When to come back, if it is worth it. The circuit looks for the store each second.
pub(crate) fn advise(error: &SessionError, headers: &mut HeaderMap) {
    if error.is_outage() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
}

/// Keeps what other layers have said: who may read it, where it was traced.
fn instead<B: Default>(status: StatusCode, response: Response<B>) -> Response<B> {
    let (mut head, _) = response.into_parts();
    head.status = status;
    for name in OF_THE_BODY {
        head.headers.remove(name);
    }
    head.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Response::from_parts(head, B::default())
}
