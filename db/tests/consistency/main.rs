//! What the pool promises, checked on recorded histories: on the embedded cluster, and on a
//! PostgreSQL primary with two streaming replicas.
//!
//! Every scenario is written once, against [`World`](world::World); each test names the world it
//! runs in. Chance has a seed, which is printed: `TERRACE_SEED=… cargo test` takes another one.

mod bank;
mod conflicts;
mod embedded;
mod failover;
mod faults;
mod lists;
mod load;
mod real;
mod registers;
mod sessions;
mod world;

/// Runs a scenario in both worlds.
macro_rules! in_both_worlds {
    ($($name:ident),+ $(,)?) => {
        mod on_the_embedded_cluster {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name::<crate::embedded::Embedded>().await;
            })+
        }
        mod on_postgresql {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name::<crate::real::Real>().await;
            })+
        }
    };
}
use in_both_worlds;
