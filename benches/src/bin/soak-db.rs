//! `cargo xtask soak db`: how long writes stand still at a failover, and what becomes of them.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use terrace_benches::ops::db::{Error, connect};
use terrace_benches::results::{self, Provenance};
use terrace_benches::rounds::median;
use terrace_db::backend::postgres::Postgres;
use terrace_db::{CausalContext, ErrorKind, Outcome, PoolConfig, RwPool, Standing, TokenKey};
use terrace_testkit::{Postgres as Server, PostgresCluster};

/// Kills or freezes primaries under load, promotes, and writes benches/results/soak-db.md.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask soak db")]
struct Cli {
    /// Failovers of each kind.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
    failovers: u16,
    /// Writers.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..))]
    writers: u8,
    /// Print the result and write no file.
    #[arg(long)]
    dry_run: bool,
}

/// How a primary is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Loss {
    /// kill -9, synchronous replication to any one replica.
    Kill,
    /// SIGSTOP, and SIGCONT after the promotion; synchronous as well.
    Freeze,
    /// kill -9, asynchronous replication, the promoted replica cut off a moment earlier.
    Asynchronous,
}

/// What one failover was like.
#[derive(Debug, Default)]
struct Failover {
    gap: f64,
    acknowledged: usize,
    unknown: usize,
    refused: usize,
    wrong: Vec<String>,
    lost: usize,
    unreported: usize,
    reported_in_vain: usize,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Cli::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: &Cli) -> Result<bool, Error> {
    let provenance = Provenance::here(format!(
        "cargo xtask soak db --failovers {} --writers {}",
        cli.failovers, cli.writers
    ))
    .with("server", "PostgreSQL primary and 2 streaming replicas, loopback");
    let mut page = String::from("# Failovers of terrace-db\n\n");
    for (name, value) in provenance.facts() {
        let _ = writeln!(page, "- {name}: {value}");
    }
    page.push_str(
        "\n| loss | failovers | role change to first accepted write, ms: median (low to high) | target \
         | acknowledged | unknown | refused | errors of a wrong kind | acknowledged and lost | of \
         these not reported | reported and not lost |\n|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    let mut good = true;
    for (loss, target) in [(Loss::Kill, 300.0), (Loss::Freeze, 1500.0), (Loss::Asynchronous, 300.0)]
    {
        let mut all = Vec::new();
        for number in 0..cli.failovers {
            eprint!("\r{loss:?}: failover {} of {}   ", number + 1, cli.failovers);
            all.push(fail_over(loss, cli.writers).await?);
        }
        eprintln!();
        let gaps: Vec<f64> = all.iter().map(|one| one.gap).collect();
        let low = gaps.iter().copied().fold(f64::INFINITY, f64::min);
        let high = gaps.iter().copied().fold(0.0, f64::max);
        let sum = |of: fn(&Failover) -> usize| all.iter().map(of).sum::<usize>();
        let (lost, unreported) = (sum(|f| f.lost), sum(|f| f.unreported));
        let wrong = sum(|f| f.wrong.len());
        let _ = writeln!(
            page,
            "| {loss:?} | {} | {:.0} ({low:.0} to {high:.0}) | {target:.0} | {} | {} | {} | {wrong} | {lost} | {unreported} | {} |",
            all.len(),
            median(&gaps),
            sum(|f| f.acknowledged),
            sum(|f| f.unknown),
            sum(|f| f.refused),
            sum(|f| f.reported_in_vain),
        );
        for line in all.iter().flat_map(|one| &one.wrong).take(5) {
            let _ = writeln!(page, "\nwrong: {line}");
        }
        good &= median(&gaps) <= target && wrong == 0 && unreported == 0;
        good &= loss == Loss::Asynchronous || lost == 0;
    }
    print!("{page}");
    if !cli.dry_run {
        std::fs::write(results::folder()?.join("soak-db.md"), &page)?;
        println!("wrote benches/results/soak-db.md");
    }
    Ok(good)
}

/// What a writer has done: the number, the token's text, and what came of it.
type Written = (i64, Option<String>, Result<(), (ErrorKind, Outcome)>, Instant);

async fn fail_over(loss: Loss, writers: u8) -> Result<Failover, Error> {
    let cluster = PostgresCluster::start(2).await?;
    let client = cluster.primary().connect().await?;
    client.batch_execute("CREATE TABLE done (id int8 PRIMARY KEY)").await?;
    drop(client);
    cluster.catch_up().await?;
    if loss != Loss::Asynchronous {
        cluster.quorum(1).await?;
    }
    let urls: Vec<String> = cluster.nodes().iter().map(Server::url).collect();
    let config = PoolConfig::default().answer(Duration::from_secs(5));
    let pool = connect(&urls, config).await?;
    let key = Arc::new(TokenKey::generate()?);
    let stop = Arc::new(AtomicBool::new(false));
    let tasks: Vec<_> = (0..i64::from(writers))
        .map(|writer| {
            let (pool, key, stop) = (pool.clone(), Arc::clone(&key), Arc::clone(&stop));
            tokio::spawn(write(pool, key, stop, writer))
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(300)).await;

    let (old, new) = (&cluster.nodes()[0], &cluster.nodes()[1]);
    if loss == Loss::Asynchronous {
        // It receives nothing more: what is acknowledged from here on is lost.
        new.configure("primary_conninfo", "").await?;
        cluster.nodes()[2].configure("primary_conninfo", "").await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    match loss {
        Loss::Freeze => old.stop().await?,
        Loss::Kill | Loss::Asynchronous => old.kill().await?,
    }
    let watch = tokio::spawn(role_change(if loss == Loss::Asynchronous {
        vec![urls[1].clone()]
    } else {
        urls[1..].to_vec()
    }));
    let promoted = if loss == Loss::Asynchronous {
        cluster.promote(1).await?
    } else {
        cluster.promote_most_advanced().await?
    };
    if loss != Loss::Asynchronous {
        // A quorum needs somebody to confirm; it is part of a failover, and of its time.
        let old = old.name();
        let others = cluster.replicas().into_iter().filter(|node| node.name() != old);
        for node in others {
            node.follow(promoted).await?;
        }
    }
    let changed = watch.await??;
    tokio::time::sleep(Duration::from_millis(700)).await;
    if loss == Loss::Freeze {
        old.cont();
    }
    tokio::time::sleep(Duration::from_millis(800)).await;
    stop.store(true, Ordering::Relaxed);
    let mut written: Vec<Written> = Vec::new();
    for task in tasks {
        written.extend(task.await?);
    }
    let client = promoted.connect().await?;
    let rows = client.query("SELECT id FROM done", &[]).await?;
    let stored: std::collections::HashSet<i64> = rows.iter().map(|row| row.get(0)).collect();
    Ok(judge(&written, &stored, changed, &pool, &key))
}

fn judge(
    written: &[Written],
    stored: &std::collections::HashSet<i64>,
    changed: Instant,
    pool: &RwPool<Postgres>,
    key: &TokenKey,
) -> Failover {
    let mut result = Failover { gap: f64::INFINITY, ..Failover::default() };
    for (id, token, answer, at) in written {
        match answer {
            Ok(()) => {
                result.acknowledged += 1;
                let is_stored = stored.contains(id);
                if *at >= changed && is_stored {
                    let gap = at.saturating_duration_since(changed).as_secs_f64() * 1e3;
                    result.gap = result.gap.min(gap);
                }
                let standing = token
                    .as_deref()
                    .and_then(|text| key.verify(text, std::time::SystemTime::now()).ok())
                    .and_then(|token| pool.standing(&token).ok());
                let reported = !matches!(standing, Some(Standing::Kept));
                result.lost += usize::from(!is_stored);
                result.unreported += usize::from(!is_stored && !reported);
                result.reported_in_vain += usize::from(is_stored && reported);
            }
            Err((_, Outcome::Unknown)) => result.unknown += 1,
            Err((kind, outcome)) => {
                result.refused += 1;
                let right = matches!(
                    kind,
                    ErrorKind::NoPrimary
                        | ErrorKind::NotPrimary
                        | ErrorKind::Disconnected
                        | ErrorKind::Timeout
                );
                if !right || *outcome != Outcome::NotExecuted {
                    result.wrong.push(format!("{kind:?}, {outcome:?}"));
                }
                if stored.contains(id) {
                    result.wrong.push(format!("{kind:?} for a write that was carried out"));
                }
            }
        }
    }
    result
}

/// Writes one number after the other, each once.
async fn write(
    pool: RwPool<Postgres>,
    key: Arc<TokenKey>,
    stop: Arc<AtomicBool>,
    writer: i64,
) -> Vec<Written> {
    let mut written = Vec::new();
    let mut id = writer << 32;
    while !stop.load(Ordering::Relaxed) {
        id += 1;
        let context = CausalContext::new();
        let write = pool.write().context(&context);
        let answer = write.execute("INSERT INTO done VALUES ($1)", &[&id]).await;
        let token = context.token(std::time::SystemTime::now()).map(|token| key.sign(&token));
        let answer = answer.map(drop).map_err(|error| (error.kind(), error.outcome()));
        written.push((id, token, answer, Instant::now()));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    written
}

/// When one of these nodes first says that it is no standby any more.
async fn role_change(urls: Vec<String>) -> Result<Instant, Error> {
    let mut clients = Vec::new();
    for url in &urls {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        clients.push(client);
    }
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(30) {
        for client in &clients {
            let row = client.query_one("SELECT pg_is_in_recovery()", &[]).await?;
            if !row.get::<_, bool>(0) {
                return Ok(Instant::now());
            }
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Err("no node became a primary within 30 s".into())
}
