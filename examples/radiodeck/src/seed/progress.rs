//! Lines for a person who waits.

use std::time::{Duration, Instant};

/// A wait shorter than this needs no words.
const PATIENCE: Duration = Duration::from_secs(2);

/// Says on stderr what the seeding does, every second once it takes longer than two.
#[derive(Debug)]
pub struct Progress {
    started: Instant,
    next: Instant,
    spoke: bool,
}

impl Progress {
    pub(crate) fn start() -> Self {
        let started = Instant::now();
        Self { started, next: started + PATIENCE, spoke: false }
    }

    /// Notes that `done` of `total` rows of a table are in.
    pub(crate) fn at(&mut self, table: &str, done: usize, total: usize) {
        if let Some(lines) = self.lines(Instant::now(), table, done, total) {
            eprintln!("{lines}");
        }
    }

    pub(crate) fn finish(&self) {
        if self.spoke {
            eprintln!("  done in {:.1} s", self.started.elapsed().as_secs_f32());
        }
    }

    fn lines(&mut self, now: Instant, table: &str, done: usize, total: usize) -> Option<String> {
        if now < self.next {
            return None;
        }
        self.next = now + Duration::from_secs(1);
        let first = if self.spoke { "" } else { "first start: filling the database, once\n" };
        self.spoke = true;
        Some(format!("{first}  {table}: {done} of {total} rows"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_wait_needs_no_words_and_a_long_one_a_line_a_second() {
        let mut progress = Progress::start();
        let start = progress.started;
        let mut at =
            |millis: u64| progress.lines(start + Duration::from_millis(millis), "tracks", 7, 9);
        assert_eq!(at(1_999), None);
        let line = "  tracks: 7 of 9 rows";
        assert_eq!(at(2_000), Some(format!("first start: filling the database, once\n{line}")));
        assert_eq!(at(2_900), None);
        assert_eq!(at(3_000).as_deref(), Some(line));
    }
}
