//! Load from wrk, and what it prints.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use terrace_testkit::tools;

use super::{Error, Settings};

/// What one run of wrk saw.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Load {
    pub(super) requests: u64,
    pub(super) per_second: f64,
    pub(super) p99: Duration,
    /// Answers that were not 2xx or 3xx, and connections that broke.
    pub(super) bad: u64,
}

/// Runs wrk with one thread against `addr`.
pub(super) fn load(addr: SocketAddr, settings: Settings) -> Result<Load, Error> {
    let wrk = tools::find("wrk").ok_or("no wrk: see `cargo xtask doctor`")?;
    let output = Command::new(wrk)
        .arg("-t1")
        .arg(format!("-c{}", settings.connections))
        .arg(format!("-d{}s", settings.seconds))
        .arg("--latency")
        .arg(format!("http://{addr}/"))
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let load = parse(&text).ok_or_else(|| format!("wrk printed no numbers: {text}"))?;
    if load.requests == 0 {
        return Err(format!("{addr} served nothing").into());
    }
    Ok(load)
}

fn parse(text: &str) -> Option<Load> {
    let after = |key: &str| {
        let (_, rest) = text.split_once(key)?;
        rest.split_whitespace().next()
    };
    let broken: u64 = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("Socket errors:"))
        .map_or(0, |line| line.split([' ', ',']).filter_map(|word| word.parse::<u64>().ok()).sum());
    Some(Load {
        requests: text
            .lines()
            .find(|line| line.contains(" requests in "))?
            .split_whitespace()
            .next()?
            .parse()
            .ok()?,
        per_second: after("Requests/sec:")?.parse().ok()?,
        // Not anywhere in the text: `74.99%` stands there too.
        p99: text.lines().find_map(|line| duration(line.trim().strip_prefix("99%")?.trim()))?,
        bad: broken
            + after("Non-2xx or 3xx responses:").map_or(Some(0), |count| count.parse().ok())?,
    })
}

/// `1.50ms`, `870.00us`, `2.00s`.
fn duration(text: &str) -> Option<Duration> {
    let unit = text.find(|character: char| character.is_ascii_alphabetic())?;
    let value: f64 = text[..unit].parse().ok()?;
    let seconds = match &text[unit..] {
        "us" => value / 1e6,
        "ms" => value / 1e3,
        "s" => value,
        "m" => value * 60.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "Running 1s test @ http://127.0.0.1:1/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.10ms    0.2ms    5.00ms   74.99%
    Req/Sec    57.00k     1.00k   59.00k    80.00%
  Latency Distribution
     50%    1.05ms
     99%    2.50ms
  57123 requests in 1.00s, 70.00MB read
";

    #[test]
    fn a_good_run_is_read() {
        let text = format!("{OUTPUT}Requests/sec:  57120.50\nTransfer/sec:     70.00MB\n");
        let expected = Load {
            requests: 57_123,
            per_second: 57_120.5,
            p99: Duration::from_micros(2_500),
            bad: 0,
        };
        assert_eq!(parse(&text), Some(expected));
    }

    #[test]
    fn everything_that_went_wrong_counts_as_bad() {
        let text = format!(
            "{OUTPUT}  Socket errors: connect 0, read 3, write 1, timeout 2\n  \
             Non-2xx or 3xx responses: 40\nRequests/sec:  57120.50\n"
        );
        assert_eq!(parse(&text).map(|load| load.bad), Some(46));
    }

    #[test]
    fn other_output_is_no_run() {
        assert_eq!(parse("unable to connect to 127.0.0.1:1 Connection refused"), None);
        assert_eq!(duration("1.5 parsecs"), None);
        assert_eq!(duration("870.00us"), Some(Duration::from_micros(870)));
    }
}
