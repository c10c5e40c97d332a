//! Links between the repository's pages lead somewhere.

use std::path::Path;

use super::Findings;

/// Reports relative links in Markdown whose file or folder does not exist.
pub(crate) fn check(root: &Path, files: &[String]) -> Findings {
    let mut findings = Findings::new();
    for file in files.iter().filter(|file| file.ends_with(".md")) {
        let Ok(text) = std::fs::read_to_string(root.join(file)) else {
            continue;
        };
        let folder = root.join(file).parent().map(Path::to_owned).unwrap_or_default();
        let mut in_code = false;
        for (number, line) in text.lines().enumerate() {
            if line.trim_start().starts_with("```") {
                in_code = !in_code;
            }
            if in_code {
                continue;
            }
            for target in targets(line) {
                if !folder.join(target).exists() {
                    findings.push(format!("{file}:{}: {target} does not exist", number + 1));
                }
            }
        }
    }
    findings
}

/// The files that links in this line lead to, without anchors; links to elsewhere left out.
///
/// A path has a dot or a slash in it: `[`Policy`](Policy)` is a link of rustdoc's.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', ' ']).next())
        .filter(|target| !target.contains("://") && !target.starts_with(['#', '<']))
        .filter_map(|target| target.split('#').next())
        .filter(|path| path.contains(['.', '/']) && !path.contains("::"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_link_to_a_file_that_is_not_there_is_reported() {
        let folder = Scratch::new();
        folder.write("docs/a.md", "see [b](b.md), [up](../README.md#top), [gone](gone.md)\n");
        folder.write("docs/b.md", "");
        folder.write("README.md", "[docs](docs/) and [missing](nowhere/)");
        let files = ["README.md", "docs/a.md", "docs/b.md"].map(str::to_owned);
        assert_eq!(
            check(folder.path(), &files),
            ["README.md:1: nowhere/ does not exist", "docs/a.md:1: gone.md does not exist"]
        );
    }

    #[test]
    fn links_to_elsewhere_code_and_items_are_left_alone() {
        let folder = Scratch::new();
        folder.write(
            "a.md",
            "[x](https://example.com/gone.md) [y](#here) [`Z`](crate::Z) [Z](Z)\n\
             ```rust\nlet f = v[0](gone.md);\n```\n",
        );
        assert_eq!(check(folder.path(), &["a.md".to_owned()]), Findings::new());
    }
}
