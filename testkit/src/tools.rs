//! The servers and tools that terrace's tests and measurements use: what they are called, where
//! they are, how to get them.
//!
//! A test that needs one starts with [`require_or_skip`]: a person without the server sees the
//! test skipped, loudly; in CI a missing server is an error, because a gate that skips is none.

use std::env;
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Directories that hold servers but are missing from an ordinary user's `PATH`.
const SYSTEM_DIRS: [&str; 6] =
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Directories that hold one directory a PostgreSQL version (Debian) or end in it (Fedora).
const POSTGRES_DIRS: [&str; 3] = ["/usr/lib/postgresql", "/usr", "/usr/local"];

/// One server or tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tool {
    /// The name that [`find`] and [`require_or_skip`] take.
    pub name: &'static str,
    /// What it consists of; it counts as found only when all stand in one place.
    pub binaries: &'static [&'static str],
    /// The package of Debian and Ubuntu that brings it.
    pub apt_package: &'static str,
    /// What the project uses it for.
    pub used_for: &'static str,
    /// Whether tests need it; what only measurements or a local look need is optional.
    pub needed_by_tests: bool,
}

/// Every server and tool that the project can use.
pub const ALL: &[Tool] = &[
    Tool {
        name: "postgres",
        binaries: &["postgres", "initdb", "pg_basebackup", "pg_rewind"],
        apt_package: "postgresql",
        used_for: "live tests of storage, replication and failover",
        needed_by_tests: true,
    },
    Tool {
        name: "redis-server",
        binaries: &["redis-server"],
        apt_package: "redis-server",
        used_for: "live tests of shared stores",
        needed_by_tests: true,
    },
    Tool {
        name: "valgrind",
        binaries: &["valgrind"],
        apt_package: "valgrind",
        used_for: "instruction counts",
        needed_by_tests: true,
    },
    Tool {
        name: "node",
        binaries: &["node"],
        apt_package: "nodejs",
        used_for: "the public test suite for HTTP caches",
        needed_by_tests: true,
    },
    Tool {
        name: "npm",
        binaries: &["npm"],
        apt_package: "npm",
        used_for: "getting that suite",
        needed_by_tests: true,
    },
    Tool {
        name: "nginx",
        binaries: &["nginx"],
        apt_package: "nginx",
        used_for: "comparisons of the proxy and the edge cache",
        needed_by_tests: false,
    },
    Tool {
        name: "haproxy",
        binaries: &["haproxy"],
        apt_package: "haproxy",
        used_for: "comparisons of the proxy",
        needed_by_tests: false,
    },
    Tool {
        name: "varnishd",
        binaries: &["varnishd"],
        apt_package: "varnish",
        used_for: "comparisons of the edge cache",
        needed_by_tests: false,
    },
    Tool {
        name: "wrk",
        binaries: &["wrk"],
        apt_package: "wrk",
        used_for: "load in comparisons",
        needed_by_tests: false,
    },
    Tool {
        name: "chromium",
        binaries: &["chromium"],
        apt_package: "chromium",
        used_for: "a look at the pages of Radiodeck",
        needed_by_tests: false,
    },
];

impl Tool {
    /// The tool called `name`.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Tool> {
        ALL.iter().find(|tool| tool.name == name)
    }

    /// The path of its first binary, if all of them are there.
    #[must_use]
    pub fn find(&self) -> Option<PathBuf> {
        let (first, rest) = self.binaries.split_first()?;
        search_dirs(self)
            .into_iter()
            .find(|dir| {
                is_executable(&dir.join(first)) && rest.iter().all(|b| is_executable(&dir.join(b)))
            })
            .map(|dir| dir.join(first))
    }
}

/// The path of the tool `name`'s first binary; `None` if the tool is unknown or not installed.
///
/// PostgreSQL is looked for in `TERRACE_POSTGRES_BIN` (a directory) first, then among the
/// installed versions, newest first, then like all others on `PATH` and in the system's
/// directories for servers.
#[must_use]
pub fn find(name: &str) -> Option<PathBuf> {
    Tool::named(name)?.find()
}

/// [`find`], with the rule for what is missing.
///
/// For a person a missing tool is a skip: a line on stderr that starts with `SKIPPED` and names the
/// package, past the test harness's capture, so that it shows also for a test that passes.
///
/// # Panics
///
/// When the tool is missing and `CI=true` or `TERRACE_REQUIRE_SERVICES=1`; also when the project
/// knows no tool of that name.
#[must_use = "return from the test when it is `None`"]
pub fn require_or_skip(name: &str) -> Option<PathBuf> {
    let Some(tool) = Tool::named(name) else {
        panic!("no tool is called {name:?}; see terrace_testkit::tools::ALL");
    };
    // Not `eprintln!`: the harness hides what that prints when the test passes.
    require(tool, services_required(), &mut std::io::stderr())
}

fn require(tool: &Tool, required: bool, skips: &mut impl Write) -> Option<PathBuf> {
    let found = tool.find();
    if found.is_none() {
        let missing = missing(tool);
        assert!(!required, "{missing}");
        let test = std::thread::current();
        let test = test.name().unwrap_or("a test");
        let _ = writeln!(skips, "SKIPPED {test}: {missing}");
    }
    found
}

/// Whether a missing server is an error: `CI=true` or `TERRACE_REQUIRE_SERVICES=1`.
#[must_use]
pub fn services_required() -> bool {
    required(|key| env::var_os(key))
}

fn required(var: impl Fn(&str) -> Option<OsString>) -> bool {
    let is_on = |key: &str| var(key).is_some_and(|value| value == "1" || value == "true");
    is_on("CI") || is_on("TERRACE_REQUIRE_SERVICES")
}

fn missing(tool: &Tool) -> String {
    let Tool { name, apt_package, .. } = tool;
    format!("{name} is not installed (`apt-get install {apt_package}`)")
}

fn search_dirs(tool: &Tool) -> Vec<PathBuf> {
    let mut dirs = Vec::new();
    if tool.name == "postgres" {
        dirs.extend(env::var_os("TERRACE_POSTGRES_BIN").map(PathBuf::from));
        dirs.extend(postgres_versions(&POSTGRES_DIRS.map(Path::new)));
    }
    let path = env::var_os("PATH").unwrap_or_default();
    dirs.extend(env::split_paths(&path));
    dirs.extend(SYSTEM_DIRS.map(PathBuf::from));
    dirs
}

/// The `bin` of every installed version, newest first: `14/bin` (Debian) and `pgsql-14/bin`.
fn postgres_versions(parents: &[&Path]) -> Vec<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = parents
        .iter()
        .filter_map(|parent| parent.read_dir().ok())
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name();
            let name = name.to_str()?;
            let version = name.strip_prefix("pgsql-").unwrap_or(name).parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    versions.into_iter().map(|(_, dir)| dir).collect()
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_server_is_an_error_only_where_services_are_required() {
        for (key, value, expected) in [
            ("CI", "true", true),
            ("CI", "1", true),
            ("CI", "false", false),
            ("TERRACE_REQUIRE_SERVICES", "1", true),
            ("TERRACE_REQUIRE_SERVICES", "0", false),
            ("HOME", "1", false),
        ] {
            let var = |asked: &str| (asked == key).then(|| value.into());
            assert_eq!(required(var), expected, "{key}={value}");
        }
    }

    const NOT_INSTALLED: Tool = Tool {
        name: "nothing",
        binaries: &["sh", "no-such-binary"],
        apt_package: "nothing-server",
        used_for: "this test",
        needed_by_tests: false,
    };

    #[test]
    fn a_missing_server_is_a_loud_skip_for_a_person() {
        let mut skips = Vec::new();
        assert_eq!(require(&NOT_INSTALLED, false, &mut skips), None);
        let line = String::from_utf8(skips).unwrap();
        assert!(line.starts_with("SKIPPED "), "{line}");
        assert!(line.contains("apt-get install nothing-server"), "{line}");
    }

    #[test]
    #[should_panic(expected = "nothing is not installed")]
    fn a_missing_server_is_a_panic_where_services_are_required() {
        require(&NOT_INSTALLED, true, &mut Vec::new());
    }

    #[test]
    fn control_an_installed_tool_is_neither() {
        let shell = Tool { binaries: &["sh"], ..NOT_INSTALLED };
        let mut skips = Vec::new();
        assert!(require(&shell, true, &mut skips).is_some());
        assert!(skips.is_empty());
    }

    #[test]
    fn the_newest_postgres_comes_first() {
        // By std alone: xtask compiles this file too.
        let dir = env::temp_dir().join(format!("terrace-tools-{}", std::process::id()));
        for version in ["9", "15", "17", "doc", "pgsql-16"] {
            std::fs::create_dir_all(dir.join(version)).unwrap();
        }
        let found: Vec<_> = postgres_versions(&[&dir])
            .into_iter()
            .map(|path| path.strip_prefix(&dir).unwrap().to_owned())
            .collect();
        std::fs::remove_dir_all(&dir).unwrap();
        let expected = ["17/bin", "pgsql-16/bin", "15/bin", "9/bin"].map(PathBuf::from);
        assert_eq!(found, expected);
    }

    #[test]
    fn names_are_unique_and_every_tool_says_how_to_get_it() {
        for tool in ALL {
            assert_eq!(Tool::named(tool.name), Some(tool));
            assert!(!tool.binaries.is_empty() && !tool.apt_package.is_empty());
        }
    }

    #[test]
    fn a_tool_nobody_knows_is_not_found() {
        assert_eq!(find("no-such-tool"), None);
    }
}
