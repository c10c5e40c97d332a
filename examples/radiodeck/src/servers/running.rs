//! One child process and the ones after it.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{AppServer, READY};
use crate::launch::{self, DRAIN_LIMIT};

/// How long an app server may take to be ready. Opening a database takes milliseconds; on a machine
/// that is busy with everything else it takes a few seconds.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Waits between two starts: from short, as most deaths are accidents, to long, as a server that
/// dies at once every time would otherwise keep the machine busy with dying.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LAST_BACKOFF: Duration = Duration::from_secs(5);

/// A server that has lived this long has not died of its start.
const PROVEN: Duration = Duration::from_secs(10);

/// How to start one of them.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) executable: PathBuf,
    pub(super) options: Vec<OsString>,
    pub(super) server: AppServer,
}

impl Plan {
    pub(super) fn spawn(&self) -> io::Result<Running> {
        let mut child = Command::new(&self.executable)
            .args(&self.options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Of its own group: Ctrl-C in the terminal is for the balancer, which drains first.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let lines = child.stdout.take().map(BufReader::new);
        // Out of the child, because `Child::wait` would close it.
        let pipe = child.stdin.take();
        Ok(Running { child, pipe, lines, says: None, since: Instant::now() })
    }

    /// Starts the server again whenever it ends, until `stop`.
    pub(super) async fn keep_running(self, mut running: Running, mut stop: watch::Receiver<bool>) {
        let name = self.server.name.clone();
        let mut backoff = FIRST_BACKOFF;
        loop {
            let ended = tokio::select! {
                ended = running.child.wait() => ended,
                () = wanted(&mut stop) => return running.finish().await,
            };
            let pid = self.server.pid.swap(0, Ordering::Relaxed);
            launch::say(&format!("{name} (pid {pid}) {}, starting it again", how(ended)));
            if running.since.elapsed() >= PROVEN {
                backoff = FIRST_BACKOFF;
            }
            running = loop {
                tokio::select! {
                    () = tokio::time::sleep(backoff) => {}
                    () = wanted(&mut stop) => return,
                }
                backoff = (backoff * 2).min(LAST_BACKOFF);
                let attempt = async {
                    let mut running = self.spawn()?;
                    running.ready(&self.server).await?;
                    Ok::<_, launch::Error>(running)
                };
                let attempt = tokio::select! {
                    attempt = attempt => attempt,
                    () = wanted(&mut stop) => return,
                };
                match attempt {
                    Ok(running) => break running,
                    Err(error) => launch::say(&format!("{error}, trying again")),
                }
            };
            launch::say(&format!("{name} is back, pid {}", self.server.pid()));
        }
    }
}

/// Waits for the wish to stop. Does not hand out the channel's guard, which must not be kept.
pub(super) async fn wanted(stop: &mut watch::Receiver<bool>) {
    let _ended = stop.wait_for(|stop| *stop).await;
}

/// How a process ended, as the end of a sentence.
fn how(ended: io::Result<ExitStatus>) -> String {
    match ended {
        Ok(status) => format!("ended ({status})"),
        Err(error) => format!("is lost ({error})"),
    }
}

/// A started server.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    /// Open as long as the server is wanted.
    pipe: Option<ChildStdin>,
    lines: Option<BufReader<ChildStdout>>,
    /// The task that repeats what it says.
    says: Option<JoinHandle<()>>,
    since: Instant,
}

impl Running {
    pub(super) async fn ready(&mut self, server: &AppServer) -> Result<(), launch::Error> {
        let name = &server.name;
        let Some(mut lines) = self.lines.take() else {
            return Err(launch::Error::new(format!("{name} has no output")));
        };
        let mut line = String::new();
        let said = async {
            while lines.read_line(&mut line).await? > 0 {
                if line.starts_with(READY) {
                    return Ok(true);
                }
                line.clear();
            }
            Ok::<_, io::Error>(false)
        };
        match tokio::time::timeout(START_LIMIT, said).await {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => {
                let ended = self.child.wait().await;
                return Err(launch::Error::new(format!(
                    "{name} {} before it was ready",
                    how(ended)
                )));
            }
            Ok(Err(error)) => return Err(error.into()),
            Err(_) => {
                return Err(launch::Error::new(format!("{name} was not ready within 30 s")));
            }
        }
        server.pid.store(self.child.id().unwrap_or(0), Ordering::Relaxed);
        // Somebody has to read on, or a talkative server would wait for its own output.
        self.says = Some(tokio::spawn(repeat(name.clone(), lines)));
        Ok(())
    }

    /// Closes the pipe, which tells the server to drain, and waits for its end.
    async fn finish(mut self) {
        drop(self.pipe.take());
        let patience = DRAIN_LIMIT + Duration::from_secs(1);
        if tokio::time::timeout(patience, self.child.wait()).await.is_err() {
            let _gone = self.child.kill().await;
        }
        // Its last words.
        if let Some(says) = self.says.take() {
            let _cut_short = tokio::time::timeout(Duration::from_secs(1), says).await;
        }
    }
}

/// Says what a server says, with its name in front.
async fn repeat(name: String, output: BufReader<ChildStdout>) {
    let mut lines = output.split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        launch::say(&format!("{name}: {}", String::from_utf8_lossy(&line)));
    }
}
