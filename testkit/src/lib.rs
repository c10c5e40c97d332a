//! What terrace's tests, benchmarks and launchers share, published nowhere.
//!
//! The probe half: a [contract suite](contract) for tower layers, a [scripted HTTP backend](backend), an
//! open-loop [load client](load).

pub mod backend;
pub mod contract;
pub mod load;
