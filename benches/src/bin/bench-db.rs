//! `cargo xtask bench db`: terrace-db beside deadpool-postgres alone.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use terrace_benches::ops::db::{Error, POINT, PREPARE, connect, raw_pool};
use terrace_benches::plot::Chart;
use terrace_benches::results::{self, Provenance, Table};
use terrace_benches::rounds::{Series, median};
use terrace_db::backend::Role;
use terrace_db::backend::postgres::Postgres;
use terrace_db::{CausalContext, PoolConfig, RwPool};
use terrace_testkit::{Postgres as Server, PostgresCluster};

/// Compares terrace-db with deadpool-postgres alone, and writes CSV and SVG to benches/results.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask bench db")]
struct Cli {
    /// Make only this comparison.
    #[arg(long)]
    only: Option<Comparison>,
    /// Interleaved rounds of each comparison; at least 10 for numbers that are quoted.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Operations of each contender in each round of `cost`.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..))]
    operations: u32,
    /// Seconds of each round of `capacity` and of `share`.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    seconds: u16,
    /// Print the numbers and write no files.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Comparison {
    /// What a read, a checked read, a write and a write with a token cost.
    Cost,
    /// How many reads one, two and three replicas serve whose service time is capped.
    Capacity,
    /// How many reads of users who write replicas serve.
    Share,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: &Cli) -> Result<(), Error> {
    let wanted = |comparison| cli.only.is_none_or(|only| only == comparison);
    if wanted(Comparison::Cost) {
        cost(cli).await?;
    }
    if wanted(Comparison::Capacity) {
        capacity(cli).await?;
    }
    if wanted(Comparison::Share) {
        share(cli).await?;
    }
    Ok(())
}

async fn prepared(cluster: &PostgresCluster) -> Result<Vec<String>, Error> {
    let client = cluster.primary().connect().await?;
    client.batch_execute(PREPARE).await?;
    cluster.catch_up().await?;
    Ok(cluster.nodes().iter().map(Server::url).collect())
}

/// One contender of `cost`: does its operation once.
type Step<'a> = Box<dyn AsyncStep + 'a>;

/// An operation that can be timed on its own.
trait AsyncStep {
    fn step(
        &mut self,
        turn: i64,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<(), Error>> + '_>>;
}

impl<F: AsyncFnMut(i64) -> Result<(), Error>> AsyncStep for F {
    fn step(
        &mut self,
        turn: i64,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<(), Error>> + '_>> {
        Box::pin(self(turn))
    }
}

const TOUCH: &str = "UPDATE points SET v = v WHERE k = $1";

/// Median latencies, interleaved.
async fn cost(cli: &Cli) -> Result<(), Error> {
    let cluster = PostgresCluster::start(1).await?;
    let urls = prepared(&cluster).await?;
    let raw_replica = raw_pool(&urls[1], 4)?;
    let raw_primary = raw_pool(&urls[0], 4)?;
    let pool = connect(&urls, PoolConfig::default()).await?;
    // This one looks at its nodes once and then never again: it does not know that the replica has
    // long reached the token, and has to ask each time.
    let rare = PoolConfig::default().probe_interval(Duration::from_secs(3600));
    let checking = connect(&urls, rare).await?;
    let token = CausalContext::new();
    pool.write().context(&token).execute(TOUCH, &[&0_i64]).await?;
    cluster.catch_up().await?;
    let written = CausalContext::new();
    let primary = [urls[0].clone()];
    let writing = connect(&primary, PoolConfig::default()).await?;

    let mut contenders: Vec<(&str, &str, Step<'_>)> = vec![
        (
            "read",
            "deadpool-postgres",
            Box::new(async |turn: i64| {
                let client = raw_replica.get().await?;
                let statement = client.prepare_cached(POINT).await?;
                client.query_one(&statement, &[&turn]).await?;
                Ok(())
            }),
        ),
        (
            "read",
            "terrace-db",
            Box::new(async |turn: i64| {
                pool.read().query_one(POINT, &[&turn]).await?;
                Ok(())
            }),
        ),
        (
            "read",
            "terrace-db, checked",
            Box::new(async |turn: i64| {
                // A context of its own, as a request has it.
                let context = CausalContext::new();
                context.merge(&token);
                checking.read().context(&context).query_one(POINT, &[&turn]).await?;
                Ok(())
            }),
        ),
        (
            "write",
            "deadpool-postgres",
            Box::new(async |turn: i64| {
                let client = raw_primary.get().await?;
                let statement = client.prepare_cached(TOUCH).await?;
                client.execute(&statement, &[&turn]).await?;
                Ok(())
            }),
        ),
        (
            "write",
            "terrace-db",
            Box::new(async |turn: i64| {
                writing.write().execute(TOUCH, &[&turn]).await?;
                Ok(())
            }),
        ),
        (
            "write",
            "terrace-db, with token",
            Box::new(async |turn: i64| {
                writing.write().context(&written).execute(TOUCH, &[&turn]).await?;
                Ok(())
            }),
        ),
    ];
    let mut series: Vec<Series> =
        contenders.iter().map(|(_, name, _)| Series::new(*name)).collect();
    for (_, _, step) in &mut contenders {
        p50(step, 300).await?;
    }
    for round in 0..usize::from(cli.rounds) {
        eprint!("\rround {} of {}", round + 1, cli.rounds);
        let count = contenders.len();
        for turn in 0..count {
            let at = (round + turn) % count;
            let took = p50(&mut contenders[at].2, cli.operations).await?;
            series[at].values.push(took);
        }
    }
    eprintln!();

    let provenance = Provenance::here(format!(
        "cargo xtask bench db --only cost --rounds {} --operations {}",
        cli.rounds, cli.operations
    ))
    .with("rival", "deadpool-postgres 0.14, RecyclingMethod::Fast, prepare_cached")
    .with("server", "PostgreSQL, fsync off, loopback");
    let head = ["operation", "contender", "p50_us_median", "p50_us_low", "p50_us_high", "ratio"];
    let mut table = Table::new(provenance.clone(), &head);
    let mut chart = Chart::new("One operation, median latency", "µs");
    println!("median latency of {} operations, {} rounds:", cli.operations, cli.rounds);
    for operation in ["read", "write"] {
        let places: Vec<usize> =
            (0..contenders.len()).filter(|at| contenders[*at].0 == operation).collect();
        // Reads beside the rival, writes beside the same pool without a token: that is what each
        // of them adds.
        for (nth, at) in places.iter().enumerate() {
            let (low, high) = series[*at].spread();
            let rival = series[*at].ratio_to(&series[places[0]]);
            let plain = series[*at].ratio_to(&series[places[1]]);
            let name = &series[*at].name;
            let middle = series[*at].median();
            println!(
                "  {operation:<6} {name:<24} {middle:7.1} µs ({low:.1} to {high:.1}), {rival:.3} of deadpool-postgres{}",
                if nth == 2 { format!(", {plain:.3} of the same without") } else { String::new() }
            );
            table.row([
                operation.to_owned(),
                name.clone(),
                format!("{middle:.2}"),
                format!("{low:.2}"),
                format!("{high:.2}"),
                format!("{rival:.4}"),
            ]);
        }
        let group: Vec<Series> = places.iter().map(|at| series[*at].clone()).collect();
        chart.group(operation, &group, &group[0]);
    }
    write(cli, "db-cost", &table, Some(&chart), &provenance)
}

/// The median of so many operations, in microseconds.
async fn p50(step: &mut Step<'_>, operations: u32) -> Result<f64, Error> {
    let mut took = Vec::with_capacity(operations as usize);
    for turn in 0..operations {
        let began = Instant::now();
        step.step(i64::from(turn % 1000)).await?;
        took.push(began.elapsed().as_secs_f64() * 1e6);
    }
    Ok(median(&took))
}

/// Reads per second from replicas that each take four reads at a time, of 5 ms.
async fn capacity(cli: &Cli) -> Result<(), Error> {
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

/// Users who each write and then read what they wrote, three times, all the time.
async fn share(cli: &Cli) -> Result<(), Error> {
    let cluster = PostgresCluster::start(2).await?;
    let urls = prepared(&cluster).await?;
    let pool = connect(&urls, PoolConfig::default()).await?;
    let mut share = Series::new("share of replicas");
    let mut lags = Vec::new();
    let mut stale = 0;
    for round in 0..usize::from(cli.rounds) {
        eprint!("\rround {} of {}", round + 1, cli.rounds);
        let time = Duration::from_secs(cli.seconds.into());
        let lag = tokio::spawn(lag(urls.clone(), time));
        let mut tasks = Vec::new();
        for user in 0..8_i64 {
            tasks.push(tokio::spawn(user_reads(pool.clone(), user, time)));
        }
        let (mut on_replica, mut all) = (0, 0);
        for task in tasks {
            let (replica, total, missed) = task.await??;
            on_replica += replica;
            all += total;
            stale += missed;
        }
        share.values.push(f64::from(on_replica) / f64::from(all.max(1)) * 100.0);
        lags.extend(lag.await??);
    }
    eprintln!();
    lags.sort_by(f64::total_cmp);
    let at = |per_mille: usize| lags.get(lags.len() * per_mille / 1000).copied().unwrap_or(0.0);
    let provenance = Provenance::here(format!(
        "cargo xtask bench db --only share --rounds {} --seconds {}",
        cli.rounds, cli.seconds
    ))
    .with("server", "PostgreSQL primary and 2 streaming replicas, asynchronous");
    let head = ["share_percent_median", "low", "high", "lag_ms_p50", "lag_ms_p99", "stale_reads"];
    let mut table = Table::new(provenance.clone(), &head);
    let (low, high) = share.spread();
    println!(
        "reads with a token on replicas: {:.1} % ({low:.1} to {high:.1}), {} rounds; \
         commit to visible on a replica: p50 {:.2} ms, p99 {:.2} ms; stale reads: {stale}",
        share.median(),
        cli.rounds,
        at(500),
        at(990)
    );
    table.row([
        format!("{:.2}", share.median()),
        format!("{low:.2}"),
        format!("{high:.2}"),
        format!("{:.3}", at(500)),
        format!("{:.3}", at(990)),
        stale.to_string(),
    ]);
    write(cli, "db-share", &table, None, &provenance)?;
    if stale > 0 {
        return Err(format!("{stale} users did not read what they had written").into());
    }
    Ok(())
}

/// How many of a user's reads replicas served, of how many, and how many did not see the write.
async fn user_reads(
    pool: RwPool<Postgres>,
    user: i64,
    time: Duration,
) -> Result<(u32, u32, u32), Error> {
    let context = CausalContext::new();
    let (began, mut turn) = (Instant::now(), 0_u64);
    let (mut on_replica, mut all, mut stale) = (0, 0, 0);
    while began.elapsed() < time {
        turn += 1;
        let value = format!("turn {turn}");
        let write = pool.write().context(&context);
        write.execute("UPDATE points SET v = $2 WHERE k = $1", &[&user, &value]).await?;
        for _ in 0..3 {
            let mut read = pool.read().context(&context).await?;
            all += 1;
            on_replica += u32::from(read.role() == Role::Replica);
            let seen: String = read.query_one(POINT, &[&user]).await?.get(0);
            stale += u32::from(seen != value);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok((on_replica, all, stale))
}

/// Times from a commit to when a replica shows it, in milliseconds.
async fn lag(urls: Vec<String>, time: Duration) -> Result<Vec<f64>, Error> {
    let (primary, replica) = (raw_pool(&urls[0], 1)?, raw_pool(&urls[1], 1)?);
    let (primary, replica) = (primary.get().await?, replica.get().await?);
    let began = Instant::now();
    let mut lags = Vec::new();
    let mut turn = 0_u64;
    while began.elapsed() < time {
        turn += 1;
        let value = format!("lag {turn}");
        primary.execute("UPDATE points SET v = $1 WHERE k = 999", &[&value]).await?;
        let committed = Instant::now();
        loop {
            let row = replica.query_one("SELECT v FROM points WHERE k = 999", &[]).await?;
            if row.get::<_, &str>(0) == value {
                break;
            }
        }
        lags.push(committed.elapsed().as_secs_f64() * 1e3);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(lags)
}

fn write(
    cli: &Cli,
    name: &str,
    table: &Table,
    chart: Option<&Chart>,
    provenance: &Provenance,
) -> Result<(), Error> {
    if cli.dry_run {
        return Ok(());
    }
    let folder = results::folder()?;
    table.write(&folder.join(format!("{name}.csv")))?;
    if let Some(chart) = chart {
        chart.write(&folder.join(format!("{name}.svg")), provenance)?;
    }
    println!("wrote benches/results/{name}.csv");
    Ok(())
}
