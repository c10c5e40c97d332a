//! What a read, a checked read, a write and a write with a token cost.

use std::ops::Range;
use std::pin::Pin;
use std::time::{Duration, Instant};

use futures_util::future::try_join;
use terrace_benches::ops::db::{Error, POINT, PREPARE, connect, raw_pool};
use terrace_benches::plot::Chart;
use terrace_benches::results::{Provenance, Table};
use terrace_benches::rounds::{Series, median};
use terrace_db::{CausalContext, PoolConfig};
use terrace_testkit::{Postgres as Server, PostgresCluster};

use crate::{Cli, prepared, write};

/// Operations of one contender in a row.
const SLICE: u32 = 50;

const TOUCH: &str = "UPDATE points SET v = v WHERE k = $1";

struct Contender<'a> {
    operation: &'static str,
    name: &'static str,
    step: Box<dyn Step + 'a>,
}

impl<'a> Contender<'a> {
    fn new(
        operation: &'static str,
        name: &'static str,
        step: impl AsyncFnMut(i64) -> Result<(), Error> + 'a,
    ) -> Self {
        Self { operation, name, step: Box::new(step) }
    }
}

/// An operation that is done once.
trait Step {
    fn once(&mut self, turn: i64) -> Pin<Box<dyn Future<Output = Result<(), Error>> + '_>>;
}

impl<F: AsyncFnMut(i64) -> Result<(), Error>> Step for F {
    fn once(&mut self, turn: i64) -> Pin<Box<dyn Future<Output = Result<(), Error>> + '_>> {
        Box::pin(self(turn))
    }
}

/// Median latencies, interleaved.
///
/// Beside what is compared stands the rival with a second statement in the same round trip,
/// `SELECT 1`: less than that no position can cost.
pub(crate) async fn compare(cli: &Cli) -> Result<(), Error> {
    let cluster = PostgresCluster::start(1).await?;
    let urls = prepared(&cluster).await?;
    let raw_replica = raw_pool(&urls[1], 4)?;
    // Writes go to a server without replicas: on two cores, theirs would be timed as well.
    let alone = Server::start().await?;
    alone.connect().await?.batch_execute(PREPARE).await?;
    let raw_primary = raw_pool(&alone.url(), 4)?;
    let pool = connect(&urls, PoolConfig::default()).await?;
    // This one looks at its nodes once and then never again: it does not know that the replica has
    // long reached the token, and has to ask each time.
    let rare = PoolConfig::default().probe_interval(Duration::from_secs(3600));
    let checking = connect(&urls, rare).await?;
    checking.read().query_one(POINT, &[&0_i64]).await?;
    let token = CausalContext::new();
    pool.write().context(&token).execute(TOUCH, &[&0_i64]).await?;
    cluster.catch_up().await?;
    let must_check = || checking.status().nodes.iter().all(|node| node.position < token.position());
    must_check().then_some(()).ok_or("the pool knows already what it is to ask")?;
    let written = CausalContext::new();
    let writing = connect(&[alone.url()], PoolConfig::default()).await?;
    // The same with commits that reach the disk, as servers have it where data matters.
    let durable = Server::builder().fsync(true).start().await?;
    durable.connect().await?.batch_execute(PREPARE).await?;
    let raw_durable = raw_pool(&durable.url(), 4)?;
    let lasted = CausalContext::new();
    let lasting = connect(&[durable.url()], PoolConfig::default()).await?;

    let mut contenders = [
        Contender::new("read", "deadpool-postgres", async |turn| {
            let client = raw_replica.get().await?;
            let statement = client.prepare_cached(POINT).await?;
            client.query_one(&statement, &[&turn]).await?;
            Ok(())
        }),
        Contender::new("read", "terrace-db", async |turn| {
            pool.read().query_one(POINT, &[&turn]).await?;
            Ok(())
        }),
        Contender::new("read", "terrace-db, checked", async |turn| {
            // A context of its own, as a request has it.
            let context = CausalContext::new();
            context.merge(&token);
            checking.read().context(&context).query_one(POINT, &[&turn]).await?;
            Ok(())
        }),
        Contender::new("read", "deadpool-postgres, and SELECT 1", async |turn| {
            let client = raw_replica.get().await?;
            let statement = client.prepare_cached(POINT).await?;
            let one = client.prepare_cached("SELECT 1").await?;
            try_join(client.query_one(&one, &[]), client.query_one(&statement, &[&turn])).await?;
            Ok(())
        }),
        Contender::new("write", "deadpool-postgres", async |turn| {
            let client = raw_primary.get().await?;
            let statement = client.prepare_cached(TOUCH).await?;
            client.execute(&statement, &[&turn]).await?;
            Ok(())
        }),
        Contender::new("write", "terrace-db", async |turn| {
            writing.write().execute(TOUCH, &[&turn]).await?;
            Ok(())
        }),
        Contender::new("write", "terrace-db, with token", async |turn| {
            writing.write().context(&written).execute(TOUCH, &[&turn]).await?;
            Ok(())
        }),
        Contender::new("write", "deadpool-postgres, and SELECT 1", async |turn| {
            let client = raw_primary.get().await?;
            let statement = client.prepare_cached(TOUCH).await?;
            let one = client.prepare_cached("SELECT 1").await?;
            try_join(client.execute(&statement, &[&turn]), client.query_one(&one, &[])).await?;
            Ok(())
        }),
        Contender::new("fsync", "deadpool-postgres", async |turn| {
            let client = raw_durable.get().await?;
            let statement = client.prepare_cached(TOUCH).await?;
            client.execute(&statement, &[&turn]).await?;
            Ok(())
        }),
        Contender::new("fsync", "terrace-db", async |turn| {
            lasting.write().execute(TOUCH, &[&turn]).await?;
            Ok(())
        }),
        Contender::new("fsync", "terrace-db, with token", async |turn| {
            lasting.write().context(&lasted).execute(TOUCH, &[&turn]).await?;
            Ok(())
        }),
        Contender::new("fsync", "deadpool-postgres, and SELECT 1", async |turn| {
            let client = raw_durable.get().await?;
            let statement = client.prepare_cached(TOUCH).await?;
            let one = client.prepare_cached("SELECT 1").await?;
            try_join(client.execute(&statement, &[&turn]), client.query_one(&one, &[])).await?;
            Ok(())
        }),
    ];
    let series = measure(&mut contenders, cli).await?;
    must_check().then_some(()).ok_or("the pool has learned what it was to ask")?;

    let provenance = Provenance::here(format!(
        "cargo xtask bench db --only cost --rounds {} --operations {}",
        cli.rounds, cli.operations
    ))
    .with("rival", "deadpool-postgres 0.14, RecyclingMethod::Fast, prepare_cached")
    .with(
        "server",
        "PostgreSQL, loopback; reads on a streaming replica, writes on a server without; `read` and \
         `write` with fsync off, `fsync` is a write with fsync on",
    );
    let mut table = Table::new(
        provenance.clone(),
        &["operation", "contender", "p50_us", "low", "high", "beside", "ratio", "low", "high"],
    );
    let mut chart = Chart::new("One operation, median latency", "µs");
    println!("median latency of {} operations, {} rounds:", cli.operations, cli.rounds);
    for group in contenders.chunk_by(|a, b| a.operation == b.operation).zip(series.chunks(4)) {
        let (contenders, series) = group;
        for (at, (contender, one)) in contenders.iter().zip(series).enumerate() {
            // A position is compared with the same pool without, all else with the rival.
            let beside = &series[usize::from(at == 2)];
            let ratios = one.ratios_to(beside);
            let ((low, high), (least, most)) = (one.spread(), ratios.spread());
            let (operation, name) = (contender.operation, contender.name);
            println!(
                "  {operation:<5} {name:<31} {:6.1} µs ({low:.1} to {high:.1}), \
                 {:.3} ({least:.3} to {most:.3}) of {}",
                one.median(),
                ratios.median(),
                beside.name
            );
            let number = |value: f64| format!("{value:.3}");
            table.row([
                operation.to_owned(),
                name.to_owned(),
                number(one.median()),
                number(low),
                number(high),
                beside.name.clone(),
                number(ratios.median()),
                number(least),
                number(most),
            ]);
        }
        chart.group(contenders[0].operation, series, &series[0]);
    }
    write(cli, "db-cost", &table, Some(&chart), &provenance)
}

async fn measure(contenders: &mut [Contender<'_>], cli: &Cli) -> Result<Vec<Series>, Error> {
    for contender in &mut *contenders {
        timed(contender, 0..300, &mut Vec::new()).await?;
    }
    let count = contenders.len();
    let mut series: Vec<_> = contenders.iter().map(|one| Series::new(one.name)).collect();
    for round in 0..usize::from(cli.rounds) {
        eprint!("\rround {} of {}", round + 1, cli.rounds);
        let mut took = vec![Vec::new(); count];
        // In turns of a few milliseconds: what else the machine does meets all of them alike.
        for (slice, first) in (0..cli.operations).step_by(SLICE as usize).enumerate() {
            for turn in 0..count {
                let at = (round + slice + turn) % count;
                timed(&mut contenders[at], first..first + SLICE, &mut took[at]).await?;
            }
        }
        for (series, took) in series.iter_mut().zip(&took) {
            series.values.push(median(took));
        }
    }
    eprintln!();
    Ok(series)
}

/// Times these operations, in microseconds each.
async fn timed(
    contender: &mut Contender<'_>,
    operations: Range<u32>,
    took: &mut Vec<f64>,
) -> Result<(), Error> {
    for turn in operations {
        let began = Instant::now();
        contender.step.once(i64::from(turn % 1000)).await?;
        took.push(began.elapsed().as_secs_f64() * 1e6);
    }
    Ok(())
}
