//! Counts the instructions of every block's operations under callgrind.
//!
//! `-- --check` compares with the baseline and fails above it, `-- --bless` writes the baseline.
//! Without either the counts are printed.

#[path = "instructions/sessions.rs"]
mod sessions;

use std::collections::HashMap;
use std::path::Path;
use std::process::ExitCode;

use terrace_benches::ops::cache;
use terrace_benches::ops::cdn_edge::{self, Kind};
use terrace_benches::ops::db::{self, PREPARE, Raw, What};
use terrace_benches::ops::lb::{Echo, Terrace, TerracePick};
use terrace_benches::ops::session::Work;
use terrace_benches::ops::{COUNTED, Op, counted};
use terrace_cache::engine::Policy;
use terrace_testkit::baseline::{Baseline, Comparison, rustc_version};
use terrace_testkit::callgrind::Callgrind;
use terrace_testkit::{Postgres, PostgresCluster, tools};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// An operation, built only when it is counted.
type Build = fn() -> Box<dyn Op>;

const OPERATIONS: [(&str, Build); 18] = [
    ("cache: hit", || hit(0)),
    ("cache: hit, 4 tags", || hit(4)),
    ("cache: bare engine", || {
        Box::new(cache::Bare::new(Policy::S3Fifo).expect("its feature is on"))
    }),
    ("cdn-edge: hit", || edge(Kind::Plain)),
    ("cdn-edge: hit, cold", || edge(Kind::Cold)),
    ("cdn-edge: hit, Vary", || edge(Kind::Varies)),
    ("cdn-edge: 304", || edge(Kind::Conditional)),
    ("cdn-edge: 206", || edge(Kind::Range)),
    ("lb: request, 100 endpoints", || request(100)),
    ("lb: request, 10000 endpoints", || request(10_000)),
    ("lb: pick, 100 endpoints", || pick(100)),
    ("lb: pick, 10000 endpoints", || pick(10_000)),
    ("session: no cookie", || sessions::ours(Work::NoCookie)),
    ("session: untouched", || sessions::ours(Work::Untouched)),
    ("session: get", || sessions::ours(Work::Get)),
    ("session: get and set", || sessions::ours(Work::Change)),
    ("session: rolling get", || sessions::ours(Work::Rolling)),
    ("session: login", || sessions::ours(Work::Login)),
];

/// An operation of ours, the same of a rival, and what ours may cost beside it.
///
/// These talk to a server, so that their counts differ a little from run to run: a ratio is what
/// holds, not a baseline.
struct Ratio {
    name: &'static str,
    ours: &'static str,
    rival: &'static str,
    limit: f64,
}

/// A hit, and what it may cost beside the engine alone. No server is needed for these.
const HITS: [Ratio; 1] = [Ratio {
    name: "cache: hit beside its engine's get",
    ours: "cache: hit",
    rival: "cache: bare engine",
    limit: 1.5,
}];

/// Printed beside them.
const RIVALS: [(&str, Build); 3] = [
    ("foyer-memory: get", || Box::<cache::Foyer>::default()),
    ("cached: get", || Box::<cache::Cached>::default()),
    ("moka: get_with", || Box::<cache::Moka>::default()),
];

const RATIOS: [Ratio; 3] = [
    Ratio {
        name: "db: point read beside deadpool-postgres",
        ours: "db: read",
        rival: "deadpool-postgres: read",
        limit: 1.10,
    },
    Ratio {
        name: "db: get beside deadpool-postgres",
        ours: "db: get",
        rival: "deadpool-postgres: get",
        limit: 1.5,
    },
    Ratio {
        name: "db: read with a token beside deadpool-postgres",
        ours: "db: read with a token",
        rival: "deadpool-postgres: read",
        limit: 1.15,
    },
];

/// The control: a read of ours costs far more than its `get`, and must be seen to.
const RATIO_CONTROL: (&str, &str) = ("db: read", "db: get");

/// Where the servers are, for the counted process.
const SERVERS: &str = "TERRACE_BENCH_SERVERS";

/// Operations against a server, whose addresses are in the environment.
const SERVED: [(&str, Build); 5] = [
    ("db: read", || served(What::Point, false)),
    ("db: get", || served(What::Get, false)),
    ("db: read with a token", || served(What::Point, true)),
    ("deadpool-postgres: read", || raw(What::Point)),
    ("deadpool-postgres: get", || raw(What::Get)),
];

fn servers() -> Vec<String> {
    let servers = std::env::var(SERVERS).unwrap_or_default();
    servers.split(' ').map(str::to_owned).collect()
}

fn served(what: What, tokened: bool) -> Box<dyn Op> {
    Box::new(db::Terrace::new(&servers(), what, tokened).expect("the servers are up"))
}

/// The rival reads on the replica too.
fn raw(what: What) -> Box<dyn Op> {
    let url = servers().pop().unwrap_or_default();
    Box::new(Raw::new(&url, what).expect("the server is up"))
}

/// The control: twice the work must be counted as twice the instructions.
const CONTROLS: [(&str, Build); 2] = [
    ("control: 100 steps", || Box::new(Steps(100))),
    ("control: 200 steps", || Box::new(Steps(200))),
];

fn hit(tags: u64) -> Box<dyn Op> {
    Box::new(cache::Terrace::new(Policy::S3Fifo, tags).expect("a runtime"))
}

fn edge(kind: Kind) -> Box<dyn Op> {
    Box::new(cdn_edge::Hit::new(kind).expect("a runtime"))
}

fn request(endpoints: usize) -> Box<dyn Op> {
    Box::new(Terrace::<Echo>::new(endpoints).expect("distinct names"))
}

fn pick(endpoints: usize) -> Box<dyn Op> {
    Box::new(TerracePick::new(endpoints).expect("distinct names"))
}

struct Steps(u32);

impl Op for Steps {
    fn once(&mut self) {
        for step in 0..self.0 {
            std::hint::black_box(step);
        }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if Callgrind::is_child() {
        return arguments.first().map_or(ExitCode::FAILURE, |name| do_once(name));
    }
    // cargo adds `--bench`; a filter meant for criterion is not meant for this.
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    match run(has("--check"), has("--bless")) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Does one operation, once before it counts: what is made at first use is not its price.
fn do_once(name: &str) -> ExitCode {
    let ours = OPERATIONS.iter().chain(&CONTROLS).chain(&SERVED);
    let mut known = ours.chain(&RIVALS).chain(&sessions::RIVALS);
    let Some((_, build)) = known.find(|(known, _)| *known == name) else {
        eprintln!("error: no operation is called {name:?}");
        return ExitCode::FAILURE;
    };
    let mut op = build();
    op.once();
    counted(&mut *op);
    ExitCode::SUCCESS
}

fn count(name: &str) -> Result<u64, Error> {
    let program = std::env::current_exe()?;
    Ok(Callgrind::program(program).arguments([name]).count("ops::counted")?)
}

/// Whether everything is as it should be.
fn run(check: bool, bless: bool) -> Result<bool, Error> {
    if tools::find("valgrind").is_none() {
        if tools::services_required() {
            return Err("no valgrind: see `cargo xtask doctor`".into());
        }
        eprintln!("SKIPPED instruction counts: no valgrind, see `cargo xtask doctor`");
        return Ok(true);
    }
    let [single, double] = [count(CONTROLS[0].0)?, count(CONTROLS[1].0)?];
    if !(single * 18 / 10..single * 22 / 10).contains(&double) {
        let counts = format!("{single} and {double} instructions");
        return Err(format!("twice the work was not counted as such: {counts}").into());
    }

    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("baseline.json");
    let mut baseline = Baseline::load(&file)?;
    let rustc = rustc_version()?;
    println!("instructions for {COUNTED} operations, {rustc}:");
    let mut is_good = true;
    let mut counts = HashMap::new();
    for (name, _) in OPERATIONS {
        let measured = count(name)?;
        counts.insert(name, measured);
        let comparison = baseline.compare(&rustc, name, measured);
        println!("  {name:<30} {comparison}");
        is_good &= comparison.is_ok() && is_known(comparison);
        if bless {
            baseline.record(&rustc, name, measured);
        }
    }
    for (name, _) in RIVALS {
        println!("  {name:<30} {}", count(name)?);
    }
    for Ratio { name, ours, rival, limit } in HITS {
        is_good &= is_within(name, [count(ours)?, count(rival)?], limit);
    }
    is_good &= sessions::are_within(|name| {
        counts.get(name).map_or_else(|| count(name), |known| Ok(*known))
    })?;
    is_good &= ratios()?;
    let command = "cargo bench -p terrace-benches --bench instructions -- --bless";
    if bless {
        baseline.save(&file)?;
        println!("wrote benches/baseline.json");
    } else if check && !is_good {
        eprintln!("If that is worth it, say why in the commit, and run: {command}");
        return Ok(false);
    }
    Ok(true)
}

/// Whether our operations cost no more beside their rivals' than they may.
fn ratios() -> Result<bool, Error> {
    if tools::find("postgres").is_none() {
        if tools::services_required() {
            return Err("no postgres: see `cargo xtask doctor`".into());
        }
        eprintln!("SKIPPED ratios of terrace-db: no postgres, see `cargo xtask doctor`");
        return Ok(true);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let cluster = runtime.block_on(async {
        let cluster = PostgresCluster::start(1).await?;
        cluster.primary().connect().await?.batch_execute(PREPARE).await?;
        cluster.catch_up().await?;
        Ok::<_, Error>(cluster)
    })?;
    let urls: Vec<String> = cluster.nodes().iter().map(Postgres::url).collect();
    let program = std::env::current_exe()?;
    let count = |name: &str| {
        let run = Callgrind::program(&program).arguments([name]);
        run.environment(SERVERS, urls.join(" ")).count("ops::counted")
    };
    let [more, less] = [count(RATIO_CONTROL.0)?, count(RATIO_CONTROL.1)?];
    if more < less * 3 {
        return Err(format!("a read and a get were counted alike: {more} and {less}").into());
    }
    let mut is_good = true;
    println!("client instructions of {COUNTED} operations against PostgreSQL:");
    for Ratio { name, ours, rival, limit } in RATIOS {
        is_good &= is_within(name, [count(ours)?, count(rival)?], limit);
    }
    drop(cluster);
    Ok(is_good)
}

fn is_within(name: &str, [ours, rival]: [u64; 2], limit: f64) -> bool {
    let ratio = ours as f64 / rival as f64;
    let verdict = if ratio <= limit { "" } else { ": TOO MUCH" };
    println!("  {name:<48} {ours} / {rival} = {ratio:.3} (at most {limit}){verdict}");
    ratio <= limit
}

/// A count without a baseline is a skip for a person with another compiler, and an error where
/// skips are: a gate that compares with nothing is none.
fn is_known(comparison: Comparison) -> bool {
    if !matches!(comparison, Comparison::New { .. }) {
        return true;
    }
    if !tools::services_required() {
        eprintln!("SKIPPED a comparison: {comparison}");
    }
    !tools::services_required()
}
