//! What every stage's executable does around its site: read options, find a place for data, bind an
//! address, wait for the signal to stop, say in one line what went wrong.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// A reason not to run, in one line.
///
/// Any error turns into one with `?`. Like every type that does so it is no `std::error::Error`
/// itself: it is the end of the line.
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

impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        let mut line = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            line.push_str(": ");
            line.push_str(&cause.to_string());
            source = cause.source();
        }
        Self::new(line)
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
        Ok(()) => {
            // What still runs in the background, probes say, ends with the process. Taken apart under it, the runtime
            // would make libraries panic that count on its threads.
            std::mem::forget(runtime);
            ExitCode::SUCCESS
        }
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
        let line: Vec<_> =
            text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
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
            return Ok(Self::Fresh(private_directory()?));
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

    /// The address of a database file in it, for [`storage::open`](crate::storage::open).
    #[must_use]
    pub fn sqlite_url(&self) -> String {
        format!("sqlite:{}", self.file("radiodeck.db").display())
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

/// A fresh directory that only this user may enter: the system's folder for temporary files is
/// everybody's.
pub(crate) fn private_directory() -> io::Result<TempDir> {
    let only_ours = std::fs::Permissions::from_mode(0o700);
    tempfile::Builder::new().prefix("radiodeck-").permissions(only_ours).tempdir()
}

/// The address of the database, which has to be given.
///
/// # Errors
///
/// When it is missing: the line says how to get one.
pub fn database_url(given: Option<String>) -> Result<String, Error> {
    given.ok_or_else(|| {
        Error::new(
            "this stage needs a PostgreSQL server: \
             create a database (sudo -u postgres createdb radiodeck) \
             and name it with --database postgres://USER:PASSWORD@HOST:PORT/radiodeck",
        )
    })
}

/// Listens on an address.
///
/// # Errors
///
/// When it cannot: the line names the address and the option that changes it.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    bind_to("--listen", address).await
}

/// Listens on an address that this option says.
///
/// # Errors
///
/// When it cannot: the line names the address and the option.
pub async fn bind_to(option: &str, address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|error| not_there(option, address, &error))
}

fn not_there(option: &str, address: SocketAddr, error: &io::Error) -> Error {
    Error::new(match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("{address} is in use: stop what listens there, or choose another with {option}")
        }
        _ => format!("cannot listen on {address} ({error}): choose another with {option}"),
    })
}

/// An address that a child process listens on, or nobody.
///
/// While there is no child, who connects is refused at once, and no other program can take the
/// address: the port that the system has chosen stays the child's, however often it is started.
#[derive(Debug)]
pub struct Place {
    address: SocketAddr,
    _bound: TcpSocket,
}

impl Place {
    /// Takes an address; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// When it cannot be had: the line names the address and `--listen`.
    pub fn reserve(address: SocketAddr) -> Result<Self, Error> {
        let bind = || {
            let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
            // Two sockets may be bound to one address as long as at most one of them listens.
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            Ok(Self { address: socket.local_addr()?, _bound: socket })
        };
        bind().map_err(|error| not_there("--listen", address, &error))
    }

    /// The address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// The wish that this process should stop.
///
/// # Clone
///
/// All clones wait for the same wish, and one that comes late still sees it.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Listens for SIGTERM, and for Ctrl-C in the terminal.
    ///
    /// # Errors
    ///
    /// When the system refuses to deliver signals.
    pub fn on_signal() -> Result<Self, Error> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (wish, stop) = watch::channel(false);
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            let _nobody_waits = wish.send(true);
        });
        Ok(Self(stop))
    }

    /// The same, and also for the end of standard input.
    ///
    /// For a child whose parent holds the other end of a pipe: it closes when the parent wants, and
    /// also when the parent dies in whatever way, so that no child is ever left behind.
    ///
    /// # Errors
    ///
    /// When the system refuses to deliver signals.
    pub fn on_signal_or_orphaned() -> Result<Self, Error> {
        let Self(mut signal) = Self::on_signal()?;
        let (wish, stop) = watch::channel(false);
        let by_signal = wish.clone();
        tokio::spawn(async move {
            let _ended = signal.wait_for(|wanted| *wanted).await;
            let _nobody_waits = by_signal.send(true);
        });
        // A thread of its own: the runtime would wait for this read when it shuts down.
        std::thread::spawn(move || {
            let _nothing_to_read = io::copy(&mut io::stdin().lock(), &mut io::sink());
            let _nobody_waits = wish.send(true);
        });
        Ok(Self(stop))
    }

    /// Waits for the wish.
    pub async fn wanted(mut self) {
        let _ended = self.0.wait_for(|wanted| *wanted).await;
    }
}

/// How long requests may take to finish once the process should stop. Twice the longest a request
/// takes under the stages' timeouts, and less than the 30 s after which orchestrators kill.
pub const DRAIN_LIMIT: Duration = Duration::from_secs(20);

/// Runs a server that drains on `stop`, and gives its last requests [`DRAIN_LIMIT`].
///
/// # Errors
///
/// When the server fails, or requests are still unanswered at the limit.
pub async fn drained(
    server: impl IntoFuture<Output = io::Result<()>>,
    stop: Stop,
) -> Result<(), Error> {
    let limit = async {
        stop.wanted().await;
        tokio::time::sleep(DRAIN_LIMIT).await;
    };
    tokio::select! {
        result = server.into_future() => Ok(result?),
        () = limit => Err(Error::new("some requests were still unanswered 20 s after the signal")),
    }
}

/// Says that the site is up: what it is made of, its address, what to try.
///
/// The line `listening on http://ADDR` is for programs too; it comes when requests are answered.
pub fn on_air(address: impl fmt::Display, parts: &[(String, String)], tries: &[String]) {
    let width = parts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    say("Radiodeck is on air.\n");
    for (name, value) in parts {
        say(&format!("  {name:width$}  {value}"));
    }
    say(&format!("\nlistening on http://{address}\n"));
    say(&format!("  a browser shows http://{address}"));
    say(&format!("  curl 'http://{address}/stations?q=lisbon&per_page=3'"));
    for line in tries {
        say(&format!("  {line}"));
    }
    say("  Ctrl-C ends it\n");
}

/// Prints a line. A reader who has gone away is no reason to fail.
pub fn say(line: &str) {
    let mut out = io::stdout().lock();
    let _gone = writeln!(out, "{line}").and_then(|()| out.flush());
}
