//! `cargo xtask bench cdn-edge`: terrace-cdn-edge beside its rivals.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use terrace_benches::ops::Op;
use terrace_benches::ops::cdn_edge::{Hit, Kind, Made};
use terrace_benches::peers::{self, Measured, Settings};
use terrace_benches::plot::Chart;
use terrace_benches::results::{self, Provenance, Table};
use terrace_benches::rounds::{self, Series};
use terrace_cdn_edge::BoxError;
use terrace_testkit::dirs::TempDir;
use terrace_testkit::process::cargo_example;

/// Compares hits of terrace-cdn-edge with named rivals', and writes CSV and SVG to benches/results.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask bench cdn-edge")]
struct Cli {
    /// Make only this comparison.
    #[arg(long)]
    only: Option<Comparison>,
    /// Interleaved rounds of each comparison; at least 10 for numbers that are quoted.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Milliseconds of each kind of hit in each round.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..))]
    slice: u64,
    /// Seconds of load on each cache in each round.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    seconds: u16,
    /// Connections that wrk keeps open to a cache.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    /// Bytes of the object.
    #[arg(long, default_value_t = 1024)]
    size: usize,
    /// Another cache: NAME=COMMAND, with {port} to listen on and {origin}, the origin's port.
    #[arg(long, value_name = "NAME=COMMAND")]
    add: Vec<String>,
    /// Print the numbers and write no files.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Comparison {
    /// The time of a hit inside a process: plain, with Vary, 304, 206.
    Hit,
    /// Hits over a socket, beside nginx and Varnish.
    Server,
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
    if cli.only != Some(Comparison::Server) {
        hit(cli)?;
    }
    if cli.only != Some(Comparison::Hit) {
        server(cli)?;
    }
    Ok(())
}

/// The layer alone.
fn hit(cli: &Cli) -> Result<(), BoxError> {
    let provenance = Provenance::here(format!(
        "cargo xtask bench cdn-edge --only hit --rounds {} --slice {}",
        cli.rounds, cli.slice
    ));
    let mut made = Made::new(Kind::Plain)?;
    let (mut plain, mut varies) = (Hit::new(Kind::Plain)?, Hit::new(Kind::Varies)?);
    let (mut unchanged, mut part) = (Hit::new(Kind::Conditional)?, Hit::new(Kind::Range)?);
    let mut cold = Hit::new(Kind::Cold)?;
    let mut contenders: [(&str, &mut dyn Op); 6] = [
        ("the request alone", &mut made),
        ("hit", &mut plain),
        ("hit, cold", &mut cold),
        ("hit, Vary", &mut varies),
        ("304", &mut unchanged),
        ("206", &mut part),
    ];
    let series =
        rounds::interleave(&mut contenders, cli.rounds.into(), Duration::from_millis(cli.slice));
    let mut table = Table::new(
        provenance.clone(),
        &["what", "ns_median", "ns_low", "ns_high", "ratio_to_request"],
    );
    println!("a hit in process, {} rounds of {} ms:", cli.rounds, cli.slice);
    for one in &series {
        let (low, high) = one.spread();
        println!("  {:<18} {:8.0} ns ({low:.0} to {high:.0})", one.name, one.median());
        table.row(numbers(one, &series[0]));
    }
    let mut chart = Chart::new("A hit of the edge, in process", "ns");
    chart.group("objects of 1 KiB".to_owned(), &series, &series[0]);
    write(cli, "cdn-edge-hit", &table, &chart, &provenance)
}

/// CPU time per hit of whole servers.
fn server(cli: &Cli) -> Result<(), BoxError> {
    let settings =
        Settings { rounds: cli.rounds, seconds: cli.seconds, connections: cli.connections };
    let folder = TempDir::new("peers", None)?;
    // nginx's workers run as somebody else when it is started as root, and must reach their files.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
    let origin = peers::origin(folder.path(), cli.size)?;
    let mut contenders = vec![
        peers::nginx_cache(folder.path(), origin.addr())?,
        peers::varnish(folder.path(), origin.addr())?,
    ];
    match cargo_example("edge") {
        Ok(program) => {
            let command = format!(
                "terrace-cdn-edge={} --listen 127.0.0.1:{{port}} --origin http://127.0.0.1:{{origin}} --threads 1",
                program.display()
            );
            contenders.push(peers::ours(&command, origin.addr())?);
        }
        Err(error) => eprintln!("SKIPPED terrace-cdn-edge: {error}"),
    }
    for command in &cli.add {
        contenders.push(peers::ours(command, origin.addr())?);
    }
    let mut provenance = Provenance::here(format!(
        "cargo xtask bench cdn-edge --only server --rounds {} --seconds {} --connections {} --size {}",
        cli.rounds, cli.seconds, cli.connections, cli.size
    ));
    for contender in &contenders {
        provenance =
            provenance.with("contender", format!("{}: {}", contender.name, contender.version));
    }
    let measured = peers::compare(&contenders, settings)?;
    report(cli, &provenance, &measured)
}

fn report(cli: &Cli, provenance: &Provenance, measured: &[Measured]) -> Result<(), BoxError> {
    let nginx = &measured.first().ok_or("nothing was measured")?.cpu;
    let varnish = &measured.get(1).ok_or("Varnish was not measured")?.cpu;
    let mut table = Table::new(
        provenance.clone(),
        &[
            "contender",
            "cpu_us_median",
            "cpu_us_low",
            "cpu_us_high",
            "ratio_to_nginx",
            "ratio_to_varnish",
            "requests_per_second",
            "p99_ms",
            "requests",
            "bad",
        ],
    );
    println!("CPU time per hit, {} rounds of {} s:", cli.rounds, cli.seconds);
    for one in measured {
        let (low, high) = one.cpu.spread();
        println!(
            "  {:<16} {:6.1} µs ({low:.1} to {high:.1}), {:.2} of nginx's, {:.2} of Varnish's, {:.0} requests/s, p99 {:.1} ms, {} bad",
            one.cpu.name,
            one.cpu.median(),
            one.cpu.ratio_to(nginx),
            one.cpu.ratio_to(varnish),
            one.per_second.median(),
            one.p99,
            one.bad
        );
        let mut cells = numbers(&one.cpu, nginx);
        cells.extend([
            format!("{:.3}", one.cpu.ratio_to(varnish)),
            format!("{:.0}", one.per_second.median()),
            format!("{:.2}", one.p99),
            one.requests.to_string(),
            one.bad.to_string(),
        ]);
        table.row(cells);
    }
    let mut chart = Chart::new("Edge cache: CPU time per hit", "µs");
    let series: Vec<Series> = measured.iter().map(|one| one.cpu.clone()).collect();
    chart.group(format!("{} bytes, {} connections", cli.size, cli.connections), &series, nginx);
    write(cli, "cdn-edge-server", &table, &chart, provenance)
}

/// Name, median, spread and ratio, as the tables show them.
fn numbers(one: &Series, rival: &Series) -> Vec<String> {
    let (low, high) = one.spread();
    let mut cells = vec![one.name.clone()];
    cells.extend([one.median(), low, high].map(|value| format!("{value:.2}")));
    cells.push(format!("{:.3}", one.ratio_to(rival)));
    cells
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
