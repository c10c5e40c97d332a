//! What every stage's executable does around its site: read options, find a place for data, bind an
//! address, wait for the signal to stop, say in one line what went wrong.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::storage::StoreError;

/// A reason not to run, in one line.
#[derive(Debug)]
pub struct Error(String);

impl Error {
    /// The line.
    pub fn new(line: impl Into<String>) -> Self {
        Self(line.into().replace('\n', " "))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::new(error.to_string())
    }
}

/// Reads the options and runs the executable: exit code 2 for options that make no sense, 1 for
/// anything else that keeps it from running, each with one line on stderr.
pub fn main<O: Parser>(run: impl AsyncFnOnce(O) -> Result<(), Error>) -> ExitCode {
    let options = match parse(std::env::args_os()) {
        Ok(options) => options,
        Err(code) => return code,
    };
    crate::telemetry::start_log();
    crate::telemetry::start_metrics();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    match runtime.block_on(run(options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn parse<O: Parser>(arguments: impl Iterator<Item = OsString>) -> Result<O, ExitCode> {
    O::try_parse_from(arguments).map_err(|error| {
        if !error.use_stderr() {
            // --help and --version.
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        let text = error.to_string();
        // Everything up to the first empty line is one sentence, sometimes over several lines.
        let line: Vec<_> = text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
        eprintln!("{} (see --help)", line.join(" "));
        ExitCode::from(2)
    })
}

fn fail(error: &dyn fmt::Display) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::FAILURE
}

/// A directory for data: the caller's, or a fresh one that is removed at the end.
#[derive(Debug)]
pub enum DataDir {
    /// Given on the command line: kept.
    Given(PathBuf),
    /// Fresh.
    Fresh(TempDir),
}

impl DataDir {
    /// Uses a given directory, creating it if it is not there, or makes a fresh one.
    ///
    /// # Errors
    ///
    /// When it cannot be created.
    pub fn new(given: Option<PathBuf>) -> Result<Self, Error> {
        let Some(path) = given else {
            return Ok(Self::Fresh(tempfile::Builder::new().prefix("radiodeck-").tempdir()?));
        };
        std::fs::create_dir_all(&path).map_err(|error| {
            Error::new(format!("cannot create the data directory {}: {error}", path.display()))
        })?;
        Ok(Self::Given(path))
    }

    /// The path of a file in it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Given(path) => path,
            Self::Fresh(directory) => directory.path(),
        }
    }
}

/// Listens on an address.
///
/// # Errors
///
/// When it cannot: the line names the address and the option that changes it.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|error| {
        Error::new(match error.kind() {
            io::ErrorKind::AddrInUse => format!(
                "{address} is in use: stop what listens there, or choose another with --listen"
            ),
            _ => format!("cannot listen on {address} ({error}): choose another with --listen"),
        })
    })
}

/// Waits until somebody wants the process to stop: SIGTERM, or Ctrl-C in the terminal.
pub async fn stop_signal() {
    let wait = async |kind| match signal(kind) {
        Ok(mut signal) => {
            signal.recv().await;
        }
        // Without a signal to wait for there is nothing to wait for.
        Err(_) => std::future::pending().await,
    };
    tokio::select! {
        () = wait(SignalKind::terminate()) => {}
        () = wait(SignalKind::interrupt()) => {}
    }
}

/// How long requests may take to finish after the signal to stop. Twice the longest a request takes
/// under the stages' timeouts, and less than the 30 s after which orchestrators kill.
const DRAIN_LIMIT: Duration = Duration::from_secs(20);

/// Runs a server that stops accepting on [`stop_signal`], and gives its last requests a limited time.
///
/// # Errors
///
/// When the server fails, or requests are still unanswered at the limit.
pub async fn drained(server: impl IntoFuture<Output = io::Result<()>>) -> Result<(), Error> {
    let limit = async {
        stop_signal().await;
        tokio::time::sleep(DRAIN_LIMIT).await;
    };
    tokio::select! {
        result = server.into_future() => Ok(result?),
        () = limit => Err(Error::new("some requests did not end within 20 s of the signal to stop")),
    }
}
