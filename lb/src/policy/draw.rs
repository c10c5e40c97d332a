//! Chance in proportion to weight.

use super::{Candidate, Rng};

/// Draws indices in proportion to weight in constant time.
#[derive(Debug)]
pub(super) enum Draw {
    Equal,
    /// Vose's alias method ("A Linear Algorithm for Generating Random Numbers with a Given
    /// Distribution", 1991): a column is drawn evenly, then either itself, below its threshold, or
    /// its alias.
    Alias(Vec<Column>),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    /// Of `total` equal parts of this column, those that are its own.
    own: u64,
    total: u64,
    alias: usize,
}

impl Draw {
    pub(super) fn new(candidates: &[Candidate]) -> Self {
        let mut weights = candidates.iter().map(|candidate| u64::from(candidate.weight()));
        let Some(first) = weights.next() else {
            return Self::Equal;
        };
        if weights.all(|weight| weight == first) {
            return Self::Equal;
        }
        let total: u64 = candidates.iter().map(|candidate| u64::from(candidate.weight())).sum();
        let count = candidates.len() as u64;
        // Scaled so that the mean is exactly `total`: integers keep the shares exact.
        let mut columns: Vec<Column> = candidates
            .iter()
            .enumerate()
            .map(|(alias, candidate)| Column {
                own: u64::from(candidate.weight()) * count,
                total,
                alias,
            })
            .collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) =
            (0..columns.len()).partition(|&index| columns[index].own < total);
        while let (Some(needy), Some(&giver)) = (small.pop(), large.last()) {
            columns[needy].alias = giver;
            columns[giver].own -= total - columns[needy].own;
            if columns[giver].own < total {
                large.pop();
                small.push(giver);
            }
        }
        Self::Alias(columns)
    }

    /// An index below `len`, the number of candidates it was made for.
    pub(super) fn index(&self, rng: &mut Rng, len: usize) -> usize {
        match self {
            Self::Equal => rng.below(len),
            Self::Alias(columns) => {
                let index = rng.below(columns.len());
                let column = columns[index];
                let part = rng.next_u64() % column.total;
                if part < column.own { index } else { column.alias }
            }
        }
    }
}
