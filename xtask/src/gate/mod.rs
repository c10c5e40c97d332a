//! `cargo xtask test`: the gate.

mod counts;
mod features;
mod report;
mod running;
mod steps;
mod tests_of;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use clap::Args;

use report::Outcome;
use running::{Running, Stop};
use steps::{STEPS, Step};

use crate::workspace::Workspace;

/// What to run of the gate, and how.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Run this step alone (may be given more than once).
    #[arg(long, value_name = "STEP")]
    only: Vec<String>,
    /// Run this step and all after it.
    #[arg(long, value_name = "STEP", conflicts_with = "only")]
    from: Option<String>,
    /// Print the steps with their budgets, and run none.
    #[arg(long)]
    list: bool,
    /// Go on after a step that failed.
    #[arg(long)]
    keep_going: bool,
    /// Print every line; otherwise passed tests are only counted. The whole output is always kept
    /// in target/xtask.
    #[arg(long)]
    verbose: bool,
}

/// Runs the gate; the exit code says whether every step passed.
pub(crate) fn run(options: &Options) -> Result<ExitCode, String> {
    let workspace = Workspace::load()?;
    let warmth = Warmth::of(&workspace);
    let chosen = choose(options)?;
    if options.list {
        println!("{:<14} {:>8} {:>8}  what it does", "step", "warm", "cold");
        for step in chosen {
            let [warm, cold] = [true, false].map(|warm| step.budget(warm).as_secs());
            println!("{:<14} {warm:>6} s {cold:>6} s  {}", step.name, step.about);
        }
        return Ok(ExitCode::SUCCESS);
    }
    std::env::set_current_dir(&workspace.root)
        .map_err(|error| format!("{}: {error}", workspace.root.display()))?;

    let mut outcomes: Vec<Outcome> = Vec::new();
    let mut not_run = Vec::new();
    for step in chosen {
        if outcomes.iter().any(Outcome::is_failed) && !options.keep_going {
            not_run.push(step.name);
            continue;
        }
        outcomes.push(perform(step, &workspace, &warmth, options.verbose));
    }
    println!("\n{}", report::render(&outcomes, &not_run).trim_end());
    let failed = outcomes.iter().any(Outcome::is_failed);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The steps that `options` name.
fn choose(options: &Options) -> Result<Vec<&'static Step>, String> {
    let known = |name: &String| {
        STEPS.iter().position(|step| step.name == name).ok_or_else(|| {
            let names: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
            format!("no step is called {name:?}; there are: {}", names.join(", "))
        })
    };
    if let Some(from) = &options.from {
        return Ok(STEPS[known(from)?..].iter().collect());
    }
    let only = options.only.iter().map(known).collect::<Result<Vec<_>, _>>()?;
    let chosen = |at: &usize| only.is_empty() || only.contains(at);
    Ok((0..STEPS.len()).filter(chosen).map(|at| &STEPS[at]).collect())
}

fn perform(step: &Step, workspace: &Workspace, warmth: &Warmth, verbose: bool) -> Outcome {
    let budget = step.budget(warmth.is_warm(step));
    println!("\n==> {}: {} (budget {} s)", step.name, step.about, budget.as_secs());
    let log = warmth.folder.join(format!("{}.log", step.name));
    let mut running = Running::begin(&log, budget * 2, verbose);
    let began = Instant::now();
    let mut result = (step.run)(workspace, &mut running);
    let took = began.elapsed();
    if result.is_ok() {
        result = running.check_deadline();
    }
    match &result {
        Ok(()) => warmth.remember(step),
        Err(Stop::Failed(why)) => println!("    FAILED: {why}"),
        Err(Stop::Skipped(why)) => println!("    SKIPPED: {why}"),
        Err(Stop::Nothing) => println!("    nothing yet"),
    }
    println!("    {} took {:.1} s", step.name, took.as_secs_f64());
    Outcome { step: step.name, took, budget, result, counts: running.counts, skips: running.skips }
}

/// Remembers which steps have passed with this toolchain and these dependencies: only what has
/// been built once can be expected to be quick.
#[derive(Debug)]
struct Warmth {
    folder: PathBuf,
    key: String,
}

impl Warmth {
    fn of(workspace: &Workspace) -> Self {
        let folder = workspace.target.join("xtask");
        // Without the folder every run counts as a first one; nothing else changes.
        let _ = std::fs::create_dir_all(&folder);
        Self { folder, key: key(&workspace.root) }
    }

    fn stamp(&self, step: &Step) -> PathBuf {
        self.folder.join(format!("{}.passed", step.name))
    }

    fn is_warm(&self, step: &Step) -> bool {
        std::fs::read_to_string(self.stamp(step)).is_ok_and(|key| key == self.key)
    }

    fn remember(&self, step: &Step) {
        // See `of`.
        let _ = std::fs::write(self.stamp(step), &self.key);
    }
}

/// Changes when everything has to be built anew: with another compiler, other dependencies, and in another checkout,
/// whose packages share no build with those of the first.
fn key(root: &Path) -> String {
    let rustc = Command::new("rustc").arg("-vV").output().map(|out| out.stdout).unwrap_or_default();
    let lock = std::fs::read(root.join("Cargo.lock")).unwrap_or_default();
    let mut hasher = DefaultHasher::new();
    (rustc, lock, root).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    fn options(only: &[&str], from: Option<&str>) -> Options {
        Options {
            only: only.iter().map(|&name| name.to_owned()).collect(),
            from: from.map(str::to_owned),
            list: false,
            keep_going: false,
            verbose: false,
        }
    }

    fn names(options: &Options) -> Vec<&'static str> {
        choose(options).unwrap().iter().map(|step| step.name).collect()
    }

    #[test]
    fn steps_are_chosen_by_name_and_kept_in_order() {
        assert_eq!(names(&options(&[], None)).len(), STEPS.len());
        assert_eq!(names(&options(&["clippy", "fmt"], None)), ["fmt", "clippy"]);
        assert_eq!(names(&options(&[], Some("instructions"))), ["instructions", "tree"]);
    }

    #[test]
    fn an_unknown_step_is_refused_with_the_names_there_are() {
        let error = choose(&options(&["clipy"], None)).unwrap_err();
        assert!(error.contains("\"clipy\"") && error.contains("clippy"), "{error}");
    }

    #[test]
    fn a_step_is_warm_only_with_the_same_dependencies_and_checkout() {
        let folder = Scratch::new();
        let workspace = Workspace {
            root: folder.path().to_owned(),
            target: folder.path().join("target"),
            packages: Vec::new(),
        };
        folder.write("Cargo.lock", "one");
        let warmth = Warmth::of(&workspace);
        assert!(!warmth.is_warm(&STEPS[0]));
        warmth.remember(&STEPS[0]);
        assert!(warmth.is_warm(&STEPS[0]));
        assert!(!warmth.is_warm(&STEPS[1]));
        folder.write("Cargo.lock", "two");
        assert!(!Warmth::of(&workspace).is_warm(&STEPS[0]));

        // Another checkout that shares the target directory.
        let other = Scratch::new();
        other.write("Cargo.lock", "one");
        let workspace = Workspace { root: other.path().to_owned(), ..workspace };
        assert!(!Warmth::of(&workspace).is_warm(&STEPS[0]));
    }
}
