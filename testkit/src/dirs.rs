//! Directories for servers: under the system's temp folder, usable by another user, always removed.
//!
//! PostgreSQL refuses to run as root, and other users cannot enter root's home, so a server's data
//! needs a place whose every parent its user may enter. Removal must also happen when the test
//! process is killed, when no destructor runs: a small shell script, the guardian, waits for that
//! on a pipe, kills what still works inside the directory and removes it.
//!
//! `TERRACE_KEEP=1` keeps every directory and prints its path.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};

use crate::process::{Owner, spawn_thread};

/// A directory that is removed with everything in it when this value is dropped.
#[derive(Debug)]
pub struct TempDir {
    path: PathBuf,
    _run: Arc<RunDir>,
}

impl TempDir {
    /// Creates an empty directory that `owner` (or the current user) alone may enter; `name` is
    /// part of its path.
    ///
    /// # Errors
    ///
    /// An I/O error when it cannot be created, or given away to `owner`, which only root may.
    pub fn new(name: &str, owner: Option<Owner>) -> io::Result<TempDir> {
        let run = RunDir::current()?;
        let path = tempfile::Builder::new()
            .prefix(&format!("{name}-"))
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(&run.path)?
            .keep();
        let dir = TempDir { path, _run: run };
        give_to(&dir.path, owner)?;
        Ok(dir)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        if keep() {
            eprintln!("TERRACE_KEEP: kept {}", self.path.display());
        } else if let Err(error) = fs::remove_dir_all(&self.path) {
            eprintln!("cannot remove {}: {error}", self.path.display());
        }
    }
}

/// The base of all directories: the system's temp folder if every user may enter it, else `/tmp`.
#[must_use]
pub fn base() -> PathBuf {
    let temp = std::env::temp_dir();
    let open_to_all = temp.ancestors().all(|dir| {
        fs::metadata(dir).is_ok_and(|metadata| metadata.permissions().mode() & 0o001 != 0)
    });
    if open_to_all || !rustix::process::geteuid().is_root() { temp } else { PathBuf::from("/tmp") }
}

/// Copies a directory tree, all of it owned by `owner` afterwards.
///
/// # Errors
///
/// The first I/O error; what was copied until then stays.
pub fn copy_tree(from: &Path, to: &Path, owner: Option<Owner>) -> io::Result<()> {
    fs::create_dir(to)?;
    fs::set_permissions(to, fs::metadata(from)?.permissions())?;
    give_to(to, owner)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target, owner)?;
        } else {
            fs::copy(entry.path(), &target)?;
            give_to(&target, owner)?;
        }
    }
    Ok(())
}

/// Gives `path` to `owner`, if that is somebody else.
pub(crate) fn give_to(path: &Path, owner: Option<Owner>) -> io::Result<()> {
    match owner {
        Some(owner) => std::os::unix::fs::chown(path, Some(owner.uid), Some(owner.gid)),
        None => Ok(()),
    }
}

/// A directory that outlives the process, shared by all test processes of this user; `name` is
/// part of its path.
///
/// # Errors
///
/// An I/O error, also when somebody else owns a directory of that name: its content cannot be
/// trusted then.
pub(crate) fn shared(name: &str) -> io::Result<PathBuf> {
    let me = rustix::process::geteuid().as_raw();
    let path = base().join(format!("terrace-{name}-{me}"));
    match fs::create_dir(&path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        // Set apart from the creation, because the process's umask may be stricter.
        Ok(()) => fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?,
        Err(_) => {}
    }
    let found = fs::symlink_metadata(&path)?;
    if !found.is_dir() || found.uid() != me {
        let path = path.display();
        return Err(io::Error::other(format!("{path} belongs to somebody else")));
    }
    Ok(path)
}

fn keep() -> bool {
    std::env::var_os("TERRACE_KEEP").is_some_and(|value| !value.is_empty() && value != "0")
}

/// The parent of this process's directories, with the guardian that outlives the process.
#[derive(Debug)]
struct RunDir {
    path: PathBuf,
    guardian: Child,
}

impl RunDir {
    /// The one in use, or a new one after the last directory in it was dropped.
    fn current() -> io::Result<Arc<RunDir>> {
        static CURRENT: Mutex<Weak<RunDir>> = Mutex::new(Weak::new());
        let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(run) = current.upgrade() {
            return Ok(run);
        }
        let path = tempfile::Builder::new()
            .prefix(&format!("terrace-{}-", std::process::id()))
            .permissions(fs::Permissions::from_mode(0o711))
            .tempdir_in(base())?
            .keep();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o711))?;
        // /proc tells resolved paths, so the guardian must know the resolved one.
        let path = fs::canonicalize(&path)?;
        spread(&path);
        let guardian = guard(&path)?;
        let run = Arc::new(RunDir { path, guardian });
        *current = Arc::downgrade(&run);
        Ok(run)
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        if let Some(mut stdin) = self.guardian.stdin.take() {
            let _ = stdin.write_all(b"done\n");
        }
        let _ = self.guardian.wait();
        // Not empty if a directory was kept.
        let _ = fs::remove_dir(&self.path);
    }
}

/// Asks the file system to put each directory below `path` in a region of its own.
///
/// ext4 looks for a free inode near the parent's; without a journal it steps over every one that
/// was freed in the last minute, so after a few servers have come and gone, each further copy of a
/// thousand files would cost half a second. Elsewhere the hint does nothing, or is refused.
fn spread(path: &Path) {
    if let Ok(dir) = fs::File::open(path)
        && let Ok(flags) = ioctl_getflags(&dir)
    {
        let _ = ioctl_setflags(&dir, flags | IFlags::TOPDIR);
    }
}

fn guard(path: &Path) -> io::Result<Child> {
    let path = path.to_owned();
    let keep = if keep() { "1" } else { "" };
    spawn_thread(move || {
        Command::new("/bin/sh")
            .args(["-c", include_str!("guardian.sh"), "terrace-guardian"])
            .arg(path)
            .env("TERRACE_KEEP", keep)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C in the terminal goes to the test's group and must not take the guardian along.
            .process_group(0)
            .spawn()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_private_and_removed_with_its_content() {
        let dir = TempDir::new("dirs", None).unwrap();
        let path = dir.path().to_owned();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        fs::create_dir(path.join("deeper")).unwrap();
        fs::write(path.join("deeper/file"), "content").unwrap();
        drop(dir);
        assert!(!path.exists());
    }

    #[test]
    fn a_copied_tree_has_the_same_files_and_modes() {
        let dir = TempDir::new("dirs", None).unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::create_dir_all(from.join("a/b")).unwrap();
        fs::write(from.join("a/b/file"), "content").unwrap();
        fs::set_permissions(from.join("a"), fs::Permissions::from_mode(0o750)).unwrap();
        copy_tree(&from, &to, None).unwrap();
        assert_eq!(fs::read_to_string(to.join("a/b/file")).unwrap(), "content");
        assert_eq!(fs::metadata(to.join("a")).unwrap().mode() & 0o777, 0o750);
    }

    #[test]
    fn every_parent_of_the_base_can_be_entered_by_other_users() {
        for dir in base().ancestors() {
            let mode = fs::metadata(dir).unwrap().mode();
            assert!(mode & 0o001 != 0, "{} has mode {mode:o}", dir.display());
        }
    }
}
