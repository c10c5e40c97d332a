//! Who is a member: where changes come from, the table that keeps them, the snapshot that requests
//! read.
//!
//! Endpoints are listed when the balancer is built, changed by hand through [`Members`], or follow
//! a [`Discover`] source (DNS, a file, a registry). All three end in one table in the
//! [`Driver`](crate::Driver); requests read an immutable snapshot of it without a lock.

mod discover;
mod members;
mod snapshot;
mod table;

pub use discover::{Change, Discover};
pub use members::Members;
pub(crate) use members::{Command, commands};
pub use snapshot::EndpointStatus;
pub(crate) use snapshot::Published;
pub(crate) use table::Table;
