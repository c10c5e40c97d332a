//! Replays a trace of requests against the engines, and prints how many were hits.
//!
//! ```sh
//! cargo run --release -p terrace-cache --example replay -- \
//!     --trace keys.txt --format plain --policy all --capacity 1000
//! ```
//!
//! Each request asks for its key, and inserts it if it was not there. One line for each policy:
//! `policy=… capacity=… requests=… hits=… hit_ratio=0.…`. Same trace, same figures, on every machine.
//!
//! | format | what is in the file |
//! |---|---|
//! | `plain` | one key a line, any text |
//! | `cache2k` | one big-endian 32-bit integer for each request |
//! | `arc` | lines of first block, number of blocks, ignored, request number |
//! | `lirs` | one block number a line; lines of `*` are ignored |
//! | `sized` | lines of time, id, size in bytes; the capacity is in bytes too |
//!
//! `opt` is no engine but the bound: Belady's choice, which knows the future and may refuse an entry.
//! `moka-alone` is moka with its default settings and nothing around it, to compare with `tiny-lfu`,
//! which keeps to its capacity after each insert. It also looks at the clock, so its hits can differ by
//! a few from run to run, and `all` leaves it out.
//! A bad flag or a garbled trace is one line on stderr and exit code 2.

mod opt;
mod trace;

use std::hash::{BuildHasherDefault, DefaultHasher};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use terrace_cache::engine::{Capacity, Policy, build};

use trace::{Format, Trace};

/// Replays a trace of requests against an engine of the cache.
#[derive(Debug, Parser)]
struct Args {
    /// The trace, decompressed.
    #[arg(long, value_name = "FILE")]
    trace: PathBuf,
    /// How it is written: plain, cache2k, arc, lirs or sized.
    #[arg(long, value_name = "NAME")]
    format: Format,
    /// A policy, `opt` for the bound, or `all`.
    #[arg(long, value_name = "NAME")]
    policy: Policies,
    /// Entries; bytes where the trace has sizes.
    #[arg(long, value_name = "N")]
    capacity: usize,
    /// Where hashing starts: how much of the figures is the luck of the shards.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

/// What is to be replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Policies {
    All,
    Opt,
    MokaAlone,
    One(Policy),
}

impl std::str::FromStr for Policies {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "all" => Ok(Self::All),
            "opt" => Ok(Self::Opt),
            "moka-alone" => Ok(Self::MokaAlone),
            _ => name
                .parse()
                .map(Self::One)
                .map_err(|error| format!("{error}; and here opt, moka-alone, all")),
        }
    }
}

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) if error.exit_code() == 0 => {
            // --help and the like.
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        Err(error) => return refuse(&one_line(&error)),
    };
    match run(&args, |line| println!("{line}")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => refuse(&message),
    }
}

fn refuse(message: &str) -> ExitCode {
    eprintln!("error: {message}");
    ExitCode::from(2)
}

/// The first paragraph of what clap says, without the usage.
fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let first = match error.kind() {
        // The names of the missing flags are in the lines that follow.
        ErrorKind::MissingRequiredArgument => text.split("\n\n").next().unwrap_or(&text),
        _ => text.lines().next().unwrap_or(&text),
    };
    let words: Vec<&str> = first.split_whitespace().collect();
    words.join(" ").trim_start_matches("error: ").to_owned()
}

fn run(args: &Args, mut print: impl FnMut(&str)) -> Result<(), String> {
    if args.capacity == 0 {
        return Err("the capacity must be at least 1, not 0".to_owned());
    }
    let trace = read(&args.trace, args.format)?;
    let mut line = |name: &str, hits: usize| {
        let requests = trace.keys.len();
        let ratio = hits as f64 / requests as f64;
        print(&format!(
            "policy={name} capacity={} requests={requests} hits={hits} hit_ratio={ratio:.4}",
            args.capacity
        ));
    };
    match args.policy {
        Policies::Opt => line("opt", optimum(&trace, args.capacity)?),
        Policies::MokaAlone => line("moka-alone", moka_alone(&trace, args.capacity)),
        Policies::One(policy) => line(policy.name(), replay(&trace, policy, args)?),
        Policies::All => {
            // Without it where there is none.
            if let Ok(hits) = optimum(&trace, args.capacity) {
                line("opt", hits);
            }
            for &policy in Policy::all() {
                line(policy.name(), replay(&trace, policy, args)?);
            }
        }
    }
    Ok(())
}

fn read(path: &Path, format: Format) -> Result<Trace, String> {
    let name = path.display();
    let bytes = std::fs::read(path).map_err(|error| format!("{name}: {error}"))?;
    trace::parse(format, &bytes).map_err(|error| format!("{name}: {error}"))
}

fn optimum(trace: &Trace, capacity: usize) -> Result<usize, String> {
    if trace.sizes.is_some() {
        return Err("opt is for entries of equal size: no fast optimum is known else".to_owned());
    }
    Ok(opt::hits(&trace.keys, capacity))
}

fn replay(trace: &Trace, policy: Policy, args: &Args) -> Result<usize, String> {
    let room = match &trace.sizes {
        None => Capacity::entries(args.capacity),
        Some(_) => Capacity::weight(args.capacity),
    };
    let engine = build::<u64, ()>(policy, room, args.seed).map_err(|error| error.to_string())?;
    let mut hits = 0;
    for (index, key) in trace.keys.iter().enumerate() {
        if engine.get(key).is_some() {
            hits += 1;
        } else {
            let weight = trace.sizes.as_ref().map_or(1, |sizes| sizes[index]);
            // What is too heavy is a miss each time.
            let _ = engine.insert(*key, (), weight);
        }
    }
    Ok(hits)
}

fn moka_alone(trace: &Trace, capacity: usize) -> usize {
    let cache = moka::sync::Cache::builder()
        .max_capacity(capacity as u64)
        .weigher(|_: &u64, &weight: &u32| weight)
        .build_with_hasher(BuildHasherDefault::<DefaultHasher>::default());
    let mut hits = 0;
    for (index, key) in trace.keys.iter().enumerate() {
        if cache.get(key).is_some() {
            hits += 1;
        } else {
            let weight = trace.sizes.as_ref().map_or(1, |sizes| sizes[index]);
            cache.insert(*key, u32::try_from(weight).unwrap_or(u32::MAX));
        }
    }
    hits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(
        format: &str,
        policy: &str,
        capacity: &str,
        trace: &str,
    ) -> Result<Vec<String>, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("trace");
        std::fs::write(&path, trace).unwrap();
        let mut args = vec!["replay", "--trace", path.to_str().unwrap(), "--format", format];
        args.extend(["--policy", policy, "--capacity", capacity]);
        let args = Args::try_parse_from(args).map_err(|error| one_line(&error))?;
        let mut lines = Vec::new();
        run(&args, |line| lines.push(line.to_owned()))?;
        Ok(lines)
    }

    #[test]
    fn prints_one_line_for_each_policy() {
        let lru = lines("plain", "lru", "2", "a\nb\na\nc\n").unwrap();
        assert_eq!(lru, ["policy=lru capacity=2 requests=4 hits=1 hit_ratio=0.2500"]);
        let all = lines("lirs", "all", "2", "1\n1\n").unwrap();
        assert_eq!(all.len(), 1 + Policy::all().len());
        assert!(all.iter().all(|line| line.ends_with("hits=1 hit_ratio=0.5000")), "{all:?}");
        assert!(lines("plain", "default", "2", "a\n").unwrap()[0].starts_with("policy=s3-fifo "));
    }

    #[test]
    fn a_capacity_in_bytes_counts_sizes() {
        let trace = "1 1 600\n2 2 600\n3 1 600\n4 3 5000\n5 3 5000\n";
        assert!(lines("sized", "lru", "1000", trace).unwrap()[0].contains("hits=0 "));
        assert!(lines("sized", "lru", "2000", trace).unwrap()[0].contains("hits=1 "));
        assert_eq!(lines("sized", "all", "2000", trace).unwrap().len(), Policy::all().len());
        assert!(lines("sized", "opt", "2000", trace).unwrap_err().contains("equal size"));
    }

    #[test]
    fn what_is_wrong_is_said_in_one_line() {
        for (format, policy, capacity, says) in [
            ("plain", "lur", "2", "unknown policy \"lur\""),
            ("plian", "lru", "2", "unknown format \"plian\""),
            ("plain", "lru", "0", "must be at least 1"),
            ("plain", "lru", "-1", "-1"),
            ("plain", "lru", "two", "two"),
            ("lirs", "lru", "2", "line 1"),
        ] {
            let error = lines(format, policy, capacity, "a\n").unwrap_err();
            assert!(error.contains(says), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
        let missing = one_line(&Args::try_parse_from(["replay"]).unwrap_err());
        assert!(missing.contains("--trace") && !missing.contains('\n'), "{missing}");
        let absent = read(Path::new("no/such/trace"), Format::Plain).unwrap_err();
        assert!(absent.starts_with("no/such/trace: "), "{absent}");
    }
}
