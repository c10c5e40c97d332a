//! What a memory takes beside the values, at many of them.
//!
//! `cargo test -p terrace-cdn-edge --test memory_cost -- --nocapture` prints it.

use std::sync::Arc;

use terrace_cdn_edge::store::{Change, Engine, Memory, Weigh};

/// As large as its bytes.
struct Body(Box<[u8]>);

impl Weigh for Body {
    fn weight(&self) -> u64 {
        self.0.len() as u64
    }
}

#[test]
fn large_objects_in_a_row_do_not_take_more_memory_than_there_is() {
    let capacity: u64 = 16 << 20;
    // The library of moka frees a little later than it forgets.
    for (engine, bound) in [(Engine::Quick, 17), (Engine::Moka, 24)] {
        let taken = allocation_counter::measure(|| {
            let memory = Memory::builder().engine(engine).capacity_bytes(capacity).build().unwrap();
            for number in 0..500_u64 {
                let key = xxhash_rust::xxh3::xxh3_128(&number.to_be_bytes());
                let body = Arc::new(Body(vec![0; 1 << 20].into()));
                memory.update(key, |_| Change::Put(body)).unwrap();
            }
        });
        let most = taken.bytes_max / (1 << 20);
        println!("{engine:?}: at most {most} MiB for objects of 1 MiB in a memory of 16 MiB");
        assert!(most <= bound, "{engine:?}");
    }
}

/// As large as what an object keeps inline.
struct Value {
    _inline: [u8; 104],
}

impl Weigh for Value {
    fn weight(&self) -> u64 {
        size_of::<Self>() as u64
    }
}

/// Bytes that an entry takes beside the value and the two counters of its `Arc`, and what the memory
/// counts for it.
fn per_entry(engine: Engine, entries: u64) -> (u64, u64) {
    let mut filled = None;
    let taken = allocation_counter::measure(|| {
        let memory = Memory::builder().engine(engine).capacity_bytes(1 << 30).build().unwrap();
        for number in 0..entries {
            let key = xxhash_rust::xxh3::xxh3_128(&number.to_be_bytes());
            memory.update(key, |_| Change::Put(Arc::new(Value { _inline: [0; 104] }))).unwrap();
        }
        filled = Some(memory);
    });
    let memory = filled.unwrap();
    assert_eq!(memory.len() as u64, entries);
    let values = (size_of::<Value>() + 2 * size_of::<usize>()) as u64;
    let measured = u64::try_from(taken.bytes_current).unwrap() / entries;
    let counted = memory.weight() / entries;
    (measured - values, counted - size_of::<Value>() as u64)
}

#[test]
fn an_entry_costs_about_what_the_memory_counts_for_it() {
    // Fewer for moka, which is slow without optimisation: it takes the same from ten thousand on.
    for (engine, entries) in [(Engine::Quick, 100_000), (Engine::Moka, 20_000)] {
        let (measured, counted) = per_entry(engine, entries);
        println!("{engine:?}: {measured} bytes an entry at {entries}, counted as {counted}");
        assert!(measured <= counted, "{engine:?} takes more than it says: {measured} > {counted}");
        assert!(counted < 2 * measured, "{engine:?} takes much less than it says: {measured}");
    }
}
