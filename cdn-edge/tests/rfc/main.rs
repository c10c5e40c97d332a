//! What the RFCs say of shared caches, case by case: what the public suite of HTTP cache tests lacks, and what it
//! cannot see from outside.
//!
//! The cases go through the layer, in process, with paused clocks. Each module names its RFC, each test its section.
//!
//! Interim responses (RFC 9110, 15.2) are not among them: a `Service` answers once, and hyper's client takes
//! 1xx in before this layer could see one. Their loss on the way is the client's, and allowed (15.2).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

mod age;
mod cache_status;
mod client_directives;
mod combining;
mod conditions;
mod groups;
mod head;
mod invalidation;
mod loops;
mod multipart;
mod ranges;
mod sharing;
mod stale;
mod statuses;
mod targeted;
mod updates;
mod vary;
