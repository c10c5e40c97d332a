mod backoff;
mod ladder;
mod settings;
mod wait;

use std::time::Duration;

use super::{Freshness, Kept, Load, Moment, Ttl};

pub(super) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(super) fn at(ms: u64) -> Moment {
    Moment::after(Duration::from_millis(ms))
}

/// A load that ended at this time, after so long.
pub(super) fn load(ended: u64, took: u64) -> Load {
    Load { began: at(ended - took), ended: at(ended), kept: Kept::Value, ttl: None }
}

/// Everything that bends the ladder off.
pub(super) fn plain(ttl: u64) -> Freshness {
    Freshness::default()
        .ttl(Ttl::For(ms(ttl)))
        .jitter(0.0)
        .early_refresh(0.0)
        .stale_while_revalidate(Duration::ZERO)
        .stale_if_error(Duration::ZERO)
        .l1_max_age(None)
}
