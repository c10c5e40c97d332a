//! CPU time of a process and its children, as `/proc` counts it.

use std::time::Duration;

use terrace_testkit::process::descendants;

/// The kernel counts in hundredths of a second on every architecture that Rust supports, whatever
/// its own tick is.
const TICK: Duration = Duration::from_millis(10);

/// User and system time of `pid` and of everything below it that is still there.
pub(super) fn time_of_tree(pid: u32) -> Duration {
    let mut ticks = ticks_of(pid);
    for child in descendants(pid) {
        ticks += ticks_of(child);
    }
    TICK * ticks
}

fn ticks_of(pid: u32) -> u32 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    parse(&stat).unwrap_or(0)
}

/// Fields 14 and 15 of the line; the program's name in brackets may hold anything.
fn parse(stat: &str) -> Option<u32> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_system_time_are_added() {
        let line = "7 (a) b) S 1 7 7 0 -1 4194560 1 2 3 4 250 50 9 9 20 0 1 0 1 1 1";
        assert_eq!(parse(line), Some(300));
        assert_eq!(parse("7 (a"), None);
    }

    #[test]
    fn a_busy_process_is_seen_to_spend_time() {
        // The control of every comparison: work shows, and a process that is not there has none.
        let me = std::process::id();
        let before = time_of_tree(me);
        while time_of_tree(me) < before + Duration::from_millis(50) {
            std::hint::black_box((0..100_000u64).sum::<u64>());
        }
        assert_eq!(ticks_of(u32::MAX), 0);
    }
}
