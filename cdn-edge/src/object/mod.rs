//! A stored response, and all that is stored under one key.

mod combine;
mod entry;
mod head;
mod sealed;

use std::sync::Arc;

use crate::content::Content;
use crate::purge::Marks;
use crate::semantics::Stored;
use crate::store::Weigh;

pub(crate) use combine::Combination;
pub(crate) use entry::{Caps, Entry};
pub use head::{Head, MAX_BYTES, MAX_FIELDS, Shapes, TooLarge};
pub use sealed::Unreadable;
pub(crate) use sealed::{Checksum, Reader, begin, seal};

/// A stored response: what decisions need, its header, its body, and what a purge compares.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) stored: Stored,
    pub(crate) head: Head,
    pub(crate) content: Arc<Content>,
    pub(crate) marks: Marks,
    /// Counts objects, so that those that come after one another are told apart at no cost.
    pub(crate) number: u64,
}

impl Object {
    /// Length of what the content holds, once it is known.
    pub(crate) fn length(&self) -> Option<u64> {
        self.content.length()
    }
}

impl Weigh for Object {
    fn weight(&self) -> u64 {
        let selecting = self.stored.selecting.as_ref().map_or(0, |selecting| selecting.weight());
        size_of::<Self>() as u64
            + self.head.weight()
            + self.content.weight()
            + self.marks.weight()
            + selecting
    }
}
