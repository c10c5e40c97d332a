//! Each checker reports what it is there for, and accepts what a right store may answer.

mod append;
mod bank;
mod durability;
mod generated;
mod graph;
mod record;
mod register;
mod session;
mod simulate;

use super::{OPEN, Op, Outcome};

/// A history by hand: who, what, from when, until when, and how it ended.
type Line<C, R> = (u32, C, u64, u64, Outcome<R>);

/// Turns lines into operations; an unknown one is open for ever.
fn history<C, R>(lines: Vec<Line<C, R>>) -> Vec<Op<C, R>> {
    let op = |(index, (process, call, began, ended, outcome))| {
        let ended = if matches!(outcome, Outcome::Unknown) { OPEN } else { ended };
        Op { index, process, call, began, ended, outcome }
    };
    lines.into_iter().enumerate().map(op).collect()
}
