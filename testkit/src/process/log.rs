//! A child's output: bounded, searchable, awaited line by line.

use std::collections::VecDeque;
use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;

use super::lock;

/// What a log keeps: enough for any start-up and the last minutes of a chatty server, small enough
/// that a cluster of ten costs nothing.
const KEPT_BYTES: usize = 1 << 20;
/// A longer line is cut into several: a child that never ends its line must not fill memory.
const LINE_BYTES: u64 = 64 << 10;
/// Lines shown when something failed: a screenful, with the cause usually in the last ten.
const TAIL_LINES: usize = 60;

/// The stream a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A place in a log: lines that come after it can be awaited apart from those before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u64);

/// The output of one child, the newest mebibyte of it.
///
/// # Clone
///
/// Clones share the log, so it can be read after the process is gone.
#[derive(Clone, Default)]
pub struct Log {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    lines: Mutex<Lines>,
    changed: Notify,
}

#[derive(Default)]
struct Lines {
    kept: VecDeque<(Source, String)>,
    kept_bytes: usize,
    dropped: u64,
    open_streams: usize,
}

impl Log {
    /// Reads `stream` to its end on a thread of its own.
    ///
    /// A thread and not a task: the pipe must be drained even while a test blocks its runtime.
    pub(super) fn capture(&self, source: Source, stream: impl Read + Send + 'static) {
        lock(&self.shared.lines).open_streams += 1;
        let log = self.clone();
        std::thread::spawn(move || {
            let mut stream = BufReader::new(stream);
            let mut line = Vec::new();
            loop {
                line.clear();
                match (&mut stream).take(LINE_BYTES).read_until(b'\n', &mut line) {
                    Ok(0) | Err(_) => break,
                    Ok(_) => log.push(source, &line),
                }
            }
            lock(&log.shared.lines).open_streams -= 1;
            log.shared.changed.notify_waiters();
        });
    }

    fn push(&self, source: Source, line: &[u8]) {
        let line = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(line)).into_owned();
        {
            let mut lines = lock(&self.shared.lines);
            lines.kept_bytes += line.len();
            lines.kept.push_back((source, line));
            while lines.kept_bytes > KEPT_BYTES {
                let Some((_, oldest)) = lines.kept.pop_front() else {
                    break;
                };
                lines.kept_bytes -= oldest.len();
                lines.dropped += 1;
            }
        }
        self.shared.changed.notify_waiters();
    }

    /// The place after the newest line.
    #[must_use]
    pub fn mark(&self) -> Mark {
        let lines = lock(&self.shared.lines);
        Mark(lines.dropped + lines.kept.len() as u64)
    }

    /// The kept lines, oldest first.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let lines = lock(&self.shared.lines);
        lines.kept.iter().map(|(_, line)| line.clone()).collect()
    }

    /// The end of the log under a headline, to be shown when `name` failed.
    #[must_use]
    pub fn tail(&self, name: &str) -> String {
        let lines = lock(&self.shared.lines);
        let hidden = lines.kept.len().saturating_sub(TAIL_LINES);
        let mut tail = format!("--- log of {name}");
        if lines.dropped + hidden as u64 > 0 {
            tail += &format!(" (last {TAIL_LINES} lines)");
        }
        for (_, line) in lines.kept.iter().skip(hidden) {
            tail.push('\n');
            tail += line;
        }
        tail + "\n---"
    }

    /// The log, once the streams of a child that ended are read to their end; at most a second
    /// later, because a descendant may hold them open.
    pub(crate) async fn drained(&self) -> &Log {
        let end = self.find(self.mark(), |_, _| false);
        let _ = tokio::time::timeout(Duration::from_secs(1), end).await;
        self
    }

    /// The first line after `mark` that `wanted` accepts; `None` once the streams ended without it.
    pub(super) async fn find(
        &self,
        mark: Mark,
        wanted: impl Fn(Source, &str) -> bool,
    ) -> Option<String> {
        let mut next = mark.0;
        loop {
            let changed = self.shared.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let lines = lock(&self.shared.lines);
                let skip = usize::try_from(next.saturating_sub(lines.dropped)).unwrap_or(0);
                let found = lines.kept.iter().skip(skip).find(|(s, l)| wanted(*s, l));
                if let Some((_, line)) = found {
                    return Some(line.clone());
                }
                if lines.open_streams == 0 {
                    return None;
                }
                next = lines.dropped + lines.kept.len() as u64;
            }
            changed.await;
        }
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = lock(&self.shared.lines);
        f.debug_struct("Log")
            .field("lines", &lines.kept.len())
            .field("dropped", &lines.dropped)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_log_of_a_chatty_child_stays_bounded_and_keeps_the_newest() {
        let log = Log::default();
        let line = "x".repeat(1000);
        for n in 0..5_000 {
            log.push(Source::Stdout, format!("{n} {line}\n").as_bytes());
        }
        assert!(lock(&log.shared.lines).kept_bytes <= KEPT_BYTES);
        assert_eq!(log.mark(), Mark(5_000));
        assert!(log.lines().last().unwrap().starts_with("4999 "));
        assert!(log.tail("child").lines().count() == TAIL_LINES + 2);
    }

    #[tokio::test]
    async fn a_line_without_end_is_cut_instead_of_filling_memory() {
        let log = Log::default();
        log.capture(Source::Stdout, std::io::repeat(b'a').take(LINE_BYTES * 3));
        assert_eq!(log.find(Mark::default(), |_, _| false).await, None);
        assert_eq!(log.lines().len(), 3);
    }

    #[tokio::test]
    async fn a_mark_hides_the_lines_before_it() {
        let log = Log::default();
        log.push(Source::Stdout, b"ready 1\n");
        let mark = log.mark();
        log.push(Source::Stdout, b"ready 2\n");
        let ready = |_: Source, line: &str| line.starts_with("ready");
        assert_eq!(log.find(Mark::default(), ready).await.unwrap(), "ready 1");
        assert_eq!(log.find(mark, ready).await.unwrap(), "ready 2");
        assert_eq!(log.find(log.mark(), ready).await, None);
    }
}
