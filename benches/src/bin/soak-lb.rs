//! `cargo xtask soak lb`: a kill storm against the example `proxy`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use terrace_benches::results::{self, Provenance};
use terrace_benches::soak::{self, Error, Storm, Target, backend};
use terrace_testkit::process::cargo_example;

/// Kills backends behind the example `proxy` under load; writes benches/results/soak-lb.md.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask soak lb")]
struct Cli {
    /// How long, at the given rate.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    minutes: u32,
    /// Requests in all, instead of --minutes.
    #[arg(long)]
    requests: Option<usize>,
    /// Requests a second.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// Backends behind the proxy.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..))]
    backends: u8,
    /// A backend is killed after each so many requests.
    #[arg(long, default_value_t = 10_000)]
    kill_every: usize,
    /// And comes back so many requests later.
    #[arg(long, default_value_t = 2_000)]
    down_for: usize,
    /// How long a backend thinks before it answers, in milliseconds.
    #[arg(long, default_value_t = 2)]
    think_ms: u64,
    /// The proxy; by default lb's example of that name, with its command line.
    #[arg(long)]
    proxy: Option<PathBuf>,
    /// Print the result and write no file.
    #[arg(long)]
    dry_run: bool,
    /// What this process is.
    #[arg(long, hide = true)]
    role: Option<Role>,
    /// Where a backend listens.
    #[arg(long, hide = true, requires = "role")]
    listen: Option<SocketAddr>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Role {
    Backend,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match (cli.role, cli.listen) {
        (Some(Role::Backend), Some(addr)) => {
            backend::serve(addr, Duration::from_millis(cli.think_ms)).map_err(Error::from)
        }
        _ => storm(&cli),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn storm(cli: &Cli) -> Result<(), Error> {
    // u32 minutes at a u32 rate fit where a usize has 64 bits.
    let by_time = usize::try_from(u64::from(cli.minutes) * 60 * u64::from(cli.rate))?;
    let storm = Storm {
        requests: cli.requests.unwrap_or(by_time),
        rate: cli.rate,
        backends: cli.backends.into(),
        kill_every: cli.kill_every,
        down_for: cli.down_for,
        think_ms: cli.think_ms,
        backend: std::env::current_exe()?,
    };
    let proxy = match &cli.proxy {
        Some(path) => path.clone(),
        None => cargo_example("proxy")?,
    };
    let provenance = Provenance::here(format!(
        "cargo xtask soak lb --requests {} --rate {} --backends {} --kill-every {} --down-for {} --think-ms {}",
        storm.requests,
        storm.rate,
        storm.backends,
        storm.kill_every,
        storm.down_for,
        storm.think_ms
    ));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let aftermath = runtime.block_on(soak::raise(&storm, Target::Proxy(&proxy)))?;
    let page = aftermath.to_markdown(&provenance);
    print!("{page}");
    if !cli.dry_run {
        std::fs::write(results::folder()?.join("soak-lb.md"), &page)?;
        println!("wrote benches/results/soak-lb.md");
    }
    match aftermath.findings().first() {
        None => Ok(()),
        Some(finding) => Err(finding.clone().into()),
    }
}
