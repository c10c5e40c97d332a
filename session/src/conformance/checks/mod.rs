//! The checks, by subject.

use std::pin::Pin;

use super::ground::{Ground, Verdict};

mod creation;
mod exactness;
mod expiry;
mod merging;
mod moving;
mod racing;
mod renewal;
mod revocation;
mod room;
mod subject_limit;
mod subjects;
mod sweeping;

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
    let all = [
        creation::CHECKS,
        merging::CHECKS,
        exactness::CHECKS,
        room::CHECKS,
        expiry::CHECKS,
        moving::CHECKS,
        renewal::CHECKS,
        racing::CHECKS,
        subjects::CHECKS,
        revocation::CHECKS,
        subject_limit::CHECKS,
        sweeping::CHECKS,
    ];
    all.into_iter().flatten()
}

/// The names of all checks.
pub fn names() -> impl Iterator<Item = &'static str> {
    all().map(|check| check.name)
}
