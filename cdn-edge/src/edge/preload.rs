//! Fetching for the store, without a client.

use std::sync::Arc;

use bytes::Bytes;
use http::header::HeaderMap;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::BodyExt;
use tower_service::Service;

use super::body::OriginBody;
use super::error::BoxError;
use super::fill::First;
use super::flight::{Landing, Role};
use super::miss::Miss;
use super::shared::{Shared, Want, varies};
use crate::content::{Cursor, State};
use crate::key::Key;
use crate::object::Object;
use crate::purge::Verdict;
use crate::semantics::{Candidate, Facts, Lookup, Now, Reason, lookup};

/// What became of one thing that was to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fetched {
    pub(super) stored: bool,
    /// Why, or why not.
    pub(super) reason: &'static str,
}

impl Fetched {
    fn yes(reason: &'static str) -> Self {
        Self { stored: true, reason }
    }

    pub(super) fn no(reason: Reason) -> Self {
        Self { stored: false, reason: reason.as_str() }
    }
}

impl Shared {
    /// What is needed of the origin for a fresh response to be stored, if anything.
    pub(super) fn lacks(
        &self,
        key: &Key,
        facts: &Facts,
        request: &HeaderMap,
        now: Now,
    ) -> Result<Want, Fetched> {
        let entry = self.memory.get(key.hash()).filter(|entry| entry.key() == key.bytes());
        let variants = entry.as_ref().map_or(&[][..], |entry| entry.variants());
        let usable =
            |object: &&Arc<Object>| self.invalidations.verdict(&object.marks) != Verdict::Hard;
        let objects: Vec<&Arc<Object>> = variants.iter().filter(usable).collect();
        let candidates: Vec<Candidate<'_>> = objects
            .iter()
            .map(|object| Candidate {
                stored: &object.stored,
                purged: self.invalidations.verdict(&object.marks) != Verdict::Valid,
            })
            .collect();
        let (reason, stored) = match lookup(&candidates, facts, request, now, &self.rules) {
            Lookup::Serve { reason: Reason::Fresh, .. } => return Err(Fetched::yes("fresh")),
            // A client might have this one; whoever preloads wants a new one.
            Lookup::Serve { at, reason, .. } | Lookup::Revalidate { at, reason } => {
                (reason, objects.get(at).map(|object| Arc::clone(object)))
            }
            Lookup::Fetch(reason) => (reason, None),
            Lookup::Pass(reason) => return Err(Fetched::no(reason)),
            Lookup::Unavailable => return Err(Fetched::no(Reason::OnlyIfCached)),
        };
        Ok(Want { reason, stored, varies: varies(variants), alone: false })
    }

    /// Whether this very object is stored and valid, or why not.
    fn holds(&self, key: &Key, object: &Arc<Object>, reason: &'static str) -> Fetched {
        let entry = self.memory.get(key.hash()).filter(|entry| entry.key() == key.bytes());
        let is_there = entry
            .is_some_and(|entry| entry.variants().iter().any(|other| Arc::ptr_eq(other, object)));
        match self.invalidations.verdict(&object.marks) {
            Verdict::Valid if is_there => Fetched::yes(reason),
            // The memory did not take it, or a write came between.
            Verdict::Valid => Fetched { stored: false, reason: "not-kept" },
            Verdict::Soft | Verdict::Hard => Fetched::no(Reason::Purged),
        }
    }
}

impl<S> Miss<S> {
    /// Fetches into the store, and waits until it is there.
    ///
    /// Nothing of a purge that came before is taken: neither from the store nor from a fetch that is on its way.
    pub(super) async fn preload<B, RB>(self) -> Fetched
    where
        S: Service<Request<OriginBody<B>>, Response = Response<RB>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        B: Send + 'static,
        RB: Body<Data = Bytes> + Send + 'static,
        RB::Error: Into<BoxError>,
    {
        let shared = &self.shared;
        let (varies, header) = (self.want.varies.as_deref(), &self.parts.headers);
        let flight = shared.flight_key(&self.key, varies, &self.facts, header);
        let began = shared.changes.now();
        let lead = match shared.flights.join(flight, began, |flight| self.is_of_use(flight)) {
            Role::Lead(lead) => Some(lead),
            Role::Wait(mut flight) => {
                match tokio::time::timeout(shared.limits.collapse, flight.landed()).await {
                    Ok(Landing::Shared(object, _))
                        if self.fits(&object)
                            && shared.invalidations.verdict(&object.marks) == Verdict::Valid =>
                    {
                        return joined(shared, &object).await;
                    }
                    Ok(Landing::Failed(..)) => return Fetched::no(Reason::OriginFailed),
                    Ok(Landing::Shared(..) | Landing::Unshared) | Err(_) => None,
                }
            }
        };
        let (task, told) = self.begin::<B, RB>(lead);
        match told.await {
            Ok(First::Stored { object, status, hold, .. }) => {
                let read = read(&object, hold).await;
                // It is stored after its last byte.
                let _ = task.await;
                let is_validated = status == StatusCode::NOT_MODIFIED;
                let reason = if is_validated { "validated" } else { "fetched" };
                read.map_or_else(|failed| failed, |()| shared.holds(&self.key, &object, reason))
            }
            Ok(First::Unstored { reason, .. } | First::Once { reason, .. }) => Fetched::no(reason),
            // In the second case the inner service panicked.
            Ok(First::Failed(..)) | Err(_) => Fetched::no(Reason::OriginFailed),
        }
    }
}

/// Somebody else's fetch: it is stored by a task that nobody here can wait for, so its end is what counts.
async fn joined(shared: &Shared, object: &Arc<Object>) -> Fetched {
    match read(object, Some(object.content.cursor(0, None))).await {
        Err(failed) => failed,
        Ok(()) if shared.invalidations.verdict(&object.marks) == Verdict::Valid => {
            Fetched::yes("joined")
        }
        Ok(()) => Fetched::no(Reason::Purged),
    }
}

/// Reads a body to its end, unless it turns out not to be kept.
async fn read(object: &Object, body: Option<Cursor>) -> Result<(), Fetched> {
    let Some(mut body) = body else { return Ok(()) };
    while let Some(frame) = body.frame().await {
        if object.content.state() == State::Windowed {
            return Err(Fetched::no(Reason::TooLarge));
        }
        if frame.is_err() {
            return Err(Fetched::no(Reason::OriginFailed));
        }
    }
    match object.content.state() {
        State::Windowed => Err(Fetched::no(Reason::TooLarge)),
        State::Failed => Err(Fetched::no(Reason::OriginFailed)),
        State::Filling | State::Whole => Ok(()),
    }
}
