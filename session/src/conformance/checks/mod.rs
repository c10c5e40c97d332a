//! The checks, by subject.

use std::pin::Pin;

use super::ground::{Ground, Verdict};

mod creation;
mod merging;
mod rotation;

/// One check.
pub(super) struct Check {
    /// What it checks.
    pub(super) name: &'static str,
    pub(super) run: fn(Ground) -> Pin<Box<dyn Future<Output = Verdict> + Send>>,
}

/// Checks by the names of their functions.
macro_rules! checks {
    ($($name:ident),+ $(,)?) => {
        pub(super) const CHECKS: &[super::Check] = &[$(super::Check {
            name: stringify!($name),
            run: |ground| Box::pin($name(ground)),
        }),+];
    };
}
use checks;

/// All checks.
pub(super) fn all() -> impl Iterator<Item = &'static Check> {
    [creation::CHECKS, merging::CHECKS, rotation::CHECKS].into_iter().flatten()
}

/// The names of all checks.
pub fn names() -> impl Iterator<Item = &'static str> {
    all().map(|check| check.name)
}
