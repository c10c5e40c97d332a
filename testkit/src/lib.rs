//! What terrace's tests, benchmarks and launchers share, published nowhere.
//!
//! The probe half: a [contract suite](contract) for tower layers.

pub mod contract;
