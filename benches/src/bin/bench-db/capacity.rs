//! How many reads one, two and three replicas serve whose service time is capped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use terrace_benches::ops::db::{Error, connect};
use terrace_benches::results::{Provenance, Table};
use terrace_benches::rounds::Series;
use terrace_db::backend::Role;
use terrace_db::backend::postgres::Postgres;
use terrace_db::{PoolConfig, RwPool};
use terrace_testkit::PostgresCluster;

use crate::{Cli, prepared, write};

/// Reads per second from replicas that each take four reads at a time, of 5 ms.
pub(crate) async fn compare(cli: &Cli) -> Result<(), Error> {
    let cluster = PostgresCluster::start(3).await?;
    let urls = prepared(&cluster).await?;
    let mut series: Vec<Series> =
        (1..=3).map(|replicas| Series::new(format!("{replicas} replicas"))).collect();
    let mut pools = Vec::new();
    for replicas in 1..=3 {
        let config = PoolConfig::default().connections(4).checkout(Duration::from_secs(10));
        pools.push(connect(&urls[..=replicas], config).await?);
    }
    for round in 0..usize::from(cli.rounds) {
        for turn in 0..3 {
            let at = (round + turn) % 3;
            eprint!("\rround {} of {}", round + 1, cli.rounds);
            let seconds = Duration::from_secs(cli.seconds.into());
            let rate = reads_per_second(&pools[at], 64, seconds).await?;
            series[at].values.push(rate);
        }
    }
    eprintln!();
    let provenance = Provenance::here(format!(
        "cargo xtask bench db --only capacity --rounds {} --seconds {}",
        cli.rounds, cli.seconds
    ))
    .with("server", "PostgreSQL; each replica 4 connections, each read pg_sleep(0.005)");
    let head = ["replicas", "reads_per_second_median", "low", "high", "ratio_to_one"];
    let mut table = Table::new(provenance.clone(), &head);
    println!("reads per second, 64 clients, {} rounds of {} s:", cli.rounds, cli.seconds);
    for (at, one) in series.iter().enumerate() {
        let (low, high) = one.spread();
        let ratio = one.ratio_to(&series[0]);
        println!(
            "  {}: {:.0} ({low:.0} to {high:.0}), {ratio:.2} of one replica's",
            one.name,
            one.median()
        );
        table.row([
            (at + 1).to_string(),
            format!("{:.0}", one.median()),
            format!("{low:.0}"),
            format!("{high:.0}"),
            format!("{ratio:.3}"),
        ]);
    }
    write(cli, "db-capacity", &table, None, &provenance)
}

async fn reads_per_second(
    pool: &RwPool<Postgres>,
    clients: usize,
    time: Duration,
) -> Result<f64, Error> {
    let (done, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let began = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..clients {
        let (pool, done, stop) = (pool.clone(), Arc::clone(&done), Arc::clone(&stop));
        tasks.push(tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let mut read = pool.read().await?;
                if read.role() == Role::Replica {
                    read.query("SELECT pg_sleep(0.005)", &[]).await?;
                    done.fetch_add(1, Ordering::Relaxed);
                } else {
                    return Err("a read fell back to the primary".into());
                }
            }
            Ok::<(), Error>(())
        }));
    }
    tokio::time::sleep(time).await;
    stop.store(true, Ordering::Relaxed);
    let rate = done.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64();
    for task in tasks {
        task.await??;
    }
    Ok(rate)
}
