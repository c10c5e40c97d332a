//! How many reads of users who write replicas serve.

use std::time::{Duration, Instant};

use terrace_benches::ops::db::{Error, POINT, connect, raw_pool};
use terrace_benches::results::{Provenance, Table};
use terrace_benches::rounds::Series;
use terrace_db::backend::Role;
use terrace_db::backend::postgres::Postgres;
use terrace_db::{CausalContext, PoolConfig, RwPool};
use terrace_testkit::PostgresCluster;

use crate::{Cli, prepared, write};

/// Users who each write and then read what they wrote, three times, all the time.
pub(crate) async fn compare(cli: &Cli) -> Result<(), Error> {
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
