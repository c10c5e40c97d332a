//! `cargo xtask bench lb`: terrace-lb beside its rivals.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use terrace_benches::ops::Op;
use terrace_benches::ops::lb::{Counting, Echo, Terrace, TerracePick, Tower};
use terrace_benches::plot::Chart;
use terrace_benches::results::{self, Provenance, Table};
use terrace_benches::rounds;
use terrace_lb::BoxError;

/// Compares terrace-lb with named rivals, and writes CSV and SVG to benches/results.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask bench lb --")]
struct Cli {
    /// Interleaved rounds of the pick comparison; at least 10 for numbers that are quoted.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..))]
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
    pick(cli)
}

/// One balanced request, by terrace-lb and by tower's balancer.
fn pick(cli: &Cli) -> Result<(), BoxError> {
    let provenance = Provenance::here(format!(
        "cargo xtask bench lb -- --rounds {} --slice {}",
        cli.rounds, cli.slice
    ))
    .with("rival", "tower 0.5 balance::p2c over PendingRequests");
    let mut table = Table::new(
        provenance.clone(),
        &[
            "endpoints",
            "contender",
            "ns_median",
            "ns_low",
            "ns_high",
            "ratio_to_tower",
        ],
    );
    let mut chart = Chart::new("One balanced request: pick, lease, release", "ns");
    for endpoints in [100, 10_000] {
        let mut request = Terrace::<Echo>::new(endpoints)?;
        let mut pick = TerracePick::new(endpoints)?;
        let mut tower = Tower::<Echo>::new(endpoints);
        let mut shared = Terrace::<Counting>::new(endpoints)?;
        let mut contenders: [(&str, &mut dyn Op); 4] = [
            ("terrace-lb", &mut request),
            ("terrace-lb, Arc endpoint", &mut shared),
            ("terrace-lb, pick only", &mut pick),
            ("tower::balance P2C", &mut tower),
        ];
        let slice = Duration::from_millis(cli.slice);
        let series = rounds::interleave(&mut contenders, cli.rounds.into(), slice);
        let rival = &series[3];
        println!(
            "{endpoints} endpoints, {} rounds of {} ms:",
            cli.rounds, cli.slice
        );
        for one in &series {
            let (low, high) = one.spread();
            let (median, ratio) = (one.median(), one.ratio_to(rival));
            println!(
                "  {:<25} {median:8.1} ns ({low:.1} to {high:.1}), {ratio:.3} of tower's",
                one.name
            );
            table.row([
                endpoints.to_string(),
                one.name.clone(),
                format!("{median:.2}"),
                format!("{low:.2}"),
                format!("{high:.2}"),
                format!("{ratio:.4}"),
            ]);
        }
        chart.group(format!("{endpoints} endpoints"), &series, rival);
    }
    if !cli.dry_run {
        let folder = results::folder()?;
        table.write(&folder.join("lb-pick.csv"))?;
        chart.write(&folder.join("lb-pick.svg"), &provenance)?;
        println!("wrote lb-pick.csv and lb-pick.svg to benches/results");
    }
    Ok(())
}
