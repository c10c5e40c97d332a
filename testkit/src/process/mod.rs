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
mod tree;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal as Sig, WaitId, WaitIdOptions, waitid};
use tokio::sync::Notify;

pub use self::binary::{BinaryError, cargo_binary, cargo_example};
pub use self::error::{SpawnError, WaitError};
pub(crate) use self::launch::spawn_thread;
pub use self::launch::{Launch, Owner};
pub use self::log::{Log, Mark, Source};
pub use self::tree::{descendants, is_alive};

/// How long the kernel may take to stop or end a process. Both take microseconds unless a process
/// sits in uninterruptible I/O, which even a slow disk ends within this time.
const KERNEL_WITHIN: Duration = Duration::from_secs(5);

/// A signal that tests send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// `SIGTERM`: please drain and exit.
    Term,
    /// `SIGINT`: what Ctrl-C sends.
    Int,
    /// `SIGQUIT`: PostgreSQL's immediate shutdown.
    Quit,
    /// `SIGHUP`: re-read the configuration.
    Hup,
    /// `SIGKILL`: the crash no process can refuse.
    Kill,
    /// `SIGSTOP`: frozen, while the kernel still completes its TCP handshakes.
    Stop,
    /// `SIGCONT`: thawed.
    Cont,
}

impl Signal {
    fn raw(self) -> Sig {
        match self {
            Signal::Term => Sig::TERM,
            Signal::Int => Sig::INT,
            Signal::Quit => Sig::QUIT,
            Signal::Hup => Sig::HUP,
            Signal::Kill => Sig::KILL,
            Signal::Stop => Sig::STOP,
            Signal::Cont => Sig::CONT,
        }
    }
}

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

/// The end of a child, awaited by threads and tasks alike.
#[derive(Default)]
struct Exit {
    status: Mutex<Option<ExitStatus>>,
    blocking: Condvar,
    waiting: Notify,
}

impl Exit {
    fn status(&self) -> Option<ExitStatus> {
        *lock(&self.status)
    }

    fn publish(&self, status: ExitStatus) {
        *lock(&self.status) = Some(status);
        self.blocking.notify_all();
        self.waiting.notify_waiters();
    }
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

    /// Sends `signal` to the child alone.
    ///
    /// A child that has ended takes no notice: the call is a no-op then.
    pub fn signal(&self, signal: Signal) {
        if lock(&self.child).is_some() {
            let _ = rustix::process::kill_process(self.pid, signal.raw());
        }
    }

    /// Sends `signal` to the child's process group: the child and the descendants that did not
    /// leave for a session of their own.
    pub fn signal_group(&self, signal: Signal) {
        if lock(&self.child).is_some() {
            let _ = rustix::process::kill_process_group(self.pid, signal.raw());
        }
    }

    /// Asks the child to end (`SIGTERM`).
    pub fn terminate(&self) {
        self.signal(Signal::Term);
    }

    /// Kills the child alone (`SIGKILL`); its descendants live on, as after a real crash.
    pub fn kill(&self) {
        self.signal(Signal::Kill);
    }

    /// Freezes the child and every descendant, those in other sessions included (PostgreSQL's
    /// backends leave for their own), and returns once the kernel reports all of them stopped.
    ///
    /// # Errors
    ///
    /// [`WaitError`] when a process is still not stopped after 5 s.
    pub async fn stop_tree(&self) -> Result<(), WaitError> {
        // Parents first: a stopped parent cannot fork, and cannot reap, so no id below is reused.
        self.signal(Signal::Stop);
        let deadline = Instant::now() + KERNEL_WITHIN;
        loop {
            let tree = tree::with_descendants(self.pid());
            let moving: Vec<_> = tree.iter().filter(|p| p.is_moving()).collect();
            if moving.is_empty() {
                return Ok(());
            }
            for process in &moving {
                process.signal(Sig::STOP);
            }
            if Instant::now() >= deadline {
                return Err(self.wait_error("every process to stop", KERNEL_WITHIN));
            }
            // The kernel offers no event for the stop of a grandchild.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Thaws what [`Process::stop_tree`] froze.
    pub fn cont_tree(&self) {
        if lock(&self.child).is_none() {
            return;
        }
        // Children first, so that the parent finds them awake.
        for process in tree::with_descendants(self.pid()).iter().rev() {
            process.signal(Sig::CONT);
        }
    }

    /// Kills the child and every descendant at one stroke, and returns when all have ended.
    ///
    /// The tree is frozen first: no parent sees its child die and no descendant escapes.
    ///
    /// # Errors
    ///
    /// [`WaitError`] when they do not end within 5 s, which only a hung kernel does.
    pub async fn kill_tree(&self) -> Result<ExitStatus, WaitError> {
        // A tree that cannot be stopped whole is killed all the same.
        let _ = self.stop_tree().await;
        let killed = tree::with_descendants(self.pid());
        for process in killed.iter().rev() {
            process.signal(Sig::KILL);
        }
        let status = self.wait(KERNEL_WITHIN).await?;
        let deadline = Instant::now() + KERNEL_WITHIN;
        while killed.iter().any(|process| is_alive(process.pid)) {
            if Instant::now() >= deadline {
                return Err(self.wait_error("the end of every descendant", KERNEL_WITHIN));
            }
            // As above: no event tells the end of a grandchild.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(status)
    }

    /// [`Process::kill_tree`] for `Drop`: blocks, and gives up silently.
    pub(crate) fn kill_tree_blocking(&self) {
        self.signal(Signal::Stop);
        for process in tree::with_descendants(self.pid()).iter().rev() {
            process.signal(Sig::KILL);
        }
        let _ = self.wait_blocking(KERNEL_WITHIN);
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

    /// Waits until the child has ended.
    ///
    /// # Errors
    ///
    /// [`WaitError`] when it still runs after `within`; it is left running.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is consumed by waiting.
    pub async fn wait(&self, within: Duration) -> Result<ExitStatus, WaitError> {
        let ended = async {
            loop {
                let waiting = self.exit.waiting.notified();
                tokio::pin!(waiting);
                waiting.as_mut().enable();
                if let Some(status) = self.exit.status() {
                    return status;
                }
                waiting.await;
            }
        };
        tokio::time::timeout(within, ended)
            .await
            .map_err(|_| self.wait_error("its end", within))
    }

    /// Waits until the child has ended, blocking the thread: for `Drop` and for code without a
    /// runtime.
    ///
    /// # Errors
    ///
    /// [`WaitError`] when it still runs after `within`; it is left running.
    pub fn wait_blocking(&self, within: Duration) -> Result<ExitStatus, WaitError> {
        let ended = {
            let status = lock(&self.exit.status);
            let waited = self
                .exit
                .blocking
                .wait_timeout_while(status, within, |status| status.is_none());
            *waited.unwrap_or_else(PoisonError::into_inner).0
        };
        ended.ok_or_else(|| self.wait_error("its end", within))
    }

    /// Waits for a line of stdout that starts with `prefix` and returns the whole line.
    ///
    /// Lines printed before the call count as well, from the oldest that the log still holds.
    ///
    /// # Errors
    ///
    /// [`WaitError`] when no such line comes within `within`, or the child closes its output first.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: lines are not consumed.
    pub async fn wait_for_line(&self, prefix: &str, within: Duration) -> Result<String, WaitError> {
        self.wait_for_line_since(Mark::default(), prefix, within)
            .await
    }

    /// [`Process::wait_for_line`], looking only at lines printed after `mark` was taken with
    /// [`Log::mark`]: for a line that comes more than once.
    ///
    /// # Errors
    ///
    /// As [`Process::wait_for_line`].
    pub async fn wait_for_line_since(
        &self,
        mark: Mark,
        prefix: &str,
        within: Duration,
    ) -> Result<String, WaitError> {
        self.wait_for(
            mark,
            within,
            &format!("a line `{prefix}…`"),
            |source, line| source == Source::Stdout && line.starts_with(prefix),
        )
        .await
    }

    /// Waits for a line of either stream that `wanted` accepts; `what` names it in the error.
    ///
    /// # Errors
    ///
    /// As [`Process::wait_for_line`].
    pub async fn wait_for(
        &self,
        mark: Mark,
        within: Duration,
        what: &str,
        wanted: impl Fn(Source, &str) -> bool,
    ) -> Result<String, WaitError> {
        match tokio::time::timeout(within, self.log.find(mark, wanted)).await {
            Ok(Some(line)) => Ok(line),
            Ok(None) => {
                // The pipes are closed: an exit status follows at once, unless the child closed
                // them by itself and lives on.
                let _ = self.wait(Duration::from_secs(1)).await;
                Err(self.wait_error(what, within))
            }
            Err(_) => Err(self.wait_error(what, within)),
        }
    }

    fn wait_error(&self, what: &str, within: Duration) -> WaitError {
        WaitError::new(self, what, within)
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

/// Blocks until `pid` has ended and leaves the zombie for [`Process::drop`] to reap.
fn wait_without_reaping(pid: Pid) -> ExitStatus {
    use std::os::unix::process::ExitStatusExt;
    loop {
        match waitid(
            WaitId::Pid(pid),
            WaitIdOptions::EXITED | WaitIdOptions::NOWAIT,
        ) {
            Ok(Some(end)) => {
                let raw = match (end.exit_status(), end.terminating_signal()) {
                    (Some(code), _) => (code & 0xff) << 8,
                    (None, Some(signal)) => signal,
                    (None, None) => continue,
                };
                return ExitStatus::from_raw(raw);
            }
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            // Somebody else reaped it; the status is lost, the end is not.
            Err(_) => return ExitStatus::from_raw(0xff << 8),
        }
    }
}

/// A poisoned lock here guards plain values that stay whole: the panic elsewhere is the news.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The file name of `path` for messages.
fn short_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}
