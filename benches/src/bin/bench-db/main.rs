//! `cargo xtask bench db`: terrace-db beside deadpool-postgres alone.

mod capacity;
mod cost;
mod share;

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use terrace_benches::ops::db::{Error, PREPARE};
use terrace_benches::plot::Chart;
use terrace_benches::results::{self, Provenance, Table};
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

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<(), Error> {
    let wanted = |comparison| cli.only.is_none_or(|only| only == comparison);
    // One thread, as a request and its connection share one mostly: who hands an answer from thread
    // to thread measures the machine's scheduler.
    let one = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let many = tokio::runtime::Runtime::new()?;
    if wanted(Comparison::Cost) {
        one.block_on(cost::compare(cli))?;
    }
    if wanted(Comparison::Capacity) {
        many.block_on(capacity::compare(cli))?;
    }
    if wanted(Comparison::Share) {
        many.block_on(share::compare(cli))?;
    }
    Ok(())
}

/// The URLs of a cluster that has the rows on all nodes.
async fn prepared(cluster: &PostgresCluster) -> Result<Vec<String>, Error> {
    let client = cluster.primary().connect().await?;
    client.batch_execute(PREPARE).await?;
    cluster.catch_up().await?;
    Ok(cluster.nodes().iter().map(Server::url).collect())
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
