//! Signals to a child, its group, its whole tree.

use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::process::Signal as Sig;

use super::{Process, WaitError, is_alive, lock, tree};

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
    pub(super) fn raw(self) -> Sig {
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

impl Process {
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
}
