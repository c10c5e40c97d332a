//! Counts the instructions of every block's operations under callgrind.
//!
//! `-- --check` compares with the baseline and fails above it, `-- --bless` writes the baseline.
//! Without either the counts are printed.

use std::path::Path;
use std::process::ExitCode;

use terrace_benches::ops::lb::{Echo, Terrace, TerracePick};
use terrace_benches::ops::{COUNTED, Op, counted};
use terrace_testkit::baseline::{Baseline, Comparison, rustc_version};
use terrace_testkit::callgrind::Callgrind;
use terrace_testkit::tools;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// An operation, built only when it is counted.
type Build = fn() -> Box<dyn Op>;

const OPERATIONS: [(&str, Build); 4] = [
    ("lb: request, 100 endpoints", || request(100)),
    ("lb: request, 10000 endpoints", || request(10_000)),
    ("lb: pick, 100 endpoints", || pick(100)),
    ("lb: pick, 10000 endpoints", || pick(10_000)),
];

/// The control: twice the work must be counted as twice the instructions.
const CONTROLS: [(&str, Build); 2] = [
    ("control: 100 steps", || Box::new(Steps(100))),
    ("control: 200 steps", || Box::new(Steps(200))),
];

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
    let Some((_, build)) = OPERATIONS.iter().chain(&CONTROLS).find(|(known, _)| *known == name)
    else {
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
    for (name, _) in OPERATIONS {
        let measured = count(name)?;
        let comparison = baseline.compare(&rustc, name, measured);
        println!("  {name:<30} {comparison}");
        is_good &= comparison.is_ok() && is_known(comparison);
        if bless {
            baseline.record(&rustc, name, measured);
        }
    }
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
