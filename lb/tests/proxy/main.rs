//! The reverse proxy over real sockets.

#![allow(clippy::unwrap_used, missing_docs)]

mod compose;
mod forward;
mod pool;
mod serve;
mod smuggling;
mod support;
mod trailers;
mod upgrade;
