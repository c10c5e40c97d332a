//! What of a request goes on to the origin.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Request};

use super::body::OriginBody;
use crate::field::cdn_loop::{self, Id};
use crate::field::connection;
use crate::field::vary::Normaliser;
use crate::object::Object;

/// Fields by which a stranger could change the answer that everybody gets, without a trace in the key: they
/// tell some frameworks another host, scheme, path or method than the request line does.
const UNKEYED: [HeaderName; 11] = [
    header::FORWARDED,
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-scheme"),
    HeaderName::from_static("x-forwarded-prefix"),
    HeaderName::from_static("x-forwarded-server"),
    HeaderName::from_static("x-host"),
    HeaderName::from_static("x-original-url"),
    HeaderName::from_static("x-rewrite-url"),
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-http-method"),
    HeaderName::from_static("x-method-override"),
];

/// Fields that belong to the client's own copy.
const CONDITIONS: [HeaderName; 5] = [
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_RANGE,
    header::IF_MATCH,
    header::IF_UNMODIFIED_SINCE,
];

/// How a fill asks.
#[derive(Clone, Debug)]
pub(super) struct Manner {
    /// This edge's name in CDN-Loop.
    pub(super) id: Id,
    /// How fields are compared, and so asked for.
    pub(super) normaliser: Normaliser,
    /// Unkeyed fields stay behind.
    pub(super) strict: bool,
}

/// The request of a fill: what is stored will be everybody's, so nothing of this client goes along that is not
/// in the key or may not be in `Vary`.
pub(super) fn fill<B>(
    parts: &Parts,
    with: Option<&Object>,
    ranged: bool,
    manner: &Manner,
) -> Request<OriginBody<B>> {
    let mut request = Request::new(OriginBody::none());
    *request.method_mut() = Method::GET;
    *request.uri_mut() = parts.uri.clone();
    *request.version_mut() = parts.version;
    // The connection's peer and the like, for the services between.
    *request.extensions_mut() = parts.extensions.clone();
    let headers = request.headers_mut();
    headers.clone_from(&parts.headers);
    connection::strip(headers);
    for name in CONDITIONS {
        if !(ranged && name == header::IF_RANGE) {
            headers.remove(name);
        }
    }
    for name in [header::CONTENT_LENGTH, header::CONTENT_TYPE, header::EXPECT] {
        headers.remove(name);
    }
    if !ranged {
        headers.remove(header::RANGE);
    }
    for_everybody(headers, manner);
    if let Some(object) = with {
        conditions(headers, object);
    }
    cdn_loop::append(headers, &manner.id);
    request
}

/// Takes out of a request what must not change an answer that others get.
fn for_everybody(headers: &mut HeaderMap, manner: &Manner) {
    if manner.strict {
        for name in UNKEYED {
            headers.remove(name);
        }
        // A client's directives would make caches between here and the origin ask again.
        headers.remove(header::CACHE_CONTROL);
        headers.remove(header::PRAGMA);
    }
    // What is compared is what the origin sees: else two requests that count as equal might get, and share, an
    // answer that only one of them can read.
    manner.normaliser.rewrite(headers);
}

/// Asks whether a stored response still holds, by every validator that it has (RFC 9111, 4.3.1).
fn conditions(headers: &mut HeaderMap, object: &Object) {
    let mut carry = |from: HeaderName, to: HeaderName| {
        if let Some(value) =
            object.head.get(&from).and_then(|value| HeaderValue::from_bytes(value).ok())
        {
            headers.insert(to, value);
        }
    };
    if object.stored.etag().is_some() {
        carry(header::ETAG, header::IF_NONE_MATCH);
    }
    if object.stored.last_modified().is_some() {
        carry(header::LAST_MODIFIED, header::IF_MODIFIED_SINCE);
    }
}

/// A request that is passed on as it is, but for what belongs to the connection. The answer to a HEAD updates what
/// is stored for everybody, so it is asked for as a fill does.
pub(super) fn pass<B>(parts: Parts, body: B, manner: &Manner) -> Request<OriginBody<B>> {
    let mut request = Request::from_parts(parts, OriginBody::client(body));
    connection::strip(request.headers_mut());
    if *request.method() == Method::HEAD {
        for_everybody(request.headers_mut(), manner);
    }
    cdn_loop::append(request.headers_mut(), &manner.id);
    request
}
