//! App servers as child processes of the balancer.
//!
//! Each is the same executable with other options. It listens on a Unix socket in a directory that
//! only this user may enter, so nobody but the balancer can reach it, and there is no address to
//! advertise. One that dies is started again; all of them end with their parent, however it ends,
//! because they hold the other end of a pipe that closes with it.

mod listener;
mod running;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use self::listener::{AppListener, listen};
use self::running::Plan;
use crate::launch;

/// How an app server says that it answers.
const READY: &str = "ready on ";

/// The name of the app server behind a socket: that of the file, without its ending.
#[must_use]
pub fn name(socket: &Path) -> String {
    socket.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// What a process of a stage with several is: the balancer, unless its parent says otherwise.
#[derive(Clone, Debug, clap::Args)]
pub struct Role {
    #[arg(long, hide = true, default_value = "balancer", value_parser = ["balancer", APP, EDGE])]
    role: String,
    #[arg(long, hide = true, required_if_eq_any([("role", APP), ("role", EDGE)]))]
    socket: Option<PathBuf>,
}

const APP: &str = "app";
const EDGE: &str = "edge";

impl Role {
    /// Where an app server listens; `None` for the balancer.
    #[must_use]
    pub fn app_socket(&self) -> Option<PathBuf> {
        self.socket_of(APP)
    }

    /// Where an edge takes its orders; `None` for everybody else.
    #[must_use]
    pub fn edge_socket(&self) -> Option<PathBuf> {
        self.socket_of(EDGE)
    }

    fn socket_of(&self, role: &str) -> Option<PathBuf> {
        if self.role == role { self.socket.clone() } else { None }
    }

    fn options(role: &str, socket: &Path) -> Vec<OsString> {
        let socket = socket.as_os_str().to_owned();
        vec!["--role".into(), role.into(), "--socket".into(), socket]
    }
}

/// How many app servers: 1 to 64. None is no site, and more than 64 on one machine is a slip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count(u16);

impl FromStr for Count {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text.parse() {
            Ok(count @ 1..=64) => Ok(Self(count)),
            _ => Err("it is a number from 1 to 64"),
        }
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
    _sockets: Option<TempDir>,
}

/// One of them.
#[derive(Clone, Debug)]
pub struct AppServer {
    name: String,
    socket: PathBuf,
    pid: Arc<AtomicU32>,
}

impl AppServer {
    fn new(name: String, socket: PathBuf) -> Self {
        Self { name, socket, pid: Arc::default() }
    }

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
    pub async fn start(count: Count, database: &str) -> Result<Self, launch::Error> {
        Self::start_with(count, &["--database".into(), database.into()]).await
    }

    /// Starts app servers with the options that this process was given, on its data directory.
    ///
    /// # Errors
    ///
    /// When one of them does not get ready. What it said is on stderr.
    pub async fn start_alike(count: Count, data: &launch::DataDir) -> Result<Self, launch::Error> {
        Self::start_at(count, data, &[]).await
    }

    /// The same, and says where the site's parts are: options that a process may be given several
    /// times, of which the last counts. The system may have chosen the ports.
    ///
    /// # Errors
    ///
    /// When one of them does not get ready. What it said is on stderr.
    pub async fn start_at(
        count: Count,
        data: &launch::DataDir,
        places: &[(&str, SocketAddr)],
    ) -> Result<Self, launch::Error> {
        Self::start_with(count, &alike(data, places)).await
    }

    /// Starts an edge as the one child, with the options that this process was given and these
    /// places. It takes orders at [`edge::socket`](crate::edge::socket).
    ///
    /// # Errors
    ///
    /// When it does not get ready. What it said is on stderr.
    pub async fn start_edge(
        data: &launch::DataDir,
        places: &[(&str, SocketAddr)],
    ) -> Result<Self, launch::Error> {
        let edge = AppServer::new(EDGE.to_owned(), crate::edge::socket(data.path()));
        Self::start_all(EDGE, vec![edge], &alike(data, places), None).await
    }

    async fn start_with(Count(count): Count, shared: &[OsString]) -> Result<Self, launch::Error> {
        let sockets = launch::private_directory()?;
        let servers = (1..=count).map(|number| {
            let name = format!("app-{number}");
            let socket = sockets.path().join(format!("{name}.sock"));
            AppServer::new(name, socket)
        });
        let servers = servers.collect();
        Self::start_all(APP, servers, shared, Some(sockets)).await
    }

    async fn start_all(
        role: &str,
        servers: Vec<AppServer>,
        shared: &[OsString],
        sockets: Option<TempDir>,
    ) -> Result<Self, launch::Error> {
        let executable = std::env::current_exe()?;
        let (stop, stopped) = watch::channel(false);
        let mut starting = Vec::new();
        for server in servers {
            let mut options = Role::options(role, &server.socket);
            options.extend_from_slice(shared);
            let plan = Plan { executable: executable.clone(), options, server };
            starting.push((plan.spawn()?, plan));
        }
        let mut all = Self { servers: Vec::new(), tasks: Vec::new(), stop, _sockets: sockets };
        for (mut running, plan) in starting {
            running.ready(&plan.server).await?;
            all.servers.push(plan.server.clone());
            all.tasks.push(tokio::spawn(plan.keep_running(running, stopped.clone())));
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
        self.iter().map(|server| (server.name.clone(), format!("pid {}", server.pid()))).collect()
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

    /// The same, once this is over. What they ask can go on serving until then.
    pub async fn stop_on(self, wish: impl Future<Output = ()>) {
        wish.await;
        self.stop().await;
    }
}

/// The options that this process was given, the data directory that it has chosen, and its places.
fn alike(data: &launch::DataDir, places: &[(&str, SocketAddr)]) -> Vec<OsString> {
    let mut options = Vec::new();
    for (option, address) in places {
        options.extend([OsString::from(option), address.to_string().into()]);
    }
    if matches!(data, launch::DataDir::Fresh(_)) {
        options.extend(["--data".into(), data.path().into()]);
    }
    // Of an option that was given several times the last one counts.
    std::env::args_os().skip(1).chain(options).collect()
}

impl Drop for AppServers {
    fn drop(&mut self) {
        for task in &self.tasks {
            // The task owns the child, which is killed when it is dropped.
            task.abort();
        }
    }
}
