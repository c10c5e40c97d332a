//! The house rules that no compiler checks.
//!
//! Each rule is a function from what it looks at to a list of findings, one line each; no finding
//! means that the rule is kept. Each has a test that breaks it.

pub(crate) mod arrows;
pub(crate) mod leaks;
pub(crate) mod length;
pub(crate) mod licences;
pub(crate) mod links;
pub(crate) mod named;
pub(crate) mod stages;

use crate::workspace::Workspace;

/// What a rule found, one readable line each.
pub(crate) type Findings = Vec<String>;

/// Runs every rule but the licences (they need the whole dependency tree) and says what it did.
pub(crate) fn check_all(
    workspace: &Workspace,
    mut say: impl FnMut(&str),
) -> Result<Findings, String> {
    let files = workspace.tracked_files()?;
    let mut findings = arrows::check(&workspace.packages);
    findings.extend(named::check(&workspace.packages));
    findings.extend(length::check(&workspace.root, &files));
    findings.extend(leaks::check(&workspace.root, &files));
    findings.extend(links::check(&workspace.root, &files));
    let diffs = stages::diffs(&workspace.root)?;
    for diff in &diffs {
        say(&diff.summary());
    }
    findings.extend(stages::check(&workspace.root, &diffs));
    say(&format!("{} files, {} packages", files.len(), workspace.packages.len()));
    Ok(findings)
}
