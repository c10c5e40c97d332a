//! What is kept of a response.

mod head;

pub use head::{Head, MAX_BYTES, MAX_FIELDS, Shapes, TooLarge, Unreadable};
