//! Finding what cargo built beside the running test.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

/// A binary of this workspace that is not there.
#[derive(Debug)]
pub struct BinaryError {
    looked_at: PathBuf,
    build: String,
}

impl fmt::Display for BinaryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BinaryError { looked_at, build } = self;
        write!(f, "{} is not built: run `{build}`", looked_at.display())
    }
}

impl Error for BinaryError {}

/// The path of the example `name`, in the profile of the running test.
///
/// `cargo test` builds the examples of the package it tests, so a package's own examples are
/// always there; those of another package must have been built before.
///
/// # Errors
///
/// [`BinaryError`] when it is not built; the message holds the command that builds it.
pub fn cargo_example(name: &str) -> Result<PathBuf, BinaryError> {
    in_profile_dir(&format!("examples/{name}"), "--example", name)
}

/// The path of the binary `name`, in the profile of the running test.
///
/// # Errors
///
/// [`BinaryError`] when it is not built; the message holds the command that builds it.
pub fn cargo_binary(name: &str) -> Result<PathBuf, BinaryError> {
    in_profile_dir(name, "--bin", name)
}

fn in_profile_dir(file: &str, kind: &str, name: &str) -> Result<PathBuf, BinaryError> {
    let test = std::env::current_exe().unwrap_or_default();
    let dir = profile_dir(&test).unwrap_or_default();
    let path = dir.join(file);
    if path.is_file() {
        return Ok(path);
    }
    let profile = match dir.file_name().and_then(|name| name.to_str()) {
        Some("release") => " --release",
        _ => "",
    };
    Err(BinaryError {
        looked_at: path,
        build: format!("cargo build --workspace{profile} {kind} {name}"),
    })
}

/// `target/PROFILE` of a test (`deps/NAME-HASH`), an example (`examples/NAME`), or a binary.
fn profile_dir(executable: &Path) -> Option<PathBuf> {
    let dir = executable.parent()?;
    let nested = dir.ends_with("deps") || dir.ends_with("examples");
    Some(if nested { dir.parent()? } else { dir }.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_directory_is_found_from_tests_examples_and_binaries() {
        for executable in
            ["target/debug/deps/live-0123", "target/debug/examples/proxy", "target/debug/xtask"]
        {
            let dir = profile_dir(Path::new(executable)).unwrap();
            assert_eq!(dir, Path::new("target/debug"), "{executable}");
        }
    }

    #[test]
    fn a_binary_that_is_not_built_names_the_command_that_builds_it() {
        let error = cargo_example("no-such-example").unwrap_err().to_string();
        assert!(error.contains("--example no-such-example"), "{error}");
    }
}
