//! Lines for a person who waits.

use std::time::{Duration, Instant};

/// A wait shorter than this needs no words.
const PATIENCE: Duration = Duration::from_secs(2);

/// Says on stderr what the seeding does, once it takes longer than two seconds.
#[derive(Debug)]
pub struct Progress {
    started: Instant,
    spoke: bool,
}

impl Progress {
    pub(crate) fn start() -> Self {
        Self {
            started: Instant::now(),
            spoke: false,
        }
    }

    /// Notes that `done` of `total` rows of a table are in.
    pub(crate) fn at(&mut self, table: &str, done: usize, total: usize) {
        if self.started.elapsed() < PATIENCE || (done != total && self.spoke) {
            return;
        }
        if !self.spoke {
            eprintln!("first start: filling the database (once, some seconds)");
        }
        self.spoke = true;
        eprintln!("  {table}: {done} of {total}");
    }

    pub(crate) fn finish(&self) {
        if self.spoke {
            eprintln!("  done in {:.1} s", self.started.elapsed().as_secs_f32());
        }
    }
}
