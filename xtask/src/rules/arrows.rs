//! Who may depend on whom.

use super::Findings;
use crate::workspace::{Kind, Package};

const TESTKIT: &str = "terrace-testkit";

/// Reports every dependency that points the wrong way.
///
/// A block depends on no other block, not even in its tests: where two meet, they meet in an
/// application. Test tools stay out of what people install. Nothing depends on the programs.
pub(crate) fn check(packages: &[Package]) -> Findings {
    let mut findings = Findings::new();
    for from in packages {
        for dependency in &from.dependencies {
            let Some(to) = packages.iter().find(|package| package.name == dependency.name) else {
                continue;
            };
            if let Some(why) = wrong(from, to, dependency.kind) {
                findings.push(format!("{} must not depend on {}: {why}", from.name, to.name));
            }
        }
    }
    findings
}

fn wrong(from: &Package, to: &Package, kind: Kind) -> Option<&'static str> {
    let is_example = |package: &Package| package.folder.starts_with("examples/");
    if from.name == to.name {
        return (kind != Kind::Dev).then_some("only its tests may name itself");
    }
    if is_example(to) && !is_example(from) {
        return Some("nothing depends on examples");
    }
    if ["benches", "models", "xtask"].contains(&to.folder.as_str()) {
        return Some("nothing depends on benches, models or xtask");
    }
    if from.publishable && to.publishable {
        return Some("a block depends on no other block");
    }
    if from.publishable && to.name == TESTKIT && kind != Kind::Dev {
        return Some("testkit is a dev-dependency of published crates");
    }
    if from.publishable && !to.publishable && kind != Kind::Dev {
        return Some("a published crate cannot need an unpublished one");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    fn package(folder: &str, publishable: bool, dependencies: &[(&str, Kind)]) -> Package {
        Package {
            name: match folder {
                "benches" | "testkit" => format!("terrace-{folder}"),
                _ if publishable => format!("terrace-{folder}"),
                _ => folder.rsplit('/').next().unwrap_or_default().to_owned(),
            },
            folder: folder.to_owned(),
            publishable,
            dependencies: dependencies
                .iter()
                .map(|(name, kind)| Dependency { name: (*name).to_owned(), kind: *kind })
                .collect(),
            ..Package::default()
        }
    }

    /// The house as it should be, and one arrow more.
    fn house(from: &str, to: &str, kind: Kind) -> Vec<Package> {
        let mut packages = vec![
            package(
                "lb",
                true,
                &[("tokio", Kind::Normal), (TESTKIT, Kind::Dev), ("terrace-lb", Kind::Dev)],
            ),
            package("cache", true, &[(TESTKIT, Kind::Dev)]),
            package("testkit", false, &[]),
            package("models", false, &[]),
            package("benches", false, &[("terrace-lb", Kind::Normal), (TESTKIT, Kind::Normal)]),
            package("examples/radiodeck", false, &[("terrace-cache", Kind::Normal)]),
            package(
                "examples/stage-03",
                false,
                &[
                    ("terrace-lb", Kind::Normal),
                    ("radiodeck", Kind::Normal),
                    (TESTKIT, Kind::Normal),
                ],
            ),
        ];
        if let Some(package) = packages.iter_mut().find(|package| package.folder == from) {
            package.dependencies.push(Dependency { name: to.to_owned(), kind });
        }
        packages
    }

    #[test]
    fn the_house_as_designed_keeps_the_rule() {
        assert_eq!(check(&house("", "", Kind::Normal)), Findings::new());
    }

    #[test]
    fn every_wrong_arrow_is_reported() {
        for (from, to, kind) in [
            ("lb", "terrace-cache", Kind::Normal),
            ("lb", "terrace-cache", Kind::Dev),
            ("lb", "terrace-lb", Kind::Normal),
            ("lb", TESTKIT, Kind::Normal),
            ("lb", TESTKIT, Kind::Build),
            ("lb", "radiodeck", Kind::Dev),
            ("testkit", "terrace-benches", Kind::Normal),
            ("benches", "radiodeck", Kind::Normal),
            ("lb", "models", Kind::Dev),
        ] {
            let findings = check(&house(from, to, kind));
            assert_eq!(findings.len(), 1, "{from} -> {to} ({kind:?}): {findings:?}");
            assert!(findings[0].contains(to), "{findings:?}");
        }
    }
}
