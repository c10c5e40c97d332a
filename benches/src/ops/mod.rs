//! What is measured: each operation once, for every harness.
//!
//! criterion, the instruction counts and the interleaved comparison all call the same function, so
//! that their numbers speak of the same thing.

use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

pub mod cache;
pub mod cdn_edge;
pub mod db;
pub mod lb;
pub mod session;

/// One thing that is done over and over.
pub trait Op {
    /// Does it once.
    fn once(&mut self);

    /// Does it `count` times.
    fn repeat(&mut self, count: u64) {
        for _ in 0..count {
            self.once();
        }
    }
}

/// Operations in one count of instructions: enough that a branch taken once in a hundred shows.
pub const COUNTED: u64 = 1_000;

/// The function whose instructions are counted. Never inlined: callgrind finds it by its name.
#[inline(never)]
pub fn counted(op: &mut dyn Op) {
    op.repeat(COUNTED);
}

/// The output of a future that never has to wait.
///
/// A runtime would cost more than what is measured here, and the same for everybody.
///
/// # Panics
///
/// If the future waits: then it does not do what its benchmark claims.
pub fn now<F: Future>(future: F) -> F::Output {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(output) => black_box(output),
        Poll::Pending => panic!("a measured operation had to wait"),
    }
}
