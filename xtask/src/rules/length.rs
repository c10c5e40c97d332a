//! No file that has to be scrolled through.

use std::path::Path;

use super::Findings;

/// A file over this many lines hides a second noun.
const LIMIT: usize = 600;

/// What is written by hand and read by people; data, plots and lock files are not.
const KINDS: [&str; 7] = ["rs", "html", "css", "js", "sql", "sh", "toml"];

/// Reports every source file over 600 lines.
pub(crate) fn check(root: &Path, files: &[String]) -> Findings {
    files
        .iter()
        .filter(|file| file.rsplit_once('.').is_some_and(|(_, kind)| KINDS.contains(&kind)))
        .filter_map(|file| {
            let lines = std::fs::read_to_string(root.join(file)).ok()?.lines().count();
            (lines > LIMIT).then(|| format!("{file}: {lines} lines, {LIMIT} at most"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn one_line_too_many_is_reported_and_data_is_not() {
        let folder = Scratch::new();
        folder.write("full.rs", &"\n".repeat(LIMIT));
        folder.write("over.rs", &"\n".repeat(LIMIT + 1));
        folder.write("data.csv", &"\n".repeat(LIMIT + 1));
        let files = ["data.csv", "full.rs", "over.rs"].map(str::to_owned);
        assert_eq!(check(folder.path(), &files), ["over.rs: 601 lines, 600 at most"]);
    }
}
