//! What a hit and an entry cost, in allocations and bytes.

use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use allocation_counter::measure;
use terrace_cache::tag::row;
use terrace_cache::{Cache, LoadCx};

const ENTRIES: usize = 10_000;

/// A cache whose values have so many tags, and a runtime to load in.
fn cache(tags: u64) -> (Cache<u64, u64>, tokio::runtime::Runtime) {
    let cache = Cache::builder("cost")
        .capacity(2 * ENTRIES)
        .loader((), move |(), key, cx: LoadCx<u64>| async move {
            (0..tags).for_each(|tag| cx.tag(row("cost", tag)));
            Ok::<_, std::io::Error>(Some(key))
        })
        .build()
        .unwrap();
    (cache, tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap())
}

fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it had to wait"),
    }
}

#[test]
fn a_hit_allocates_nothing() {
    for tags in [0, 4] {
        let (cache, runtime) = cache(tags);
        runtime.block_on(cache.get(&1)).unwrap();
        let hits = measure(|| {
            // More than the hits after which the recorder hears of them.
            for _ in 0..3000 {
                black_box(now(cache.get(&1)).unwrap());
            }
        });
        assert_eq!(hits.count_total, 0, "{hits:?}");
        // The control: a miss allocates, and that is seen.
        let miss = measure(|| drop(runtime.block_on(cache.get(&2)).unwrap()));
        assert!(miss.count_total > 5, "{miss:?}");
    }
}

#[test]
fn an_entry_takes_less_than_400_bytes_beside_its_value() {
    for tags in [0, 1] {
        let (cache, runtime) = cache(tags);
        // What is there once, whatever the number of entries.
        runtime.block_on(async { cache.get(&0).await.unwrap() });
        let filled = measure(|| {
            runtime.block_on(async {
                for key in 1..=ENTRIES as u64 {
                    cache.get(&key).await.unwrap();
                }
            });
        });
        let bytes = filled.bytes_current / ENTRIES as i64 - size_of::<u64>() as i64;
        println!("{tags} tags: {bytes} bytes an entry beside the value");
        assert!((100..400).contains(&bytes), "{tags} tags: {bytes}");
        assert_eq!(cache.stats().entries, ENTRIES + 1);
    }
}
