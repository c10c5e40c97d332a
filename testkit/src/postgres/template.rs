//! `initdb` once, then copies.
//!
//! initdb takes about a second; copying its result takes 40 ms. The result is kept in the temp
//! folder for every test process of the same user. All servers made from it share a system
//! identifier, which is what lets a copy follow another copy as its replica.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::dirs;
use crate::process::{Owner, Process};

use super::Cause;

/// Part of the template's name: raise it when the arguments of initdb change.
const REVISION: u32 = 1;
/// A cold and busy machine needs a few seconds; a hundred times the usual is a hang.
const INITDB_WITHIN: Duration = Duration::from_secs(90);
const DAY: u64 = 24 * 60 * 60;

/// Copies the template to `to`, which must not exist.
///
/// # Cancel safety
///
/// The copy goes on to its end on a blocking thread.
pub(super) async fn copy(bin: &Path, owner: Option<Owner>, to: PathBuf) -> Result<(), Cause> {
    let template = ensure(bin, owner).await?;
    tokio::task::spawn_blocking(move || dirs::copy_tree(&template, &to, owner)).await??;
    Ok(())
}

/// The path of today's template, made if it is not there.
async fn ensure(bin: &Path, owner: Option<Owner>) -> Result<PathBuf, Cause> {
    let version = version(bin).await?;
    let uid = owner.map_or_else(|| rustix::process::geteuid().as_raw(), |owner| owner.uid);
    let kind = format!("{version}-uid{uid}-r{REVISION}-day");
    // One a day, because cleaners of the temp folder take single files out of old directories.
    let today = SystemTime::UNIX_EPOCH.elapsed()?.as_secs() / DAY;
    let shared = dirs::shared("postgres")?;
    let template = shared.join(format!("{kind}{today}"));
    if template.exists() {
        return Ok(template);
    }
    let _lock = lock(shared.join("lock")).await?;
    if !template.exists() {
        remove_old(&shared, &kind, today)?;
        let unfinished = shared.join("unfinished");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished)?;
        }
        initdb(bin, owner, &unfinished).await?;
        fs::rename(&unfinished, &template)?;
    }
    Ok(template)
}

/// `15.4`, from `postgres (PostgreSQL) 15.4 (Debian 15.4-1)`.
async fn version(bin: &Path) -> Result<String, Cause> {
    let process = Process::binary(bin.join("postgres")).arg("--version").spawn()?;
    let line = process.wait_for_line("postgres", Duration::from_secs(30)).await?;
    parse_version(&line).ok_or_else(|| format!("no version in {line:?}").into())
}

fn parse_version(line: &str) -> Option<String> {
    let version =
        line.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '.';
    version.chars().all(plain).then(|| version.to_owned())
}

async fn lock(path: PathBuf) -> Result<File, Cause> {
    let locked = tokio::task::spawn_blocking(move || {
        let file = File::create(path)?;
        file.lock()?;
        Ok::<_, io::Error>(file)
    });
    Ok(locked.await??)
}

/// Yesterday's stays: a test that started before midnight may be copying it.
fn remove_old(shared: &Path, kind: &str, today: u64) -> io::Result<()> {
    for entry in fs::read_dir(shared)? {
        let entry = entry?;
        let name = entry.file_name();
        let day = name.to_str().and_then(|name| name.strip_prefix(kind));
        if day.and_then(|day| day.parse::<u64>().ok()) < today.checked_sub(1) && day.is_some() {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

async fn initdb(bin: &Path, owner: Option<Owner>, dir: &Path) -> Result<(), Cause> {
    fs::create_dir(dir)?;
    fs::set_permissions(dir, Permissions::from_mode(0o700))?;
    dirs::give_to(dir, owner)?;
    let mut launch = Process::binary(bin.join("initdb"))
        .arg("--pgdata")
        .arg(dir)
        .args(["--username=postgres", "--auth=trust", "--no-sync"])
        .args(["--encoding=UTF8", "--locale=C"])
        // The default of 16 MiB segments makes every copy 80 MB bigger.
        .arg("--wal-segsize=1")
        .current_dir("/");
    if let Some(owner) = owner {
        launch = launch.owner(owner);
    }
    super::run(launch, INITDB_WITHIN).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_taken_from_releases_betas_and_distributions() {
        for (line, version) in [
            ("postgres (PostgreSQL) 15.4 (Debian 15.4-1)", "15.4"),
            ("postgres (PostgreSQL) 13.21", "13.21"),
            ("postgres (PostgreSQL) 18beta1", "18beta1"),
        ] {
            assert_eq!(parse_version(line).as_deref(), Some(version));
        }
        assert_eq!(parse_version("postgres (PostgreSQL) 1/../../x"), None);
        assert_eq!(parse_version("something else"), None);
    }

    #[test]
    fn templates_older_than_yesterday_are_removed() {
        let dir = dirs::TempDir::new("template", None).unwrap();
        for name in ["15-day9", "15-day10", "15-day11", "16-day1", "lock"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        remove_old(dir.path(), "15-day", 11).unwrap();
        let mut left: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["15-day10", "15-day11", "16-day1", "lock"]);
    }
}
