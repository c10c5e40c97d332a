use proptest::prelude::*;

use super::{
    Arc, Candidate, LeastConn, NAMES, P2c, PickContext, Picker, Policy, Rng, RoundRobin, Tried,
    by_name,
};
use crate::EndpointId;
use crate::lease::{Lease, Member};

fn candidates(weights: &[u16]) -> Vec<Candidate> {
    let member = |slot: usize| {
        let id = EndpointId { slot: u32::try_from(slot).unwrap(), generation: 0 };
        Member::new(id, format!("e{slot}").into())
    };
    weights.iter().enumerate().map(|(i, &w)| Candidate::new(member(i), w)).collect()
}

fn load(candidate: &Candidate, requests: usize) -> Vec<Lease> {
    (0..requests).map(|_| candidate.lease()).collect()
}

/// Picks `n` times without leases and counts.
fn shares(
    policy: &dyn Policy<()>,
    candidates: &[Candidate],
    tried: &Tried,
    n: usize,
) -> Vec<usize> {
    let picker = policy.build(candidates);
    let mut rng = Rng::from_seed(42);
    let mut counts = vec![0; candidates.len()];
    for _ in 0..n {
        let mut cx = PickContext::new(&(), candidates, tried, &mut rng);
        counts[picker.pick(&mut cx).expect("somebody is available")] += 1;
    }
    counts
}

fn all() -> Vec<Box<dyn Policy<()>>> {
    NAMES.iter().map(|name| by_name(name).expect("a listed name is known")).collect()
}

#[test]
fn weights_are_honoured_within_a_hundredth_by_every_policy_at_rest() {
    let candidates = candidates(&[1, 2, 3, 10]);
    for policy in all() {
        let counts = shares(&*policy, &candidates, &Tried::default(), 160_000);
        for (count, share) in counts.iter().zip([10_000.0, 20_000.0, 30_000.0, 100_000.0]) {
            let off = (*count as f64 - share).abs() / 160_000.0;
            assert!(off < 0.01, "{policy:?}: {counts:?}");
        }
    }
}

#[test]
fn a_tried_endpoint_is_never_picked_again() {
    let candidates = candidates(&[1000, 1, 1]);
    let mut tried = Tried::default();
    tried.insert(candidates[0].id());
    tried.insert(candidates[2].id());
    for policy in all() {
        let counts = shares(&*policy, &candidates, &tried, 1_000);
        assert_eq!(counts, [0, 1_000, 0], "{policy:?}");
    }
}

#[test]
fn nobody_left_is_nobody_picked() {
    for (weights, tried) in [(&[][..], 0), (&[7], 1), (&[1, 9], 2)] {
        let candidates = candidates(weights);
        let mut failed = Tried::default();
        candidates.iter().take(tried).for_each(|candidate| failed.insert(candidate.id()));
        for policy in all() {
            let mut rng = Rng::from_seed(1);
            let mut cx = PickContext::new(&(), &candidates, &failed, &mut rng);
            assert_eq!(policy.build(&candidates).pick(&mut cx), None, "{policy:?}");
        }
    }
}

#[test]
fn p2c_compares_two_different_endpoints() {
    // With two endpoints the idle one must win every time; a pair drawn with repetition would send
    // a quarter to the busy one.
    let candidates = candidates(&[1, 1]);
    let _busy = load(&candidates[0], 3);
    assert_eq!(shares(&P2c::new(), &candidates, &Tried::default(), 1_000), [0, 1_000]);
}

#[test]
fn two_draws_are_different_and_every_pair_is_as_likely() {
    let mut rng = Rng::from_seed(42);
    let mut pairs = std::collections::HashMap::new();
    for _ in 0..60_000 {
        *pairs.entry(rng.two_below(4).unwrap()).or_insert(0) += 1;
    }
    assert_eq!(pairs.len(), 12, "{pairs:?}");
    for ((first, second), count) in pairs {
        assert!(first != second && first < 4 && second < 4);
        assert!((4_600..=5_400).contains(&count), "({first}, {second}): {count}");
    }
    assert_eq!((rng.two_below(0), rng.two_below(1)), (None, None));
}

#[test]
fn p2c_never_picks_the_busiest_of_three() {
    let candidates = candidates(&[1, 1, 1]);
    let _busy = load(&candidates[1], 1);
    assert_eq!(shares(&P2c::new(), &candidates, &Tried::default(), 1_000)[1], 0);
}

#[test]
fn least_conn_weighs_what_is_in_flight() {
    let candidates = candidates(&[1, 4]);
    let _one = load(&candidates[0], 1);
    let mut heavy = load(&candidates[1], 3);
    assert_eq!(shares(&LeastConn::new(), &candidates, &Tried::default(), 100), [0, 100]);
    heavy.extend(load(&candidates[1], 2));
    assert_eq!(shares(&LeastConn::new(), &candidates, &Tried::default(), 100), [100, 0]);
}

#[test]
fn round_robin_goes_on_where_it_was_when_the_set_changes() {
    let policy = RoundRobin::new();
    let nothing = Tried::default();
    let mut first_picks = Vec::new();
    for _ in 0..3 {
        // The set is rebuilt before each pick, as under a flapping endpoint.
        let candidates = candidates(&[1, 1, 1]);
        let picker: Arc<dyn Picker<()>> = policy.build(&candidates);
        let mut rng = Rng::from_seed(1);
        let mut cx = PickContext::new(&(), &candidates, &nothing, &mut rng);
        first_picks.extend(picker.pick(&mut cx));
    }
    assert_eq!(first_picks, [0, 1, 2]);
}

#[test]
fn an_unknown_name_is_answered_with_the_known_ones() {
    let error = by_name::<()>("p3c").unwrap_err().to_string();
    assert_eq!(
        error,
        "unknown policy \"p3c\": the policies are p2c, round-robin, least-conn, least-request"
    );
}

proptest! {
    #[test]
    fn a_pick_is_always_an_untried_candidate(
        weights in prop::collection::vec(1_u16..500, 1..20),
        loads in prop::collection::vec(0_usize..5, 20),
        tried in prop::collection::vec(0_usize..20, 0..4),
        seed: u64,
    ) {
        let candidates = candidates(&weights);
        let _leases: Vec<_> = candidates.iter().zip(loads).map(|(c, n)| load(c, n)).collect();
        let mut failed = Tried::default();
        tried.iter().filter_map(|&i| candidates.get(i)).for_each(|c| failed.insert(c.id()));
        let left = candidates.iter().any(|c| !failed.contains(c.id()));
        for policy in all() {
            let mut rng = Rng::from_seed(seed);
            let picker = policy.build(&candidates);
            for _ in 0..10 {
                let mut cx = PickContext::new(&(), &candidates, &failed, &mut rng);
                let pick = picker.pick(&mut cx);
                prop_assert_eq!(pick.is_some(), left);
                prop_assert!(pick.is_none_or(|i| !cx.is_tried(i)));
            }
        }
    }
}
