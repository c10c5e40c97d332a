//! Children under supervision: started, watched, signalled, and never left behind.
//!
//! [`Process`] is what every server of the testkit and every test of an example stands on. A child
//! gets a process group of its own and a parent-death signal; its output is kept in a bounded
//! [`Log`] and echoed when the test that owns it panics; dropping the handle kills the whole group
//! and reaps the child.
//!
//! `std::process::Child` alone does none of that: it leaks the child on drop, and a pipe that
//! nobody reads blocks the child after 64 KiB. `tokio::process` kills on drop, but only the child
//! itself, and forks from whichever thread polls, which breaks the parent-death signal.

mod binary;
mod error;
mod launch;
mod log;
mod signal;
mod tree;
mod wait;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::Pid;

pub use self::binary::{BinaryError, cargo_binary, cargo_example};
pub use self::error::{SpawnError, WaitError};
pub(crate) use self::launch::spawn_thread;
pub use self::launch::{Launch, Owner};
pub use self::log::{Log, Mark, Source};
pub use self::signal::Signal;
pub use self::tree::{descendants, is_alive};
use self::wait::{Exit, wait_without_reaping};

/// A running child, supervised until it is dropped.
///
/// The child is reaped only on drop (or by [`Process::reap`]), so that its process id and its group
/// id cannot be reused while this handle may still signal them. Until then a child that ended is a
/// zombie; [`is_alive`] counts it as gone.
///
/// Dropping sends `SIGKILL` to the process group (also when the child itself has ended) and waits
/// for the child's end. If the dropping thread is panicking, the end of the log goes to stderr.
pub struct Process {
    name: String,
    pid: Pid,
    /// `None` once reaped: from then on the ids may be somebody else's.
    child: Mutex<Option<Child>>,
    exit: Arc<Exit>,
    log: Log,
    watcher: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl Process {
    /// Prepares to start the executable at `path`.
    pub fn binary(path: impl Into<PathBuf>) -> Launch {
        Launch::new(path.into())
    }

    /// Prepares to start the example `name` that cargo built beside the current test.
    ///
    /// # Errors
    ///
    /// [`BinaryError`] when it is not built; the message holds the command that builds it.
    pub fn cargo_example(name: &str) -> Result<Launch, BinaryError> {
        cargo_example(name).map(Launch::new)
    }

    /// Prepares to start the binary `name` (of a package's `src/main.rs` or `src/bin`) that cargo
    /// built beside the current test.
    ///
    /// # Errors
    ///
    /// [`BinaryError`] when it is not built; the message holds the command that builds it.
    pub fn cargo_binary(name: &str) -> Result<Launch, BinaryError> {
        cargo_binary(name).map(Launch::new)
    }

    fn supervise(name: String, mut child: Child, log: Log) -> Process {
        let pid = Pid::from_child(&child);
        if let Some(stdout) = child.stdout.take() {
            log.capture(Source::Stdout, stdout);
        }
        if let Some(stderr) = child.stderr.take() {
            log.capture(Source::Stderr, stderr);
        }
        let exit = Arc::new(Exit::default());
        let watcher = std::thread::spawn({
            let exit = Arc::clone(&exit);
            move || exit.publish(wait_without_reaping(pid))
        });
        Process {
            name,
            pid,
            child: Mutex::new(Some(child)),
            exit,
            log,
            watcher: Mutex::new(Some(watcher)),
        }
    }

    /// The name that errors and echoed logs carry.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The child's process id, which is also its process group's.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// What the child has written so far.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Whether the child has not ended yet. A stopped child is running.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.exit.status().is_none()
    }

    /// How the child ended, or `None` while it runs.
    #[must_use]
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.exit.status()
    }

    /// Kills the process group and reaps the child now, as dropping does, but keeps the log.
    ///
    /// Blocks until the child has ended. Signals sent afterwards go nowhere.
    pub fn reap(&self) {
        self.signal_group(Signal::Kill);
        if let Some(watcher) = lock(&self.watcher).take() {
            let _ = watcher.join();
        }
        if let Some(mut child) = lock(&self.child).take() {
            let _ = child.wait();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log.tail(&self.name));
        }
        self.reap();
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("name", &self.name)
            .field("pid", &self.pid())
            .field("exit", &self.exit.status())
            .finish_non_exhaustive()
    }
}

/// A poisoned lock here guards plain values that stay whole: the panic elsewhere is the news.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The file name of `path` for messages.
fn short_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
