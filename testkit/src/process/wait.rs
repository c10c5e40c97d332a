//! Waiting for a child: its end, a line of its output.

use std::process::ExitStatus;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use tokio::sync::Notify;

use super::{Mark, Process, Source, WaitError, lock};

/// The end of a child, awaited by threads and tasks alike.
#[derive(Default)]
pub(super) struct Exit {
    status: Mutex<Option<ExitStatus>>,
    blocking: Condvar,
    waiting: Notify,
}

impl Exit {
    pub(super) fn status(&self) -> Option<ExitStatus> {
        *lock(&self.status)
    }

    pub(super) fn publish(&self, status: ExitStatus) {
        *lock(&self.status) = Some(status);
        self.blocking.notify_all();
        self.waiting.notify_waiters();
    }
}

impl Process {
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
        tokio::time::timeout(within, ended).await.map_err(|_| self.wait_error("its end", within))
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
            let waited =
                self.exit.blocking.wait_timeout_while(status, within, |status| status.is_none());
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
        self.wait_for_line_since(Mark::default(), prefix, within).await
    }

    /// [`Process::wait_for_line`], looking only at lines printed after `mark` was taken with
    /// [`Log::mark`](super::Log::mark): for a line that comes more than once.
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
        self.wait_for(mark, within, &format!("a line `{prefix}…`"), |source, line| {
            source == Source::Stdout && line.starts_with(prefix)
        })
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

    pub(super) fn wait_error(&self, what: &str, within: Duration) -> WaitError {
        WaitError::new(self, what, within)
    }
}

/// Blocks until `pid` has ended and leaves the zombie for [`Process::drop`] to reap.
pub(super) fn wait_without_reaping(pid: Pid) -> ExitStatus {
    use std::os::unix::process::ExitStatusExt;
    loop {
        match waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
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
