//! The order of turns of a weighted round robin, worked out ahead.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The longest cycle, unless there are so many endpoints that four turns each need more.
const MAX_TURNS: u64 = 65_536;

/// Spreads each index over a cycle as often as its weight says.
///
/// Turn `k` of a weight `w` in a cycle of `W` may not come before slot `k * W / w`, and of those
/// that may come, the one that is due first does: earliest eligible deadline first (Stoica and
/// others, "A Proportional Share Resource Allocation Algorithm", 1996). Every prefix of the cycle
/// is within one turn of the exact share. The usual "add the weight, take the largest" gives the
/// same order of quality at a cost of cycle times endpoints, too much at thousands.
pub(super) fn smooth(weights: &[u16]) -> Vec<u32> {
    let weights = reduce(weights);
    let total: u64 = weights.iter().sum();
    if weights.iter().all(|&weight| weight == 1) {
        return (0..weights.len()).map(index).collect();
    }
    let mut waiting: BinaryHeap<Reverse<(u64, u32, u64)>> =
        (0..weights.len()).map(|i| Reverse((0, index(i), 0))).collect();
    // Deadlines are compared as fractions of the cycle with a common scale: (k + 1) / w, in
    // 2^-40ths.
    let mut eligible: BinaryHeap<Reverse<(u64, u32, u64)>> = BinaryHeap::new();
    let mut sequence = Vec::with_capacity(usize::try_from(total).unwrap_or(0));
    for slot in 0..total {
        while let Some(&Reverse((release, i, turn))) = waiting.peek() {
            if release > slot {
                break;
            }
            waiting.pop();
            let deadline = ((turn + 1) << 40) / weights[i as usize];
            eligible.push(Reverse((deadline, i, turn)));
        }
        let Some(Reverse((_, i, turn))) = eligible.pop() else {
            continue;
        };
        sequence.push(i);
        let weight = weights[i as usize];
        if turn + 1 < weight {
            waiting.push(Reverse((((turn + 1) * total).div_ceil(weight), i, turn + 1)));
        }
    }
    sequence
}

/// Divides by the common divisor, then scales down what is still too long a cycle.
fn reduce(weights: &[u16]) -> Vec<u64> {
    let divisor = weights.iter().fold(0, |a, &b| gcd(a, u64::from(b))).max(1);
    let mut weights: Vec<u64> = weights.iter().map(|&weight| u64::from(weight) / divisor).collect();
    let total: u64 = weights.iter().sum();
    let limit = MAX_TURNS.max(4 * weights.len() as u64);
    if total > limit {
        for weight in &mut weights {
            *weight = ((*weight * limit + total / 2) / total).max(1);
        }
    }
    weights
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn index(i: usize) -> u32 {
    // Slots of the endpoint table are u32, so there are never more.
    u32::try_from(i).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spreads_the_heavy_one_over_the_cycle() {
        assert_eq!(smooth(&[5, 1, 1]), [0, 1, 0, 0, 2, 0, 0]);
        assert_eq!(smooth(&[2, 2, 2]), [0, 1, 2]);
        assert_eq!(smooth(&[]), [0; 0]);
        assert_eq!(smooth(&[40_000]), [0]);
    }

    #[test]
    fn a_cycle_stays_short_whatever_the_weights() {
        let weights: Vec<u16> = (1..=10_000).map(|i| i * 6 + 1).collect();
        let sequence = smooth(&weights);
        assert!(sequence.len() <= 80_000, "{}", sequence.len());
        assert!((0..10_000).all(|i| sequence.contains(&i)));
    }

    /// The largest distance of any prefix from the exact share, in turns.
    fn unfairness(weights: &[u16], sequence: &[u32]) -> f64 {
        let total: f64 = weights.iter().map(|&w| f64::from(w)).sum();
        let mut counts = vec![0.0; weights.len()];
        let mut worst = 0.0_f64;
        for (slot, &i) in sequence.iter().enumerate() {
            counts[i as usize] += 1.0;
            for (count, &weight) in counts.iter().zip(weights) {
                let exact = f64::from(weight) * (slot + 1) as f64 / total;
                worst = worst.max((count - exact).abs());
            }
        }
        worst
    }

    #[test]
    fn the_measure_of_unfairness_sees_a_burst() {
        assert!(unfairness(&[5, 1, 1], &[0, 0, 0, 0, 0, 1, 2]) > 1.0);
    }

    proptest! {
        #[test]
        fn every_prefix_is_within_one_turn_of_its_share(weights in prop::collection::vec(1_u16..60, 1..12)) {
            let sequence = smooth(&weights);
            let divisor = weights.iter().fold(0, |a, &b| gcd(a, u64::from(b)));
            let turns: u64 = weights.iter().map(|&w| u64::from(w) / divisor).sum();
            prop_assert_eq!(sequence.len() as u64, turns);
            for (i, &weight) in weights.iter().enumerate() {
                let count = sequence.iter().filter(|&&x| x as usize == i).count() as u64;
                prop_assert_eq!(count, u64::from(weight) / divisor);
            }
            prop_assert!(unfairness(&weights, &sequence) <= 1.0 + 1e-9);
        }
    }
}
