//! Instruction counts: the one measure of speed that repeats well enough to gate on.
//!
//! A program runs itself under valgrind's callgrind with one operation, and callgrind counts only
//! what happens inside [`measured`]: building endpoints and starting up cost nothing. Counts are
//! compared with a baseline file for this version of rustc, because another compiler makes another
//! program.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::ops::Op;

/// Operations in one count: enough that a branch taken once in a hundred shows.
pub const REPEAT: u64 = 1_000;

/// How far above its baseline a count may lie: two programs from the same source differ by less.
const TOLERANCE: f64 = 0.02;

/// Instructions for [`REPEAT`] operations, by the name of the operation.
pub type Counts = BTreeMap<String, u64>;

/// The only function whose instructions are counted. Never inlined: callgrind finds it by name.
#[inline(never)]
pub fn measured(op: &mut dyn Op) {
    op.repeat(REPEAT);
}

/// Runs `program` under callgrind with `arguments` and returns the instructions inside
/// [`measured`].
///
/// # Errors
///
/// If valgrind does not run, the program fails, or nothing was counted.
pub fn count(valgrind: &Path, program: &Path, arguments: &[&str]) -> io::Result<u64> {
    let output = Command::new(valgrind)
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg("--toggle-collect=*instructions::measured*")
        .arg(program)
        .args(arguments)
        .output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    let failed = || io::Error::other(format!("callgrind of {arguments:?}: {text}"));
    if !output.status.success() {
        return Err(failed());
    }
    collected(&text)
        .filter(|count| *count > 0)
        .ok_or_else(failed)
}

/// The number in callgrind's line `==7== Collected : 123`.
fn collected(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.contains("Collected :"))?;
    line.rsplit(':').next()?.trim().parse().ok()
}

/// The baseline of the compiler that is used here.
///
/// # Errors
///
/// If rustc does not say its version.
pub fn baseline_file() -> io::Result<PathBuf> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text
        .split_whitespace()
        .nth(1)
        .ok_or(io::ErrorKind::InvalidData)?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("baselines");
    Ok(folder.join(format!("rustc-{version}.tsv")))
}

/// Reads a baseline: a name, a tab and a count in each line; `#` begins a comment.
///
/// # Errors
///
/// If the file cannot be read, or a line is something else.
pub fn read(file: &Path) -> io::Result<Counts> {
    let text = std::fs::read_to_string(file)?;
    let lines = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines
        .map(|line| {
            let (name, count) = line.split_once('\t')?;
            Some((name.to_owned(), count.parse().ok()?))
        })
        .collect::<Option<Counts>>()
        .ok_or_else(|| io::Error::other(format!("{}: not a baseline", file.display())))
}

/// Writes a baseline.
///
/// # Errors
///
/// As the file system says.
pub fn write(file: &Path, counts: &Counts) -> io::Result<()> {
    let mut text = format!(
        "# Instructions for {REPEAT} operations, under callgrind. Made by:\n\
         # cargo bench -p terrace-benches --bench instructions -- --bless\n"
    );
    for (name, count) in counts {
        text.push_str(&format!("{name}\t{count}\n"));
    }
    std::fs::write(file, text)
}

/// What is worse than the baseline, or missing on either side; one line each.
#[must_use]
pub fn compare(baseline: &Counts, counted: &Counts) -> Vec<String> {
    let mut findings = Vec::new();
    for (name, count) in counted {
        match baseline.get(name) {
            None => findings.push(format!("{name}: {count} instructions, but no baseline")),
            Some(before) if *count as f64 > *before as f64 * (1.0 + TOLERANCE) => {
                findings.push(format!(
                    "{name}: {count} instructions, {} {before}",
                    change(*before, *count)
                ));
            }
            Some(_) => {}
        }
    }
    for name in baseline.keys().filter(|name| !counted.contains_key(*name)) {
        findings.push(format!("{name}: in the baseline, but nobody counted it"));
    }
    findings
}

/// `+2.1 % of`, for people.
#[must_use]
pub fn change(before: u64, after: u64) -> String {
    let percent = (after as f64 / before.max(1) as f64 - 1.0) * 100.0;
    format!("{percent:+.1} % of")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(pairs: &[(&str, u64)]) -> Counts {
        pairs
            .iter()
            .map(|(name, count)| ((*name).to_owned(), *count))
            .collect()
    }

    #[test]
    fn two_percent_more_is_noise_and_a_little_more_is_not() {
        let baseline = counts(&[("pick", 100_000)]);
        assert!(compare(&baseline, &counts(&[("pick", 102_000)])).is_empty());
        assert!(compare(&baseline, &counts(&[("pick", 50_000)])).is_empty());
        let findings = compare(&baseline, &counts(&[("pick", 102_100)]));
        assert_eq!(findings, ["pick: 102100 instructions, +2.1 % of 100000"]);
    }

    #[test]
    fn an_operation_on_one_side_only_is_a_finding() {
        let findings = compare(&counts(&[("old", 1)]), &counts(&[("new", 1)]));
        assert_eq!(findings.len(), 2, "{findings:?}");
    }

    #[test]
    fn a_baseline_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rustc-1.0.0.tsv");
        let written = counts(&[("lb request, 100 endpoints", 5), ("lb pick", 7)]);
        write(&file, &written).unwrap();
        assert_eq!(read(&file).unwrap(), written);
        std::fs::write(&file, "nonsense\n").unwrap();
        assert!(read(&file).is_err());
    }

    #[test]
    fn the_count_is_found_in_what_callgrind_prints() {
        let text = "==7== Callgrind\n==7== Events    : Ir\n==7== Collected : 4307811\n==7==\n";
        assert_eq!(collected(text), Some(4_307_811));
        assert_eq!(collected("valgrind: failed"), None);
    }
}
