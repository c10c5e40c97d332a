#![doc = include_str!("../README.md")]

pub mod ops;
pub mod plot;
pub mod results;
pub mod rounds;
