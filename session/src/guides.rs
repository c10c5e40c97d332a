//! Pages beside the reference.

#[doc = include_str!("../guides/asvs.md")]
pub mod asvs {}

#[doc = include_str!("../guides/moving-from-tower-sessions.md")]
pub mod moving_from_tower_sessions {}
