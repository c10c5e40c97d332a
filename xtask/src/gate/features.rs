//! The feature matrix: features add, so none, each alone and all together must build.

use crate::workspace::Package;

/// The arguments of one `cargo check` for each set of features of `package`.
pub(crate) fn matrix(package: &Package) -> Vec<Vec<String>> {
    let check = |features: &[&str]| {
        let base = ["check", "--quiet", "--lib", "--package", &package.name];
        base.iter().chain(features).map(|argument| (*argument).to_owned()).collect()
    };
    let mut sets = vec![check(&["--no-default-features"])];
    for feature in &package.features {
        sets.push(check(&["--no-default-features", "--features", feature]));
    }
    sets.push(check(&["--all-features"]));
    sets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_each_and_all_are_checked() {
        let package = Package {
            name: "terrace-x".to_owned(),
            features: ["default", "redis"].map(str::to_owned).to_vec(),
            ..Package::default()
        };
        let sets: Vec<String> = matrix(&package).iter().map(|set| set[5..].join(" ")).collect();
        assert_eq!(
            sets,
            [
                "--no-default-features",
                "--no-default-features --features default",
                "--no-default-features --features redis",
                "--all-features",
            ]
        );
    }
}
