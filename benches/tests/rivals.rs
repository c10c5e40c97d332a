//! The comparisons measure what they claim: the rivals do the same work.

#[path = "rivals/moka.rs"]
mod moka;
#[path = "rivals/session_cost.rs"]
mod session_cost;
#[path = "rivals/sessions/mod.rs"]
mod sessions;

use terrace_benches::ops::Op;
use terrace_benches::ops::lb::{Counting, Terrace, TerracePick, Tower};

fn seen(endpoints: &[Counting]) -> (u32, usize) {
    let total = endpoints.iter().map(Counting::seen).sum();
    (total, endpoints.iter().filter(|endpoint| endpoint.seen() > 0).count())
}

#[test]
fn both_balancers_send_every_request_to_an_endpoint_and_use_all_of_them() {
    const REQUESTS: u64 = 10_000;
    let mut terrace = Terrace::<Counting>::new(100).unwrap();
    let mut tower = Tower::<Counting>::new(100);
    // Taking in its endpoints cost tower one request.
    let (taken_in, _) = seen(tower.endpoints());
    terrace.repeat(REQUESTS);
    tower.repeat(REQUESTS);
    assert_eq!(seen(terrace.endpoints()), (10_000, 100));
    assert_eq!(seen(tower.endpoints()), (10_000 + taken_in, 100));
}

#[test]
fn one_pick_lease_and_release_allocates_nothing() {
    for endpoints in [2, 100, 10_000] {
        let mut pick = TerracePick::new(endpoints).unwrap();
        let mut request = Terrace::<Counting>::new(endpoints).unwrap();
        // The first request makes what is made once: handles of metrics, seeds.
        pick.once();
        request.once();
        let picked = allocation_counter::measure(|| pick.repeat(1_000));
        let requested = allocation_counter::measure(|| request.repeat(1_000));
        assert_eq!((picked.count_total, requested.count_total), (0, 0), "{endpoints} endpoints");
    }
}

#[test]
fn the_allocation_count_sees_allocations() {
    // The control of the test above: tower's ready cache allocates on every request.
    let mut tower: Tower = Tower::new(100);
    tower.once();
    let counted = allocation_counter::measure(|| tower.repeat(1_000));
    assert!(counted.count_total > 0);
}
