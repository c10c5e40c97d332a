//! The packages that terrace promises to build on are truly built on.

use super::Findings;
use crate::workspace::{Kind, Package};

/// One promise: the package, and the folders of the blocks that may keep it.
struct Promise {
    package: &'static str,
    blocks: Blocks,
    /// Whether a dev-dependency keeps it too (what users bring along and only tests compose).
    in_tests: bool,
}

enum Blocks {
    /// Every block that exists.
    Every,
    /// At least one of these, as soon as one of them exists.
    OneOf(&'static [&'static str]),
}

const PROMISES: [Promise; 10] = [
    Promise { package: "tokio", blocks: Blocks::Every, in_tests: false },
    Promise { package: "bytes", blocks: Blocks::Every, in_tests: false },
    Promise { package: "http", blocks: Blocks::Every, in_tests: false },
    Promise { package: "metrics", blocks: Blocks::Every, in_tests: false },
    Promise { package: "tower", blocks: Blocks::Every, in_tests: true },
    Promise {
        package: "tower-http",
        blocks: Blocks::OneOf(&["lb", "cdn-edge", "session"]),
        in_tests: true,
    },
    Promise {
        package: "moka",
        blocks: Blocks::OneOf(&["session", "cdn-edge", "cache"]),
        in_tests: false,
    },
    Promise { package: "consistent_hash_ring", blocks: Blocks::OneOf(&["shard"]), in_tests: false },
    Promise { package: "deadpool", blocks: Blocks::OneOf(&["db"]), in_tests: false },
    Promise {
        package: "async-trait",
        blocks: Blocks::OneOf(&["session", "cache", "queue"]),
        in_tests: false,
    },
];

/// Reports promised packages that no existing block names among its dependencies.
pub(crate) fn check(packages: &[Package]) -> Findings {
    let mut findings = Findings::new();
    for promise in PROMISES {
        let keeps = |block: &&Package| {
            block.dependencies.iter().any(|dependency| {
                dependency.name == promise.package
                    && (promise.in_tests || dependency.kind == Kind::Normal)
            })
        };
        let blocks = packages.iter().filter(|package| package.publishable);
        match promise.blocks {
            Blocks::Every => {
                findings.extend(blocks.filter(|block| !keeps(block)).map(|block| {
                    format!("{}: {} is not a dependency", block.name, promise.package)
                }));
            }
            Blocks::OneOf(folders) => {
                let owners: Vec<&Package> =
                    blocks.filter(|block| folders.contains(&block.folder.as_str())).collect();
                if !owners.is_empty() && !owners.iter().any(keeps) {
                    let names: Vec<&str> = owners.iter().map(|block| block.name.as_str()).collect();
                    findings.push(format!(
                        "{}: a dependency of none of {}",
                        promise.package,
                        names.join(", ")
                    ));
                }
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    fn block(folder: &str, dependencies: &[(&str, Kind)]) -> Package {
        let stack = [
            ("tokio", Kind::Normal),
            ("bytes", Kind::Normal),
            ("http", Kind::Normal),
            ("metrics", Kind::Normal),
            ("tower", Kind::Dev),
        ];
        Package {
            name: format!("terrace-{folder}"),
            folder: folder.to_owned(),
            publishable: true,
            dependencies: stack
                .iter()
                .chain(dependencies)
                .map(|(name, kind)| Dependency { name: (*name).to_owned(), kind: *kind })
                .collect(),
            ..Package::default()
        }
    }

    #[test]
    fn only_blocks_that_exist_are_held_to_their_promises() {
        assert_eq!(check(&[]), Findings::new());
        assert_eq!(check(&[block("lb", &[("tower-http", Kind::Dev)])]), Findings::new());
    }

    #[test]
    fn a_block_without_its_promised_package_is_reported() {
        let findings = check(&[block("shard", &[])]);
        assert_eq!(findings, ["consistent_hash_ring: a dependency of none of terrace-shard"]);
    }

    #[test]
    fn a_dev_dependency_is_not_enough_for_an_engine() {
        let findings =
            check(&[block("cache", &[("moka", Kind::Dev), ("async-trait", Kind::Normal)])]);
        assert_eq!(findings, ["moka: a dependency of none of terrace-cache"]);
    }

    #[test]
    fn every_block_stands_on_the_common_stack() {
        let mut lb = block("lb", &[("tower-http", Kind::Dev)]);
        lb.dependencies.retain(|dependency| dependency.name != "metrics");
        assert_eq!(check(&[lb]), ["terrace-lb: metrics is not a dependency"]);
    }
}
