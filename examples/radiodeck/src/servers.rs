//! App servers as child processes of the balancer.
//!
//! Each is the same executable with other options. It listens on a Unix socket in a directory that
//! only this user may enter, so nobody but the balancer can reach it, and there is no address to
//! advertise. One that dies is started again; all of them end with their parent, however it ends,
//! because they hold the other end of a pipe that closes with it.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::UnixListener;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::launch::{self, DRAIN_LIMIT};

/// How an app server says that it answers.
const READY: &str = "ready on ";

/// Listens on an app server's socket and tells the parent so.
///
/// # Errors
///
/// When the socket cannot be created.
pub fn listen(socket: &Path) -> Result<UnixListener, launch::Error> {
    // Left behind by a server that was killed; nobody else can have put it there.
    let _not_there = std::fs::remove_file(socket);
    let listener = UnixListener::bind(socket).map_err(|error| {
        launch::Error::new(format!("cannot listen on {} ({error})", socket.display()))
    })?;
    launch::say(&format!("{READY}{}", socket.display()));
    Ok(listener)
}

/// The name of the app server behind a socket: that of the file, without its ending.
#[must_use]
pub fn name(socket: &Path) -> String {
    socket
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// How long an app server may take to be ready. Opening a database takes milliseconds; on a machine
/// that is busy with everything else it takes a few seconds.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Waits between two starts: from short, as most deaths are accidents, to long, as a server that
/// dies at once every time would otherwise keep the machine busy with dying.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LAST_BACKOFF: Duration = Duration::from_secs(5);

/// A server that has lived this long has not died of its start.
const PROVEN: Duration = Duration::from_secs(10);

/// What a process of a stage with several is: the balancer, unless its parent says otherwise.
#[derive(Clone, Debug, clap::Args)]
pub struct Role {
    #[arg(long, hide = true, default_value = "balancer", value_parser = ["balancer", "app"])]
    role: String,
    #[arg(long, hide = true, required_if_eq("role", "app"))]
    socket: Option<PathBuf>,
}

impl Role {
    /// Where an app server listens; `None` for the balancer.
    #[must_use]
    pub fn app_socket(&self) -> Option<PathBuf> {
        if self.role == "app" {
            self.socket.clone()
        } else {
            None
        }
    }

    fn options(socket: &Path, database: &str) -> Vec<OsString> {
        let socket = socket.as_os_str().to_owned();
        let (role, database) = ("app".into(), database.into());
        vec![
            "--role".into(),
            role,
            "--socket".into(),
            socket,
            "--database".into(),
            database,
        ]
    }
}

/// Running app servers.
///
/// Dropping it kills them; [`stop`](Self::stop) lets them finish their requests.
#[derive(Debug)]
pub struct AppServers {
    servers: Vec<AppServer>,
    tasks: Vec<JoinHandle<()>>,
    stop: watch::Sender<bool>,
    _sockets: TempDir,
}

/// One of them.
#[derive(Clone, Debug)]
pub struct AppServer {
    name: String,
    socket: PathBuf,
    pid: Arc<AtomicU32>,
}

impl AppServer {
    /// Its name: `app-1`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The socket it listens on, the same after a restart.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Its process now; 0 while there is none.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid.load(Ordering::Relaxed)
    }
}

impl AppServers {
    /// Starts app servers on one database and waits until all are ready.
    ///
    /// Each is this executable with the options of [`Role`] and `--database`.
    ///
    /// # Errors
    ///
    /// When one of them does not get ready. What it said is on stderr.
    pub async fn start(count: u16, database: &str) -> Result<Self, launch::Error> {
        let executable = std::env::current_exe()?;
        // Mode 0700: the kernel keeps other users out.
        let sockets = tempfile::Builder::new().prefix("radiodeck-").tempdir()?;
        let (stop, stopped) = watch::channel(false);
        let mut starting = Vec::new();
        for number in 1..=count {
            let name = format!("app-{number}");
            let socket = sockets.path().join(format!("{name}.sock"));
            let server = AppServer {
                name,
                socket,
                pid: Arc::default(),
            };
            let options = Role::options(&server.socket, database);
            let plan = Plan {
                executable: executable.clone(),
                options,
                server,
            };
            starting.push((plan.spawn()?, plan));
        }
        let mut all = Self {
            servers: Vec::new(),
            tasks: Vec::new(),
            stop,
            _sockets: sockets,
        };
        for (mut running, plan) in starting {
            running.ready(&plan.server).await?;
            all.servers.push(plan.server.clone());
            all.tasks
                .push(tokio::spawn(plan.keep_running(running, stopped.clone())));
        }
        Ok(all)
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &AppServer> {
        self.servers.iter()
    }

    /// Each of them and its process, for [`launch::on_air`].
    #[must_use]
    pub fn parts(&self) -> Vec<(String, String)> {
        self.iter()
            .map(|server| (server.name.clone(), format!("pid {}", server.pid())))
            .collect()
    }

    /// What to try with them, for [`launch::on_air`].
    #[must_use]
    pub fn tries(&self) -> Vec<String> {
        let kill =
            |server: &AppServer| format!("kill -9 {} and go on: it comes back", server.pid());
        self.servers.first().map(kill).into_iter().collect()
    }

    /// Lets them finish their requests and waits for their end.
    pub async fn stop(mut self) {
        let _all_gone = self.stop.send(true);
        for task in self.tasks.drain(..) {
            let _panicked = task.await;
        }
    }
}

impl Drop for AppServers {
    fn drop(&mut self) {
        for task in &self.tasks {
            // The task owns the child, which is killed when it is dropped.
            task.abort();
        }
    }
}

/// How to start one of them.
#[derive(Debug)]
struct Plan {
    executable: PathBuf,
    options: Vec<OsString>,
    server: AppServer,
}

impl Plan {
    fn spawn(&self) -> io::Result<Running> {
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
        Ok(Running {
            child,
            pipe,
            lines,
            since: Instant::now(),
        })
    }

    /// Starts the server again whenever it ends, until `stop`.
    async fn keep_running(self, mut running: Running, mut stop: watch::Receiver<bool>) {
        let name = self.server.name.clone();
        let mut backoff = FIRST_BACKOFF;
        loop {
            let ended = tokio::select! {
                ended = running.child.wait() => ended,
                () = wanted(&mut stop) => return running.finish().await,
            };
            let pid = self.server.pid.swap(0, Ordering::Relaxed);
            launch::say(&format!(
                "{name} (pid {pid}) {}, starting it again",
                how(ended)
            ));
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
async fn wanted(stop: &mut watch::Receiver<bool>) {
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
struct Running {
    child: Child,
    /// Open as long as the server is wanted.
    pipe: Option<ChildStdin>,
    lines: Option<BufReader<ChildStdout>>,
    since: Instant,
}

impl Running {
    async fn ready(&mut self, server: &AppServer) -> Result<(), launch::Error> {
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
                return Err(launch::Error::new(format!(
                    "{name} was not ready within 30 s"
                )));
            }
        }
        server
            .pid
            .store(self.child.id().unwrap_or(0), Ordering::Relaxed);
        // Somebody has to read on, or a talkative server would wait for its own output.
        tokio::spawn(async move { tokio::io::copy(&mut lines, &mut tokio::io::sink()).await });
        Ok(())
    }

    /// Closes the pipe, which tells the server to drain, and waits for its end.
    async fn finish(mut self) {
        drop(self.pipe.take());
        let patience = DRAIN_LIMIT + Duration::from_secs(1);
        if tokio::time::timeout(patience, self.child.wait())
            .await
            .is_err()
        {
            let _gone = self.child.kill().await;
        }
    }
}
