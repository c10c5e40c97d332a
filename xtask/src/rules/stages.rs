//! The difference between one stage's `main.rs` and the next: it is the lesson, so it stays short,
//! and each stage's README shows the real one.

use std::path::Path;

use super::Findings;

/// Added and removed non-blank lines that one sitting can take in.
const LIMIT: usize = 60;

const BEGIN: &str = "<!-- stage-diff:begin -->";
const END: &str = "<!-- stage-diff:end -->";

/// Lines shown around a change.
const CONTEXT: usize = 2;

/// The way from one stage to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StageDiff {
    /// The folder of the earlier stage below `examples`.
    from: String,
    /// The folder of the later one.
    to: String,
    /// Added and removed lines that are not blank.
    added: usize,
    removed: usize,
    /// The difference as people know it from git, without headers.
    text: String,
}

impl StageDiff {
    /// One line for the gate's output.
    pub(crate) fn summary(&self) -> String {
        format!(
            "{} -> {}: {} lines added, {} removed (at most {LIMIT} together)",
            self.from, self.to, self.added, self.removed
        )
    }

    fn block(&self) -> String {
        let (from, to) = (&self.from, &self.to);
        format!(
            "{BEGIN}\n```diff\n--- {from}/src/main.rs\n+++ {to}/src/main.rs\n{}```\n{END}",
            self.text
        )
    }
}

/// Compares each stage below `root/examples` with the one before it.
pub(crate) fn diffs(root: &Path) -> Result<Vec<StageDiff>, String> {
    let examples = root.join("examples");
    let mut stages: Vec<String> = std::fs::read_dir(&examples)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| {
            name.starts_with("stage-") && examples.join(name).join("src/main.rs").is_file()
        })
        .collect();
    stages.sort();
    let read = |stage: &str| {
        let file = examples.join(stage).join("src/main.rs");
        std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))
    };
    stages
        .windows(2)
        .map(|pair| Ok(compare(&pair[0], &read(&pair[0])?, &pair[1], &read(&pair[1])?)))
        .collect()
}

/// Reports differences that are too long, and READMEs that do not show the real one.
pub(crate) fn check(root: &Path, diffs: &[StageDiff]) -> Findings {
    let mut findings = Findings::new();
    for diff in diffs {
        if diff.added + diff.removed > LIMIT {
            findings.push(diff.summary());
        }
        let file = format!("examples/{}/README.md", diff.to);
        let readme = std::fs::read_to_string(root.join(&file)).unwrap_or_default();
        match replace(&readme, &diff.block()) {
            None => findings.push(format!("{file}: no {BEGIN} … {END} to show the difference in")),
            Some(fresh) if fresh != readme => findings.push(format!(
                "{file}: shows another difference than the real one; run `cargo xtask stage-diff --write`"
            )),
            Some(_) => {}
        }
    }
    findings
}

/// Writes each difference into its stage's README; returns the files that changed.
pub(crate) fn write(root: &Path, diffs: &[StageDiff]) -> Result<Vec<String>, String> {
    let mut changed = Vec::new();
    for diff in diffs {
        let file = format!("examples/{}/README.md", diff.to);
        let path = root.join(&file);
        let readme = std::fs::read_to_string(&path).map_err(|error| format!("{file}: {error}"))?;
        let fresh = replace(&readme, &diff.block())
            .ok_or(format!("{file}: add the lines {BEGIN} and {END} where it should stand"))?;
        if fresh != readme {
            std::fs::write(&path, fresh).map_err(|error| format!("{file}: {error}"))?;
            changed.push(file);
        }
    }
    Ok(changed)
}

/// `readme` with `block` between the markers; `None` without markers.
fn replace(readme: &str, block: &str) -> Option<String> {
    let begin = readme.find(BEGIN)?;
    let end = begin + readme[begin..].find(END)? + END.len();
    Some(format!("{}{block}{}", &readme[..begin], &readme[end..]))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line<'a> {
    Same(&'a str),
    Removed(&'a str),
    Added(&'a str),
}

fn compare(from: &str, old: &str, to: &str, new: &str) -> StageDiff {
    let old: Vec<&str> = old.lines().collect();
    let new: Vec<&str> = new.lines().collect();
    let lines = align(&old, &new);
    let count = |wanted: fn(&Line<'_>) -> Option<String>| {
        lines.iter().filter_map(wanted).filter(|text| !text.trim().is_empty()).count()
    };
    StageDiff {
        from: from.to_owned(),
        to: to.to_owned(),
        added: count(
            |line| {
                if let Line::Added(text) = line { Some((*text).to_owned()) } else { None }
            },
        ),
        removed: count(|line| {
            if let Line::Removed(text) = line { Some((*text).to_owned()) } else { None }
        }),
        text: render(&lines),
    }
}

/// The shortest way from `old` to `new` by their longest common subsequence. Quadratic, which is
/// nothing for files of a few hundred lines.
fn align<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Line<'a>> {
    // common[i][j]: the longest common subsequence of old[i..] and new[j..].
    let mut common = vec![vec![0usize; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i][j] = if old[i] == new[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let mut lines = Vec::with_capacity(old.len() + new.len());
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push(Line::Same(old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || (i < old.len() && common[i + 1][j] >= common[i][j + 1]) {
            lines.push(Line::Removed(old[i]));
            i += 1;
        } else {
            lines.push(Line::Added(new[j]));
            j += 1;
        }
    }
    lines
}

/// The changes with a little context; `@@` where lines are left out.
fn render(lines: &[Line<'_>]) -> String {
    let changed: Vec<usize> =
        (0..lines.len()).filter(|&at| !matches!(lines[at], Line::Same(_))).collect();
    let mut text = String::new();
    let mut shown = None;
    for (at, line) in lines.iter().enumerate() {
        let near = changed.binary_search_by(|&change| {
            if change + CONTEXT < at {
                std::cmp::Ordering::Less
            } else if change > at + CONTEXT {
                std::cmp::Ordering::Greater
            } else {
                std::cmp::Ordering::Equal
            }
        });
        if near.is_err() {
            continue;
        }
        if shown.is_none_or(|last: usize| last + 1 != at) {
            text.push_str("@@\n");
        }
        shown = Some(at);
        let (sign, content) = match line {
            Line::Same(content) => (' ', content),
            Line::Removed(content) => ('-', content),
            Line::Added(content) => ('+', content),
        };
        let line = format!("{sign}{content}");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    fn stages(second: &str, readme: &str) -> Scratch {
        let folder = Scratch::new();
        folder.write("examples/stage-01-a/src/main.rs", "fn main() {\n    one();\n}\n");
        folder.write("examples/stage-02-b/src/main.rs", second);
        folder.write("examples/stage-02-b/README.md", readme);
        folder.write("examples/radiodeck/src/lib.rs", "");
        folder
    }

    const MARKED: &str = "# B\n\n<!-- stage-diff:begin -->\n<!-- stage-diff:end -->\n\nafter\n";

    #[test]
    fn blank_lines_do_not_count() {
        let folder = stages("fn main() {\n\n    one();\n    two();\n\n}\n", MARKED);
        let diffs = diffs(folder.path()).unwrap();
        assert_eq!(diffs.len(), 1);
        assert_eq!((diffs[0].added, diffs[0].removed), (1, 0));
    }

    #[test]
    fn a_changed_line_counts_as_removed_and_added() {
        let folder = stages("fn main() {\n    two();\n}\n", MARKED);
        let diffs = diffs(folder.path()).unwrap();
        assert_eq!((diffs[0].added, diffs[0].removed), (1, 1));
        assert_eq!(diffs[0].text, "@@\n fn main() {\n-    one();\n+    two();\n }\n");
    }

    #[test]
    fn a_stale_readme_is_reported_until_it_is_written_anew() {
        let folder = stages("fn main() {\n    two();\n}\n", MARKED);
        let diffs = diffs(folder.path()).unwrap();
        let findings = check(folder.path(), &diffs);
        assert!(findings[0].contains("stage-diff --write"), "{findings:?}");
        assert_eq!(write(folder.path(), &diffs).unwrap(), ["examples/stage-02-b/README.md"]);
        assert_eq!(check(folder.path(), &diffs), Findings::new());
        assert!(write(folder.path(), &diffs).unwrap().is_empty());
        assert!(folder.read("examples/stage-02-b/README.md").ends_with("\n\nafter\n"));
    }

    #[test]
    fn a_readme_without_markers_is_reported() {
        let folder = stages("fn main() {}\n", "# B\n");
        let diffs = diffs(folder.path()).unwrap();
        assert!(check(folder.path(), &diffs)[0].contains("stage-diff:begin"));
        assert!(write(folder.path(), &diffs).is_err());
    }

    #[test]
    fn a_long_difference_is_reported() {
        let long: String = (0..=LIMIT).map(|number| format!("line {number}\n")).collect();
        let folder = stages(&long, MARKED);
        let diffs = diffs(folder.path()).unwrap();
        write(folder.path(), &diffs).unwrap();
        let findings = check(folder.path(), &diffs);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].contains("61 lines added, 3 removed"), "{findings:?}");
    }

    #[test]
    fn far_changes_are_shown_apart() {
        let old: Vec<String> = (0..20).map(|number| number.to_string()).collect();
        let mut new = old.clone();
        new[2] = "two".to_owned();
        new[17] = "seventeen".to_owned();
        let diff = compare("a", &old.join("\n"), "b", &new.join("\n"));
        assert_eq!(diff.text.matches("@@").count(), 2);
        assert!(!diff.text.contains(" 9\n"));
    }
}
