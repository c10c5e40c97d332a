//! What all clones of an edge share, and the part of a request that needs no waiting.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::header::{self, HeaderMap, HeaderName};
use http::{Request, Response};
use smallvec::SmallVec;

use super::body::EdgeBody;
use super::clock::Clock;
use super::error::EdgeFailure;
use super::flight::Flights;
use super::forward::Manner;
use super::hot::Hot;
use super::numerals::Numerals;
use super::serve::{Source, Via};
use crate::content::Budget;
use crate::field::vary::Form;
use crate::field::{cdn_loop, groups, no_vary_search, tags};
use crate::key::{BadTarget, Key, KeyRules, Learned, Versions};
use crate::object::{Caps, Combination, Entry, Object, Shapes};
use crate::purge::{Changes, Invalidations, Marks, Sequence, Tag, Tags, Verdict};
use crate::semantics::{Candidate, Facts, Failure, Lookup, Now, Reason, Rules, lookup, rescue};
use crate::store::{Change, Memory};
use crate::telemetry::{Holdings, Stats, Telemetry};

/// An edge.
pub(super) struct Shared {
    pub(super) name: Arc<str>,
    pub(super) rules: Rules,
    pub(super) keys: KeyRules,
    pub(super) manner: Manner,
    pub(super) limits: Limits,
    pub(super) seed: u64,
    pub(super) clock: Clock,
    pub(super) memory: Memory<Entry>,
    pub(super) shapes: Shapes,
    pub(super) budget: Arc<Budget>,
    pub(super) invalidations: Invalidations,
    /// What unsafe requests have changed, for fills that are on their way meanwhile.
    pub(super) changes: Changes,
    pub(super) tags: Tags,
    /// What the paths' responses say about queries.
    pub(super) learned: Learned,
    pub(super) versions: Option<Versions>,
    pub(super) flights: Arc<Flights>,
    pub(super) hot: Hot,
    pub(super) ages: Numerals,
    pub(super) hits: Numerals,
    pub(super) cache_status_name: HeaderName,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) numbers: AtomicU64,
    pub(super) fallback: Option<Fallback>,
}

/// What a client gets when the origin is away and nothing stored can stand in.
pub(super) type Fallback = Arc<dyn Fn(&http::Uri) -> Option<Response<bytes::Bytes>> + Send + Sync>;

/// Numbers that bound things.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Bytes of one stored body.
    pub(super) object: u64,
    /// How far readers of a body may lie apart, once it is too large to be kept.
    pub(super) window: u64,
    /// How long a request waits for another's answer before it asks the origin itself.
    pub(super) collapse: Duration,
    /// How long a body that is not kept may wait for its readers.
    pub(super) stall: Duration,
    /// How long the origin's header may take.
    pub(super) first_byte: Duration,
    /// How long a key counts as not storable.
    pub(super) hit_for_miss: Duration,
    /// How long a key whose origin failed is not asked for again while something stale can stand in.
    pub(super) retry: Duration,
    /// Responses of one key.
    pub(super) caps: Caps,
    /// Tags of one response.
    pub(super) tags: usize,
    /// Bytes of a request's header.
    pub(super) header: usize,
    /// Times a request may have passed this edge.
    pub(super) hops: usize,
}

/// What becomes of a request.
pub(super) enum Ask {
    /// It is answered; what is stored is asked for again behind it, if so said.
    Answer(Response<EdgeBody>, Option<Arc<Object>>),
    /// It goes on as it is.
    Pass(Reason),
    /// It needs the origin.
    Origin(Want),
}

/// What a request needs of the origin.
#[derive(Clone, Debug)]
pub(super) struct Want {
    pub(super) reason: Reason,
    /// What is stored and may still hold, or stand in.
    pub(super) stored: Option<Arc<Object>>,
    /// The fields that other variants of the key were chosen by.
    pub(super) varies: Option<Box<[HeaderName]>>,
    /// Nobody's answer is waited for.
    pub(super) alone: bool,
}

/// Where a response is stored.
pub(super) struct Home {
    pub(super) key: Key,
    /// The URL's tag as the request was read, if its response is stored under another key than was asked for.
    pub(super) moved: Option<Tag>,
    /// The number of the last write that was answered before it was asked for.
    pub(super) began: Sequence,
}

impl Shared {
    /// What a request asks for by its own words, unless it is refused.
    pub(super) fn read<B>(&self, request: &Request<B>, facts: &Facts) -> Result<Key, EdgeFailure> {
        let headers = request.headers();
        let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
        if facts.size + target > self.limits.header {
            return Err(EdgeFailure::HeaderTooLarge);
        }
        if facts.looped
            && cdn_loop::count(headers.get_all(&cdn_loop::CDN_LOOP), &self.manner.id)
                > self.limits.hops
        {
            return Err(EdgeFailure::Loop);
        }
        Key::of(request.uri(), headers, &self.keys, self.seed).map_err(|bad| match bad {
            BadTarget::SeveralHosts | BadTarget::HostMismatch | BadTarget::MalformedHost => {
                EdgeFailure::BadHost
            }
        })
    }

    /// What a request asks for, by what is known of its path.
    pub(super) fn settle(&self, key: Key) -> Key {
        if self.keys.no_vary_search { self.learned.settle(key, self.seed) } else { key }
    }

    /// Where a response belongs by what it says itself: `own` is made of the request's own words, `asked` by what
    /// was known of the path when it was asked for.
    pub(super) fn home(
        &self,
        own: Key,
        asked: &Key,
        began: Sequence,
        response: &HeaderMap,
    ) -> Home {
        if !self.keys.no_vary_search {
            return Home { key: own, moved: None, began };
        }
        let rule = no_vary_search::parse(response.get_all(no_vary_search::NO_VARY_SEARCH));
        let key = self.learned.learn(own, &rule, self.seed);
        let moved = (key.hash() != asked.hash()).then(|| self.tags.url(asked.bytes()));
        Home { key, moved, began }
    }

    /// What becomes of a request: the whole of a hit.
    pub(super) fn ask(&self, key: &Key, facts: &Facts, request: &HeaderMap, now: Now) -> Ask {
        let entry = self.memory.get(key.hash()).filter(|entry| entry.key() == key.bytes());
        let variants = entry.as_ref().map_or(&[][..], |entry| entry.variants());
        let mut candidates: SmallVec<[Candidate<'_>; 4]> = SmallVec::new();
        let mut objects: SmallVec<[&Arc<Object>; 4]> = SmallVec::new();
        for object in variants {
            let purged = match self.invalidations.verdict(&object.marks) {
                Verdict::Valid => false,
                Verdict::Soft => true,
                Verdict::Hard => continue,
            };
            candidates.push(Candidate { stored: &object.stored, purged });
            objects.push(object);
        }
        let decision = lookup(&candidates, facts, request, now, &self.rules);
        let waits = entry.as_ref().and_then(|entry| entry.waits(now.tick));
        let passes = || {
            let is_personal = facts.is_personal(&self.rules);
            entry.as_ref().is_some_and(|entry| entry.passes(is_personal, now.tick))
        };
        match decision {
            Lookup::Serve { at, reason, behind } => {
                let object = objects[at];
                let response =
                    self.respond(Source::stored(object), facts, request, now, Via::Hit(reason));
                Ask::Answer(response, (behind && waits.is_none()).then(|| Arc::clone(object)))
            }
            Lookup::Revalidate { at, reason } => {
                let object = objects[at];
                // The origin failed a moment ago: those who may have the stale response have it at once.
                if let (Some(failure), Reason::Stale | Reason::Purged) = (waits, reason) {
                    let purged = candidates[at].purged;
                    if let Some(right) =
                        rescue(&object.stored, purged, failure, facts, now, &self.rules)
                    {
                        let response = self.respond(
                            Source::stored(object),
                            facts,
                            request,
                            now,
                            Via::Hit(right),
                        );
                        return Ask::Answer(response, None);
                    }
                }
                Ask::Origin(Want {
                    reason,
                    stored: Some(Arc::clone(object)),
                    varies: varies(variants),
                    alone: passes(),
                })
            }
            Lookup::Fetch(reason) => {
                let alone = passes();
                let reason = if alone { Reason::HitForMiss } else { reason };
                Ask::Origin(Want { reason, stored: None, varies: varies(variants), alone })
            }
            Lookup::Pass(reason) => Ask::Pass(reason),
            Lookup::Unavailable => {
                Ask::Answer(self.refusal(EdgeFailure::OnlyIfCached, Reason::OnlyIfCached), None)
            }
        }
    }

    /// Stores a response whose body is whole, unless a purge or a write has overtaken it since it was asked for.
    pub(super) fn store(&self, home: &Home, object: &Arc<Object>) {
        let (key, began) = (&home.key, home.began);
        if self.invalidations.verdict(&object.marks) == Verdict::Hard {
            return;
        }
        let mut is_put = false;
        let stored = self.memory.update(key.hash(), |old| {
            if self.changes.since(key.hash(), began) {
                return Change::Keep;
            }
            // Whoever purged or wrote meanwhile may not have known which URLs are the same.
            let is_overtaken =
                self.invalidations.now() != object.marks.since() || self.changes.now() != began;
            if home.moved.is_some() && is_overtaken {
                return Change::Keep;
            }
            let entry = Entry::with(
                old.map(AsRef::as_ref),
                key.bytes(),
                Arc::clone(object),
                self.limits.caps,
            );
            is_put = entry.is_some();
            entry.map_or(Change::Keep, |entry| Change::Put(Arc::new(entry)))
        });
        if stored.is_err() {
            return;
        }
        if is_put {
            self.telemetry.stored();
        }
        if let Some(versions) = &self.versions {
            for old in versions.stored(key, self.seed) {
                let _ = self.memory.update(old, |_| Change::Remove);
            }
        }
    }

    /// Makes one response of a part that has just been stored and those that it belongs to.
    pub(super) async fn combine(&self, key: &Key, part: &Arc<Object>, began: Sequence) {
        let Some(entry) = self.memory.get(key.hash()).filter(|entry| entry.key() == key.bytes())
        else {
            return;
        };
        let valid = entry
            .variants()
            .iter()
            .filter(|object| self.invalidations.verdict(&object.marks) == Verdict::Valid);
        let Some(combination) = Combination::of(part, valid, self.limits.object) else { return };
        let Some(object) = combination.object(&self.shapes, &self.budget, self.number()).await
        else {
            return;
        };
        let object = Arc::new(object);
        // Whatever came between: a write has taken the parts out, a purge is compared with the oldest of them.
        let _ = self.memory.update(key.hash(), |old| {
            let old = old.filter(|old| old.key() == key.bytes());
            let old = old.filter(|_| !self.changes.since(key.hash(), began));
            old.and_then(|old| {
                let (parts, with) = (combination.parts(), Arc::clone(&object));
                Entry::combining(old, parts, with, self.limits.caps)
            })
            .map_or(Change::Keep, |entry| Change::Put(Arc::new(entry)))
        });
    }

    /// Puts an updated response in the place of the one that it came from.
    pub(super) fn replace(&self, key: &Key, of: &Arc<Object>, with: &Arc<Object>, began: Sequence) {
        let _ = self.memory.update(key.hash(), |old| {
            if self.changes.since(key.hash(), began) {
                return Change::Keep;
            }
            let entry = match old.filter(|old| old.key() == key.bytes()) {
                Some(old) => Entry::replacing(old, of, Arc::clone(with)),
                None => None,
            };
            // Evicted meanwhile: it is put back, for its body is here.
            let entry = entry.or_else(|| {
                Entry::with(old.map(AsRef::as_ref), key.bytes(), Arc::clone(with), self.limits.caps)
            });
            entry.map_or(Change::Keep, |entry| Change::Put(Arc::new(entry)))
        });
    }

    /// Removes a response.
    pub(super) fn remove(&self, key: &Key, gone: &Arc<Object>) {
        let _ = self.memory.update(key.hash(), |old| {
            match old.filter(|old| old.key() == key.bytes()) {
                Some(old) => Entry::without(old, |object| Arc::ptr_eq(object, gone))
                    .map_or(Change::Remove, |entry| Change::Put(Arc::new(entry))),
                None => Change::Keep,
            }
        });
    }

    /// Notes that the response to a key may not be shared, so that the next ones do not wait for each other.
    pub(super) fn mark_unshared(&self, key: &Key, is_personal: bool, now: Now) {
        let until = now.tick + millis(self.limits.hit_for_miss);
        let _ = self.memory.update(key.hash(), |old| {
            let old = old.filter(|old| old.key() == key.bytes());
            Change::Put(Arc::new(Entry::passing(
                old.map(AsRef::as_ref),
                key.bytes(),
                until,
                is_personal,
            )))
        });
    }

    /// Notes that the origin failed for a key that something stale stands in for.
    pub(super) fn mark_failed(&self, key: &Key, failure: Failure, now: Now) {
        let until = now.tick + millis(self.limits.retry);
        let _ = self.memory.update(key.hash(), |old| {
            match old.filter(|old| old.key() == key.bytes()) {
                Some(old) => Change::Put(Arc::new(Entry::waiting(old, failure, until))),
                None => Change::Keep,
            }
        });
    }

    /// What a purge compares of a response that was asked for at `since`.
    pub(super) fn marks(
        &self,
        key: &Key,
        moved: Option<Tag>,
        since: Sequence,
        response: &HeaderMap,
    ) -> Marks {
        let tags = &self.tags;
        let mut all: SmallVec<[Tag; 8]> = SmallVec::new();
        all.push(tags.host(key.authority()));
        all.push(tags.path(key.without_query()));
        all.push(tags.url(key.bytes()));
        all.extend(moved);
        let origin = std::str::from_utf8(key.origin()).unwrap_or_default();
        let groups = groups::parse(response.get_all(&groups::CACHE_GROUPS));
        let named = groups.iter().map(|group| tags.group(origin, group.as_bytes()));
        let surrogate = tags::surrogate_key(response.get_all(&tags::SURROGATE_KEY))
            .map(|name| tags.surrogate(name));
        let cache_tags =
            tags::cache_tag(response.get_all(&tags::CACHE_TAG)).map(|name| tags.surrogate(name));
        all.extend(named.chain(surrogate).chain(cache_tags).take(self.limits.tags));
        Marks::new(since, key.without_query(), all)
    }

    /// The flight for a request: one key, one set of values for the fields it varies on, one range, and whether it
    /// tells who asks.
    pub(super) fn flight_key(
        &self,
        key: &Key,
        varies: Option<&[HeaderName]>,
        facts: &Facts,
        request: &HeaderMap,
    ) -> u128 {
        let is_personal = facts.is_personal(&self.rules);
        if varies.is_none() && !facts.range && !is_personal {
            return key.hash();
        }
        let mut bytes = Form::from_slice(&key.hash().to_le_bytes());
        // Whose answer may turn out to be theirs alone wait for each other, and nobody else for them.
        bytes.push(u8::from(is_personal));
        crate::semantics::write_selecting(varies.unwrap_or(&[]), request, &self.rules, &mut bytes);
        if facts.range {
            for name in [header::RANGE, header::IF_RANGE] {
                for value in request.get_all(name) {
                    bytes.extend_from_slice(value.as_bytes());
                    bytes.push(0);
                }
            }
        }
        xxhash_rust::xxh3::xxh3_128_with_seed(&bytes, self.seed)
    }

    /// What happened so far, and what is stored.
    pub(super) fn stats(&self) -> Stats {
        let stats = self.telemetry.stats(Holdings {
            objects: self.memory.len(),
            bytes: self.memory.weight(),
            capacity: self.memory.capacity(),
            evictions: self.memory.evictions().count,
            in_flight: self.flights.len(),
        });
        self.telemetry.hand_over(&stats);
        stats
    }

    /// Has the recorder told what happened, now and then.
    pub(super) fn hand_over(&self, now: Now) {
        if self.telemetry.is_due(now.tick) {
            self.stats();
        }
    }

    /// The next number: of an object, or of a boundary.
    pub(super) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// A boundary that no body holds by chance.
    pub(super) fn boundary(&self) -> String {
        let number = self.number();
        let hash =
            xxhash_rust::xxh3::xxh3_128_with_seed(&number.to_le_bytes(), self.seed ^ 0x6d75_6c74);
        format!("{hash:032x}")
    }
}

/// The fields that the newest of the variants was chosen by.
pub(super) fn varies(variants: &[Arc<Object>]) -> Option<Box<[HeaderName]>> {
    variants
        .iter()
        .rev()
        .find_map(|object| object.stored.selecting().map(|selecting| selecting.names().into()))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Edge")
            .field("name", &self.name)
            .field("memory", &self.memory.weight())
            .finish_non_exhaustive()
    }
}
