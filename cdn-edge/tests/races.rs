//! Purges and writes against fills: whoever asks after a purge has returned is never answered with what was asked
//! for before, wherever that is at the moment.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Method, Uri};
use http_body_util::BodyExt;
use terrace_cdn_edge::purge::Mode;
use terrace_cdn_edge::{Edge, EdgeHandle};
use tokio::sync::oneshot;
use tokio::task::yield_now;
use tower::ServiceExt;

use support::{Feed, Origin, answer, ask, edge, fed, frames, full, get, page, settle};

#[allow(dead_code, reason = "other suites use the rest of it")]
mod support;

const ROUNDS: u64 = 10_000;
const FIELDS: [(&str, &str); 3] =
    [("cache-control", "max-age=60"), ("surrogate-key", "front"), ("cache-groups", "\"g\"")];

/// What makes the old page go.
#[derive(Clone, Copy, Debug, PartialEq)]
enum How {
    Url,
    Path,
    Tag,
    Group,
    Host,
    Prefix,
    All,
    /// An unsafe request to the same URL.
    Write,
}

const PURGES: [How; 7] =
    [How::Url, How::Path, How::Tag, How::Group, How::Host, How::Prefix, How::All];

fn purge(handle: &EdgeHandle, how: How, mode: Mode) {
    match how {
        How::Url => {
            let url = Uri::from_static("http://example.com/page");
            handle.purge_url(&url, mode).unwrap();
        }
        How::Path => drop(handle.purge_path("example.com", "/page", mode)),
        How::Tag => drop(handle.purge_tag("front", mode)),
        How::Group => drop(handle.purge_group("http://example.com", "g", mode)),
        How::Host => drop(handle.purge_host("example.com", mode)),
        How::Prefix => drop(handle.purge_prefix("example.com/pa", mode)),
        How::All => drop(handle.purge_all(mode)),
        How::Write => unreachable!("no purge"),
    }
}

async fn invalidate(edge: &Edge<Origin>, how: How) {
    if how == How::Write {
        let mut request = get("/page");
        *request.method_mut() = Method::POST;
        assert!(ask(edge, request).await.status().is_success());
    } else {
        purge(&edge.handle(), how, Mode::Hard);
    }
}

// Random interleavings.

/// What the race asks and purges.
trait Subject: Clone + Send + Sync + 'static {
    /// The version that the page has.
    fn version(&self) -> impl Future<Output = u64> + Send;
    fn invalidate(&self, how: How) -> impl Future<Output = ()> + Send;
}

impl Subject for Edge<Origin> {
    async fn version(&self) -> u64 {
        let mut body = self.clone().oneshot(get("/page")).await.unwrap().into_body();
        let mut versions = Vec::new();
        while let Some(frame) = body.frame().await {
            let data = frame.unwrap().into_data().unwrap();
            versions.extend(data.chunks(8).map(|it| u64::from_be_bytes(it.try_into().unwrap())));
        }
        assert_eq!(versions.len(), 2);
        assert_eq!(versions[0], versions[1], "one answer of two pages");
        versions[0]
    }

    async fn invalidate(&self, how: How) {
        invalidate(self, how).await;
    }
}

/// A cache as many are: what is put after a purge counts as newer than the purge.
#[derive(Clone)]
struct ByTimeOfPut {
    origin: Origin,
    purges: Arc<AtomicU64>,
    stored: Arc<Mutex<Option<(u64, u64)>>>,
}

impl Subject for ByTimeOfPut {
    async fn version(&self) -> u64 {
        let stored = *self.stored.lock().unwrap();
        if let Some((_, version)) = stored.filter(|(put, _)| *put >= self.purges.load(SeqCst)) {
            return version;
        }
        let version = edge(self.origin.clone(), |edge| edge).version().await;
        *self.stored.lock().unwrap() = Some((self.purges.load(SeqCst), version));
        version
    }

    async fn invalidate(&self, _: How) {
        self.purges.fetch_add(1, SeqCst);
    }
}

async fn pause(random: &mut fastrand::Rng) {
    for _ in 0..random.u8(..4) {
        yield_now().await;
    }
}

/// An origin whose page has the version that it had at some moment of the request.
fn origin(version: Arc<AtomicU64>, seed: u64) -> Origin {
    Origin::new(move |asked| {
        let version = Arc::clone(&version);
        let mut random = fastrand::Rng::with_seed(seed ^ asked.number as u64);
        async move {
            pause(&mut random).await;
            if asked.method == Method::POST {
                return Ok(answer(&[], full("")));
            }
            let page = Bytes::copy_from_slice(&version.load(SeqCst).to_be_bytes());
            pause(&mut random).await;
            let pieces = stream::iter([page.clone(), page]).then(move |piece| {
                let mut random = random.clone();
                async move {
                    pause(&mut random).await;
                    Ok(piece)
                }
            });
            Ok(answer(&FIELDS, frames(pieces)))
        }
    })
}

/// Invalidates in so many rounds while three others read. Stops at the first old page: in which round it was.
fn race(
    rounds: u64,
    hows: &'static [How],
    subject: impl Subject,
    version: Arc<AtomicU64>,
    seed: u64,
) -> Option<u64> {
    println!("seed {seed}");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    let gone = Arc::new(AtomicU64::new(0));
    let fault = Arc::new(AtomicU64::new(u64::MAX));
    let over = Arc::new(AtomicBool::new(false));
    runtime.block_on(async move {
        let readers: Vec<_> = (0..3)
            .map(|reader| {
                let (subject, gone) = (subject.clone(), Arc::clone(&gone));
                let (fault, over) = (Arc::clone(&fault), Arc::clone(&over));
                let mut random = fastrand::Rng::with_seed(seed.wrapping_add(reader));
                tokio::spawn(async move {
                    while !over.load(SeqCst) {
                        let newest = gone.load(SeqCst);
                        if subject.version().await < newest {
                            fault.fetch_min(newest, SeqCst);
                        }
                        pause(&mut random).await;
                    }
                })
            })
            .collect();
        let writer = tokio::spawn(async move {
            let mut random = fastrand::Rng::with_seed(seed);
            for round in 1..=rounds {
                version.store(round, SeqCst);
                subject.invalidate(random.choice(hows).copied().unwrap()).await;
                gone.store(round, SeqCst);
                if random.bool() && subject.version().await < round {
                    fault.fetch_min(round, SeqCst);
                }
                pause(&mut random).await;
                if fault.load(SeqCst) != u64::MAX {
                    break;
                }
            }
            over.store(true, SeqCst);
            for reader in readers {
                reader.await.unwrap();
            }
            Some(fault.load(SeqCst)).filter(|fault| *fault != u64::MAX)
        });
        writer.await.unwrap()
    })
}

#[test]
fn nothing_old_is_served_once_a_purge_has_returned() {
    let (seed, version) = (fastrand::u64(..), Arc::new(AtomicU64::new(0)));
    let origin = origin(Arc::clone(&version), seed);
    let edge = edge(origin.clone(), |edge| edge);
    let handle = edge.handle();
    let fault = race(ROUNDS, &PURGES, edge, version, seed);
    assert_eq!(fault, None, "old in this round, seed {seed}");
    // All of it happened: hits, waiting, fills.
    let stats = handle.stats();
    assert!(stats.hits > 0 && stats.collapsed > 0 && stats.stored > 100, "{stats:?}");
    assert!(origin.asked() as u64 > ROUNDS / 10, "{} fills", origin.asked());
}

#[test]
fn nothing_old_is_served_once_a_write_was_answered() {
    let (seed, version) = (fastrand::u64(..), Arc::new(AtomicU64::new(0)));
    let origin = origin(Arc::clone(&version), seed);
    let edge = edge(origin, |edge| edge);
    let handle = edge.handle();
    let fault = race(ROUNDS, &[How::Write], edge, version, seed);
    assert_eq!(fault, None, "old in this round, seed {seed}");
    let stats = handle.stats();
    assert!(stats.hits > 0 && stats.collapsed > 0 && stats.stored > 100, "{stats:?}");
}

#[test]
fn a_purge_that_is_compared_with_the_time_of_the_put_is_caught() {
    let (seed, version) = (fastrand::u64(..), Arc::new(AtomicU64::new(0)));
    let origin = origin(Arc::clone(&version), seed);
    let naive = ByTimeOfPut { origin, purges: Arc::default(), stored: Arc::default() };
    assert!(race(ROUNDS, &[How::All], naive, version, seed).is_some(), "not caught, seed {seed}");
}

// Forced orders.

/// Where the old page is when it becomes old.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    Asked,
    Streaming,
    Stored,
}

const STAGES: [Stage; 3] = [Stage::Asked, Stage::Streaming, Stage::Stored];

/// An origin whose first page the test sends by hand; all others are new.
struct Held {
    origin: Origin,
    head: Option<oneshot::Sender<()>>,
    feed: Option<Feed>,
}

impl Held {
    fn new(cache_control: &'static str) -> Self {
        let (head, sent) = oneshot::channel();
        let (feed, body) = fed();
        let first = Mutex::new(Some((sent, body)));
        let origin = Origin::new(move |asked| {
            let first =
                if asked.method == Method::GET { first.lock().unwrap().take() } else { None };
            async move {
                let [_, tag, group] = FIELDS;
                let fields = [("cache-control", cache_control), tag, group, ("etag", "\"new\"")];
                let Some((sent, body)) = first else { return Ok(answer(&fields, full("new"))) };
                sent.await?;
                Ok(answer(&fields[..3], body))
            }
        });
        Self { origin, head: Some(head), feed: Some(feed) }
    }

    async fn goes_on_to(&mut self, stage: Stage) {
        if let Some(head) = self.head.take_if(|_| stage != Stage::Asked) {
            head.send(()).unwrap();
            self.feed.as_ref().unwrap().send(Ok(Bytes::from_static(b"ol"))).unwrap();
        }
        if let Some(feed) = self.feed.take_if(|_| stage == Stage::Stored) {
            // Nobody may be there any more to take it.
            let _ = feed.send(Ok(Bytes::from_static(b"d")));
        }
        settle().await;
    }
}

/// The first fill comes this far.
async fn begun(edge: &Edge<Origin>, held: &mut Held, stage: Stage) {
    let reader = edge.clone();
    tokio::spawn(async move { page(&reader, "/page").await });
    settle().await;
    held.goes_on_to(stage).await;
}

#[tokio::test(start_paused = true)]
async fn wherever_the_old_page_is_when_it_is_invalidated_the_next_answer_is_new() {
    for how in PURGES.into_iter().chain([How::Write]) {
        for stage in STAGES {
            let mut held = Held::new("max-age=60");
            let edge = edge(held.origin.clone(), |edge| edge);
            begun(&edge, &mut held, stage).await;
            let before = held.origin.asked();
            invalidate(&edge, how).await;
            let next = tokio::spawn({
                let edge = edge.clone();
                async move { page(&edge, "/page").await.1 }
            });
            settle().await;
            held.goes_on_to(Stage::Stored).await;
            assert_eq!(next.await.unwrap(), "new", "{how:?}, {stage:?}");
            // What came too late has not replaced it.
            settle().await;
            assert_eq!(page(&edge, "/page").await.1, "new", "{how:?}, {stage:?}");
            let asked = held.origin.asked() - before - usize::from(how == How::Write);
            assert_eq!(asked, 1, "{how:?}, {stage:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_nobody_invalidated_is_served_wherever_it_is() {
    for stage in STAGES {
        let mut held = Held::new("max-age=60");
        let edge = edge(held.origin.clone(), |edge| edge);
        begun(&edge, &mut held, stage).await;
        edge.handle().purge_tag("another", Mode::Hard);
        edge.handle().purge_prefix("example.com/other", Mode::Hard);
        let next = tokio::spawn({
            let edge = edge.clone();
            async move { page(&edge, "/page").await.1 }
        });
        settle().await;
        held.goes_on_to(Stage::Stored).await;
        assert_eq!(next.await.unwrap(), "old", "{stage:?}");
        assert_eq!(held.origin.asked(), 1, "{stage:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_old_fill_that_ends_late_does_not_replace_what_was_stored_since() {
    for how in PURGES.into_iter().chain([How::Write]) {
        for mode in [Mode::Hard, Mode::Soft] {
            if how == How::Write && mode == Mode::Soft {
                continue;
            }
            let mut held = Held::new("max-age=60");
            let edge = edge(held.origin.clone(), |edge| edge);
            begun(&edge, &mut held, Stage::Streaming).await;
            match how {
                How::Write => invalidate(&edge, how).await,
                _ => purge(&edge.handle(), how, mode),
            }
            assert_eq!(page(&edge, "/page").await.1, "new", "{how:?}, {mode:?}");
            settle().await;
            let asked = held.origin.asked();
            held.goes_on_to(Stage::Stored).await;
            assert_eq!(page(&edge, "/page").await.1, "new", "{how:?}, {mode:?}");
            assert_eq!(held.origin.asked(), asked, "{how:?}, {mode:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_soft_purge_the_next_request_asks_the_origin() {
    for how in PURGES {
        for stage in STAGES {
            let mut held = Held::new("max-age=60");
            let edge = edge(held.origin.clone(), |edge| edge);
            begun(&edge, &mut held, stage).await;
            purge(&edge.handle(), how, Mode::Soft);
            let next = tokio::spawn({
                let edge = edge.clone();
                async move { page(&edge, "/page").await.1 }
            });
            settle().await;
            held.goes_on_to(Stage::Stored).await;
            assert_eq!(next.await.unwrap(), "new", "{how:?}, {stage:?}");
            assert_eq!(held.origin.asked(), 2, "{how:?}, {stage:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_soft_purge_asks_whether_what_is_stored_still_holds() {
    let origin = Origin::new(|asked| async move {
        let [life, tag, group] = FIELDS;
        let fields = [life, tag, group, ("etag", "\"a\"")];
        let mut response = answer(&fields, full("page"));
        if asked.field("if-none-match") == "\"a\"" {
            response = answer(&fields, full(""));
            *response.status_mut() = http::StatusCode::NOT_MODIFIED;
        }
        Ok(response)
    });
    let edge = edge(origin.clone(), |edge| edge);
    page(&edge, "/page").await;
    settle().await;
    for how in PURGES {
        let asked = origin.asked();
        purge(&edge.handle(), how, Mode::Soft);
        for _ in 0..3 {
            assert_eq!(page(&edge, "/page").await.1, "page");
        }
        assert_eq!(origin.asked(), asked + 1, "{how:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_soft_purge_of_what_may_be_stale_for_a_while_serves_it_while_it_is_asked_for_again() {
    for how in PURGES {
        let mut held = Held::new("max-age=60, stale-while-revalidate=60");
        let edge = edge(held.origin.clone(), |edge| edge);
        begun(&edge, &mut held, Stage::Stored).await;
        purge(&edge.handle(), how, Mode::Soft);
        assert_eq!(page(&edge, "/page").await.1, "old", "{how:?}");
        settle().await;
        assert_eq!(page(&edge, "/page").await.1, "new", "{how:?}");
        assert_eq!(held.origin.asked(), 2, "{how:?}");
        // A hard one leaves nothing to serve.
        purge(&edge.handle(), how, Mode::Hard);
        page(&edge, "/page").await;
        assert_eq!(held.origin.asked(), 3, "{how:?}");
    }
}
