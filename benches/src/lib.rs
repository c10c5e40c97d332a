#![doc = include_str!("../README.md")]

pub mod ops;
pub mod peers;
pub mod plot;
pub mod results;
pub mod rounds;
pub mod soak;

/// The code of the repository's README compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct RepositoryReadme;
