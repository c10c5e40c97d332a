//! What the pool promises, checked on recorded histories: on the embedded cluster, and on a
//! PostgreSQL primary with two streaming replicas.
//!
//! Every scenario is written once, against [`World`](world::World); each test names the world it
//! runs in. Chance has a seed, which is printed: `TERRACE_SEED=… cargo test` takes another one.

mod bank;
mod conflicts;
#[allow(dead_code, reason = "other suites use the rest of it")]
mod embedded;
mod failover;
mod faults;
mod lists;
mod load;
#[allow(dead_code, reason = "other suites use the rest of it")]
mod real;
mod registers;
mod sessions;
#[allow(dead_code, reason = "other suites use the rest of it")]
mod world;
