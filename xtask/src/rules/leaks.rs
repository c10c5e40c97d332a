//! Nothing of one person's machine in the repository.

use std::path::Path;

use super::Findings;

/// Where people's and build machines' files live; followed by a name in a path.
const HOMES: [&str; 5] = ["/home/", "/root/", "/Users/", "/work/", "/workspace/"];

/// The one registry that a lock file may name.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Reports absolute paths of a machine, and registries or mirrors that only one place can reach.
pub(crate) fn check(root: &Path, files: &[String]) -> Findings {
    let mut findings = Findings::new();
    for file in files {
        // The rule itself and its tests must be able to name what they look for.
        if file == "xtask/src/rules/leaks.rs" {
            continue;
        }
        let Ok(text) = std::fs::read_to_string(root.join(file)) else {
            continue;
        };
        for (number, line) in text.lines().enumerate() {
            if let Some(why) = leak(file, line) {
                findings.push(format!("{file}:{}: {why}", number + 1));
            }
        }
    }
    findings
}

fn leak(file: &str, line: &str) -> Option<String> {
    if let Some(path) = machine_path(line) {
        return Some(format!("a path of one machine: {path}"));
    }
    let line = line.trim();
    if file.ends_with("Cargo.lock")
        && let Some(source) = line.strip_prefix("source = ")
        && source.trim_matches('"') != REGISTRY
    {
        return Some(format!("a package from elsewhere than the public registry: {source}"));
    }
    let configures_cargo = file.contains(".cargo/") || file.ends_with("Cargo.toml");
    let chooses_registry = ["[source", "[registries", "registry =", "registry-index", "index ="]
        .iter()
        .any(|start| line.starts_with(start));
    (configures_cargo && chooses_registry).then(|| format!("a registry of one place: {line}"))
}

/// The first absolute path in `line` that begins in somebody's home.
fn machine_path(line: &str) -> Option<&str> {
    for home in HOMES {
        for (at, _) in line.match_indices(home) {
            // `https://host/home/x` and `docs/work/x` are no paths from the root.
            let starts_a_path = line[..at].chars().next_back().is_none_or(|before| {
                !before.is_ascii_alphanumeric() && !"./_-~*}".contains(before)
            });
            let rest = &line[at + home.len()..];
            let names_someone = rest.starts_with(|first: char| first.is_ascii_alphanumeric());
            if starts_a_path && names_someone {
                let end = line[at..]
                    .find([' ', '"', '\'', '`', ')', ','])
                    .map_or(line.len(), |end| at + end);
                return Some(&line[at..end]);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_machines_paths_and_registries_are_reported() {
        for (file, line) in [
            ("a.md", "run it in /home/someone/terrace"),
            ("a.rs", "const DATA: &str = \"/work/terrace/data\";"),
            ("benches/results/a.csv", "# command: /root/target/release/x"),
            ("Cargo.lock", "source = \"registry+https://mirror.example/index\""),
            ("Cargo.lock", "source = \"git+https://github.com/a/b#1\""),
            (".cargo/config.toml", "[source.crates-io]"),
            ("lb/Cargo.toml", "registry = \"inner\""),
        ] {
            let folder = Scratch::new();
            folder.write(file, line);
            let findings = check(folder.path(), &[file.to_owned()]);
            assert_eq!(findings.len(), 1, "{file}: {line}: {findings:?}");
            assert!(findings[0].starts_with(&format!("{file}:1:")), "{findings:?}");
        }
    }

    #[test]
    fn urls_relative_paths_and_the_public_registry_are_fine() {
        for (file, line) in [
            ("a.md", "https://example.com/home/page and docs/work/plan"),
            ("a.rs", "Router::new().route(\"/home/{user}\", get(home))"),
            ("Cargo.lock", &format!("source = \"{REGISTRY}\"")),
            ("Cargo.toml", "bytes = \"1.12\""),
        ] {
            assert_eq!(leak(file, line), None, "{file}: {line}");
        }
    }
}
