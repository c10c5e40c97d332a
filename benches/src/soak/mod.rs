//! Kill storms: a proxy under a steady load while its backends are killed, one after the other.
//!
//! Load, kills and returns follow the count of requests, not the clock: the same storm on a slow
//! machine is the same storm. The load is open-loop, so a stall is seen by every request that was
//! due in it.

pub mod backend;
pub mod session;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use terrace_testkit::Process;
use terrace_testkit::load::{OpenLoop, Outcome, Report};
use terrace_testkit::ports::Port;

use crate::results::Provenance;

/// How long a child may take until it listens, and a returned backend until it gets a request.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why a storm could not be made.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// What to do to whom.
#[derive(Debug, Clone)]
pub struct Storm {
    /// Requests in all.
    pub requests: usize,
    /// Requests a second.
    pub rate: u32,
    /// Backends behind the proxy.
    pub backends: usize,
    /// A backend is killed after each so many requests.
    pub kill_every: usize,
    /// And comes back so many requests later.
    pub down_for: usize,
    /// How long a backend thinks before it answers, in milliseconds.
    pub think_ms: u64,
    /// The program that is a backend when it is called with `--role backend`.
    pub backend: PathBuf,
}

/// Whom the load asks.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// The program with the command line of lb's example `proxy`, in front of all backends.
    Proxy(&'a Path),
    /// The first backend: nothing hides its deaths. The control.
    Bare,
}

/// What happened.
#[derive(Debug)]
pub struct Aftermath {
    /// What the clients saw.
    pub load: Report,
    /// When backends were killed.
    pub kills: Vec<Instant>,
    /// How many of the killed backends came back and were sent a request again.
    pub returned: usize,
}

impl Aftermath {
    /// Requests that failed though no byte of an answer had come: those the proxy could have saved.
    #[must_use]
    pub fn failed_before_head(&self) -> usize {
        self.load.count(|outcome| match outcome {
            Outcome::Answered { status } => status >= 500,
            Outcome::CutAfterHead { .. } | Outcome::TimedOut { head: Some(_) } => false,
            _ => true,
        })
    }

    /// Answers that ended too early: nobody can take back a head.
    #[must_use]
    pub fn cut_after_head(&self) -> usize {
        self.load.cut_after_head()
    }

    /// Requests in flight at the kills, added up.
    #[must_use]
    pub fn in_flight_at_kills(&self) -> usize {
        self.kills.iter().map(|kill| self.load.in_flight_at(*kill).count()).sum()
    }

    /// What a proxy must not let happen; nothing, if it kept its promise.
    #[must_use]
    pub fn findings(&self) -> Vec<String> {
        let mut findings = Vec::new();
        let failed = self.failed_before_head();
        if failed > 0 {
            findings.push(format!("{failed} requests failed before the head of an answer"));
        }
        let (cut, in_flight) = (self.cut_after_head(), self.in_flight_at_kills());
        if cut > in_flight {
            findings.push(format!(
                "{cut} answers were cut, but only {in_flight} were in flight at the kills"
            ));
        }
        if self.kills.is_empty() {
            findings.push("nobody was killed".to_owned());
        }
        if self.returned < self.kills.len() {
            findings.push(format!(
                "only {} of {} backends got requests again",
                self.returned,
                self.kills.len()
            ));
        }
        findings
    }

    /// The page for `benches/results`.
    #[must_use]
    pub fn to_markdown(&self, provenance: &Provenance) -> String {
        let mut page = String::from("# lb: kill storm\n\n");
        for (name, value) in provenance.facts() {
            // Writing to a String cannot fail, here and below.
            let _ = writeln!(page, "- {name}: `{value}`");
        }
        let _ = write!(
            page,
            "\n```text\n{}\n```\n\n| | |\n|---|---|\n| backends killed | {} |\n\
             | came back and were used again | {} |\n\
             | in flight at the kills, added up | {} |\n\
             | failed before the head of an answer | {} |\n\
             | cut after the head | {} |\n",
            self.load,
            self.kills.len(),
            self.returned,
            self.in_flight_at_kills(),
            self.failed_before_head(),
            self.cut_after_head(),
        );
        let findings = self.findings();
        page.push_str(if findings.is_empty() {
            "\nNothing was lost.\n"
        } else {
            "\nNot as promised:\n\n"
        });
        for finding in findings {
            let _ = writeln!(page, "- {finding}");
        }
        page
    }
}

/// Raises the storm and waits for its end.
///
/// # Errors
///
/// If a program does not start or dies by itself.
pub async fn raise(storm: &Storm, target: Target<'_>) -> Result<Aftermath, Error> {
    let ports = std::iter::repeat_with(Port::reserve)
        .take(storm.backends.max(1))
        .collect::<Result<Vec<_>, _>>()?;
    let mut backends = Vec::new();
    for port in &ports {
        backends.push(storm.start_backend(port.addr()).await?);
    }
    let proxy_port = Port::reserve()?;
    let (_proxy, addr) = match target {
        Target::Bare => (None, ports[0].addr()),
        Target::Proxy(program) => {
            let proxy = start_proxy(program, proxy_port.addr(), &ports).await?;
            (Some(proxy), proxy_port.addr())
        }
    };

    let load =
        OpenLoop::new(addr).rate(storm.rate).total(storm.requests).timeout(PATIENCE).start()?;
    let (mut kills, mut returned) = (Vec::new(), 0);
    // The last kill leaves enough requests for the backend to come back.
    let rounds = storm.requests / storm.kill_every.max(1);
    for round in 1..rounds {
        load.until_ended(round * storm.kill_every).await;
        let victim = (round - 1) % backends.len();
        backends[victim].kill();
        kills.push(Instant::now());
        backends[victim].wait(PATIENCE).await?;
        load.until_ended(round * storm.kill_every + storm.down_for).await;
        backends[victim] = storm.start_backend(ports[victim].addr()).await?;
        if backends[victim].wait_for_line(backend::FIRST_REQUEST, PATIENCE).await.is_ok() {
            returned += 1;
        }
    }
    Ok(Aftermath { load: load.finish().await, kills, returned })
}

impl Storm {
    async fn start_backend(&self, addr: SocketAddr) -> Result<Process, Error> {
        let backend = Process::binary(&self.backend)
            .name("backend")
            .args(["--role", "backend", "--listen", &addr.to_string()])
            .args(["--think-ms", &self.think_ms.to_string()])
            .spawn()?;
        backend.wait_for_line(backend::LISTENING, PATIENCE).await?;
        Ok(backend)
    }
}

async fn start_proxy(
    program: &Path,
    addr: SocketAddr,
    backends: &[Port],
) -> Result<Process, Error> {
    let mut launch = Process::binary(program).name("proxy").args(["--listen", &addr.to_string()]);
    for backend in backends {
        launch = launch.args(["--backend", &backend.addr().to_string()]);
    }
    let proxy = launch.args(["--health-path", "/healthz"]).spawn()?;
    proxy.wait_for_line("listening on http://", PATIENCE).await?;
    Ok(proxy)
}
