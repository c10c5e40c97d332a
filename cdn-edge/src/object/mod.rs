//! What is kept of a response.

mod head;
mod sealed;

pub use head::{Head, MAX_BYTES, MAX_FIELDS, Shapes, TooLarge};
pub use sealed::Unreadable;
pub(crate) use sealed::{Checksum, Reader, begin, seal};
