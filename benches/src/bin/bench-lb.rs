//! `cargo xtask bench lb`: terrace-lb beside its rivals.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use terrace_benches::ops::Op;
use terrace_benches::ops::lb::{Counting, Echo, Terrace, TerracePick, Tower};
use terrace_benches::peers::{self, Measured, Settings};
use terrace_benches::plot::Chart;
use terrace_benches::results::{self, Provenance, Table};
use terrace_benches::rounds::{self, Series};
use terrace_lb::BoxError;
use terrace_testkit::dirs::TempDir;
use terrace_testkit::process::cargo_example;

/// Compares terrace-lb with named rivals, and writes CSV and SVG to benches/results.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask bench lb")]
struct Cli {
    /// Make only this comparison.
    #[arg(long)]
    only: Option<Comparison>,
    /// Interleaved rounds of each comparison; at least 10 for numbers that are quoted.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Milliseconds of each balancer in each round.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..))]
    slice: u64,
    /// Seconds of load on each proxy in each round.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    seconds: u16,
    /// Connections that wrk keeps open to a proxy.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    /// Bytes of the origin's answer.
    #[arg(long, default_value_t = 1024)]
    size: usize,
    /// Another proxy: NAME=COMMAND, with {port} to listen on and {origin}, the origin's port.
    #[arg(long, value_name = "NAME=COMMAND")]
    add: Vec<String>,
    /// Print the numbers and write no files.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Comparison {
    /// One balanced request beside tower::balance.
    Pick,
    /// The reverse proxy beside nginx and HAProxy.
    Proxy,
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
    if cli.only != Some(Comparison::Proxy) {
        pick(cli)?;
    }
    if cli.only != Some(Comparison::Pick) {
        proxy(cli)?;
    }
    Ok(())
}

/// One balanced request, by terrace-lb and by tower's balancer.
fn pick(cli: &Cli) -> Result<(), BoxError> {
    let provenance = Provenance::here(format!(
        "cargo xtask bench lb --only pick --rounds {} --slice {}",
        cli.rounds, cli.slice
    ))
    .with("rival", "tower 0.5 balance::p2c over PendingRequests");
    let mut table = Table::new(
        provenance.clone(),
        &["endpoints", "contender", "ns_median", "ns_low", "ns_high", "ratio_to_tower"],
    );
    let mut chart = Chart::new("One balanced request: pick, lease, release", "ns");
    for endpoints in [100, 10_000] {
        let mut request = Terrace::<Echo>::new(endpoints)?;
        let mut shared = Terrace::<Counting>::new(endpoints)?;
        let mut pick = TerracePick::new(endpoints)?;
        let mut tower = Tower::<Echo>::new(endpoints);
        let mut contenders: [(&str, &mut dyn Op); 4] = [
            ("terrace-lb", &mut request),
            ("terrace-lb, Arc endpoint", &mut shared),
            ("terrace-lb, pick only", &mut pick),
            ("tower::balance P2C", &mut tower),
        ];
        let slice = Duration::from_millis(cli.slice);
        let series = rounds::interleave(&mut contenders, cli.rounds.into(), slice);
        let rival = &series[3];
        println!("{endpoints} endpoints, {} rounds of {} ms:", cli.rounds, cli.slice);
        for one in &series {
            let (low, high) = one.spread();
            let (median, ratio) = (one.median(), one.ratio_to(rival));
            println!(
                "  {:<25} {median:8.1} ns ({low:.1} to {high:.1}), {ratio:.3} of tower's",
                one.name
            );
            let mut cells = vec![endpoints.to_string()];
            cells.extend(numbers(one, rival));
            table.row(cells);
        }
        chart.group(format!("{endpoints} endpoints"), &series, rival);
    }
    write(cli, "lb-pick", &table, &chart, &provenance)
}

/// CPU time per request of reverse proxies.
fn proxy(cli: &Cli) -> Result<(), BoxError> {
    let settings =
        Settings { rounds: cli.rounds, seconds: cli.seconds, connections: cli.connections };
    let folder = TempDir::new("peers", None)?;
    let origin = peers::origin(folder.path(), cli.size)?;
    let mut contenders = vec![
        peers::haproxy(folder.path(), origin.addr())?,
        peers::nginx(folder.path(), origin.addr())?,
    ];
    match cargo_example("proxy") {
        Ok(program) => {
            let command = format!(
                "terrace-lb={} --listen 127.0.0.1:{{port}} --backend 127.0.0.1:{{origin}} --threads 1",
                program.display()
            );
            contenders.push(peers::ours(&command, origin.addr())?);
        }
        Err(error) => eprintln!("SKIPPED terrace-lb: {error}"),
    }
    for command in &cli.add {
        contenders.push(peers::ours(command, origin.addr())?);
    }
    let mut provenance = Provenance::here(format!(
        "cargo xtask bench lb --only proxy --rounds {} --seconds {} --connections {} --size {}",
        cli.rounds, cli.seconds, cli.connections, cli.size
    ));
    for contender in &contenders {
        provenance =
            provenance.with("contender", format!("{}: {}", contender.name, contender.version));
    }
    let measured = peers::compare(&contenders, settings)?;
    report_proxies(cli, &provenance, &measured)
}

fn report_proxies(
    cli: &Cli,
    provenance: &Provenance,
    measured: &[Measured],
) -> Result<(), BoxError> {
    let reference = &measured.first().ok_or("nothing was measured")?.cpu;
    let mut table = Table::new(
        provenance.clone(),
        &[
            "contender",
            "cpu_us_median",
            "cpu_us_low",
            "cpu_us_high",
            "ratio_to_haproxy",
            "requests_per_second",
            "p99_ms",
            "requests",
            "bad",
        ],
    );
    println!("CPU time per request, {} rounds of {} s:", cli.rounds, cli.seconds);
    for one in measured {
        let (low, high) = one.cpu.spread();
        println!(
            "  {:<14} {:6.1} µs ({low:.1} to {high:.1}), {:.2} of HAProxy's, {:.0} requests/s, p99 {:.1} ms, {} bad",
            one.cpu.name,
            one.cpu.median(),
            one.cpu.ratio_to(reference),
            one.per_second.median(),
            one.p99,
            one.bad
        );
        let mut cells = numbers(&one.cpu, reference);
        cells.extend([
            format!("{:.0}", one.per_second.median()),
            format!("{:.2}", one.p99),
            one.requests.to_string(),
            one.bad.to_string(),
        ]);
        table.row(cells);
    }
    let mut chart = Chart::new("Reverse proxy: CPU time per request", "µs");
    let series: Vec<Series> = measured.iter().map(|one| one.cpu.clone()).collect();
    chart.group(format!("{} bytes, {} connections", cli.size, cli.connections), &series, reference);
    write(cli, "lb-proxy", &table, &chart, provenance)
}

/// Name, median, spread and ratio, as the tables show them.
fn numbers(series: &Series, reference: &Series) -> Vec<String> {
    let (low, high) = series.spread();
    vec![
        series.name.clone(),
        format!("{:.2}", series.median()),
        format!("{low:.2}"),
        format!("{high:.2}"),
        format!("{:.4}", series.ratio_to(reference)),
    ]
}

fn write(
    cli: &Cli,
    name: &str,
    table: &Table,
    chart: &Chart,
    provenance: &Provenance,
) -> Result<(), BoxError> {
    if cli.dry_run {
        return Ok(());
    }
    let folder = results::folder()?;
    table.write(&folder.join(format!("{name}.csv")))?;
    chart.write(&folder.join(format!("{name}.svg")), provenance)?;
    println!("wrote benches/results/{name}.csv and {name}.svg");
    Ok(())
}
