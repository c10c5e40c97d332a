//! The second level as the cache uses it: what is read there is looked at from all sides, and what is
//! written goes in under a lease.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::Entry;
use super::batch::{Job, millis};
use super::core::Core;
use crate::codec::Codec;
use crate::envelope::{Envelope, Kind, TagVersion, Times};
use crate::flight::{From, Landed, Outcome};
use crate::freshness::{Lifetime, Moment, Verdict};
use crate::key::{CacheKey, Space, WireKey};
use crate::store::{Fetched, Filled, Lease, Leased, Store, StoreError, Want};
use crate::tag::Tag;
use crate::telemetry::Telemetry;

pub(crate) struct Shared<V> {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) codec: Arc<dyn Codec<V>>,
    pub(crate) space: Space,
    pub(crate) telemetry: Telemetry,
}

/// What came of reading one key.
enum Read<V> {
    /// A value, whole and with tags that are current.
    Whole(Whole<V>),
    /// Nothing that is of use, or nothing at all.
    Miss { seen: Option<Bytes> },
    /// The store is not to be asked.
    Down,
}

struct Whole<V> {
    value: Option<V>,
    lifetime: Lifetime,
    written: u64,
    tags: Vec<TagVersion>,
    seen: Bytes,
}

impl<V: Send + Sync + 'static> Shared<V> {
    pub(crate) fn wire(&self, bytes: &[u8]) -> WireKey {
        self.space.wire_of(bytes)
    }

    /// Gives up the right to fill, so that others need not wait for its end.
    pub(crate) async fn release(&self, wire: &WireKey, lease: &Lease) {
        if let Err(error) = self.store.release(wire, lease).await {
            self.telemetry.store_failed(&error);
        }
    }

    pub(crate) async fn fill(
        &self,
        wire: &WireKey,
        lease: &Lease,
        entry: &Entry<V>,
        tags: &[Tag],
        took: Duration,
        now: Moment,
    ) {
        let Some(tags) = self.hold(lease, tags).await else {
            return self.release(wire, lease).await;
        };
        match self.envelope(wire, entry, tags, took, now) {
            Some((bytes, keep)) => match self.store.fill(wire, lease, bytes, keep).await {
                Ok(Filled::Kept) => self.telemetry.filled(),
                Ok(Filled::Refused) => self.telemetry.fill_refused(),
                Err(error) => {
                    self.telemetry.store_failed(&error);
                    // It answered, and did not take the value: nobody need wait for it.
                    if matches!(error, StoreError::Refused { .. }) {
                        self.release(wire, lease).await;
                    }
                }
            },
            None => self.release(wire, lease).await,
        }
    }

    /// The tags with the versions under which a value may be kept; `None` if it may not.
    pub(crate) async fn hold(&self, lease: &Lease, tags: &[Tag]) -> Option<Vec<TagVersion>> {
        if tags.is_empty() {
            return Some(Vec::new());
        }
        let ids: Vec<_> = tags.iter().map(Tag::id).collect();
        match self.store.hold_tags(lease, &ids).await {
            Ok(Some(versions)) if versions.len() == ids.len() => {
                let pairs = ids.into_iter().zip(versions);
                Some(pairs.map(|(tag, version)| TagVersion { tag, version }).collect())
            }
            Ok(_) => {
                self.telemetry.fill_refused();
                None
            }
            Err(error) => {
                self.telemetry.store_failed(&error);
                None
            }
        }
    }

    /// The bytes to store and how long to keep them.
    pub(crate) fn envelope(
        &self,
        wire: &WireKey,
        entry: &Entry<V>,
        tags: Vec<TagVersion>,
        took: Duration,
        now: Moment,
    ) -> Option<(Bytes, u64)> {
        let mut payload = Vec::new();
        if let Some(value) = &entry.value
            && let Err(error) = self.codec.encode(value, &mut payload)
        {
            self.telemetry.unencodable(&*error);
            return None;
        }
        let left = entry.lifetime.left(now);
        let [fresh_until, stale_until, error_until] = left
            .map(|left| left.map_or(u64::MAX, |left| entry.written.saturating_add(millis(left))));
        let envelope = Envelope {
            schema: self.space.schema(),
            kind: if entry.value.is_some() { Kind::Value } else { Kind::Negative },
            times: Times { written: entry.written, fresh_until, stale_until, error_until },
            load_millis: u32::try_from(took.as_millis()).unwrap_or(u32::MAX),
            tags,
            payload,
        };
        let mut bytes = Vec::new();
        if let Err(oversize) = envelope.encode(wire, &mut bytes) {
            self.telemetry.oversize(oversize);
            return None;
        }
        let keep = left[2].map_or(u64::MAX, millis).max(1);
        Some((bytes.into(), keep))
    }

    fn decode(&self, wire: &WireKey, fetched: Fetched, beta: f64, now: Moment) -> Read<V> {
        let Some(bytes) = fetched.value else { return Read::Miss { seen: None } };
        let envelope = match Envelope::decode(&bytes, self.space.schema(), wire) {
            Ok(envelope) => envelope,
            Err(reason) => {
                self.telemetry.unreadable(reason);
                return Read::Miss { seen: Some(bytes) };
            }
        };
        let value = match envelope.kind {
            Kind::Negative => None,
            Kind::Value => match self.codec.decode(&envelope.payload) {
                Ok(value) => Some(value),
                Err(_) => {
                    self.telemetry.undecodable();
                    return Read::Miss { seen: Some(bytes) };
                }
            },
        };
        let Times { written, fresh_until, stale_until, error_until } = envelope.times;
        let left = [fresh_until, stale_until, error_until].map(|until| {
            (until != u64::MAX).then(|| Duration::from_millis(until.saturating_sub(fetched.now)))
        });
        let early = f64::from(envelope.load_millis) * beta;
        let early = Duration::try_from_secs_f64(early / 1000.0).unwrap_or(Duration::MAX);
        let early = u64::try_from(early.as_nanos()).unwrap_or(u64::MAX);
        let lifetime = Lifetime::of_left(left, early, now);
        Read::Whole(Whole { value, lifetime, written, tags: envelope.tags, seen: bytes })
    }

    /// What of several reads carries a tag that was bumped since becomes a miss.
    async fn check_tags(&self, reads: &mut [Read<V>]) {
        let mut ids: Vec<_> = reads
            .iter()
            .filter_map(|read| match read {
                Read::Whole(whole) => Some(whole.tags.iter().map(|tag| tag.tag)),
                _ => None,
            })
            .flatten()
            .collect();
        if ids.is_empty() {
            return;
        }
        ids.sort_unstable();
        ids.dedup();
        let versions = match self.store.tag_versions(&ids).await {
            Ok(versions) => versions,
            Err(error) => {
                self.telemetry.store_failed(&error);
                // Nobody knows whether they are current.
                for read in reads {
                    if matches!(read, Read::Whole(whole) if !whole.tags.is_empty()) {
                        *read = Read::Down;
                    }
                }
                return;
            }
        };
        let current = |tag: &TagVersion| {
            let at = ids.binary_search(&tag.tag).ok();
            at.and_then(|at| versions.get(at).copied().flatten()) == Some(tag.version)
        };
        for read in reads {
            if let Read::Whole(whole) = read
                && !whole.tags.iter().all(current)
            {
                *read = Read::Miss { seen: Some(whole.seen.clone()) };
            }
        }
    }
}

impl<K, V> Core<K, V>
where
    K: CacheKey + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// Lands what the second level has, and returns what is to be loaded here and what another
    /// process loads.
    pub(crate) async fn ask_store(
        &self,
        shared: &Shared<V>,
        jobs: Vec<Job<K, V>>,
    ) -> (Vec<Job<K, V>>, Vec<Job<K, V>>) {
        let (mut mine, mut busy) = (Vec::new(), Vec::new());
        if jobs.is_empty() {
            return (mine, busy);
        }
        let wires: Vec<_> = jobs.iter().map(|job| shared.wire(&job.ask.placed.bytes)).collect();
        let asked = self.now();
        let fetched = shared.store.fetch(&wires).await;
        let mut reads = self.decode_all(shared, &wires, fetched, asked);
        reads.resize_with(jobs.len(), || Read::Down);
        shared.check_tags(&mut reads).await;

        let (mut wanting, mut wants) = (Vec::new(), Vec::new());
        for ((job, wire), read) in jobs.into_iter().zip(wires).zip(reads) {
            match self.take(job, read, asked) {
                Taken::Landed => {}
                Taken::Load(job) => mine.push(job),
                Taken::Want(job, seen) => {
                    wanting.push(job);
                    wants.push(Want { key: wire, seen });
                }
            }
        }
        if wanting.is_empty() {
            return (mine, busy);
        }

        let given = self.now();
        let mut leased = shared.store.lease(&wants).await.into_iter();
        let mut again = Vec::new();
        for (mut job, want) in wanting.into_iter().zip(wants) {
            match leased.next() {
                Some(Ok(Leased::Won(lease))) => {
                    job.lease = Some((want.key, lease, given));
                    mine.push(job);
                }
                Some(Ok(Leased::Busy)) => busy.push(job),
                Some(Ok(Leased::Found(fetched))) => again.push((job, want.key, fetched)),
                Some(Err(error)) => {
                    shared.telemetry.store_failed(&error);
                    mine.push(job);
                }
                None => mine.push(job),
            }
        }
        let mut reads: Vec<_> = Vec::new();
        let mut jobs = Vec::new();
        for (job, wire, fetched) in again {
            reads.push(shared.decode(&wire, fetched, self.freshness.beta(), given));
            jobs.push(job);
        }
        shared.check_tags(&mut reads).await;
        for (job, read) in jobs.into_iter().zip(reads) {
            match self.take(job, read, given) {
                Taken::Landed => {}
                // Twice in a row something came that will not do: this one loads for itself.
                Taken::Load(job) | Taken::Want(job, _) => mine.push(job),
            }
        }
        (mine, busy)
    }

    fn decode_all(
        &self,
        shared: &Shared<V>,
        wires: &[WireKey],
        fetched: Vec<Result<Fetched, StoreError>>,
        asked: Moment,
    ) -> Vec<Read<V>> {
        let pairs = wires.iter().zip(fetched);
        pairs
            .map(|(wire, fetched)| match fetched {
                Ok(fetched) => shared.decode(wire, fetched, self.freshness.beta(), asked),
                Err(error) => {
                    shared.telemetry.store_failed(&error);
                    Read::Down
                }
            })
            .collect()
    }

    /// Takes what was read into the first level, and lands the flight if it will do.
    fn take(&self, mut job: Job<K, V>, read: Read<V>, asked: Moment) -> Taken<K, V> {
        let whole = match read {
            Read::Down => return Taken::Load(job),
            Read::Miss { seen } => return Taken::Want(job, seen),
            Read::Whole(whole) => whole,
        };
        let lifetime = self.freshness.filled(whole.lifetime, asked);
        let verdict = lifetime.judge(self.now(), || u64::MAX);
        let held = job.ask.held.as_ref().map(|held| held.written);
        // What this process has already is what is to be replaced.
        if verdict == Verdict::Gone || held == Some(whole.written) {
            return Taken::Want(job, Some(whole.seen));
        }
        let bytes = &job.ask.placed.bytes;
        let entry = self.entry(whole.value, bytes, lifetime, asked, whole.written);
        let places: Vec<u64> = whole.tags.iter().map(|tag| Tag::of_id(tag.tag).place()).collect();
        let (entry, current) = self.publish(&job.ask, entry, &places, false);
        if verdict == Verdict::StaleOnlyOnError {
            // It is there for who cannot wait; and the load knows of it.
            job.ask.held = Some(entry);
            return Taken::Want(job, Some(whole.seen));
        }
        self.level.forget_failure(job.ask.placed.place);
        let landed = Landed { entry, from: From::L2, current };
        job.landing.land(Outcome { result: Ok(landed) });
        Taken::Landed
    }
}

enum Taken<K, V> {
    Landed,
    /// Without the second level.
    Load(Job<K, V>),
    /// With a lease, if there is one.
    Want(Job<K, V>, Option<Bytes>),
}
