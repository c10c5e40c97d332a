//! Faults of a server: crash, freeze, restart.

use super::{Redis, START_WITHIN};
use crate::error::{FaultError, StartError};
use crate::process::Signal;

impl Redis {
    /// Kills it (`kill -9`); what was not persisted is lost. A server that is down stays down.
    ///
    /// # Errors
    ///
    /// [`FaultError`] when it survives for 5 s.
    pub async fn kill(&self) -> Result<(), FaultError> {
        if let Some(process) = self.process() {
            let killed = process.kill_tree().await;
            killed.map_err(|cause| FaultError::new("redis", "kill", cause))?;
            process.reap();
        }
        Ok(())
    }

    /// Freezes it (`SIGSTOP`): connects succeed, because the kernel completes them, and nothing
    /// ever answers.
    ///
    /// # Errors
    ///
    /// [`FaultError`] when it is down, or not stopped within 5 s.
    pub async fn stop(&self) -> Result<(), FaultError> {
        let process = self.process().filter(|process| process.is_running());
        let process = process.ok_or_else(|| FaultError::new("redis", "stop", "it is down"))?;
        let stopped = process.stop_tree().await;
        stopped.map_err(|cause| FaultError::new("redis", "stop", cause))
    }

    /// Thaws what [`Redis::stop`] froze; commands that waited are answered.
    pub fn cont(&self) {
        if let Some(process) = self.process() {
            process.cont_tree();
        }
    }

    /// Starts it again on the same port, after an orderly shutdown (`SIGTERM`) if it runs. Its data
    /// is there again if it is [persistent](super::RedisBuilder::persistent); a cluster keeps its slots.
    ///
    /// # Errors
    ///
    /// [`StartError`] when it does not end, or does not answer within 20 s.
    pub async fn restart(&self) -> Result<(), StartError> {
        if let Some(process) = self.process() {
            process.cont_tree();
            process.signal(Signal::Term);
            let ended = process.wait(START_WITHIN).await;
            ended.map_err(|cause| self.start_error("ending first", cause))?;
            process.reap();
        }
        self.launch().await?;
        self.ready().await
    }
}
