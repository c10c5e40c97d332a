//! `cargo xtask doctor`: what this machine has, and how to get the rest.

use std::path::Path;
use std::process::Command;

use crate::provision;
use crate::tools::{self, Tool};

/// Prints what was found. Nothing missing here is an error: most people need only some of it.
pub(crate) fn run() {
    let cargo = crate::exec::cargo();
    for (name, program, arguments) in [
        ("rustc", "rustc", &["--version"][..]),
        ("cargo", &cargo, &["--version"]),
        ("rustfmt", &cargo, &["fmt", "--version"]),
        ("clippy", &cargo, &["clippy", "--version"]),
        ("cargo-deny", &cargo, &["deny", "--version"]),
    ] {
        match first_line(Path::new(program), arguments) {
            Some(version) => println!("found    {name:<14} {version}"),
            None if name == "cargo-deny" => {
                println!("optional {name:<14} the gate has a licence check of its own");
            }
            None => println!("MISSING  {name:<14} rustup component add {name}"),
        }
    }
    let mut missing: Vec<&Tool> = Vec::new();
    for tool in tools::ALL {
        let purpose = tool.used_for;
        match tool.find() {
            Some(path) => {
                let version = version(tool.name, &path).unwrap_or_default();
                println!("found    {:<14} {} {version} ({purpose})", tool.name, path.display());
            }
            None => {
                println!("MISSING  {:<14} package {} ({purpose})", tool.name, tool.apt_package);
                missing.push(tool);
            }
        }
    }
    if missing.is_empty() {
        println!("\nEverything is here.");
    } else {
        println!("\nOn Debian and Ubuntu:\n  {}", provision::command_line(&missing));
        println!(
            "As root, `cargo xtask test` installs what it needs by itself, and starts none of it\n\
             on a standard port."
        );
    }
}

/// What the program says about itself. Each has its own way to be asked.
fn version(tool: &str, path: &Path) -> Option<String> {
    let arguments: &[&str] = match tool {
        "nginx" | "haproxy" | "wrk" => &["-v"],
        "varnishd" => &["-V"],
        _ => &["--version"],
    };
    first_line(path, arguments)
}

/// The first line the program prints, on either pipe; some exit with 1 after telling their version.
fn first_line(program: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().find(|line| !line.trim().is_empty())?;
    (!line.starts_with("error")).then(|| line.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_on_either_pipe_is_heard_and_a_missing_one_is_not() {
        let shell = Path::new("sh");
        assert_eq!(first_line(shell, &["-c", "echo; echo v1 >&2"]).as_deref(), Some("v1"));
        assert_eq!(first_line(Path::new("no-such-program"), &[]), None);
    }
}
