//! `cargo xtask bench` and `cargo xtask soak`: thin fronts of the programs in `benches`.

use std::process::{Command, ExitCode};

use clap::Args;

use crate::provision::{self, Machine};

/// The blocks that have a comparison in `benches`.
const COMPARED: [&str; 5] = ["lb", "db", "cache", "cdn-edge", "session"];
/// The blocks that have a long test there.
const SOAKED: [&str; 3] = ["lb", "db", "session"];

/// What to compare.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// The block to measure; all of them without a name.
    #[arg(value_parser = COMPARED)]
    block: Option<String>,
    /// Handed on to the block's program; `cargo xtask bench lb --help` shows them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// What to run for long.
#[derive(Debug, Args)]
pub(crate) struct Soak {
    /// The block to soak; all of them without a name.
    #[arg(value_parser = SOAKED)]
    block: Option<String>,
    /// Handed on to the block's program; `cargo xtask soak lb --help` shows them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Runs the comparisons of a block, or of all of them.
pub(crate) fn bench(options: &Bench) -> Result<ExitCode, String> {
    each(&COMPARED, options.block.as_deref(), |block| {
        if block == "lb" {
            peers()?;
            example("terrace-lb", "proxy")?;
        }
        if block == "cdn-edge" {
            peers()?;
            example("terrace-cdn-edge", "edge")?;
        }
        program(&format!("bench-{block}"), &options.arguments)
    })
}

/// Runs the long test of a block, or of all of them.
pub(crate) fn soak(options: &Soak) -> Result<ExitCode, String> {
    each(&SOAKED, options.block.as_deref(), |block| {
        if block == "lb" {
            example("terrace-lb", "proxy")?;
        }
        if block == "session" {
            example("terrace-session", "login")?;
        }
        program(&format!("soak-{block}"), &options.arguments)
    })
}

fn each(
    blocks: &[&str],
    block: Option<&str>,
    run: impl Fn(&str) -> Result<ExitCode, String>,
) -> Result<ExitCode, String> {
    let mut failed = false;
    for one in blocks.iter().filter(|one| block.is_none_or(|block| block == **one)) {
        failed |= run(one)? != ExitCode::SUCCESS;
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Installs the rivals where that is possible.
fn peers() -> Result<(), String> {
    let missing = provision::missing_peers();
    if missing.is_empty() {
        return Ok(());
    }
    let means = Machine::look().means();
    if let Some(mut command) = provision::installation(means, &missing) {
        println!("installing with apt-get as root: {}", names(&missing));
        // Its own output tells what goes wrong; what is still missing is found below.
        let _ = command.status();
    }
    let missing = provision::missing_peers();
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!(
        "no {} ({}); run: {}",
        names(&missing),
        provision::excuse(means),
        provision::command_line(&missing)
    ))
}

fn names(tools: &[&crate::tools::Tool]) -> String {
    tools.iter().map(|tool| tool.name).collect::<Vec<_>>().join(", ")
}

/// Builds the example that is measured, as its users would.
fn example(package: &str, name: &str) -> Result<(), String> {
    let status = Command::new(crate::exec::cargo())
        .args(["build", "--release", "--package", package, "--example", name])
        .status()
        .map_err(|error| format!("cargo build: {error}"))?;
    status.success().then_some(()).ok_or(format!("the example {name} does not build"))
}

fn program(name: &str, arguments: &[String]) -> Result<ExitCode, String> {
    let status = Command::new(crate::exec::cargo())
        .args(["run", "--release", "--package", "terrace-benches", "--bin", name, "--"])
        .args(arguments)
        .status()
        .map_err(|error| format!("cargo run: {error}"))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
