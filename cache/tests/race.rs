//! The race matrix: every kind of write at every moment of a load, a refresh, a fill, a message.
//!
//! What is played, and what is asked for, is in `terrace_testkit::races`; here are the caches that play.

#[path = "race/gated.rs"]
mod gated;
#[path = "race/naive.rs"]
mod naive;

use std::convert::Infallible;
use std::future::ready;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use terrace_cache::bus::Local;
use terrace_cache::codec::Json;
use terrace_cache::freshness::Freshness;
use terrace_cache::store::Memory;
use terrace_cache::tag::row;
use terrace_cache::{Cache, LoadCx};
use terrace_testkit::races::{
    Bus, Cell, During, Gate, Matrix, Op, Source, Subject, World, Writer, run,
};
use tokio::runtime::Handle;

use self::gated::{Gated, Gates};
use self::naive::Naive;

const KEY: u64 = 1;

/// A world with a second level or without one, with a bus or without one.
struct Terrace<const STORE: bool, const BUS: bool> {
    source: Source,
    memory: Memory,
    gates: Gates,
    local: Local,
}

#[derive(Clone)]
struct Node {
    source: Source,
    cache: Cache<u64, u64>,
}

impl<const STORE: bool, const BUS: bool> World for Terrace<STORE, BUS> {
    type Node = Node;

    const STALE_AFTER: Option<Duration> = Some(Duration::from_millis(1_001));
    const L1_MAX_AGE: Option<Duration> =
        if STORE || BUS { Some(Duration::from_secs(10)) } else { None };
    const BACKOFF: Duration = Duration::from_secs(11);

    fn new(source: Source) -> Self {
        Self { source, memory: Memory::new(), gates: Gates::default(), local: Local::new() }
    }

    fn node(&self) -> Node {
        let freshness = Freshness::default()
            .ttl(Duration::from_secs(1))
            .jitter(0.0)
            .early_refresh(0.0)
            .stale_while_revalidate(Duration::from_secs(3600))
            .stale_if_error(Duration::from_secs(3600))
            .hard_timeout(Duration::from_secs(60))
            .l1_max_age(Self::L1_MAX_AGE);
        let mut builder = Cache::builder("races").capacity(64).freshness(freshness).loader(
            self.source.clone(),
            |source, id, cx: LoadCx<u64>| async move {
                let value = source.load().await;
                cx.tag(row("numbers", id));
                Ok::<_, Infallible>(Some(value))
            },
        );
        if STORE {
            let gated = Gated { inner: self.memory.clone(), gates: self.gates.clone() };
            builder = builder.store(gated, Json);
        }
        if BUS {
            builder = builder.bus(Arc::new(self.local.node()));
        }
        Node { source: self.source.clone(), cache: builder.build().unwrap() }
    }

    fn has(cell: Cell) -> bool {
        let store = match cell.during {
            During::Fill | During::Share => STORE,
            _ => true,
        };
        store
            && match cell.writer {
                Writer::Here => true,
                Writer::There | Writer::Told => BUS,
                Writer::Lost => STORE || BUS,
            }
    }

    fn points(during: During) -> &'static [&'static str] {
        match during {
            During::Fill => {
                &["before fetch", "after fetch", "before tag_versions", "after tag_versions"]
            }
            During::Share => &[
                "before lease",
                "after lease",
                "before hold_tags",
                "after hold_tags",
                "before fill",
                "after fill",
            ],
            _ => &[],
        }
    }

    fn gate(&self, point: &str) -> Gate {
        self.gates.at(point)
    }

    fn bus(&self, order: Bus) {
        match order {
            Bus::Hold => self.local.hold(),
            Bus::Deliver => self.local.release(),
            Bus::Lose => while self.local.lose(0) {},
        }
    }
}

impl Subject for Node {
    async fn read(&self) -> Result<u64, String> {
        let cached = self.cache.get(&KEY).await.map_err(|error| error.to_string())?;
        cached.ok_or_else(|| "an absence".to_owned())
    }

    async fn write(&self, op: Op) -> Result<(), String> {
        let told = match op {
            Op::Insert => {
                let write = async { Ok::<_, Infallible>(Some(self.source.change())) };
                let tags = [row("numbers", KEY)];
                let put = self.cache.put_through_tagged(&KEY, &tags, write).await;
                return put.map(drop).map_err(|error| error.to_string());
            }
            Op::Invalidate => {
                self.source.change();
                self.cache.invalidate(&KEY).await
            }
            Op::Clear => {
                self.source.change();
                self.cache.clear().await
            }
            Op::Tag => {
                self.source.change();
                self.cache.invalidate_tag(row("numbers", KEY)).await
            }
        };
        told.map_err(|error| error.to_string())
    }

    fn peek(&self) -> Option<u64> {
        self.cache.peek(&KEY).and_then(|cached| *cached)
    }
}

fn never_old(matrix: &Matrix) {
    println!("{matrix}");
    assert_eq!(matrix.faults(), [""; 0]);
    assert!(matrix.0.iter().all(|row| row.readers > 0));
}

#[tokio::test(start_paused = true)]
async fn with_two_levels_and_a_bus_nobody_reads_an_old_value_after_a_write() {
    never_old(&run::<Terrace<true, true>>().await);
}

#[tokio::test(start_paused = true)]
async fn with_a_second_level_alone_nobody_reads_an_old_value_after_a_write() {
    never_old(&run::<Terrace<true, false>>().await);
}

#[tokio::test(start_paused = true)]
async fn with_a_bus_alone_nobody_reads_an_old_value_after_a_write() {
    never_old(&run::<Terrace<false, true>>().await);
}

#[tokio::test(start_paused = true)]
async fn in_one_process_nobody_reads_an_old_value_after_a_write() {
    never_old(&run::<Terrace<false, false>>().await);
}

/// A write and a reader between the end of a load and its publication: in the weigher, which is
/// called there. Returns what that reader got, and the next.
async fn write_in_the_weigher(op: Op) -> (u64, u64) {
    type Reader = BoxFuture<'static, Result<u64, String>>;
    let source = Source::new();
    let node: Arc<OnceLock<Node>> = Arc::default();
    let reader: Arc<Mutex<Option<Reader>>> = Arc::default();
    let weigher = {
        let (node, reader) = (Arc::clone(&node), Arc::clone(&reader));
        let first = AtomicBool::new(true);
        move |_: &[u8], _: &u64| {
            if first.swap(false, Ordering::SeqCst)
                && let Some(node) = node.get().cloned()
            {
                // With neither store nor bus, a write waits for nothing.
                node.write(op).now_or_never().unwrap().unwrap();
                let runtime = Handle::current();
                // A thread of its own: who reads in the weigher itself would wait for itself.
                let read = thread::spawn(move || {
                    let _entered = runtime.enter();
                    let mut read: Reader = Box::pin(async move { node.read().await });
                    match (&mut read).now_or_never() {
                        Some(at_once) => Box::pin(ready(at_once)),
                        None => read,
                    }
                });
                let read = read.join().unwrap();
                *reader.lock().unwrap() = Some(read);
            }
            1
        }
    };
    let cache = Cache::builder("weigher")
        .capacity_bytes(64, weigher)
        .loader(source.clone(), |source, id, cx: LoadCx<u64>| async move {
            let value = source.load().await;
            cx.tag(row("numbers", id));
            Ok::<_, Infallible>(Some(value))
        })
        .build()
        .unwrap();
    let node = node.get_or_init(|| Node { source, cache });
    node.read().await.unwrap();
    let read = reader.lock().unwrap().take().unwrap();
    (read.await.unwrap(), node.read().await.unwrap())
}

#[tokio::test]
async fn a_write_between_the_end_of_a_load_and_its_publication_is_not_lost() {
    for op in Op::ALL {
        assert_eq!(write_in_the_weigher(op).await, (2, 2), "{op:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn control_a_cache_that_looks_and_then_inserts_keeps_the_old_value() {
    let matrix = run::<Naive>().await;
    println!("{matrix}");
    for row in &matrix.0 {
        // What happens to nobody at all is right even there, and a panic keeps nothing.
        let safe = matches!(row.cell.during, During::Quiet | During::PanickingLoader);
        assert_eq!(row.is_at_fault(), !safe, "{}: {:?}", row.cell, row.faults);
    }
}
