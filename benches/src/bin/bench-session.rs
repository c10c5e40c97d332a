//! `cargo xtask bench session`: terrace-session beside tower-sessions.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use terrace_benches::ops::Op;
use terrace_benches::ops::session::{self, Work};
use terrace_benches::plot::Chart;
use terrace_benches::results::{self, Provenance, Table};
use terrace_benches::rounds::{self, Series};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Compares what a session costs a request with what it costs with tower-sessions, both in memory, and writes CSV and SVG
/// to benches/results.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask bench session")]
struct Cli {
    /// Interleaved rounds; at least 10 for numbers that are quoted.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Milliseconds of each contender in each round.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..))]
    slice: u64,
    /// Print the numbers and write no files.
    #[arg(long)]
    dry_run: bool,
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
    let provenance = Provenance::here(format!(
        "cargo xtask bench session --rounds {} --slice {}",
        cli.rounds, cli.slice
    ))
    .with("rival", "tower-sessions 0.15 with its MemoryStore")
    .with("sessions", session::VISITORS.to_string());
    let columns = [
        "request",
        "contender",
        "ns_median",
        "ns_low",
        "ns_high",
        "over_bare_ns",
        "ratio_over_bare",
    ];
    let mut table = Table::new(provenance.clone(), &columns);
    let mut chart = Chart::new("What a session costs a request, over the same without one", "ns");
    println!("over a bare service, {} rounds of {} ms:", cli.rounds, cli.slice);
    for (work, name) in Work::ALL {
        let [bare, ours, theirs] = measured(cli, work)?;
        let over = [&ours, &theirs].map(|series| over(series, &bare));
        println!("  {name}:");
        table.row(cells(name, &bare));
        println!("    {}", shown(&bare));
        for (series, over_bare) in [&ours, &theirs].into_iter().zip(&over) {
            let (cost, ratio) = (over_bare.median(), over_bare.ratio_to(&over[1]));
            println!("    {}, {cost:6.0} over bare, {ratio:.3} of the rival's", shown(series));
            table.row(cells(name, series).chain([format!("{cost:.1}"), format!("{ratio:.3}")]));
        }
        chart.group(name.to_owned(), &over, &over[1]);
    }
    if cli.dry_run {
        return Ok(());
    }
    let folder = results::folder()?;
    table.write(&folder.join("session-cost.csv"))?;
    chart.write(&folder.join("session-cost.svg"), &provenance)?;
    println!("wrote benches/results/session-cost.csv and session-cost.svg");
    Ok(())
}

fn shown(series: &Series) -> String {
    let (low, high) = series.spread();
    format!("{:<16} {:8.0} ns ({low:.0} to {high:.0})", series.name, series.median())
}

fn cells(request: &str, series: &Series) -> impl Iterator<Item = String> {
    let (low, high) = series.spread();
    let numbers = [series.median(), low, high].map(|value| format!("{value:.1}"));
    [request.to_owned(), series.name.clone()].into_iter().chain(numbers)
}

/// The three of them, doing the same in turn.
fn measured(cli: &Cli, work: Work) -> Result<[Series; 3], Error> {
    let (mut bare, mut ours, mut theirs) =
        (session::alone(work)?, session::terrace(work)?, session::rival(work)?);
    let mut contenders: [(&str, &mut dyn Op); 3] = [
        ("no session", &mut *bare),
        ("terrace-session", &mut *ours),
        ("tower-sessions", &mut *theirs),
    ];
    let slice = Duration::from_millis(cli.slice);
    let series = rounds::interleave(&mut contenders, cli.rounds.into(), slice);
    series.try_into().map_err(|_| "three contenders have three series".into())
}

/// What it costs more than without, round by round.
fn over(series: &Series, bare: &Series) -> Series {
    let both = series.values.iter().zip(&bare.values);
    // What is lost in the noise costs something still, and can be divided by.
    let values = both.map(|(all, bare)| (all - bare).max(0.1)).collect();
    Series { name: series.name.clone(), values }
}
