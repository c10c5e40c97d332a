#![doc = include_str!("../README.md")]

pub mod cache;
mod explore;

pub use self::explore::{Explored, explore};
