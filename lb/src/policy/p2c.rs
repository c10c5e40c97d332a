//! The power of two choices.

use std::sync::Arc;

use super::draw::Draw;
use super::{Candidate, PickContext, Picker, Policy};

/// Draws two different endpoints by weight and takes the one with fewer requests in flight against
/// its weight.
///
/// Two draws are enough to keep the fullest queue exponentially shorter than one draw does
/// (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 1996), cost the same
/// with ten endpoints and with ten thousand, and do not herd: unlike a full scan, balancers that do
/// not see each other rarely rush to the same idle endpoint at once.
///
/// The two are always different (Envoy #11004: drawing the same host twice is a random pick in
/// disguise).
#[derive(Clone, Copy, Debug, Default)]
pub struct P2c(());

/// Draws before the picker gives up on chance and takes the next candidate in order. Only reached
/// when almost all weight sits on endpoints that are excluded, where chance would go on for long.
const DRAWS: usize = 8;

impl P2c {
    /// The policy; it has no settings.
    #[must_use]
    pub fn new() -> Self {
        Self(())
    }
}

impl<Req> Policy<Req> for P2c {
    fn build(&self, candidates: &[Candidate]) -> Arc<dyn Picker<Req>> {
        Arc::new(P2cPicker { draw: Draw::new(candidates) })
    }
}

struct P2cPicker {
    draw: Draw,
}

impl<Req> Picker<Req> for P2cPicker {
    fn pick(&self, cx: &mut PickContext<'_, Req>) -> Option<usize> {
        let candidates = cx.candidates();
        let (first, second) = match self.draw {
            // The usual case, and the only one that is worth a shorter way.
            Draw::Equal if cx.is_first() && candidates.len() >= 2 => {
                cx.rng().two_below(candidates.len())?
            }
            _ => {
                let first = self.draw_other(cx, None)?;
                let Some(second) = self.draw_other(cx, Some(first)) else {
                    return Some(first);
                };
                (first, second)
            }
        };
        let second_is_better = candidates[second].is_less_loaded_than(&candidates[first]);
        Some(if second_is_better { second } else { first })
    }
}

impl P2cPicker {
    /// Draws a candidate that was neither tried nor is `not`.
    fn draw_other<Req>(&self, cx: &mut PickContext<'_, Req>, not: Option<usize>) -> Option<usize> {
        let len = cx.candidates().len();
        if len <= usize::from(not.is_some()) {
            return None;
        }
        let mut last = 0;
        for _ in 0..DRAWS {
            last = self.draw.index(cx.rng(), len);
            if Some(last) != not && !cx.is_tried(last) {
                return Some(last);
            }
        }
        (last + 1..len).chain(0..=last).find(|&index| Some(index) != not && !cx.is_tried(index))
    }
}
