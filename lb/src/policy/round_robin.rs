//! One after the other, by weight, evenly spread.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::sequence::smooth;
use super::{Candidate, PickContext, Picker, Policy};

/// Takes endpoints in turn, as often as their weights say, and spreads each one's turns evenly over
/// the cycle.
///
/// With weights 5, 1, 1 the turns are `a b a a c a a`: no burst on the heavy one, and after any
/// number of requests each endpoint is within one turn of its exact share. The turns are worked out
/// when the set changes; a pick is one atomic addition.
///
/// The position in the cycle outlives changes of membership: starting over each time would favour
/// the first endpoints as often as the set changes.
///
/// A cycle has at most 65,536 turns, or four for each endpoint if that is more; weights whose cycle
/// would be longer are scaled down and rounded, never below one turn.
///
/// # Clone
///
/// Clones share the position.
#[derive(Clone, Debug, Default)]
pub struct RoundRobin {
    position: Arc<AtomicUsize>,
}

impl RoundRobin {
    /// The policy, at the start of its cycle.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl<Req> Policy<Req> for RoundRobin {
    fn build(&self, candidates: &[Candidate]) -> Arc<dyn Picker<Req>> {
        let weights: Vec<u16> = candidates.iter().map(Candidate::weight).collect();
        Arc::new(Turns { position: Arc::clone(&self.position), sequence: smooth(&weights) })
    }
}

struct Turns {
    position: Arc<AtomicUsize>,
    sequence: Vec<u32>,
}

impl<Req> Picker<Req> for Turns {
    fn pick(&self, cx: &mut PickContext<'_, Req>) -> Option<usize> {
        let len = self.sequence.len();
        if len == 0 {
            return None;
        }
        let start = self.position.fetch_add(1, Ordering::Relaxed) % len;
        (start..len)
            .chain(0..start)
            .map(|turn| self.sequence[turn] as usize)
            .find(|&index| !cx.is_tried(index))
    }
}
