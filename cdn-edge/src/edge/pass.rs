//! Requests that go on as they are, and what their answers do to what is stored.

use std::sync::Arc;

use bytes::Bytes;
use http::header::HeaderMap;
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::BodyExt;
use tower::ServiceExt;
use tower_service::Service;

use super::body::{EdgeBody, OriginBody};
use super::error::BoxError;
use super::fill::end_to_end;
use super::forward;
use super::intake::GiveUp;
use super::serve::{Source, Via};
use super::shared::Shared;
use crate::field::{connection, groups, no_vary_search};
use crate::key::Key;
use crate::object::{Head as StoredHead, Object};
use crate::purge::{Mode, Sequence, Target, Verdict};
use crate::semantics::{
    self, Admission, Admitted, Exchange, Facts, Failure, Head, Now, Reason, Verb, admit,
    invalidates,
};
use crate::store::Change;

/// Passes a request on.
pub(super) async fn pass<S, B, RB>(
    shared: Arc<Shared>,
    inner: S,
    request: Request<B>,
    facts: Facts,
    key: Key,
    reason: Reason,
) -> Result<Response<EdgeBody>, S::Error>
where
    S: Service<Request<OriginBody<B>>, Response = Response<RB>>,
    RB: Body<Data = Bytes> + Send + 'static,
    RB::Error: Into<BoxError>,
{
    let (parts, body) = request.into_parts();
    let (method, headers) = (parts.method.clone(), parts.headers.clone());
    let asked = shared.clock.look();
    let began = shared.changes.now();
    let request = forward::pass(parts, body, &shared.manner);
    shared.telemetry.asked();
    let response = match inner.oneshot(request).await {
        Ok(response) => response,
        Err(error) => {
            shared.telemetry.origin_failed();
            shared.telemetry.failed(Reason::OriginFailed);
            return Err(error);
        }
    };
    match Failure::of(response.status()) {
        Some(_) => shared.telemetry.origin_failed(),
        None => shared.telemetry.origin_answered(),
    }
    match facts.verb {
        Verb::Unsafe => shared.written(&key, response.status(), response.headers()),
        Verb::Head => shared.headed(&key, &facts, &headers, asked, began, &response),
        Verb::Get | Verb::Safe => {}
    }
    // What changes something, or is no GET, could never have been found.
    let is_findable = matches!(facts.verb, Verb::Get | Verb::Head);
    if is_findable {
        shared.telemetry.wanted(&key, reason);
    }
    let meter = shared.telemetry.meter(is_findable.then(|| key.hash()));
    shared.telemetry.missed(reason, None);
    let response = match shared.keep_post(&method, &key, &facts, &headers, asked, response) {
        Ok(response) => return Ok(response),
        Err(response) => response,
    };
    let response =
        response.map(|body| EdgeBody::passed(body.map_err(Into::into).boxed_unsync(), meter));
    Ok(shared.pass_back(response, reason, None))
}

impl Shared {
    /// An answer that goes back as it came.
    pub(super) fn pass_back(
        &self,
        mut response: Response<EdgeBody>,
        reason: Reason,
        detail: Option<Reason>,
    ) -> Response<EdgeBody> {
        let status = response.status();
        let headers = response.headers_mut();
        connection::strip(headers);
        for name in semantics::INTERNAL {
            headers.remove(name);
        }
        let via = Via::Forwarded {
            reason,
            status: Some(status),
            stored: false,
            collapsed: false,
            detail,
        };
        headers.append(&self.cache_status_name, self.cache_status(via, 0));
        self.hand_over(self.clock.now());
        response
    }

    /// Stores the answer to a POST that is a representation of its own URL, if the rules say so (RFC 9110, 9.3.3).
    fn keep_post<RB>(
        self: &Arc<Self>,
        method: &Method,
        key: &Key,
        facts: &Facts,
        request: &HeaderMap,
        asked: Now,
        response: Response<RB>,
    ) -> Result<Response<EdgeBody>, Response<RB>>
    where
        RB: Body<Data = Bytes> + Send + 'static,
        RB::Error: Into<BoxError>,
    {
        let target = std::str::from_utf8(key.target()).unwrap_or_default();
        let is_own = self.rules.store_posts
            && *method == Method::POST
            && response.status() == StatusCode::OK
            && semantics::names_itself(key.authority(), response.headers(), target);
        if !is_own {
            return Err(response);
        }
        let now = self.clock.now();
        let facts = Facts { verb: Verb::Get, range: false, ..facts.clone() };
        let exchange = Exchange { facts: &facts, request, asked, now };
        let admitted = match admit(&exchange, response.status(), response.headers(), &self.rules) {
            Admission::Store(admitted) if admitted.lifetime.source.is_explicit() => *admitted,
            _ => return Err(response),
        };
        // After the mark that this very write has left.
        let (since, began) = (self.invalidations.now(), self.changes.now());
        let home = self.home(key.clone(), key, began, &admitted.headers);
        let Ok((home, filler, object)) = self.open(home, admitted, &response, since) else {
            return Err(response);
        };
        let (parts, body) = response.into_parts();
        let via = Via::Forwarded {
            reason: Reason::Method,
            status: Some(parts.status),
            stored: true,
            collapsed: false,
            detail: None,
        };
        let source =
            Source { object: &object, original: Some(end_to_end(parts.headers)), resume: None };
        let answer = self.respond(source, &facts, request, now, via);
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            let give_up = Some(GiveUp { lead: None });
            shared.take_in(&home, filler, body, &object, give_up).await;
        });
        Ok(answer)
    }

    /// A write was answered: what it names is of the past (RFC 9111, 4.4).
    fn written(&self, key: &Key, status: StatusCode, response: &HeaderMap) {
        let target = std::str::from_utf8(key.target()).unwrap_or_default();
        let gone = invalidates(Verb::Unsafe, key.authority(), status, response, target);
        if !gone.target {
            return;
        }
        // First the mark, then the removal: a fill that ends in between sees the mark.
        let forget = |key: &Key| {
            self.changes.mark(key.hash());
            let _ = self.memory.update(key.hash(), |_| Change::Remove);
        };
        // What is known of the path is asked after the first mark: a fill that learns it only now sees that.
        let forget = |own: Key| {
            forget(&own);
            let hash = own.hash();
            let settled = self.settle(own);
            if settled.hash() != hash {
                forget(&settled);
            }
        };
        forget(key.clone());
        for path in &gone.paths {
            if let Some(other) = key.sibling(path, &self.keys, self.seed) {
                forget(other);
            }
        }
        // Groups of the same origin (RFC 9875, 3).
        let origin = std::str::from_utf8(key.origin()).unwrap_or_default();
        for group in groups::parse(response.get_all(&groups::CACHE_GROUP_INVALIDATION)) {
            self.invalidations
                .purge(&Target::Tag(self.tags.group(origin, group.as_bytes())), Mode::Hard);
            self.telemetry.group_outdated();
        }
    }

    /// A HEAD was answered: what is stored for GET is newer, or of the past (RFC 9111, 4.3.5).
    fn headed<RB>(
        &self,
        key: &Key,
        facts: &Facts,
        request: &HeaderMap,
        asked: Now,
        began: Sequence,
        answer: &Response<RB>,
    ) {
        let Some(entry) = self.memory.get(key.hash()).filter(|entry| entry.key() == key.bytes())
        else {
            return;
        };
        let exchange = Exchange { facts, request, asked, now: self.clock.now() };
        for object in entry.variants() {
            let selected =
                object.stored.selecting().is_none_or(|it| it.matches(request, &self.rules));
            if !selected || self.invalidations.verdict(&object.marks) == Verdict::Hard {
                continue;
            }
            let header = object.head.headers(0);
            match semantics::head(
                &object.stored,
                &header,
                &exchange,
                answer.status(),
                answer.headers(),
                &self.rules,
            ) {
                // Other queries than those it was stored for.
                Head::Updated(admitted) if search(&admitted.headers) != search(&header) => {
                    self.remove(key, object);
                }
                Head::Updated(admitted) => {
                    let Admitted { stored, headers, .. } = *admitted;
                    if let Ok(head) =
                        StoredHead::encode(object.head.status(), &headers, &self.shapes)
                    {
                        let (content, marks) = (
                            Arc::clone(&object.content),
                            object.marks.renewed(object.marks.since()),
                        );
                        let number = self.number();
                        let fresh = Arc::new(Object { stored, head, content, marks, number });
                        self.replace(key, object, &fresh, began);
                    }
                }
                Head::Outdated => self.remove(key, object),
                Head::Unrelated => {}
            }
        }
    }
}

fn search(headers: &HeaderMap) -> no_vary_search::NoVarySearch {
    no_vary_search::parse(headers.get_all(no_vary_search::NO_VARY_SEARCH))
}
