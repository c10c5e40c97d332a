//! The workspace as `cargo metadata` tells it, reduced to what the gate asks about.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The workspace's packages and the folders that matter.
#[derive(Debug, Clone, Default)]
pub(crate) struct Workspace {
    /// The folder of the root manifest.
    pub(crate) root: PathBuf,
    /// Where cargo builds.
    pub(crate) target: PathBuf,
    /// The members, sorted by name.
    pub(crate) packages: Vec<Package>,
}

/// One member.
#[derive(Debug, Clone, Default)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Its folder, relative to the root, with `/` between the parts.
    pub(crate) folder: String,
    /// Whether `cargo publish` would take it.
    pub(crate) publishable: bool,
    /// Its features, sorted.
    pub(crate) features: Vec<String>,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) targets: Vec<Target>,
}

/// One line of a `[dependencies]` table.
#[derive(Debug, Clone)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// The table a dependency stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Normal,
    Build,
    Dev,
}

/// Something cargo builds in a package.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) is_test: bool,
    pub(crate) is_bench: bool,
    /// An example whose manifest says that it has tests.
    pub(crate) is_tested_example: bool,
}

impl Workspace {
    /// Asks cargo about the workspace that contains the current directory.
    pub(crate) fn load() -> Result<Self, String> {
        Self::parse(&metadata(&["--no-deps"])?)
    }

    fn parse(metadata: &Value) -> Result<Self, String> {
        let text = |value: &Value, key: &str| {
            value[key].as_str().map(str::to_owned).ok_or(format!("cargo metadata: no {key}"))
        };
        let root = PathBuf::from(text(metadata, "workspace_root")?);
        let mut packages = Vec::new();
        for package in list(&metadata["packages"]) {
            let manifest = PathBuf::from(text(package, "manifest_path")?);
            let folder = manifest
                .parent()
                .and_then(|folder| folder.strip_prefix(&root).ok())
                .ok_or("cargo metadata: a member outside the workspace's folder")?;
            // Sorted here: whether serde_json keeps the order of a file is up to the features that
            // other packages of the build turn on.
            let mut features: Vec<String> = package["features"]
                .as_object()
                .map(|features| features.keys().cloned().collect())
                .unwrap_or_default();
            features.sort();
            packages.push(Package {
                name: text(package, "name")?,
                folder: folder.to_string_lossy().replace('\\', "/"),
                publishable: package["publish"].is_null(),
                features,
                dependencies: list(&package["dependencies"]).iter().map(dependency).collect(),
                targets: list(&package["targets"]).iter().map(target).collect(),
            });
        }
        packages.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self { root, target: PathBuf::from(text(metadata, "target_directory")?), packages })
    }

    /// The crates people can depend on: the blocks.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.publishable)
    }

    /// The member of that name.
    pub(crate) fn package(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == name)
    }

    /// Every file git knows, relative to the root; without git, every file outside `target`.
    pub(crate) fn tracked_files(&self) -> Result<Vec<String>, String> {
        let git = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(&self.root)
            .output();
        match git {
            Ok(output) if output.status.success() => {
                let mut files: Vec<String> = String::from_utf8_lossy(&output.stdout)
                    .split('\0')
                    .filter(|name| !name.is_empty() && self.root.join(name).exists())
                    .map(str::to_owned)
                    .collect();
                files.sort();
                files.dedup();
                Ok(files)
            }
            _ => walk(&self.root),
        }
    }
}

/// Runs `cargo metadata` with the given extra arguments.
pub(crate) fn metadata(arguments: &[&str]) -> Result<Value, String> {
    let output = Command::new(crate::exec::cargo())
        .args(["metadata", "--format-version", "1"])
        .args(arguments)
        .output()
        .map_err(|error| format!("cargo metadata: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata: {error}"))
}

/// The elements of a JSON array; nothing for any other value.
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn dependency(value: &Value) -> Dependency {
    Dependency {
        name: value["name"].as_str().unwrap_or_default().to_owned(),
        kind: match value["kind"].as_str() {
            Some("dev") => Kind::Dev,
            Some("build") => Kind::Build,
            _ => Kind::Normal,
        },
    }
}

fn target(value: &Value) -> Target {
    let is = |wanted: &str| list(&value["kind"]).iter().any(|kind| kind == wanted);
    Target {
        name: value["name"].as_str().unwrap_or_default().to_owned(),
        is_test: is("test"),
        is_bench: is("bench"),
        is_tested_example: is("example") && value["test"] == true,
    }
}

/// Every file below `root` but for build output and hidden folders.
fn walk(root: &Path) -> Result<Vec<String>, String> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries =
            std::fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        for entry in entries.flatten() {
            let path = entry.path();
            let name = entry.file_name();
            if path.is_dir() {
                if name != "target" && !name.to_string_lossy().starts_with('.') {
                    folders.push(path);
                }
            } else if let Ok(relative) = path.strip_prefix(root) {
                files.push(relative.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_read_with_its_folder_features_and_tables() {
        let metadata = serde_json::json!({
            "workspace_root": "/w", "target_directory": "/w/target",
            "packages": [{
                "name": "terrace-x", "manifest_path": "/w/x/Cargo.toml", "publish": null,
                "features": {"b": [], "a": []},
                "dependencies": [{"name": "tokio", "kind": null}, {"name": "proptest", "kind": "dev"}],
                "targets": [{"name": "live", "kind": ["test"]}],
            }, {
                "name": "inner", "manifest_path": "/w/examples/inner/Cargo.toml", "publish": [],
            }],
        });
        let workspace = Workspace::parse(&metadata).unwrap();
        let block = workspace.package("terrace-x").unwrap();
        assert_eq!(block.folder, "x");
        assert_eq!(block.features, ["a", "b"]);
        assert_eq!(block.dependencies[0].kind, Kind::Normal);
        assert_eq!(block.dependencies[1].kind, Kind::Dev);
        assert!(block.targets[0].is_test);
        assert_eq!(workspace.blocks().count(), 1);
        assert_eq!(workspace.package("inner").unwrap().folder, "examples/inner");
    }

    #[test]
    fn metadata_without_a_root_is_an_error() {
        assert!(Workspace::parse(&serde_json::json!({})).unwrap_err().contains("workspace_root"));
    }
}
