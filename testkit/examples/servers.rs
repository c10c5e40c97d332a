//! Starts private servers, prints how to reach them, and holds them until it is ended.
//!
//! ```text
//! cargo run -p terrace-testkit --example servers -- [--replicas N] [--redis] [--redis-cluster]
//! ```
//!
//! However it ends, by Ctrl-C, SIGTERM or even SIGKILL, nothing stays behind.

use std::error::Error;
use std::process::ExitCode;

use terrace_testkit::{PostgresCluster, Redis};
use tokio::signal::unix::{SignalKind, signal};

const USAGE: &str = "usage: servers [--replicas N] [--redis] [--redis-cluster]";

#[derive(Default)]
struct Wanted {
    replicas: usize,
    redis: bool,
    redis_cluster: bool,
}

impl Wanted {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Wanted, String> {
        let mut wanted = Wanted::default();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--replicas" => {
                    let number = args.next().unwrap_or_default();
                    let parsed = number.parse();
                    wanted.replicas =
                        parsed.map_err(|_| format!("--replicas {number:?} is no number"))?;
                }
                "--redis" => wanted.redis = true,
                "--redis-cluster" => wanted.redis_cluster = true,
                other => return Err(format!("unknown argument {other:?}; {USAGE}")),
            }
        }
        Ok(wanted)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let wanted = match Wanted::parse(std::env::args().skip(1)) {
        Ok(wanted) => wanted,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    match hold(wanted).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn hold(wanted: Wanted) -> Result<(), Box<dyn Error>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let cluster = PostgresCluster::start(wanted.replicas).await?;
    for node in cluster.nodes() {
        let pid = node.pid().unwrap_or_default();
        println!("{} {} process {pid}", node.name(), node.url());
    }
    let mut redis = Vec::new();
    if wanted.redis {
        redis.push(("redis", Redis::start().await?));
    }
    if wanted.redis_cluster {
        redis.push(("redis-cluster", Redis::start_cluster().await?));
    }
    for (name, server) in &redis {
        let pid = server.pid().unwrap_or_default();
        println!("{name} {} process {pid}", server.url());
    }
    println!("ready");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    Ok(())
}
