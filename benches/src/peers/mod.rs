//! Reverse proxies and caches side by side: CPU time per request.
//!
//! Every contender forwards to the same nginx, which answers from memory, and gets the same load
//! from wrk, one contender after the other in each round. What is compared is the CPU time that the
//! contender's processes took, divided by the requests it served: on a small machine that also runs
//! the load and the origin, that is the figure that stays put.
//!
//! What it cannot show: latency (wrk waits for answers, so it slows down with the proxy), and
//! behaviour on many cores (every contender runs one thread of work).

mod contenders;
mod cpu;
mod wrk;

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use terrace_testkit::Process;
use terrace_testkit::ports::Port;

use crate::rounds::Series;

pub use contenders::{Contender, haproxy, nginx, nginx_cache, origin, ours, varnish};

/// How long a server may take until it accepts connections.
const READY: Duration = Duration::from_secs(10);

/// Why a comparison could not be made.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// How long, how often, how wide.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Interleaved rounds.
    pub rounds: u16,
    /// Seconds of load on each contender in each round.
    pub seconds: u16,
    /// Connections that wrk keeps open.
    pub connections: u16,
}

/// A server that runs on a port of its own, until it is dropped.
#[derive(Debug)]
pub struct Running {
    /// What it is called in tables.
    pub name: String,
    /// What it says its version is.
    pub version: String,
    process: Process,
    port: Port,
}

impl Running {
    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.port.addr()
    }

    /// Waits until it accepts connections.
    fn wait_until_ready(&self) -> Result<(), Error> {
        let deadline = Instant::now() + READY;
        while TcpStream::connect(self.addr()).is_err() {
            if !self.process.is_running() || Instant::now() > deadline {
                return Err(format!("{} does not accept connections", self.name).into());
            }
            // Nothing tells when a foreign server listens.
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

/// What one contender did over all rounds.
#[derive(Debug, Clone)]
pub struct Measured {
    /// Microseconds of CPU time per request, one number a round.
    pub cpu: Series,
    /// Requests per second, one number a round.
    pub per_second: Series,
    /// Median over the rounds of wrk's 99th percentile, in milliseconds.
    pub p99: f64,
    /// Requests in all rounds.
    pub requests: u64,
    /// Answers that were not 2xx or 3xx, and connections that broke.
    pub bad: u64,
}

/// Puts the same load on each contender in turn.
///
/// # Errors
///
/// If wrk cannot run or serves nothing, or a contender dies.
pub fn compare(contenders: &[Running], settings: Settings) -> Result<Vec<Measured>, Error> {
    // Connections to the origin, code pages, wrk itself: the first second belongs to none of it.
    for contender in contenders {
        wrk::load(contender.addr(), Settings { seconds: 1, ..settings })?;
    }
    let mut loads = vec![Vec::new(); contenders.len()];
    for round in 0..usize::from(settings.rounds) {
        for turn in 0..contenders.len() {
            let at = (round + turn) % contenders.len();
            let contender = &contenders[at];
            let before = cpu::time_of_tree(contender.process.pid());
            let load = wrk::load(contender.addr(), settings)?;
            let spent = cpu::time_of_tree(contender.process.pid()).saturating_sub(before);
            if !contender.process.is_running() {
                return Err(format!("{} died under load", contender.name).into());
            }
            loads[at].push((spent, load));
        }
    }
    Ok(contenders
        .iter()
        .zip(loads)
        .map(|(contender, loads)| measured(&contender.name, &loads))
        .collect())
}

fn measured(name: &str, loads: &[(Duration, wrk::Load)]) -> Measured {
    let series = |value: fn(&(Duration, wrk::Load)) -> f64| Series {
        name: name.to_owned(),
        values: loads.iter().map(value).collect(),
    };
    Measured {
        cpu: series(|(spent, load)| spent.as_secs_f64() * 1e6 / load.requests.max(1) as f64),
        per_second: series(|(_, load)| load.per_second),
        p99: series(|(_, load)| load.p99.as_secs_f64() * 1e3).median(),
        requests: loads.iter().map(|(_, load)| load.requests).sum(),
        bad: loads.iter().map(|(_, load)| load.bad).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_shared_among_the_requests_of_its_round() {
        let load = |requests, bad| wrk::Load {
            requests,
            per_second: 10.0,
            p99: Duration::from_millis(3),
            bad,
        };
        let measured = measured(
            "x",
            &[
                (Duration::from_millis(10), load(1_000, 0)),
                (Duration::from_millis(40), load(2_000, 3)),
            ],
        );
        assert_eq!(measured.cpu.values, [10.0, 20.0]);
        assert_eq!((measured.requests, measured.bad), (3_000, 3));
        assert!((measured.p99 - 3.0).abs() < 1e-9);
    }
}
