//! terrace's one developer command: `cargo xtask test | soak | bench | doctor | stage-diff`.

mod doctor;
mod exec;
mod gate;
mod measure;
mod provision;
mod rules;
#[cfg(test)]
mod scratch;
// Shared with testkit's tests and included, not depended on: testkit's own dependencies would take
// a minute to compile before the first line of output.
#[allow(dead_code, unreachable_pub)]
#[path = "../../testkit/src/tools.rs"]
mod tools;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use workspace::Workspace;

/// The one developer command of terrace.
///
/// `cargo xtask test` is the whole gate: what passes there passes in CI, which runs nothing else.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Job,
}

#[derive(Debug, Subcommand)]
enum Job {
    /// Check everything: style, rules, tests against real servers, documentation, packages.
    ///
    /// Missing servers are installed with apt-get where that is possible (as root); otherwise the
    /// command to type is printed and what needs them is skipped, loudly. With CI=true or
    /// TERRACE_REQUIRE_SERVICES=1 a missing server is an error.
    Test(gate::Options),
    /// Run the long forms of the tests; writes benches/results/soak-BLOCK.md.
    Soak(measure::Soak),
    /// Compare with named rivals in one run; writes CSV and SVG to benches/results.
    Bench(measure::Bench),
    /// Say which servers and tools were found, and how to get the missing ones.
    Doctor,
    /// Show how each stage's main.rs differs from the one before it.
    StageDiff {
        /// Write the differences into the stages' READMEs.
        #[arg(long)]
        write: bool,
    },
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Job::Test(options) => gate::run(&options),
        Job::Soak(options) => measure::soak(&options),
        Job::Bench(options) => measure::bench(&options),
        Job::Doctor => {
            doctor::run();
            Ok(ExitCode::SUCCESS)
        }
        Job::StageDiff { write } => stage_diff(write),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}

fn stage_diff(write: bool) -> Result<ExitCode, String> {
    let workspace = Workspace::load()?;
    let diffs = rules::stages::diffs(&workspace.root)?;
    for diff in &diffs {
        println!("{}", diff.summary());
    }
    if write {
        for file in rules::stages::write(&workspace.root, &diffs)? {
            println!("wrote {file}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
