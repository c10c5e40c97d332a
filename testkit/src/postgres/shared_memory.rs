//! The one thing a killed PostgreSQL leaves outside its data directory.
//!
//! The next start on the same data frees it; when the data goes away instead, nobody would, and a
//! few thousand kills later the system has no segment left.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::process::Process;

/// Frees the System V segment of the server that worked in `data` and is dead; does nothing after
/// an orderly end.
///
/// Blocks for the run of `ipcrm`, a millisecond.
pub(super) fn free(data: &Path) {
    let lock_file = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
    let segments = fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
    let Some(id) = left_behind(&lock_file, &segments) else {
        return;
    };
    if let Ok(ipcrm) = Process::binary("ipcrm").args(["-m", id]).spawn() {
        let _ = ipcrm.wait_blocking(Duration::from_secs(5));
    }
}

/// The id in `lock_file` of a segment that exists with the same key and that nobody is attached to.
fn left_behind<'a>(lock_file: &'a str, segments: &str) -> Option<&'a str> {
    let (key, id) = lock_file.lines().nth(6)?.trim().split_once(' ')?;
    let (key, id) = (key.trim(), id.trim());
    let unused = segments.lines().any(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let same = fields.first() == Some(&key) && fields.get(1) == Some(&id);
        same && fields.get(6) == Some(&"0")
    });
    unused.then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK_FILE: &str = "71\n/data\n1795\n23456\n\n127.0.0.1\n 10018871     16\nready\n";

    #[test]
    fn only_an_unused_segment_with_the_same_key_is_freed() {
        for (segment, expected) in [
            ("10018871 16 600 56 71 71 0 101 104", Some("16")),
            ("10018871 16 600 56 71 71 6 101 104", None),
            ("10018872 16 600 56 71 71 0 101 104", None),
            ("10018871 17 600 56 71 71 0 101 104", None),
        ] {
            assert_eq!(left_behind(LOCK_FILE, segment), expected, "{segment}");
        }
        assert_eq!(left_behind("", "10018871 16 600 56 71 71 0"), None);
    }
}
