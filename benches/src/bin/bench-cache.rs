//! `cargo xtask bench cache`: terrace-cache beside its rivals.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use terrace_benches::ops::Op;
use terrace_benches::ops::cache::{Bare, Cached, Foyer, Moka, Terrace};
use terrace_benches::plot::Chart;
use terrace_benches::results::{self, Provenance, Table};
use terrace_benches::rounds;
use terrace_cache::BoxError;
use terrace_cache::engine::Policy;

/// Compares a hit of terrace-cache with named rivals', and writes CSV and SVG to benches/results.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask bench cache")]
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

fn run(cli: &Cli) -> Result<(), BoxError> {
    let provenance = Provenance::here(format!(
        "cargo xtask bench cache --rounds {} --slice {}",
        cli.rounds, cli.slice
    ))
    .with("rivals", "moka 0.12.16 future::get_with, cached 4.1, foyer-memory 0.22.6");
    let mut plain = Terrace::new(Policy::S3Fifo, 0)?;
    let mut tagged = Terrace::new(Policy::S3Fifo, 4)?;
    let mut quick = Terrace::new(Policy::Quick, 0)?;
    let mut bare = Bare::new(Policy::S3Fifo)?;
    let (mut foyer, mut moka, mut cached) = (Foyer::default(), Moka::default(), Cached::default());
    let mut contenders: [(&str, &mut dyn Op); 7] = [
        ("terrace-cache", &mut plain),
        ("terrace-cache, 4 tags", &mut tagged),
        ("terrace-cache, quick", &mut quick),
        ("its engine alone", &mut bare),
        ("foyer-memory get", &mut foyer),
        ("cached", &mut cached),
        ("moka get_with", &mut moka),
    ];
    let slice = Duration::from_millis(cli.slice);
    let series = rounds::interleave(&mut contenders, cli.rounds.into(), slice);
    let rival = &series[6];
    let columns = ["contender", "ns_median", "ns_low", "ns_high", "ratio_to_moka"];
    let mut table = Table::new(provenance.clone(), &columns);
    println!("a hit, {} rounds of {} ms:", cli.rounds, cli.slice);
    for one in &series {
        let (low, high) = one.spread();
        let (median, ratio) = (one.median(), one.ratio_to(rival));
        println!(
            "  {:<25} {median:8.1} ns ({low:.1} to {high:.1}), {ratio:.3} of moka's",
            one.name
        );
        table.row(vec![
            one.name.clone(),
            format!("{median:.1}"),
            format!("{low:.1}"),
            format!("{high:.1}"),
            format!("{ratio:.3}"),
        ]);
    }
    if cli.dry_run {
        return Ok(());
    }
    let mut chart = Chart::new("A hit", "ns");
    chart.group("one thread".to_owned(), &series, rival);
    let folder = results::folder()?;
    table.write(&folder.join("cache-hit.csv"))?;
    chart.write(&folder.join("cache-hit.svg"), &provenance)?;
    println!("wrote benches/results/cache-hit.csv and cache-hit.svg");
    Ok(())
}
