//! What terrace's tests, benchmarks and launchers share; published nowhere.
//!
//! Probes and faults, all on loopback and in this process:
//!
//! | module | gives |
//! |---|---|
//! | [`contract`] | the laws of a tower layer as one call, and the controlled inner service |
//! | [`backend`] | an HTTP server that follows a script and counts what it saw |
//! | [`load`] | an open-loop HTTP client that tells the ends of a request apart |
//! | [`fault`] | a TCP proxy that delays, swallows, resets, refuses, cuts |
//! | [`recorder`] | a metrics recorder for one thread |
//! | `alloc` | allocation counts (feature `alloc`: it replaces the global allocator) |
//! | [`callgrind`], [`baseline`] | instruction counts, and committed ones to compare with |

#[cfg(feature = "alloc")]
pub mod alloc;
pub mod backend;
pub mod baseline;
pub mod callgrind;
pub mod contract;
pub mod fault;
pub mod load;
pub mod recorder;
