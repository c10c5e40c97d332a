//! The task behind a flight, or behind several that were begun together: the second level, the
//! loader, and what is kept of it.

use std::any::Any;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join, join_all};
use tokio::time::{Instant, sleep, timeout_at};

use super::core::{Ask, Core, far};
use super::shared::Shared;
use super::{Entry, level};
use crate::envelope::MAX_TAGS;
use crate::error::{BoxError, LoadError};
use crate::flight::{CURRENT, From, Landed, Landing, Node, Outcome};
use crate::freshness::{Kept, Load, Meanwhile, Moment, Verdict};
use crate::key::{CacheKey, WireKey};
use crate::load::{BatchCx, LoadCx, Once, Said};
use crate::store::Lease;

/// The first pause of who waits for another process's load, doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// The longest one: a value that came is seen a quarter of a second later at most.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// Flights that one task brings down.
pub(crate) struct Batch<K, V> {
    node: Arc<Node>,
    jobs: Vec<Job<K, V>>,
}

/// One key to load.
pub(crate) struct Job<K, V> {
    pub(crate) key: K,
    pub(crate) ask: Ask<V>,
    pub(crate) landing: Landing<V>,
    /// A reader's own load, instead of the cache's loader.
    pub(crate) own: Option<Once<V>>,
    /// The right to fill the second level, and when it was given.
    pub(crate) lease: Option<(WireKey, Lease, Moment)>,
}

impl<K, V> Batch<K, V> {
    pub(crate) fn new(node: Arc<Node>, jobs: Vec<Job<K, V>>) -> Self {
        Self { node, jobs }
    }
}

impl<K, V> Job<K, V> {
    pub(crate) fn new(key: K, ask: Ask<V>, landing: Landing<V>, own: Option<Once<V>>) -> Self {
        Self { key, ask, landing, own, lease: None }
    }
}

impl<K, V> Core<K, V>
where
    K: CacheKey + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    pub(crate) async fn run(self: Arc<Self>, batch: Batch<K, V>) {
        let Batch { node, jobs } = batch;
        let began = self.now();
        let work = async {
            let jobs = jobs.into_iter().filter_map(|job| self.still_needed(job)).collect();
            match &self.shared {
                None => self.load(jobs, began).await,
                Some(shared) => self.share(shared, jobs, began, FIRST_PAUSE).await,
            }
        };
        // The loader's panics are caught where it is called. This is for a codec's or a weigher's: the
        // flights that are left land as they are dropped.
        let _ = AssertUnwindSafe(CURRENT.scope(node, work)).catch_unwind().await;
    }

    /// Between the look and the boarding another load may have come to its end.
    fn still_needed(&self, job: Job<K, V>) -> Option<Job<K, V>> {
        let Ask { placed, held, .. } = &job.ask;
        if let Some(entry) = self.level.find(placed.place, &placed.bytes)
            && !held.as_ref().is_some_and(|held| Arc::ptr_eq(held, &entry))
            && self.verdict(&entry, self.now()) <= Verdict::FreshRefreshEarly
        {
            job.landing
                .land(Outcome { result: Ok(Landed { entry, from: From::L1, current: true }) });
            return None;
        }
        match self.meanwhile(&job.ask) {
            (Meanwhile::Load, _) | (_, None) => Some(job),
            (_, Some(error)) => {
                job.landing.land(Outcome { result: Err(error) });
                None
            }
        }
    }

    /// Asks the second level, then loads what it has not got and what nobody else loads.
    fn share<'a>(
        &'a self,
        shared: &'a Shared<V>,
        jobs: Vec<Job<K, V>>,
        began: Moment,
        pause: Duration,
    ) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let (mine, busy) = self.ask_store(shared, jobs).await;
            let rest = async {
                if busy.is_empty() {
                    return;
                }
                // Half of the time is for the others; a holder that died is not waited for longer.
                if self.now() >= began.plus(self.freshness.hard_timeout / 2) {
                    return self.load(busy, began).await;
                }
                self.telemetry.waited(busy.len());
                sleep(pause).await;
                self.share(shared, busy, began, (pause * 2).min(LONGEST_PAUSE)).await;
            };
            join(self.load(mine, began), rest).await;
        })
    }

    async fn load(&self, jobs: Vec<Job<K, V>>, began: Moment) {
        let deadline = began.plus(self.freshness.hard_timeout);
        let deadline = deadline.instant(self.origin).unwrap_or_else(far);
        let (own, rest): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| job.own.is_some());
        let mut loads: Vec<BoxFuture<'_, ()>> = Vec::new();
        let mut alone = own;
        match (&self.loaders.one, &self.loaders.many) {
            (None, None) => rest.into_iter().for_each(|job| {
                job.landing.land(Outcome { result: Err(LoadError::NoLoader) });
            }),
            (one, Some(_)) if rest.len() > 1 || (one.is_none() && !rest.is_empty()) => {
                loads.push(Box::pin(self.load_many(rest, deadline)));
            }
            _ => alone.extend(rest),
        }
        loads.extend(
            alone
                .into_iter()
                .map(|job| -> BoxFuture<'_, ()> { Box::pin(self.load_one(job, deadline)) }),
        );
        join_all(loads).await;
    }

    async fn load_one(&self, mut job: Job<K, V>, deadline: Instant) {
        let cx = LoadCx::new(job.ask.held.clone(), deadline);
        let own = job.own.take();
        let (key, one) = (&job.key, &self.loaders.one);
        let call = || {
            let cx = cx.clone();
            async move {
                match (own, one) {
                    (Some(own), _) => own(cx).await,
                    (None, Some(one)) => one(key.clone(), cx).await,
                    (None, None) => Err(Box::from(LoadError::NoLoader)),
                }
            }
        };
        match self.call(call, deadline).await {
            Ok((value, began)) => self.keep(job, value, cx.take(), began).await,
            Err(error) => self.fail(job, error).await,
        }
    }

    async fn load_many(&self, jobs: Vec<Job<K, V>>, deadline: Instant) {
        let Some(many) = &self.loaders.many else { return };
        let cx = |job: &Job<K, V>| {
            (job.ask.placed.bytes.clone(), LoadCx::new(job.ask.held.clone(), deadline))
        };
        let each: Arc<[_]> = jobs.iter().map(cx).collect();
        let keys: Vec<K> = jobs.iter().map(|job| job.key.clone()).collect();
        let batch = BatchCx::new(Arc::clone(&each), deadline);
        match self.call(|| async move { many(keys, batch).await }, deadline).await {
            Ok((found, began)) => {
                let mut found: HashMap<Box<[u8]>, V> = found
                    .into_iter()
                    .map(|(key, value)| (self.places.placed(&key).bytes, value))
                    .collect();
                let keeps = jobs.into_iter().zip(each.iter()).map(|(job, (bytes, cx))| {
                    let value = found.remove(bytes);
                    self.keep(job, value, cx.take(), began)
                });
                join_all(keeps.collect::<Vec<_>>()).await;
            }
            Err(error) => {
                join_all(jobs.into_iter().map(|job| self.fail(job, error.clone()))).await;
            }
        }
    }

    /// Calls a loader: under the cap, within the time, and whatever it does. Returns when it began,
    /// too.
    async fn call<R, Fut>(
        &self,
        call: impl FnOnce() -> Fut,
        deadline: Instant,
    ) -> Result<(R, Moment), LoadError>
    where
        Fut: Future<Output = Result<R, BoxError>>,
    {
        let timed_out = |_| LoadError::TimedOut { after: self.freshness.hard_timeout };
        let permit = timeout_at(deadline, self.permits.acquire()).await.map_err(timed_out)?;
        let began = self.now();
        self.telemetry.load_began();
        // The call is part of what may panic.
        let work = AssertUnwindSafe(async { call().await }).catch_unwind();
        let ended = timeout_at(deadline, work).await;
        drop(permit);
        let result = match ended {
            Err(elapsed) => Err(timed_out(elapsed)),
            Ok(Err(panic)) => Err(LoadError::Panicked { message: said(&*panic) }),
            Ok(Ok(Err(error))) => {
                Err(LoadError::Failed { source: error.into(), retry_after: Duration::ZERO })
            }
            Ok(Ok(Ok(value))) => Ok((value, began)),
        };
        self.telemetry.load_ended(self.now().since(began), result.as_ref().err());
        result
    }

    /// Keeps what a load found, tells those who wait, and then fills the second level.
    async fn keep(&self, job: Job<K, V>, value: Option<V>, said: Said, began: Moment) {
        let Job { ask, landing, lease, .. } = job;
        let ended = self.now();
        let kept = if value.is_some() { Kept::Value } else { Kept::Absence };
        let load = Load { began, ended, kept, ttl: said.ttl };
        let lifetime = self.freshness.lifetime(&load, self.draw());
        let written = lease
            .as_ref()
            .map_or(0, |(_, lease, given)| lease.now.saturating_add(millis(ended.since(*given))));
        let entry = self.entry(value, &ask.placed.bytes, lifetime, ended, written);
        let discard = said.discard || said.tags.len() > MAX_TAGS || lifetime.gone_at() <= ended;
        if said.tags.len() > MAX_TAGS {
            self.telemetry.too_many_tags(said.tags.len());
        }
        let places: Vec<u64> = said.tags.iter().map(|tag| tag.place()).collect();
        let (entry, current) = self.publish(&ask, entry, &places, discard);
        self.level.forget_failure(ask.placed.place);
        self.telemetry.landed(landing.flight().joined());
        let landed = Landed { entry: Arc::clone(&entry), from: From::Loader, current };
        landing.land(Outcome { result: Ok(landed) });
        let (Some(shared), Some((wire, lease, _))) = (&self.shared, lease) else { return };
        if discard || !current {
            return shared.release(&wire, &lease).await;
        }
        shared.fill(&wire, &lease, &entry, &said.tags, ended.since(began), ended).await;
    }

    /// Puts an entry into the first level unless something that concerns it has moved. Returns
    /// whether nothing had.
    pub(crate) fn publish(
        &self,
        ask: &Ask<V>,
        entry: Entry<V>,
        tags: &[u64],
        discard: bool,
    ) -> (Arc<Entry<V>>, bool) {
        let place = ask.placed.place;
        if discard {
            return (Arc::new(entry), self.versions.check(&ask.captured, tags).is_ok());
        }
        let weight = self.weigh(&ask.placed.bytes, entry.value.as_ref());
        let mut entry = Arc::new(entry);
        let published = self.versions.publish(&ask.captured, tags, |stamp| {
            if let Some(entry) = Arc::get_mut(&mut entry) {
                entry.stamp = Some(stamp);
            }
            self.level.insert(place, Arc::clone(&entry), weight)
        });
        match published {
            Ok(Ok(())) => self.telemetry.kept(|| self.level.usage().0),
            Ok(Err(heavy)) => self.telemetry.too_heavy(heavy),
            Err(superseded) => self.telemetry.superseded(superseded),
        }
        (entry, published.is_ok())
    }

    async fn fail(&self, job: Job<K, V>, error: LoadError) {
        let Job { ask, landing, lease, .. } = job;
        let now = self.now();
        let place = ask.placed.place;
        let mut backoff =
            self.level.failure(place).map(|failure| failure.backoff).unwrap_or_default();
        let until = backoff.failed(&self.freshness, now);
        let error = match error {
            LoadError::Failed { source, .. } => {
                LoadError::Failed { source, retry_after: until.since(now) }
            }
            other => other,
        };
        self.level.set_failure(place, level::Failure { backoff, error: error.clone() });
        landing.land(Outcome { result: Err(error) });
        if let (Some(shared), Some((wire, lease, _))) = (&self.shared, lease) {
            shared.release(&wire, &lease).await;
        }
    }
}

/// What a panic said.
fn said(panic: &(dyn Any + Send)) -> Arc<str> {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("with something that is no text").into()
}

pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
