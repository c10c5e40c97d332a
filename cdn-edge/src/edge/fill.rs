//! A fill: one request to the origin, in a task of its own.
//!
//! The task drives the body, not a client's connection: a slow client slows nobody, and one that leaves takes
//! nothing away from the others.

use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use http::header::HeaderMap;
use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use tokio::sync::oneshot;
use tower::ServiceExt;
use tower_service::Service;

use super::again::Again;
use super::body::OriginBody;
use super::error::{BoxError, EdgeFailure};
use super::flight::{Landing, Lead};
use super::forward;
use super::intake::GiveUp;
use super::shared::{Home, Shared};
use crate::content::{Cursor, Resume};
use crate::field::{groups, tags};
use crate::key::Key;
use crate::object::{Head, Object};
use crate::purge::{Sequence, Verdict};
use crate::semantics::{
    Admission, Admitted, Exchange, Facts, Failure, Freshened, Now, Reason, admit, freshen,
};

/// What a fill brings to the one whose request it is.
pub(super) enum First {
    /// A stored response; the origin's own header, if it sent a whole response.
    Stored {
        object: Arc<Object>,
        original: Option<HeaderMap>,
        status: StatusCode,
        /// A reader from the start, so that the body is not given up before the client has its own.
        hold: Option<Cursor>,
        resume: Option<Arc<dyn Resume>>,
    },
    /// A response that may not be stored, and why.
    Unstored { response: Response<UnsyncBoxBody<Bytes, BoxError>>, reason: Reason },
    /// What was stored holds for this request only: 304, and may no longer be stored.
    Once { object: Arc<Object>, header: HeaderMap, reason: Reason },
    /// Nothing.
    Failed(EdgeFailure, Failure),
}

/// A request on its way to becoming a stored response.
pub(super) struct Fill<S> {
    pub(super) shared: Arc<Shared>,
    pub(super) inner: S,
    pub(super) parts: Arc<Parts>,
    pub(super) facts: Facts,
    pub(super) key: Key,
    /// What is asked about.
    pub(super) stored: Option<Arc<Object>>,
    /// Whom others wait for.
    pub(super) lead: Option<Lead>,
    /// Whose request it is, if anybody's.
    pub(super) first: Option<oneshot::Sender<First>>,
    /// The number of the last write that was answered before.
    pub(super) began: Sequence,
}

/// A request that may be tried anew with another body-less copy.
type Asked<B> = Request<OriginBody<B>>;

impl<S> Fill<S> {
    /// Asks the origin, tells everybody, and stores what may be stored.
    pub(super) async fn run<B, RB>(mut self)
    where
        S: Service<Asked<B>, Response = Response<RB>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        B: Send + 'static,
        RB: Body<Data = Bytes> + Send + 'static,
        RB::Error: Into<BoxError>,
    {
        let mut stored = self.stored.clone();
        // Twice at most: a 304 about something else is followed by a request without conditions.
        for _ in 0..2 {
            // Before the origin is asked: what is purged from here on does not count as fetched after it.
            let since = self.shared.invalidations.now();
            self.began = self.lead.as_ref().map_or_else(|| self.shared.changes.now(), Lead::began);
            let asked = self.shared.clock.look();
            let response = match self.send::<B, RB>(stored.as_deref()).await {
                Ok(response) => response,
                Err(failure) => return self.fail(failure, Failure::Unreachable),
            };
            let now = self.shared.clock.look();
            if let (StatusCode::NOT_MODIFIED, Some(object)) = (response.status(), stored.take()) {
                self.shared.telemetry.origin_answered();
                match self.validated(&object, response.headers(), since, asked, now) {
                    Ok(()) => return,
                    Err(Mismatch) => continue,
                }
            }
            return self.received::<B, RB>(response, since, asked, now).await;
        }
    }

    async fn send<B, RB>(&mut self, with: Option<&Object>) -> Result<Response<RB>, EdgeFailure>
    where
        S: Service<Asked<B>, Response = Response<RB>> + Clone,
        S::Error: Into<BoxError>,
    {
        let request = forward::fill(&self.parts, with, self.facts.range, &self.shared.manner);
        let deadline = self.shared.limits.first_byte;
        self.shared.telemetry.asked();
        match tokio::time::timeout(deadline, self.inner.clone().oneshot(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(EdgeFailure::Origin(Arc::from(error.into()))),
            Err(_) => Err(EdgeFailure::Timeout(deadline)),
        }
    }

    fn fail(&mut self, failure: EdgeFailure, trouble: Failure) {
        self.shared.telemetry.origin_failed();
        self.shared.mark_failed(&self.key, trouble, self.shared.clock.now());
        if let Some(lead) = &self.lead {
            lead.land(Landing::Failed(failure.clone(), trouble));
        }
        self.tell(First::Failed(failure, trouble));
    }

    /// A 304: what is stored holds.
    fn validated(
        &mut self,
        object: &Arc<Object>,
        update: &HeaderMap,
        since: Sequence,
        asked: Now,
        now: Now,
    ) -> Result<(), Mismatch> {
        let shared = Arc::clone(&self.shared);
        let header = object.head.headers(0);
        let exchange = Exchange { facts: &self.facts, request: &self.parts.headers, asked, now };
        match freshen(&object.stored, &header, &exchange, update, &shared.rules) {
            Freshened::Updated(admitted) => {
                let Admitted { stored, headers, .. } = *admitted;
                let Ok(head) = Head::encode(object.head.status(), &headers, &shared.shapes) else {
                    return Err(Mismatch);
                };
                let names_tags = [&groups::CACHE_GROUPS, &tags::SURROGATE_KEY, &tags::CACHE_TAG]
                    .iter()
                    .any(|name| update.contains_key(*name));
                let home = self.home(&headers);
                // A 304 that names no tags leaves those that there are.
                let marks = if names_tags {
                    shared.marks(&home.key, home.moved, since, update)
                } else {
                    object.marks.renewed(since)
                };
                let number = shared.number();
                let fresh = Arc::new(Object {
                    stored,
                    head,
                    content: Arc::clone(&object.content),
                    marks,
                    number,
                });
                if home.moved.is_some() {
                    // It says now that it answers other queries than those it was stored for.
                    shared.remove(&self.key, object);
                } else if shared.invalidations.verdict(&fresh.marks) != Verdict::Hard {
                    shared.replace(&self.key, object, &fresh, self.began);
                }
                self.land(&fresh, None);
                let status = StatusCode::NOT_MODIFIED;
                self.tell(First::Stored {
                    object: fresh,
                    original: None,
                    status,
                    hold: None,
                    resume: None,
                });
            }
            Freshened::Unstored(reason, header) => {
                // Said to somebody with credentials or a cookie, it says nothing about what others may have.
                if !reason.is_personal() {
                    shared.remove(&self.key, object);
                }
                self.unshared(reason, now);
                let header = end_to_end(header);
                self.tell(First::Once { object: Arc::clone(object), header, reason });
            }
            Freshened::Mismatch => return Err(Mismatch),
        }
        Ok(())
    }

    /// A response of its own.
    async fn received<B, RB>(
        &mut self,
        response: Response<RB>,
        since: Sequence,
        asked: Now,
        now: Now,
    ) where
        S: Service<Asked<B>, Response = Response<RB>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        B: Send + 'static,
        RB: Body<Data = Bytes> + Send + 'static,
        RB::Error: Into<BoxError>,
    {
        let shared = Arc::clone(&self.shared);
        let status = response.status();
        let trouble = Failure::of(status);
        // Whoever has something stale that may stand in does not want an error.
        if let Some(trouble) = trouble.filter(|trouble| self.stored_may_stand_in(*trouble, now)) {
            return self.fail(ErrorStatus::failure(status), trouble);
        }
        let is_behind = self.first.is_none() && self.stored.is_some();
        let exchange = Exchange { facts: &self.facts, request: &self.parts.headers, asked, now };
        let admission = admit(&exchange, status, response.headers(), &shared.rules);
        let opened = match admission {
            Admission::Store(admitted) => {
                let home = self.home(&admitted.headers);
                shared.open(home, *admitted, &response, since)
            }
            Admission::Refuse(reason) => Err(reason),
        };
        match trouble {
            // Nor does anybody who was answered with something stale already, unless it can be stored.
            Some(trouble) if is_behind && opened.is_err() => {
                return self.fail(ErrorStatus::failure(status), trouble);
            }
            Some(_) => shared.telemetry.origin_failed(),
            None => shared.telemetry.origin_answered(),
        }
        let (home, filler, object) = match opened {
            Ok(opened) => opened,
            Err(reason) => return self.pass_on(response, reason, now),
        };
        let is_asked_for = self.first.is_some();
        let hold = is_asked_for.then(|| object.content.cursor(0, None));
        let resume =
            Again::to::<B, RB>(&object, &self.inner, &self.parts, &shared, self.key.hash());
        self.land(&object, resume.clone());
        let (parts, body) = response.into_parts();
        let original = Some(end_to_end(parts.headers));
        self.tell(First::Stored { object: Arc::clone(&object), original, status, hold, resume });
        let give_up = is_asked_for.then_some(GiveUp { lead: self.lead.as_ref() });
        shared.take_in(&home, filler, body, &object, give_up).await;
    }

    /// Where a response to this request belongs.
    fn home(&self, response: &HeaderMap) -> Home {
        let (shared, parts) = (&self.shared, &self.parts);
        let own = Key::of(&parts.uri, &parts.headers, &shared.keys, shared.seed);
        // The request was read before.
        let own = own.unwrap_or_else(|_| self.key.clone());
        shared.home(own, &self.key, self.began, response)
    }

    fn stored_may_stand_in(&self, trouble: Failure, now: Now) -> bool {
        self.stored.as_ref().is_some_and(|object| {
            let purged = self.shared.invalidations.verdict(&object.marks) == Verdict::Soft;
            crate::semantics::rescue(
                &object.stored,
                purged,
                trouble,
                &self.facts,
                now,
                &self.shared.rules,
            )
            .is_some()
        })
    }

    /// A response that is not stored: it belongs to the one whose request it answers.
    fn pass_on<RB>(&mut self, response: Response<RB>, reason: Reason, now: Now)
    where
        RB: Body<Data = Bytes> + Send + 'static,
        RB::Error: Into<BoxError>,
    {
        self.unshared(reason, now);
        let response = response.map(|body| body.map_err(Into::into).boxed_unsync());
        self.tell(First::Unstored { response, reason });
    }

    fn unshared(&mut self, reason: Reason, now: Now) {
        // Of whom it was for, not of the key.
        let is_personal = matches!(reason, Reason::Authorization | Reason::Cookie);
        if reason != Reason::RequestNoStore && !self.facts.range {
            self.shared.mark_unshared(&self.key, is_personal, now);
        }
        if let Some(lead) = self.lead.take() {
            lead.land(Landing::Unshared);
        }
    }

    fn land(&self, object: &Arc<Object>, resume: Option<Arc<dyn Resume>>) {
        if let Some(lead) = &self.lead {
            lead.land(Landing::Shared(Arc::clone(object), resume));
        }
    }

    fn tell(&mut self, what: First) {
        if let Some(first) = self.first.take() {
            // A client that has left needs no answer.
            let _ = first.send(what);
        }
    }
}

/// The 304 speaks of something else.
struct Mismatch;

/// The origin's header for the client whose request it answers.
pub(super) fn end_to_end(mut headers: HeaderMap) -> HeaderMap {
    crate::field::connection::strip(&mut headers);
    for name in crate::semantics::INTERNAL {
        headers.remove(name);
    }
    headers
}

/// The origin answered with an error that a stale response may stand in for.
#[derive(Debug)]
pub(super) struct ErrorStatus(pub(super) StatusCode);

impl ErrorStatus {
    fn failure(status: StatusCode) -> EdgeFailure {
        EdgeFailure::Origin(Arc::new(Self(status)))
    }
}

impl std::fmt::Display for ErrorStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the origin answered {}", self.0)
    }
}

impl Error for ErrorStatus {}
