//! The steps of the gate, in order, each with its budget.

use std::process::Command;
use std::time::Duration;

use super::features;
use super::running::{Running, Stop};
use super::tests_of::{self, Class};
use crate::provision::{self, Machine};
use crate::rules::{self, licences};
use crate::tools;
use crate::workspace::{self, Workspace};

/// One step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    /// What people type after `--only`.
    pub(crate) name: &'static str,
    /// What it does, for `--list`.
    pub(crate) about: &'static str,
    /// Seconds it may take on 2 cores when it has passed before with the same toolchain and
    /// dependencies. Twice that is a failure.
    warm: u64,
    /// The same for a first run, which downloads and builds every dependency.
    cold: u64,
    /// Does it.
    pub(crate) run: fn(&Workspace, &mut Running) -> Result<(), Stop>,
}

impl Step {
    /// What this step may take.
    pub(crate) fn budget(&self, warm: bool) -> Duration {
        Duration::from_secs(if warm { self.warm } else { self.cold })
    }
}

const fn step(
    name: &'static str,
    warm: u64,
    cold: u64,
    about: &'static str,
    run: fn(&Workspace, &mut Running) -> Result<(), Stop>,
) -> Step {
    Step { name, about, warm, cold, run }
}

/// All steps: name, warm and cold budget in seconds, what it does, and the function that does it.
/// What fails fast and often stands first.
#[rustfmt::skip]
pub(crate) const STEPS: [Step; 19] = [
    step("servers",        5, 180, "finds real servers and tools, installs missing ones", servers),
    step("fmt",            5, 20, "rustfmt agrees with every file", fmt),
    step("rules",          5, 10, "arrows, file length, named packages, leaks, links, stage diffs", house_rules),
    step("licences",       5, 50, "licences, sources and bans of all dependencies", dependency_licences),
    step("clippy",        35, 320, "the only check pass; warnings are errors", clippy),
    step("build",         75, 640, "compiles every test program and example", build),
    step("unit",          40, 70, "tests inside the sources", unit),
    step("contract",       5, 8, "the tower laws of every service", |w, r| class(w, r, Class::Contract)),
    step("simulation",    15, 25, "seeded simulations, and models of the designs", |w, r| class(w, r, Class::Simulation)),
    step("live",          85, 170, "against real servers, with faults", |w, r| class(w, r, Class::Live)),
    step("integration",   65, 150, "every other test program of the blocks", |w, r| class(w, r, Class::Integration)),
    step("examples",      60, 130, "Radiodeck and its stages, driven from outside", |w, r| class(w, r, Class::Examples)),
    step("rivals",        45,  70, "rivals do the same work; soaks in miniature", |w, r| class(w, r, Class::Rivals)),
    step("doctests",      25, 110, "the examples in the documentation", doctests),
    step("doc",           15, 130, "the documentation builds; warnings are errors", doc),
    step("package",       15, 110, "each block can be packaged, and builds from its package", package),
    step("features",      25, 170, "each block builds with none, each and all of its features", feature_matrix),
    step("instructions",  72, 327, "instruction counts against the committed baselines", instructions),
    step("tree",           3, 10, "the run left no trace in the repository", clean_tree),
];

fn servers(_: &Workspace, running: &mut Running) -> Result<(), Stop> {
    let missing = provision::missing_for_tests();
    if missing.is_empty() {
        let needed = tools::ALL.iter().filter(|tool| tool.needed_by_tests);
        let names: Vec<&str> = needed.map(|tool| tool.name).collect();
        running.say(&format!("found: {}", names.join(", ")));
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|tool| tool.name).collect();
    let means = Machine::look().means();
    if let Some(mut command) = provision::installation(means, &missing) {
        running.say(&format!("missing: {}; installing with apt-get as root", names.join(", ")));
        running.run(&mut command)?;
    }
    let missing = provision::missing_for_tests();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|tool| tool.name).collect();
    let why = format!(
        "no {} ({}); run: {}",
        names.join(", "),
        provision::excuse(means),
        provision::command_line(&missing)
    );
    Err(if tools::services_required() { Stop::Failed(why) } else { Stop::Skipped(why) })
}

fn fmt(_: &Workspace, running: &mut Running) -> Result<(), Stop> {
    component("rustfmt", "fmt")?;
    running.cargo(&["fmt", "--all", "--check"])
}

fn house_rules(workspace: &Workspace, running: &mut Running) -> Result<(), Stop> {
    let findings = rules::check_all(workspace, |line| running.say(line)).map_err(Stop::Failed)?;
    report(running, &findings)
}

fn dependency_licences(workspace: &Workspace, running: &mut Running) -> Result<(), Stop> {
    let text = std::fs::read_to_string(workspace.root.join("deny.toml"))
        .map_err(|error| Stop::failed(format!("deny.toml: {error}")))?;
    let policy = licences::Policy::parse(&text).map_err(Stop::Failed)?;
    let metadata = workspace::metadata(&["--all-features"]).map_err(Stop::Failed)?;
    report(running, &licences::check(&policy, &metadata))?;
    running.say(&format!("{} packages", workspace::list(&metadata["packages"]).len()));
    if answers("deny") {
        running.cargo(&["deny", "--all-features", "check", "bans", "licenses", "sources"])?;
    }
    Ok(())
}

fn clippy(_: &Workspace, running: &mut Running) -> Result<(), Stop> {
    component("clippy", "clippy")?;
    running.cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--",
        "-D",
        "warnings",
    ])
}

/// The one choice of packages and features that every test step makes, so that nothing is built
/// twice.
const EVERYTHING: [&str; 2] = ["--workspace", "--all-features"];

fn build(workspace: &Workspace, running: &mut Running) -> Result<(), Stop> {
    let mut tests = vec!["test", "--no-run", "--lib", "--bins", "--tests"];
    tests.extend(tested_examples(workspace));
    running.cargo(&[&tests[..], &EVERYTHING].concat())?;
    // As programs that tests can start; `cargo test --examples` would make test programs of them.
    running.cargo(&[&["build", "--examples"][..], &EVERYTHING].concat())
}

fn unit(workspace: &Workspace, running: &mut Running) -> Result<(), Stop> {
    let mut arguments = [&EVERYTHING[..], &["--no-fail-fast", "--lib", "--bins"]].concat();
    arguments.extend(tested_examples(workspace));
    running.tests(&arguments)
}

/// Those examples that have tests inside; naming all of them would build each a second time.
fn tested_examples(workspace: &Workspace) -> impl Iterator<Item = &str> {
    let targets = workspace.packages.iter().flat_map(|package| &package.targets);
    targets
        .filter(|target| target.is_tested_example)
        .flat_map(|target| ["--example", target.name.as_str()])
}

fn class(workspace: &Workspace, running: &mut Running, class: Class) -> Result<(), Stop> {
    let tests = tests_of::of_class(&workspace.packages, class);
    if tests.is_empty() {
        return Err(Stop::Nothing);
    }
    let mut arguments = EVERYTHING.to_vec();
    arguments.push("--no-fail-fast");
    for test in &tests {
        arguments.extend(["--test", test]);
    }
    running.tests(&arguments)
}

fn doctests(_: &Workspace, running: &mut Running) -> Result<(), Stop> {
    running.tests(&[&EVERYTHING[..], &["--no-fail-fast", "--doc"]].concat())
}

fn doc(_: &Workspace, running: &mut Running) -> Result<(), Stop> {
    let mut command = Command::new(crate::exec::cargo());
    command.args(["doc", "--no-deps"]).args(EVERYTHING).env("RUSTDOCFLAGS", "-D warnings");
    running.run(&mut command)
}

/// Packages each block, and builds it from its package with nothing else around it. Changes that are
/// not committed do not matter to a person who tests before that.
fn package(workspace: &Workspace, running: &mut Running) -> Result<(), Stop> {
    let blocks: Vec<_> = workspace.blocks().collect();
    if blocks.is_empty() {
        return Err(Stop::Nothing);
    }
    for block in blocks {
        for file in ["README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"] {
            if !workspace.root.join(&block.folder).join(file).is_file() {
                return Err(Stop::failed(format!("{}: no {file} to publish", block.name)));
            }
        }
        running.cargo(&["package", "--quiet", "--allow-dirty", "--package", &block.name])?;
    }
    Ok(())
}

fn feature_matrix(workspace: &Workspace, running: &mut Running) -> Result<(), Stop> {
    for block in workspace.blocks() {
        for arguments in features::matrix(block) {
            running.check_deadline()?;
            running.cargo(&arguments)?;
        }
    }
    Ok(())
}

fn instructions(workspace: &Workspace, running: &mut Running) -> Result<(), Stop> {
    let benches = workspace.package("terrace-benches").map_or(&[][..], |package| &package.targets);
    if !benches.iter().any(|target| target.is_bench && target.name == "instructions") {
        return Err(Stop::Nothing);
    }
    running.cargo(&[
        "bench",
        "--package",
        "terrace-benches",
        // Without the programs of the comparisons, which cargo would build for a bench.
        "--no-default-features",
        "--bench",
        "instructions",
        "--",
        "--check",
    ])
}

/// The lock file is part of the repository: a build that had to change it would build something
/// else for the next person. Only where the tree was clean before, in CI.
fn clean_tree(workspace: &Workspace, running: &mut Running) -> Result<(), Stop> {
    let status =
        Command::new("git").args(["status", "--porcelain"]).current_dir(&workspace.root).output();
    let changes = match status {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).into_owned()
        }
        _ => return Err(Stop::Skipped("not a git repository".to_owned())),
    };
    if changes.is_empty() {
        return Ok(());
    }
    running.say("files that are not committed:");
    for line in changes.lines() {
        running.say(line);
    }
    if std::env::var("CI").is_ok_and(|value| value == "true") {
        return Err(Stop::failed("the run changed or added files"));
    }
    Ok(())
}

fn report(running: &mut Running, findings: &[String]) -> Result<(), Stop> {
    for finding in findings {
        running.say(finding);
    }
    match findings {
        [] => Ok(()),
        [one] => Err(Stop::failed(one)),
        [first, rest @ ..] => Err(Stop::failed(format!("{first} (and {} more)", rest.len()))),
    }
}

/// Whether `cargo NAME` is there.
fn answers(subcommand: &str) -> bool {
    let output = Command::new(crate::exec::cargo()).args([subcommand, "--version"]).output();
    output.is_ok_and(|output| output.status.success())
}

fn component(name: &str, subcommand: &str) -> Result<(), Stop> {
    if answers(subcommand) {
        return Ok(());
    }
    Err(Stop::failed(format!("no {name}; run: rustup component add {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budgets_add_up_to_ten_minutes_warm_and_forty_five_cold() {
        let total = |warm| STEPS.iter().map(|step| step.budget(warm)).sum::<Duration>();
        assert!(total(true) <= Duration::from_secs(10 * 60), "{:?}", total(true));
        assert!(total(false) <= Duration::from_secs(45 * 60), "{:?}", total(false));
    }

    #[test]
    fn a_first_run_may_take_longer_and_never_less() {
        for step in STEPS {
            assert!(step.budget(false) >= step.budget(true), "{}", step.name);
        }
    }

    #[test]
    fn no_two_steps_share_a_name() {
        let mut names = STEPS.map(|step| step.name).to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), STEPS.len());
    }
}
