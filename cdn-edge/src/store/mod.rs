//! Where objects are kept: [`Memory`], bounded by bytes, and the seam for a slower [`Tier`](tier::Tier)
//! behind it.
//!
//! Values are immutable and behind an `Arc`. Who changes one makes another and puts it in the place of
//! the first, in one step with reading what is there: [`Memory::update`]. So a reader never waits for a
//! writer longer than a pointer takes to copy, and no put brings back what another one removed.

mod memory;
pub mod tier;

pub use memory::{
    CapacityError, Change, Engine, Evictions, Memory, MemoryBuilder, TooHeavy, Weigh,
};
