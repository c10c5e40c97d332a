//! How the edge fetches: one request for all who ask, bodies that stream to everybody, and what becomes of them
//! when somebody leaves or breaks off.

mod bodies;
mod broken;
mod collapse;
mod large;
mod leaving;
#[allow(dead_code, reason = "other suites use the rest of it")]
#[path = "../support/mod.rs"]
mod support;
mod unshared;
