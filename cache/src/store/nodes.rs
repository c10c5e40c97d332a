//! On which of several nodes a key lives.
//!
//! [`Rendezvous`] gives each node a weight for each key, and the heaviest has it. There is no table
//! to agree on: processes that name the same nodes choose alike, in whatever order they name them,
//! and a node that joins or leaves moves only the keys that it gets or had. It weighs every node for
//! every key, which for a few nodes is nothing; for hundreds, implement [`Pick`] with a ring.
//!
//! A node that is dead keeps its keys. They miss until it is back, and nobody else's do: to give
//! them to the others would make each of those answer for keys that it has never seen, at the worst
//! time, and would bring their old values back to life when the node returns.

use std::fmt;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Chooses the node of a key.
///
/// All processes that share the nodes must choose alike.
pub trait Pick: fmt::Debug + Send + Sync + 'static {
    /// Which of `nodes`, of which there is at least one, has this key. A number that is too large
    /// wraps around.
    fn node(&self, key: &[u8], nodes: &[String]) -> usize;
}

/// The node with the highest random weight. What [`Redis`](crate::store::redis::Redis) does unless
/// told otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rendezvous;

impl Pick for Rendezvous {
    fn node(&self, key: &[u8], nodes: &[String]) -> usize {
        // Names make ties differ by name and not by place, so that the order does not matter.
        let weight =
            |name: &String| (xxh3_64_with_seed(key, xxh3_64(name.as_bytes())), name.clone());
        let heaviest = nodes.iter().enumerate().max_by_key(|(_, name)| weight(name));
        heaviest.map_or(0, |(index, _)| index)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::{Pick, Rendezvous};

    const KEYS: usize = 30_000;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|n| format!("10.0.0.{n}:6379/0")).collect()
    }

    fn key(n: usize) -> Vec<u8> {
        format!("users:3:i{n},").into_bytes()
    }

    fn shares(pick: &dyn Pick, nodes: &[String]) -> Vec<usize> {
        let mut shares = vec![0; nodes.len()];
        (0..KEYS).for_each(|n| shares[pick.node(&key(n), nodes)] += 1);
        shares
    }

    fn is_balanced(shares: &[usize]) -> bool {
        let fair = KEYS / shares.len();
        shares.iter().all(|share| share.abs_diff(fair) * 100 < fair * 5)
    }

    /// How many keys that were not on the last node move when it goes away.
    fn moved(pick: &dyn Pick, nodes: &[String]) -> usize {
        let fewer = &nodes[..nodes.len() - 1];
        let moves = |n: &usize| {
            let before = pick.node(&key(*n), nodes);
            before < fewer.len() && pick.node(&key(*n), fewer) != before
        };
        (0..KEYS).filter(moves).count()
    }

    /// What people write first.
    #[derive(Debug)]
    struct Modulo;

    impl Pick for Modulo {
        fn node(&self, key: &[u8], nodes: &[String]) -> usize {
            usize::try_from(super::xxh3_64(key) % nodes.len() as u64).unwrap()
        }
    }

    #[derive(Debug)]
    struct FirstByte;

    impl Pick for FirstByte {
        fn node(&self, key: &[u8], nodes: &[String]) -> usize {
            usize::from(key[key.len() - 2]) % nodes.len()
        }
    }

    #[test]
    fn each_node_gets_its_share_within_five_percent() {
        for count in [1, 2, 3, 5, 8] {
            let shares = shares(&Rendezvous, &names(count));
            assert!(is_balanced(&shares), "{shares:?}");
        }
    }

    #[test]
    fn control_a_bad_hash_is_not_balanced() {
        assert!(!is_balanced(&shares(&FirstByte, &names(8))));
    }

    #[test]
    fn a_node_that_goes_away_moves_only_its_own_keys() {
        for count in [2, 3, 8] {
            assert_eq!(moved(&Rendezvous, &names(count)), 0);
        }
    }

    #[test]
    fn control_with_a_modulus_most_keys_move() {
        assert!(moved(&Modulo, &names(4)) > KEYS / 2);
    }

    proptest! {
        #[test]
        fn the_order_of_the_nodes_does_not_matter(
            key: Vec<u8>,
            names in proptest::collection::hash_set("[a-z]{1,8}", 1..8),
            seed: u64,
        ) {
            let names: Vec<String> = names.into_iter().collect();
            let mut shuffled = names.clone();
            fastrand::Rng::with_seed(seed).shuffle(&mut shuffled);
            let place: HashMap<&str, usize> =
                names.iter().enumerate().map(|(index, name)| (&**name, index)).collect();
            let there = &shuffled[Rendezvous.node(&key, &shuffled)];
            prop_assert_eq!(place[&**there], Rendezvous.node(&key, &names));
        }
    }
}
