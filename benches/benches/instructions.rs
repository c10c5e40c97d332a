//! Counts the instructions of every block's operations under callgrind.
//!
//! `-- --check` compares with the baseline and fails above it, `-- --bless` writes the baseline.
//! Without either the counts are printed.

use std::io;
use std::process::ExitCode;

use terrace_benches::instructions::{self, Counts, measured};
use terrace_benches::ops::Op;
use terrace_benches::ops::lb::{Echo, Terrace, TerracePick};
use terrace_testkit::tools;

/// An operation by name, built only when it is counted.
type Build = fn() -> Box<dyn Op>;

const OPERATIONS: [(&str, Build); 4] = [
    ("lb: request, 100 endpoints", || request(100)),
    ("lb: request, 10000 endpoints", || request(10_000)),
    ("lb: pick, 100 endpoints", || pick(100)),
    ("lb: pick, 10000 endpoints", || pick(10_000)),
];

/// The control: callgrind must see twice the work as twice the instructions.
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
    if let [flag, name] = &arguments[..]
        && flag == "--under-callgrind"
    {
        return under_callgrind(name);
    }
    // cargo adds `--bench`; a filter meant for criterion is not meant for this.
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    match run(has("--check"), has("--bless")) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Does one operation, once before it counts: what is made at first use is not its price.
fn under_callgrind(name: &str) -> ExitCode {
    let Some((_, build)) = OPERATIONS
        .iter()
        .chain(&CONTROLS)
        .find(|(known, _)| *known == name)
    else {
        eprintln!("error: no operation is called {name:?}");
        return ExitCode::FAILURE;
    };
    let mut op = build();
    op.once();
    measured(&mut *op);
    ExitCode::SUCCESS
}

fn run(check: bool, bless: bool) -> io::Result<ExitCode> {
    let Some(valgrind) = tools::find("valgrind") else {
        if tools::services_required() {
            return Err(io::Error::other("no valgrind: see `cargo xtask doctor`"));
        }
        eprintln!("SKIPPED instruction counts: no valgrind, see `cargo xtask doctor`");
        return Ok(ExitCode::SUCCESS);
    };
    let program = std::env::current_exe()?;
    let count = |name: &str| instructions::count(&valgrind, &program, &["--under-callgrind", name]);

    let [single, double] = [count(CONTROLS[0].0)?, count(CONTROLS[1].0)?];
    let ratio = double as f64 / single as f64;
    if !(1.8..2.2).contains(&ratio) {
        return Err(io::Error::other(format!(
            "twice the work was counted as {ratio:.2} times the instructions ({single}, {double})"
        )));
    }

    let file = instructions::baseline_file()?;
    let baseline = if file.exists() {
        instructions::read(&file)?
    } else {
        Counts::new()
    };
    let mut counted = Counts::new();
    for (name, _) in OPERATIONS {
        let instructions = count(name)?;
        let each = instructions as f64 / instructions::REPEAT as f64;
        let before = baseline.get(name).map_or(String::new(), |before| {
            format!(
                " ({} the baseline)",
                instructions::change(*before, instructions)
            )
        });
        println!("{name:<30} {each:>8.1} instructions each{before}");
        counted.insert(name.to_owned(), instructions);
    }
    if bless {
        instructions::write(&file, &counted)?;
        println!(
            "wrote {}",
            file.file_name().unwrap_or_default().to_string_lossy()
        );
    } else if check {
        return verdict(&baseline, &counted);
    }
    Ok(ExitCode::SUCCESS)
}

fn verdict(baseline: &Counts, counted: &Counts) -> io::Result<ExitCode> {
    let bless = "cargo bench -p terrace-benches --bench instructions -- --bless";
    if baseline.is_empty() {
        if tools::services_required() {
            return Err(io::Error::other(format!(
                "no baseline for this rustc; run: {bless}"
            )));
        }
        eprintln!("SKIPPED comparison: no baseline for this rustc; run: {bless}");
        return Ok(ExitCode::SUCCESS);
    }
    let findings = instructions::compare(baseline, counted);
    for finding in &findings {
        eprintln!("{finding}");
    }
    if findings.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("If that is worth it, say why in the commit, and run: {bless}");
    Ok(ExitCode::FAILURE)
}
