//! From a stored response to the client's answer.

use std::sync::Arc;

use bytes::BytesMut;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body::Body;

use super::body::EdgeBody;
use super::error::EdgeFailure;
use super::hot::Room;
use super::multipart::Multipart;
use super::shared::Shared;
use crate::content::Resume;
use crate::field::cache_status::{CacheStatus, Fwd};
use crate::field::range::ContentRange;
use crate::object::Object;
use crate::semantics::{Answer, Facts, Now, Reason, Verb, answer};

/// How an answer came about: what Cache-Status says (RFC 9211).
#[derive(Clone, Copy, Debug)]
pub(super) enum Via {
    /// From the store.
    Hit(Reason),
    /// From the origin.
    Forwarded {
        reason: Reason,
        /// The origin's status, if it answered.
        status: Option<StatusCode>,
        stored: bool,
        /// Another request's answer is shared.
        collapsed: bool,
        /// Why it was not stored, or what it was served for.
        detail: Option<Reason>,
    },
    /// Neither: the edge itself refuses.
    Refused(Reason),
}

/// What is served.
pub(super) struct Source<'a> {
    pub(super) object: &'a Arc<Object>,
    /// The origin's own header, for the one client whose request it answered: fields that may not be stored
    /// were meant for it.
    pub(super) original: Option<HeaderMap>,
    /// How a reader goes on that falls behind a body that turned out too large to be kept.
    pub(super) resume: Option<Arc<dyn Resume>>,
}

impl<'a> Source<'a> {
    /// What is stored.
    pub(super) fn stored(object: &'a Arc<Object>) -> Self {
        Self { object, original: None, resume: None }
    }

    fn cursor(&self, from: u64, until: Option<u64>) -> EdgeBody {
        let mut cursor = self.object.content.cursor(from, until);
        if let Some(resume) = &self.resume {
            cursor.resume_with(Arc::clone(resume));
        }
        EdgeBody::stored(cursor)
    }
}

impl Shared {
    /// The client's answer from a stored response.
    pub(super) fn respond(
        &self,
        mut source: Source<'_>,
        facts: &Facts,
        request: &HeaderMap,
        now: Now,
        via: Via,
    ) -> Response<EdgeBody> {
        let object = source.object;
        let original = source.original.take();
        let is_own = original.is_some();
        let mut response = Response::new(EdgeBody::empty());
        *response.status_mut() = object.head.status();
        let room = match original {
            Some(original) => {
                *response.headers_mut() = original;
                Room::None
            }
            None => {
                let (headers, room) = self.hot.headers(object, &self.cache_status_name);
                *response.headers_mut() = headers;
                room
            }
        };
        let length = object.length();
        match answer(facts, request, &object.stored, length, now) {
            Answer::Full => {
                if facts.verb == Verb::Head {
                    if let (Some(length), false) =
                        (length, response.headers().contains_key(header::CONTENT_LENGTH))
                    {
                        response
                            .headers_mut()
                            .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
                    }
                } else {
                    if let Some(span) = object.stored.span() {
                        place(response.headers_mut(), span.start..span.end, span.total);
                    }
                    *response.body_mut() = source.cursor(0, None);
                }
            }
            Answer::NotModified => not_modified(&mut response),
            Answer::Part(range, total) => {
                let offset = object.stored.span().map_or(0, |span| span.start);
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                place(response.headers_mut(), range.clone(), total);
                *response.body_mut() =
                    source.cursor(range.start - offset, Some(range.end - offset));
            }
            Answer::Parts(ranges, total) => {
                let offset = object.stored.span().map_or(0, |span| span.start);
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                let boundary = self.boundary();
                let kind = response.headers_mut().remove(header::CONTENT_TYPE);
                let content = Arc::clone(&object.content);
                let parts =
                    Multipart::new(content, offset, total, &ranges, kind.as_ref(), &boundary);
                response.headers_mut().remove(header::CONTENT_LENGTH);
                let kind = format!("multipart/byteranges; boundary={boundary}");
                if let Ok(kind) = HeaderValue::from_str(&kind) {
                    response.headers_mut().insert(header::CONTENT_TYPE, kind);
                }
                *response.body_mut() = EdgeBody::parts(parts);
            }
            Answer::Unsatisfiable(total) => {
                *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
                let headers = response.headers_mut();
                for name in [header::CONTENT_LENGTH, header::CONTENT_TYPE, header::CONTENT_ENCODING]
                {
                    headers.remove(name);
                }
                headers.insert(header::CONTENT_RANGE, ContentRange::unsatisfied(total).format());
            }
        }
        if !is_own {
            let age = i64::try_from(object.stored.age(now)).unwrap_or(i64::MAX);
            let age = self.ages.value(age, |text| {
                text.extend_from_slice(itoa::Buffer::new().format(age).as_bytes());
            });
            fill(response.headers_mut(), &header::AGE, age);
        }
        let status = self.cache_status(via, object.stored.ttl(now));
        match room {
            Room::Kept => fill(response.headers_mut(), &self.cache_status_name, status),
            Room::None => {
                response.headers_mut().append(&self.cache_status_name, status);
            }
        }
        self.sent(&mut response, via);
        self.hand_over(now);
        response
    }

    /// Counts what goes to the client: at once where its length is known, or as it goes.
    fn sent(&self, response: &mut Response<EdgeBody>, via: Via) {
        let length = response.body().size_hint().exact();
        match via {
            Via::Hit(reason) => self.telemetry.hit(reason, length.unwrap_or(0)),
            _ => self.telemetry.served(length.unwrap_or(0)),
        }
        if length.is_none() {
            response.body_mut().count(&self.telemetry);
        }
    }

    /// What Cache-Status says.
    pub(super) fn cache_status(&self, via: Via, ttl: i64) -> HeaderValue {
        match via {
            Via::Hit(reason) => {
                let detail = (reason != Reason::Fresh).then(|| reason.as_str());
                let write = |text: &mut BytesMut| {
                    let status = CacheStatus {
                        hit: true,
                        ttl: Some(ttl),
                        detail,
                        cache: &self.name,
                        ..CacheStatus::default()
                    };
                    status.write(text);
                };
                if detail.is_none() {
                    return self.hits.value(ttl, write);
                }
                written(write)
            }
            Via::Forwarded { reason, status, stored, collapsed, detail } => written(|text| {
                let status = CacheStatus {
                    fwd: Some(forwarded(reason)),
                    fwd_status: status.map(|status| status.as_u16()),
                    ttl: stored.then_some(ttl),
                    stored,
                    collapsed,
                    detail: Some(detail.unwrap_or(reason).as_str()),
                    cache: &self.name,
                    ..CacheStatus::default()
                };
                status.write(text);
            }),
            Via::Refused(reason) => written(|text| {
                let detail = Some(reason.as_str());
                let status = CacheStatus { detail, cache: &self.name, ..CacheStatus::default() };
                status.write(text);
            }),
        }
    }

    /// The answer of the edge itself.
    pub(super) fn refusal(&self, failure: EdgeFailure, reason: Reason) -> Response<EdgeBody> {
        self.telemetry.failed(reason);
        self.hand_over(self.clock.now());
        let status = failure.status();
        // A fixed text: what went wrong behind is nobody's business out here.
        let text = status.canonical_reason().unwrap_or("error");
        let mut response = Response::new(EdgeBody::bytes(format!("{text}\n")));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let via = match reason {
            Reason::OriginFailed => Via::Forwarded {
                reason,
                status: None,
                stored: false,
                collapsed: false,
                detail: None,
            },
            _ => Via::Refused(reason),
        };
        headers.append(&self.cache_status_name, self.cache_status(via, 0));
        response.extensions_mut().insert(failure);
        response
    }
}

/// Puts a value in its place. Putting in what is there already makes a full map grow.
fn fill(headers: &mut HeaderMap, name: &HeaderName, value: HeaderValue) {
    match headers.get_mut(name) {
        Some(place) => *place = value,
        None => {
            headers.insert(name.clone(), value);
        }
    }
}

fn written(write: impl FnOnce(&mut BytesMut)) -> HeaderValue {
    let mut text = BytesMut::with_capacity(96);
    write(&mut text);
    HeaderValue::from_maybe_shared(text.freeze()).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// A response becomes a 304: what describes a body goes, what a cache needs stays (RFC 9110, 15.4.5).
fn not_modified(response: &mut Response<EdgeBody>) {
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    let headers = response.headers_mut();
    for name in [
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::CONTENT_ENCODING,
        header::CONTENT_LANGUAGE,
        header::CONTENT_RANGE,
    ] {
        headers.remove(name);
    }
}

fn place(headers: &mut HeaderMap, range: std::ops::Range<u64>, total: u64) {
    let length = range.end - range.start;
    if let Some(place) = ContentRange::part(range, Some(total)) {
        headers.insert(header::CONTENT_RANGE, place.format());
    }
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
}

/// RFC 9211's word for why a request went forward.
fn forwarded(reason: Reason) -> Fwd {
    match reason {
        Reason::Method => Fwd::Method,
        Reason::Miss | Reason::NoLifetime => Fwd::UriMiss,
        Reason::VaryMiss => Fwd::VaryMiss,
        Reason::PartMiss => Fwd::Partial,
        Reason::Stale | Reason::Purged | Reason::NoCache => Fwd::Stale,
        Reason::RequestDirective | Reason::RequestNoStore | Reason::Precondition => Fwd::Request,
        Reason::HitForMiss | Reason::Authorization | Reason::Cookie => Fwd::Bypass,
        _ => Fwd::Miss,
    }
}
