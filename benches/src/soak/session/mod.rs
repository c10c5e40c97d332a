//! Login processes that are killed under load: nobody is logged out, and no increment is lost or counted twice.
//!
//! Three processes of the example `login` share a store and a key file, behind a balancer of terrace-lb in this process. A
//! random one is killed (`kill -9`) every so often and started again, while clients count, read and ask who they are.
//! When all is quiet, every counter is compared with what was acknowledged, and every increment whose outcome stayed
//! unknown is resolved by its id.

mod ledger;
mod load;
mod site;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

pub use self::ledger::{Books, Settled};
use self::load::Crowd;
pub use self::site::Repeats;
use self::site::{Processes, Program};
use super::Error;
use crate::results::Provenance;

/// What the processes give a question to the store: enough on a machine that is busy with the rest of this.
const STORE_TIMEOUT: Duration = Duration::from_secs(1);
/// Until what a store was asked in the end is done, whoever was killed over it.
const QUIET: Duration = Duration::from_secs(2);

/// What to do to whom.
#[derive(Debug, Clone)]
pub struct LoginStorm {
    /// The example `login`.
    pub login: PathBuf,
    /// How many of it there are.
    pub processes: usize,
    /// How many users are logged in.
    pub users: usize,
    /// How many act at a time.
    pub clients: usize,
    /// Requests a second.
    pub rate: u32,
    /// How long.
    pub duration: Duration,
    /// How often a process is killed; never, if this is longer than it all takes.
    pub kill_every: Duration,
    /// How long a byte is on its way between the balancer and a process. What is on its way to or from one that is killed
    /// is lost: the longer it takes, the more increments are applied whose answer never comes.
    pub distance: Duration,
    /// How clients count.
    pub writes: Writes,
    /// What the balancer sends again when a process dies over it.
    pub repeats: Repeats,
    /// Of who is killed, and who does what.
    pub seed: u64,
}

/// How a client counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writes {
    /// By `/incr`, which compares and swaps.
    Increment,
    /// By reading a number and setting the next one, which loses updates. The control.
    ReadThenSet,
}

/// What happened.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Users.
    pub users: u64,
    /// Processes that were killed and came back.
    pub kills: u64,
    /// Requests that were answered.
    pub answered: u64,
    /// Requests that were not, or by an error of the server or of the balancer.
    pub unanswered: u64,
    /// Answers to who somebody is.
    pub looks: u64,
    /// Of these, those that named somebody else, or nobody.
    pub logged_out: u64,
    /// Answers that replaced the cookie of somebody who had one.
    pub cookies: u64,
    /// Answers that told a number.
    pub reads: u64,
    /// Of these, those that told less than was acknowledged before, or more than was sent.
    pub stale: u64,
    /// The counters.
    pub books: Books,
}

impl Outcome {
    /// What must not be; nothing, if all promises were kept.
    #[must_use]
    pub fn findings(&self) -> Vec<String> {
        let table = [
            (self.logged_out, "answers did not know who asked"),
            (self.cookies, "answers replaced a cookie"),
            (self.stale, "reads told what could not be"),
        ];
        let bad = table.into_iter().filter(|(count, _)| *count > 0);
        let mut findings: Vec<String> =
            bad.map(|(count, what)| format!("{count} {what}")).collect();
        findings.extend(self.books.findings());
        if self.looks == 0 || self.reads == 0 || self.books.acknowledged == 0 {
            findings.push("too little was asked for this to mean anything".to_owned());
        }
        findings
    }
}

/// Raises the storm over processes with this `--store`, and waits for its end.
///
/// # Errors
///
/// If a program does not start or dies by itself, or somebody cannot log in, or gets no answer after it all.
pub async fn storm(storm: &LoginStorm, store: &str) -> Result<Outcome, Error> {
    let directory = tempfile::tempdir()?;
    let program = Program {
        login: storm.login.clone(),
        store: store.to_owned(),
        store_timeout: STORE_TIMEOUT,
        key_file: directory.path().join("session.keys"),
    };
    let mut processes = Processes::start(program, storm.processes, storm.distance).await?;
    let site = processes.balancer(storm.repeats, storm.seed)?;
    let crowd = Crowd::gather(site, storm.users, storm.clients, storm.writes).await?;

    let clients = crowd.act(storm.clients, storm.rate, storm.seed);
    let mut chance = fastrand::Rng::with_seed(storm.seed);
    let began = Instant::now();
    let (end, mut next, mut kills) = (began + storm.duration, began + storm.kill_every, 0);
    while next < end {
        tokio::time::sleep_until(next).await;
        processes.kill(chance.usize(..storm.processes)).await?;
        kills += 1;
        next = (next + storm.kill_every).max(Instant::now());
    }
    tokio::time::sleep_until(end).await;
    crowd.end();
    clients.join_all().await;

    tokio::time::sleep(QUIET).await;
    let books = crowd.settle(storm.clients).await?;
    let count = |of: &AtomicU64| of.load(Relaxed);
    let seen = &crowd.seen;
    Ok(Outcome {
        users: crowd.users() as u64,
        kills,
        answered: count(&seen.answered),
        unanswered: count(&seen.unanswered),
        looks: count(&seen.looks),
        logged_out: count(&seen.logged_out),
        cookies: count(&seen.cookies),
        reads: count(&seen.reads),
        stale: count(&seen.stale),
        books,
    })
}

type Column = (&'static str, fn(&Outcome) -> u64);

const COLUMNS: [Column; 18] = [
    ("users", |of| of.users),
    ("kills", |of| of.kills),
    ("requests answered", |of| of.answered),
    ("unanswered, or 5xx", |of| of.unanswered),
    ("`/me` answered", |of| of.looks),
    ("… and logged out", |of| of.logged_out),
    ("… and cookie replaced", |of| of.cookies),
    ("reads", |of| of.reads),
    ("… that told what could not be", |of| of.stale),
    ("increments acknowledged", |of| of.books.acknowledged),
    ("increments refused", |of| of.books.refused),
    ("… and applied all the same", |of| of.books.applied_though_refused),
    ("increments unknown", |of| of.books.unknown),
    ("… of these applied", |of| of.books.resolved),
    ("increments applied more than once", |of| of.books.twice),
    ("sum of all counters", |of| of.books.counted),
    ("counters below acknowledged", |of| of.books.below),
    ("counters not acknowledged + applied", |of| of.books.unexplained),
];

/// The page for `benches/results`: one column a storm.
#[must_use]
pub fn to_markdown(provenance: &Provenance, storms: &[(&str, Outcome)]) -> String {
    let mut page = String::from("# session: login processes killed under load\n\n");
    for (name, value) in provenance.facts() {
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(page, "- {name}: `{value}`");
    }
    let names: Vec<&str> = storms.iter().map(|(name, _)| *name).collect();
    let _ = write!(page, "\n| | {} |\n|---|{}\n", names.join(" | "), "--:|".repeat(names.len()));
    for (name, of) in COLUMNS {
        let values: Vec<String> = storms.iter().map(|(_, one)| of(one).to_string()).collect();
        let _ = writeln!(page, "| {name} | {} |", values.join(" | "));
    }
    page.push('\n');
    for (name, outcome) in storms {
        let findings = outcome.findings();
        let said = if findings.is_empty() { "as promised".to_owned() } else { findings.join("; ") };
        let _ = writeln!(page, "- {name}: {said}.");
    }
    page.push_str(
        "\nThe controls have to fail: with a store in each process's memory people are logged out, clients that read a \
         number and set the next one lose increments, and a balancer that sends every request again doubles some.\n",
    );
    page
}
