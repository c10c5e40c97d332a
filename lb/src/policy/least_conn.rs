//! The endpoint with the fewest requests in flight.

use std::sync::Arc;

use super::draw::Draw;
use super::{Candidate, PickContext, Picker, Policy};

/// Takes the endpoint with the fewest requests in flight against its weight.
///
/// Looks at every endpoint, so a pick costs more the more there are: keep it below about 32, and
/// take [`P2c`](super::P2c) above, which comes within a few per cent of it at two looks. The scan
/// starts at an endpoint drawn by weight, so that equals share the load instead of the first taking
/// all of it.
///
/// Counts only what went through this balancer: several balancers in front of the same endpoints
/// do not see each other.
#[derive(Clone, Copy, Debug, Default)]
pub struct LeastConn(());

impl LeastConn {
    /// The policy; it has no settings.
    #[must_use]
    pub fn new() -> Self {
        Self(())
    }
}

impl<Req> Policy<Req> for LeastConn {
    fn build(&self, candidates: &[Candidate]) -> Arc<dyn Picker<Req>> {
        Arc::new(Scan { start: Draw::new(candidates) })
    }
}

struct Scan {
    start: Draw,
}

impl<Req> Picker<Req> for Scan {
    fn pick(&self, cx: &mut PickContext<'_, Req>) -> Option<usize> {
        let candidates = cx.candidates();
        let start = self.start.index(cx.rng(), candidates.len());
        let mut best: Option<usize> = None;
        for index in (start..candidates.len()).chain(0..start) {
            if cx.is_tried(index) {
                continue;
            }
            let better = |best: usize| candidates[index].is_less_loaded_than(&candidates[best]);
            if best.is_none_or(better) {
                best = Some(index);
            }
        }
        best
    }
}
