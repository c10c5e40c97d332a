//! App servers as child processes of the balancer.
//!
//! Each is the same executable with other options. It listens on a Unix socket in a directory that
//! only this user may enter, so nobody but the balancer can reach it, and there is no address to
//! advertise. One that dies is started again; all of them end with their parent, however it ends,
//! because they hold the other end of a pipe that closes with it.

mod elastic;
mod event;
mod listener;
mod role;
mod roll;
mod running;
pub mod scaling;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use self::elastic::Scaled;
pub use self::event::{Event, Wanted};
pub use self::listener::{AppListener, listen};
use self::role::{APP, EDGE};
pub use self::role::{Count, Range, Role};
pub use self::roll::{Member, Roll};
use self::running::{Plan, Running};
use crate::launch;

/// How an app server says that it answers.
const READY: &str = "ready on ";

/// The name of the app server behind a socket: that of the file, without its ending.
#[must_use]
pub fn name(socket: &Path) -> String {
    socket.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// Running app servers.
///
/// Dropping it kills them; [`stop`](Self::stop) lets them finish their requests.
#[derive(Debug)]
pub struct AppServers {
    running: Vec<Kept>,
    recipe: Recipe,
}

/// How one more is made.
#[derive(Debug)]
struct Recipe {
    role: &'static str,
    executable: PathBuf,
    shared: Vec<OsString>,
    sockets: Option<TempDir>,
    /// The number of the next one: none comes twice, so that one that leaves is not taken for one that comes.
    next: u16,
}

/// One that is kept running.
///
/// Dropping it kills it.
#[derive(Debug)]
struct Kept {
    server: AppServer,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Kept {
    fn keep(plan: Plan, running: Running) -> Self {
        let (stop, stopped) = watch::channel(false);
        let server = plan.server.clone();
        Self { server, stop, task: tokio::spawn(plan.keep_running(running, stopped)) }
    }

    /// Lets it finish its requests and waits for its end.
    async fn stop(mut self) {
        let _gone = self.stop.send(true);
        let _panicked = (&mut self.task).await;
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // The task owns the child, which is killed when it is dropped.
        self.task.abort();
    }
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
        let executable = std::env::current_exe()?;
        let shared = alike(data, places);
        let recipe = Recipe { role: EDGE, executable, shared, sockets: None, next: 1 };
        let socket = crate::edge::socket(data.path());
        let plan = recipe.plan(AppServer::new(EDGE.to_owned(), socket));
        Self::start_all(vec![plan], recipe).await
    }

    async fn start_with(count: Count, shared: &[OsString]) -> Result<Self, launch::Error> {
        let sockets = Some(launch::private_directory()?);
        let executable = std::env::current_exe()?;
        let shared = shared.to_vec();
        let mut recipe = Recipe { role: APP, executable, shared, sockets, next: 1 };
        let plans = (0..count.get()).map(|_| recipe.another()).collect();
        Self::start_all(plans, recipe).await
    }

    async fn start_all(plans: Vec<Plan>, recipe: Recipe) -> Result<Self, launch::Error> {
        let mut starting = Vec::new();
        for plan in plans {
            starting.push((plan.spawn()?, plan));
        }
        let mut all = Self { running: Vec::new(), recipe };
        for (mut running, plan) in starting {
            running.ready(&plan.server).await?;
            all.running.push(Kept::keep(plan, running));
        }
        Ok(all)
    }

    /// Starts one more, that is not among them yet, and waits until it is ready.
    async fn start_another(&mut self) -> Result<Kept, launch::Error> {
        let plan = self.recipe.another();
        let mut running = plan.spawn()?;
        running.ready(&plan.server).await?;
        Ok(Kept::keep(plan, running))
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &AppServer> {
        self.running.iter().map(|kept| &kept.server)
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
        self.iter().next().map(kill).into_iter().collect()
    }

    /// Lets them finish their requests and waits for their end.
    pub async fn stop(self) {
        for kept in &self.running {
            let _gone = kept.stop.send(true);
        }
        for kept in self.running {
            kept.stop().await;
        }
    }

    /// The same, once this is over. What they ask can go on serving until then.
    pub async fn stop_on(self, wish: impl Future<Output = ()>) {
        wish.await;
        self.stop().await;
    }
}

impl Recipe {
    /// The next app server.
    fn another(&mut self) -> Plan {
        let name = format!("app-{}", self.next);
        self.next += 1;
        let sockets = self.sockets.as_ref().map_or(Path::new(""), TempDir::path);
        let socket = sockets.join(format!("{name}.sock"));
        self.plan(AppServer::new(name, socket))
    }

    fn plan(&self, server: AppServer) -> Plan {
        let mut options = Role::options(self.role, &server.socket);
        options.extend_from_slice(&self.shared);
        Plan { executable: self.executable.clone(), options, server }
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
