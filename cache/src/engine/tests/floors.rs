//! How many hits are the least, on made-up traffic. What is measured on real traffic is in
//! `benches/results/cache-traces.md`; this is to notice when a library or a setting changes.

use super::*;

const SEEDS: u64 = 3;

/// The mean of several seeds: which keys share a shard is worth a point or three in so small a cache.
fn ratio(policy: Policy, capacity: usize, keys: &[u64]) -> f64 {
    let hits = (0..SEEDS).map(|seed| {
        replay(policy, capacity, seed, keys).into_iter().filter(|&hit| hit).count() as f64
    });
    hits.sum::<f64>() / SEEDS as f64 / keys.len() as f64
}

/// Key `n` is asked for in proportion to 1 / n.
fn zipf(rng: &mut fastrand::Rng, keys: u64, requests: usize) -> Vec<u64> {
    let mut sum = 0.0;
    let sums: Vec<f64> = (1..=keys)
        .map(|n| {
            sum += 1.0 / n as f64;
            sum
        })
        .collect();
    let draw = |_| sums.partition_point(|&below| below < rng.f64() * sum) as u64;
    (0..requests).map(draw).collect()
}

/// Popular keys, and now and then a walk over keys that nobody asks for again.
fn zipf_and_scans() -> Vec<u64> {
    let mut rng = fastrand::Rng::with_seed(11);
    let popular = zipf(&mut rng, 5000, 8000);
    let mut scanned = 1_000_000..;
    popular
        .chunks(1000)
        .flat_map(|part| part.iter().copied().chain(scanned.by_ref().take(500)).collect::<Vec<_>>())
        .collect()
}

/// The floor of each policy, about a point below what it reaches; those that this build has not got are left out.
fn holds(name: &str, capacity: usize, keys: &[u64], floors: [(Policy, f64); 8]) {
    let there: Vec<Policy> = policies().collect();
    let floors = floors.into_iter().filter(|(policy, _)| there.contains(policy));
    let got: Vec<_> =
        floors.map(|(policy, floor)| (policy, floor, ratio(policy, capacity, keys))).collect();
    assert!(got.iter().all(|(_, floor, got)| got >= floor), "{name}: {got:?}");
}

#[test]
fn popular_keys_stay() {
    let keys = zipf(&mut fastrand::Rng::with_seed(3), 5000, 8000);
    holds(
        "zipf",
        500,
        &keys,
        [
            (Policy::Lru, 0.72),
            (Policy::Lfu, 0.77),
            (Policy::Fifo, 0.66),
            (Policy::S3Fifo, 0.76),
            (Policy::Sieve, 0.77),
            (Policy::TinyLfu, 0.75),
            (Policy::MokaLru, 0.73),
            (Policy::Quick, 0.77),
        ],
    );
}

#[test]
fn a_scan_does_not_drive_out_popular_keys() {
    holds(
        "zipf and scans",
        500,
        &zipf_and_scans(),
        [
            (Policy::Lru, 0.34),
            (Policy::Lfu, 0.50),
            (Policy::Fifo, 0.34),
            (Policy::S3Fifo, 0.49),
            (Policy::Sieve, 0.49),
            (Policy::TinyLfu, 0.435),
            (Policy::MokaLru, 0.34),
            (Policy::Quick, 0.50),
        ],
    );
}

#[test]
fn of_a_loop_that_does_not_fit_some_keep_a_part() {
    let keys: Vec<u64> = (0..10).flat_map(|_| 0..1000).collect();
    holds(
        "loop",
        500,
        &keys,
        [
            (Policy::Lru, 0.0),
            (Policy::Lfu, 0.0),
            (Policy::Fifo, 0.0),
            (Policy::S3Fifo, 0.10),
            (Policy::Sieve, 0.0),
            (Policy::TinyLfu, 0.41),
            (Policy::MokaLru, 0.0),
            (Policy::Quick, 0.42),
        ],
    );
}

#[cfg(feature = "foyer")]
#[test]
fn the_default_beats_lru_among_scans_and_in_loops() {
    let gain = |keys: &[u64]| ratio(Policy::default(), 500, keys) - ratio(Policy::Lru, 500, keys);
    let scans = gain(&zipf_and_scans());
    assert!(scans > 0.12, "{scans}");
    // The control: without room for more than the loop there is nothing to gain.
    let fits: Vec<u64> = (0..20).flat_map(|_| 0..300).collect();
    assert!(gain(&fits).abs() < 1e-9, "{}", gain(&fits));
}
