//! The package, by npm, with every byte as it was when this was written.
//!
//! `package-lock.json` names the five packages that are needed, each with its version and the
//! sha512 of its archive: npm refuses one with another content, wherever it comes from. It names
//! no host, so npm asks the registry that it is configured for. Of what the package depends on, an
//! old npm and a template engine are left out: they are for its web pages.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::dirs::TempDir;
use crate::process::Process;

use super::SuiteError;

const PACKAGE: &str = include_str!("package.json");
const LOCK: &str = include_str!("package-lock.json");
const GRADE: &str = include_str!("grade.mjs");

/// It takes two seconds, of which most is npm's own start. A slow network takes longer.
const INSTALL_WITHIN: Duration = Duration::from_secs(120);

/// The suite's origin listens on every address of the machine, and this is where it does.
const LISTENS: &str = "\nserver.listen(port)\n";
const LISTENS_HERE: &str = "\nserver.listen(port, '127.0.0.1')\n";

/// Installs the package below `dir` and says in which folder it stands.
pub(super) async fn install(npm: &Path, dir: &TempDir) -> Result<PathBuf, SuiteError> {
    install_locked(npm, dir, LOCK).await
}

async fn install_locked(npm: &Path, dir: &TempDir, lock: &str) -> Result<PathBuf, SuiteError> {
    let files = [("package.json", PACKAGE), ("package-lock.json", lock), ("grade.mjs", GRADE)];
    for (file, content) in files {
        fs::write(dir.path().join(file), content)
            .map_err(|error| SuiteError::new(format!("writing {file}"), error))?;
    }
    let npm = Process::binary(npm)
        .name("npm")
        .arg("ci")
        // Nothing of the packages runs before the suite does, and nothing is told to anybody.
        .args(["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"])
        // Once installed, the next time needs no network.
        .args(["--prefer-offline", "--logs-max=0"])
        .current_dir(dir.path())
        .spawn()
        .map_err(|error| SuiteError::new("starting npm", error))?;
    super::succeeds(&npm, "npm ci", INSTALL_WITHIN).await?;
    let folder = dir.path().join("node_modules/http-cache-tests");
    let server = folder.join("server/server.mjs");
    let at = |error| SuiteError::new(format!("changing {}", server.display()), error);
    let source = fs::read_to_string(&server).map_err(at)?;
    let source = on_loopback(&source).ok_or_else(|| {
        SuiteError::new("making the origin listen on loopback only", "its source is not known")
    })?;
    fs::write(&server, source).map_err(at)?;
    Ok(folder)
}

/// The origin's source, listening on 127.0.0.1 only; `None` if it is another source.
fn on_loopback(source: &str) -> Option<String> {
    let mut calls = source.matches("server.listen(");
    let is_known = calls.next().is_some() && calls.next().is_none() && source.contains(LISTENS);
    is_known.then(|| source.replace(LISTENS, LISTENS_HERE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools;
    use serde_json::Value;

    #[test]
    fn every_package_is_pinned_by_its_content_and_by_no_host() {
        let lock: Value = serde_json::from_str(LOCK).unwrap();
        let packages = lock["packages"].as_object().unwrap();
        assert_eq!(packages.len(), 6, "five packages and the root");
        for (name, package) in packages.iter().filter(|(name, _)| !name.is_empty()) {
            let integrity = package["integrity"].as_str().unwrap_or_default();
            assert!(integrity.starts_with("sha512-"), "{name}");
            assert!(package["version"].is_string(), "{name}");
        }
        assert!(!LOCK.contains("://") && !PACKAGE.contains("://"));
    }

    #[tokio::test]
    async fn control_a_package_with_another_content_is_refused() {
        let (Some(npm), Some(_)) = (tools::require_or_skip("npm"), tools::require_or_skip("node"))
        else {
            return;
        };
        let dir = TempDir::new("cachetests", None).unwrap();
        let known = "sha512-DjuwN9nUZXLT";
        assert!(LOCK.contains(known));
        let lock = LOCK.replace(known, "sha512-AAAAN9nUZXLT");
        let error = install_locked(&npm, &dir, &lock).await.unwrap_err().to_string();
        assert!(error.contains("EINTEGRITY"), "{error}");
    }

    #[test]
    fn only_the_known_source_is_changed() {
        let source = "a\nserver.listen(port)\n";
        assert_eq!(on_loopback(source).unwrap(), "a\nserver.listen(port, '127.0.0.1')\n");
        assert_eq!(on_loopback("a\nserver.listen(port, host)\n"), None);
        assert_eq!(on_loopback("server.listen(9)\nserver.listen(port)\n"), None);
        assert_eq!(on_loopback(""), None);
    }
}
