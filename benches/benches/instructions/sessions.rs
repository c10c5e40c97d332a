//! What a session costs a request over the same request without one, beside what tower-sessions costs it.
//!
//! Callgrind knows no instructions for SHA-256, so that it counts some thousands for each block that a processor of today does
//! in some hundred. terrace-session hashes three blocks for each session that it asks for, and the rival none. So a limit
//! is for the work without them, and another one for all of it, which no regression hides behind.

use std::collections::HashMap;

use terrace_benches::ops::session::{self, Hashes, Site, Work};
use terrace_benches::ops::{COUNTED, Op};

use super::{Build, Error, is_within};

/// The same requests without sessions and with the rival's, and the hashes alone.
pub(super) const RIVALS: [(&str, Build); 9] = [
    ("bare: no cookie", || bare(Work::NoCookie)),
    ("bare: untouched", || bare(Work::Untouched)),
    ("tower-sessions: no cookie", || theirs(Work::NoCookie)),
    ("tower-sessions: untouched", || theirs(Work::Untouched)),
    ("tower-sessions: get", || theirs(Work::Get)),
    ("tower-sessions: get and set", || theirs(Work::Change)),
    ("tower-sessions: rolling get", || theirs(Work::Rolling)),
    ("tower-sessions: login", || theirs(Work::Login)),
    (HASHES, || Box::<Hashes>::default()),
];

const HASHES: &str = "SHA-256 of a session";
/// The control: a change costs far more than a request that leaves its session alone, and must be seen to.
const CONTROL: (&str, &str) = ("get and set", "untouched");

struct Limit {
    work: &'static str,
    /// Whether the hashes count.
    hashes: bool,
    /// Of what the rival costs; none where numbers are only shown.
    limit: Option<f64>,
}

const fn limit(work: &'static str, hashes: bool, limit: Option<f64>) -> Limit {
    Limit { work, hashes, limit }
}

const LIMITS: [Limit; 8] = [
    limit("no cookie", true, Some(0.4)),
    limit("untouched", true, Some(0.4)),
    limit("get", true, None),
    limit("get", false, Some(0.7)),
    limit("get and set", true, Some(1.15)),
    limit("get and set", false, Some(0.7)),
    limit("rolling get", true, None),
    limit("login", true, None),
];

pub(super) fn ours(work: Work) -> Box<dyn Op> {
    opened(session::terrace, work)
}

fn theirs(work: Work) -> Box<dyn Op> {
    opened(session::rival, work)
}

fn bare(work: Work) -> Box<dyn Op> {
    opened(session::alone, work)
}

fn opened(open: fn(Work) -> Result<Box<dyn Site>, Error>, work: Work) -> Box<dyn Op> {
    open(work).expect("a runtime")
}

/// Whether a session costs no more beside the rival's than it may.
pub(super) fn are_within(count: impl Fn(&str) -> Result<u64, Error>) -> Result<bool, Error> {
    let hashes = count(HASHES)?;
    let [no_cookie, cookie] = [count(RIVALS[0].0)?, count(RIVALS[1].0)?];
    let mut over = HashMap::new();
    for (work, name) in Work::ALL {
        let bare = if work == Work::NoCookie { no_cookie } else { cookie };
        let [ours, theirs] =
            [count(&format!("session: {name}"))?, count(&format!("tower-sessions: {name}"))?];
        over.insert(name, [ours, theirs].map(|all| all.saturating_sub(bare)));
    }
    let (more, less) = CONTROL;
    let [more, less] = [more, less].map(|work| over[work]);
    if (0..2).any(|of| more[of] < less[of] * 2) {
        return Err(format!("a change and none were counted alike: {more:?} and {less:?}").into());
    }
    println!(
        "instructions of {COUNTED} sessions over the requests without, beside tower-sessions 0.15:"
    );
    let mut is_good = true;
    for Limit { work, hashes: counts, limit } in LIMITS {
        let [ours, theirs] = over[work];
        let ours = if counts { ours } else { ours.saturating_sub(hashes) };
        let apart = if counts { "" } else { ", without its hashes" };
        let name = format!("session: {work}{apart}");
        match limit {
            Some(limit) => is_good &= is_within(&name, [ours, theirs], limit),
            None => println!("  {name:<48} {ours} / {theirs} = {:.3}", ours as f64 / theirs as f64),
        }
    }
    Ok(is_good)
}
