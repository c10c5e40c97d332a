//! Which test programs belong to which step.

use std::collections::BTreeMap;

use crate::workspace::Package;

/// The kinds of test programs; each is a step of the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// `tests/contract*.rs`: the tower laws.
    Contract,
    /// `tests/sim*.rs`: seeded simulations; and the test programs of `models`.
    Simulation,
    /// `tests/live*.rs`, and the test programs of `testkit`: real servers.
    Live,
    /// The test programs of packages below `examples`.
    Examples,
    /// The test programs of `benches`: rivals and their negative controls.
    Rivals,
    /// Every other one.
    Integration,
}

/// The names of the test programs of one class. Steps choose by name and never by package:
/// choosing packages would change the features of shared dependencies and build them again.
/// A name in several packages therefore belongs to one class: the first in [`Class`]'s order.
pub(crate) fn of_class(packages: &[Package], class: Class) -> Vec<String> {
    let mut classes: BTreeMap<&str, Class> = BTreeMap::new();
    for package in packages {
        for target in package.targets.iter().filter(|target| target.is_test) {
            let found = classify(package, &target.name);
            classes
                .entry(&target.name)
                .and_modify(|class| *class = found.min(*class))
                .or_insert(found);
        }
    }
    let names = classes.into_iter().filter(|(_, found)| *found == class);
    names.map(|(name, _)| name.to_owned()).collect()
}

fn classify(package: &Package, test: &str) -> Class {
    match test {
        _ if package.folder.starts_with("examples/") => Class::Examples,
        _ if package.folder == "benches" => Class::Rivals,
        _ if package.folder == "testkit" => Class::Live,
        _ if package.folder == "models" => Class::Simulation,
        _ if test.starts_with("contract") => Class::Contract,
        _ if test.starts_with("sim") => Class::Simulation,
        _ if test.starts_with("live") => Class::Live,
        _ => Class::Integration,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Target;

    fn package(folder: &str, tests: &[&str]) -> Package {
        Package {
            folder: folder.to_owned(),
            targets: tests
                .iter()
                .map(|name| Target {
                    name: (*name).to_owned(),
                    is_test: true,
                    is_bench: false,
                    is_tested_example: false,
                })
                .collect(),
            ..Package::default()
        }
    }

    #[test]
    fn each_test_program_runs_in_exactly_one_step() {
        let packages = [
            package("lb", &["contract", "sim", "live_proxy", "bad_input"]),
            package("cache", &["contract", "smoke"]),
            package("testkit", &["postgres"]),
            package("examples/stage-01", &["smoke"]),
            package("benches", &["rivals"]),
            package("models", &["cache_design"]),
        ];
        let of = |class| of_class(&packages, class);
        assert_eq!(of(Class::Contract), ["contract"]);
        assert_eq!(of(Class::Simulation), ["cache_design", "sim"]);
        assert_eq!(of(Class::Live), ["live_proxy", "postgres"]);
        assert_eq!(of(Class::Examples), ["smoke"]);
        assert_eq!(of(Class::Rivals), ["rivals"]);
        assert_eq!(of(Class::Integration), ["bad_input"]);
    }
}
