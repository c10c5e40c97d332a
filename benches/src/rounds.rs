//! Interleaved rounds: how two things are compared on a machine that is never quiet.
//!
//! Each round measures every contender once, one after the other, so that a slow minute hits all
//! of them. What is quoted is the median over the rounds, beside the spread, and the ratio is the
//! median of the rounds' ratios: it cancels what a round had in common.

use std::time::{Duration, Instant};

use crate::ops::Op;

/// One contender's time per operation in each round.
#[derive(Debug, Clone)]
pub struct Series {
    /// Who.
    pub name: String,
    /// Nanoseconds per operation, one number a round.
    pub values: Vec<f64>,
}

impl Series {
    /// A contender without measurements.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), values: Vec::new() }
    }

    /// The middle value; 0 without values.
    #[must_use]
    pub fn median(&self) -> f64 {
        median(&self.values)
    }

    /// The smallest and the largest value.
    #[must_use]
    pub fn spread(&self) -> (f64, f64) {
        let low = self.values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = self.values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if self.values.is_empty() { (0.0, 0.0) } else { (low, high) }
    }

    /// The median of the ratios to `other`, round by round.
    #[must_use]
    pub fn ratio_to(&self, other: &Self) -> f64 {
        self.ratios_to(other).median()
    }

    /// The ratios to `other`, round by round.
    #[must_use]
    pub fn ratios_to(&self, other: &Self) -> Self {
        let both = self.values.iter().zip(&other.values);
        let values = both.map(|(ours, theirs)| ours / theirs).collect();
        Self { name: format!("{} / {}", self.name, other.name), values }
    }
}

/// The middle of `values`, the mean of both middles where there are two; 0 for none.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => sorted[odd / 2],
        even => f64::midpoint(sorted[even / 2 - 1], sorted[even / 2]),
    }
}

/// Measures every contender in each of `rounds` rounds for about `slice`, after one warm-up each.
///
/// The order turns by one each round: nobody always runs after the same neighbour.
pub fn interleave(
    contenders: &mut [(&str, &mut dyn Op)],
    rounds: usize,
    slice: Duration,
) -> Vec<Series> {
    let began = Instant::now();
    interleave_by(&|| began.elapsed(), contenders, rounds, slice)
}

/// [`interleave`] by any clock.
fn interleave_by(
    clock: &dyn Fn() -> Duration,
    contenders: &mut [(&str, &mut dyn Op)],
    rounds: usize,
    slice: Duration,
) -> Vec<Series> {
    let mut series: Vec<Series> = contenders.iter().map(|(name, _)| Series::new(*name)).collect();
    let counts: Vec<u64> =
        contenders.iter_mut().map(|(_, op)| operations_in(clock, &mut **op, slice)).collect();
    for round in 0..rounds {
        for turn in 0..contenders.len() {
            let at = (round + turn) % contenders.len();
            let began = clock();
            contenders[at].1.repeat(counts[at]);
            let took = clock().saturating_sub(began);
            series[at].values.push(took.as_secs_f64() * 1e9 / counts[at] as f64);
        }
    }
    series
}

/// How many operations fill `slice`, by trying.
fn operations_in(clock: &dyn Fn() -> Duration, op: &mut dyn Op, slice: Duration) -> u64 {
    let mut count = 64;
    loop {
        let began = clock();
        op.repeat(count);
        let took = clock().saturating_sub(began);
        if took * 4 >= slice || count > 1 << 40 {
            let per_operation = took.as_secs_f64() / count as f64;
            // Positive and far below 2^52: a count of operations.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            return ((slice.as_secs_f64() / per_operation.max(1e-12)) as u64).max(1);
        }
        count *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// Takes so many nanoseconds of a clock that only work moves.
    struct Work<'a> {
        clock: &'a Cell<Duration>,
        cost: u64,
        done: u64,
    }

    impl Op for Work<'_> {
        fn once(&mut self) {
            self.done += 1;
            self.clock.set(self.clock.get() + Duration::from_nanos(self.cost));
        }
    }

    #[test]
    fn a_contender_with_four_times_the_work_takes_four_times_as_long() {
        // The control of every comparison: the harness tells a slower rival from a faster one.
        let clock = Cell::new(Duration::ZERO);
        let work = |cost| Work { clock: &clock, cost, done: 0 };
        let (mut light, mut heavy) = (work(25), work(100));
        let series = interleave_by(
            &|| clock.get(),
            &mut [("light", &mut light), ("heavy", &mut heavy)],
            11,
            Duration::from_micros(50),
        );
        assert!((series[0].median() - 25.0).abs() < 1e-6, "{series:?}");
        assert!((series[1].ratio_to(&series[0]) - 4.0).abs() < 1e-6, "{series:?}");
        assert_eq!(series[0].values.len(), 11);
        // Each had about the same time, so the lighter one did more.
        assert!(light.done > 3 * heavy.done, "{} and {}", light.done, heavy.done);
    }

    #[test]
    fn the_median_ignores_one_bad_round() {
        let series = Series { name: String::new(), values: vec![10.0, 11.0, 900.0, 9.0, 10.0] };
        assert!((series.median() - 10.0).abs() < f64::EPSILON);
        assert_eq!(series.spread(), (9.0, 900.0));
        assert!((median(&[1.0, 3.0]) - 2.0).abs() < f64::EPSILON);
        assert!(median(&[]).abs() < f64::EPSILON);
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        // Both slow down alike: the ratio stays.
        let ours = Series { name: String::new(), values: vec![1.0, 2.0, 4.0] };
        let theirs = Series { name: String::new(), values: vec![4.0, 8.0, 16.0] };
        assert!((ours.ratio_to(&theirs) - 0.25).abs() < f64::EPSILON);
    }
}
