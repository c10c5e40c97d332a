//! `cargo xtask soak session`: login processes that are killed under load, over Redis and over PostgreSQL.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use terrace_benches::results::{self, Provenance};
use terrace_benches::soak::Error;
use terrace_benches::soak::session::{LoginStorm, Outcome, Repeats, Writes, storm, to_markdown};
use terrace_testkit::process::cargo_example;
use terrace_testkit::{Postgres, Redis};

/// Kills login processes behind a balancer under load; writes benches/results/soak-session.md.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask soak session")]
struct Cli {
    /// How long, for each store.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Users who are logged in.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..))]
    users: u32,
    /// How many of them act at a time.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    clients: u16,
    /// Requests a second.
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// A random one of the three processes is killed every so many milliseconds.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..))]
    kill_every_ms: u64,
    /// How many milliseconds a byte is on its way between balancer and processes: what is on its way is lost with a process,
    /// answers to what it has done among it.
    #[arg(long, default_value_t = 5)]
    distance_ms: u64,
    /// Of who is killed, and who does what; a random one if left out.
    #[arg(long)]
    seed: Option<u64>,
    /// The example `login`.
    #[arg(long)]
    login: Option<PathBuf>,
    /// Print the result and write no file.
    #[arg(long)]
    dry_run: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: &Cli) -> Result<(), Error> {
    let seed = cli.seed.unwrap_or_else(|| fastrand::u64(..));
    println!("seed {seed}");
    let all = LoginStorm {
        login: match &cli.login {
            Some(path) => path.clone(),
            None => cargo_example("login")?,
        },
        processes: 3,
        users: usize::try_from(cli.users)?,
        clients: cli.clients.into(),
        rate: cli.rate,
        duration: Duration::from_secs(cli.seconds),
        kill_every: Duration::from_millis(cli.kill_every_ms),
        distance: Duration::from_millis(cli.distance_ms),
        writes: Writes::Increment,
        repeats: Repeats::Safe,
        seed,
    };
    let redis = Redis::start().await?;
    let on_redis = storm(&all, &redis.url()).await?;
    report("Redis", &on_redis);
    let postgres = Postgres::start().await?;
    let on_postgres = storm(&all, &postgres.url()).await?;
    report("PostgreSQL", &on_postgres);

    // Short, and with few users: they have to fail, which they do at once.
    let few = LoginStorm { users: 20, duration: Duration::from_secs(6), ..all };
    let doubling = LoginStorm {
        repeats: Repeats::Everything,
        kill_every: Duration::from_millis(500),
        distance: Duration::from_millis(50),
        ..few.clone()
    };
    let doubled = storm(&doubling, &redis.url()).await?;
    report("control: everything sent again", &doubled);
    let in_memory = storm(&few, "memory").await?;
    report("control: memory", &in_memory);
    let two = LoginStorm { users: 2, writes: Writes::ReadThenSet, ..few };
    let read_then_set = storm(&two, &redis.url()).await?;
    report("control: read, then set", &read_then_set);

    let provenance = Provenance::here(format!(
        "cargo xtask soak session --seconds {} --users {} --clients {} --rate {} --kill-every-ms {} --distance-ms {} --seed {seed}",
        cli.seconds, cli.users, cli.clients, cli.rate, cli.kill_every_ms, cli.distance_ms
    ))
    .with("processes", "3 of the example login, one store, kill -9 of a random one")
    .with("build", if cfg!(debug_assertions) { "debug" } else { "release" });
    let failed = [&on_redis, &on_postgres].into_iter().flat_map(Outcome::findings).next();
    let blind = in_memory.logged_out == 0
        || read_then_set.books.below == 0
        || doubled.books.unexplained == 0;
    let page = to_markdown(
        &provenance,
        &[
            ("Redis", on_redis),
            ("PostgreSQL", on_postgres),
            ("control: memory", in_memory),
            ("control: read, then set", read_then_set),
            ("control: everything sent again", doubled),
        ],
    );
    print!("{page}");
    if !cli.dry_run {
        std::fs::write(results::folder()?.join("soak-session.md"), &page)?;
        println!("wrote benches/results/soak-session.md");
    }
    match failed {
        Some(finding) => Err(finding.into()),
        None if blind => Err("a control found nothing".into()),
        None => Ok(()),
    }
}

fn report(name: &str, outcome: &Outcome) {
    println!("{name}: {:?}", outcome.findings());
}
