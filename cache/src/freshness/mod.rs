//! How long a value is served, and how: pure decisions.
//!
//! No clock, no lock, no I/O: time comes in as a [`Moment`], chance as a drawn number.
//!
//! The ladder of an entry, from the top down:
//!
//! ```text
//!            ttl, less jitter           stale_while_revalidate
//! stored ───────────────────── fresh_until ───────────── stale_until ────── error_until
//!   │ Fresh      FreshRefreshEarly │    StaleRevalidate      │ StaleOnlyOnError │ Gone
//!                                  └──────────── stale_if_error ──────────────┘
//! ```
//!
//! [`l1_max_age`](Freshness::l1_max_age) cuts it off wherever it ends, in a cache that other
//! processes write to as well.
//!
//! Age is all that counts here. A value that was invalidated is not stale but gone: whoever asks
//! what to do meanwhile looks at the entry's [`Stamp`](crate::version::Stamp) first, and has no stale
//! value if that is not current.

mod backoff;
mod config;
mod lifetime;
mod moment;
mod wait;

#[cfg(test)]
mod tests;

pub use self::backoff::{Backoff, Meanwhile};
pub use self::config::{Freshness, Invalid, Ttl};
pub use self::lifetime::{Kept, Lifetime, Load, Verdict};
pub use self::moment::Moment;
pub use self::wait::{Deadlines, Wait};
