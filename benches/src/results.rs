//! Where a number comes from, written beside it.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Everything a reader needs to doubt or repeat a measurement.
#[derive(Debug, Clone)]
pub struct Provenance {
    facts: Vec<(&'static str, String)>,
}

impl Provenance {
    /// Looks at the clock, the repository and the machine. `command` is what a person types to
    /// repeat the measurement.
    #[must_use]
    pub fn here(command: impl Into<String>) -> Self {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let mut facts = vec![
            ("date", output("date", &["-u", "+%Y-%m-%d %H:%M UTC"])),
            ("commit", commit()),
            ("cpu", format!("{}, {cores} cores", cpu())),
            ("rustc", output("rustc", &["--version"])),
        ];
        facts.push(("command", command.into()));
        Self { facts }
    }

    /// Adds another fact: the version of a rival, a size.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.facts.push((name, value.into()));
        self
    }

    /// The facts, in order.
    pub fn facts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.facts.iter().map(|(name, value)| (*name, value.as_str()))
    }
}

/// A table with its provenance.
#[derive(Debug, Clone)]
pub struct Table {
    provenance: Provenance,
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with these columns.
    #[must_use]
    pub fn new(provenance: Provenance, head: &[&'static str]) -> Self {
        Self { provenance, head: head.to_vec(), rows: Vec::new() }
    }

    /// Adds a row; short rows are filled with empty cells.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let mut cells: Vec<String> = cells.into_iter().collect();
        cells.resize(self.head.len(), String::new());
        self.rows.push(cells);
    }

    /// The table as CSV, below its provenance in comment lines.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let mut text = String::new();
        for (name, value) in self.provenance.facts() {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "# {name}: {}", value.replace('\n', " "));
        }
        text.push_str(&self.head.join(","));
        text.push('\n');
        for row in &self.rows {
            let cells: Vec<String> = row.iter().map(|cell| quoted(cell)).collect();
            text.push_str(&cells.join(","));
            text.push('\n');
        }
        text
    }

    /// Writes the table as CSV.
    ///
    /// # Errors
    ///
    /// As the file system says.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        std::fs::write(path, self.to_csv())
    }
}

/// `benches/results` of the repository that this program was built in.
///
/// # Errors
///
/// If it cannot be created.
pub fn folder() -> io::Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let mut all = vec!["-C", env!("CARGO_MANIFEST_DIR")];
        all.extend(arguments);
        output("git", &all)
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"]);
    // A number of code that nobody can check out says so. The results of another bench in the same
    // run are not code.
    let code = [":/", ":!/benches/results"];
    let changed = git(&["status", "--porcelain", "--untracked-files=no", "--", code[0], code[1]]);
    if changed.is_empty() || changed == "unknown" {
        commit
    } else {
        format!("{commit} with changes")
    }
}

fn cpu() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name"));
    model.map_or("unknown".to_owned(), |model| {
        model.trim_start_matches([' ', '\t', ':']).trim().to_owned()
    })
}

/// The first line a program prints, on either pipe; `unknown` if there is none.
#[must_use]
pub fn version_of(program: &Path, argument: &str) -> String {
    output(&program.to_string_lossy(), &[argument])
}

fn output(program: &str, arguments: &[&str]) -> String {
    let Ok(output) = Command::new(program).args(arguments).output() else {
        return "unknown".to_owned();
    };
    let text = if output.stdout.trim_ascii().is_empty() { output.stderr } else { output.stdout };
    let text = String::from_utf8_lossy(&text);
    text.lines().next().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_carries_where_it_comes_from() {
        let provenance = Provenance::here("cargo xtask bench lb").with("rival", "tower 0.5.3");
        let mut table = Table::new(provenance, &["name", "ns"]);
        table.row(["a, \"b\"".to_owned(), "1.5".to_owned()]);
        table.row(["short".to_owned()]);
        let csv = table.to_csv();
        for wanted in [
            "# date: 2",
            "# commit: ",
            "# cpu: ",
            "# rustc: rustc 1",
            "# command: cargo xtask bench lb\n",
            "# rival: tower 0.5.3\n",
        ] {
            assert!(csv.contains(wanted), "{wanted}: {csv}");
        }
        assert!(csv.ends_with("name,ns\n\"a, \"\"b\"\"\",1.5\nshort,\n"), "{csv}");
    }
}
