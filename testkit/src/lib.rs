//! What terrace's tests stand on: real servers with faults, service probes, a fault proxy, a load
//! client.
//!
//! Linux only: process supervision reads `/proc`, uses the parent-death signal and abstract Unix
//! sockets. Never published, and never a dependency of a published crate.
//!
//! | need | open |
//! |---|---|
//! | a PostgreSQL server, or a primary with streaming replicas | [`Postgres`], [`PostgresCluster`] |
//! | a Redis server, or a one-node Redis cluster | [`Redis`] |
//! | an example or another binary of this workspace as a child | [`Process`] |
//! | skip a test loudly when a server is not installed | [`tools::require_or_skip`] |
//! | the public test suite for HTTP caches | [`cachetests`] |
//! | to check the tower laws of a layer | [`contract`] |
//! | an HTTP server that follows a script | [`backend`] |
//! | a load at a fixed rate, outcomes told apart | [`load`] |
//! | a connection that is slow, swallowed, reset, refused, cut | [`fault`] |
//! | to record what a store answered, and check that it could have | [`history`] |
//! | whether a cache serves an old value after a write | [`races`] |
//! | the metrics that a test caused | [`recorder`] |
//! | how often something allocates (feature `alloc`) | `alloc` |
//! | how many instructions a function executes, beside a committed count | [`callgrind`], [`baseline`] |
//! | a private port, a directory that another user may enter | [`ports`], [`dirs`] |
//!
//! Tests with real servers run on real time: under tokio's paused time every deadline in here would
//! fire at once.
//!
//! Every child dies with the test that started it, also when the test itself dies by `SIGKILL`.
//!
//! # Examples
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use terrace_testkit::{PostgresCluster, tools};
//!
//! let Some(_) = tools::require_or_skip("postgres") else { return Ok(()) };
//! let cluster = PostgresCluster::start(2).await?;
//! cluster.primary().connect().await?.batch_execute("CREATE TABLE t (id int)").await?;
//! cluster.primary().kill().await?;
//! let promoted = cluster.promote_most_advanced().await?;
//! promoted.connect().await?.batch_execute("INSERT INTO t VALUES (1)").await?;
//! # Ok(()) }
//! ```
#![cfg(target_os = "linux")]

#[cfg(feature = "alloc")]
pub mod alloc;
pub mod backend;
pub mod baseline;
pub mod cachetests;
pub mod callgrind;
pub mod contract;
pub mod dirs;
mod error;
pub mod fault;
pub mod history;
pub mod load;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod races;
pub mod recorder;
pub mod redis;
mod sys;
pub mod tools;

pub use self::error::{ConnectError, FaultError, StartError};
pub use self::postgres::{Postgres, PostgresCluster};
pub use self::process::Process;
pub use self::redis::Redis;
