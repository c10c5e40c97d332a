//! The one line in the file.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::position::SystemId;

const TITLE: &str = "terrace-db memory 1";
/// Bytes of the longest line.
pub(super) const LONGEST: u64 = 96;

pub(super) fn render(system: SystemId, timeline: u32) -> String {
    let mut line = format!("{TITLE} system={system} timeline={timeline}");
    let sum = Sha256::digest(line.as_bytes());
    line.push_str(" sum=");
    for byte in sum.iter().take(8) {
        // Writing to a string does not fail.
        let _ = write!(line, "{byte:02x}");
    }
    line.push('\n');
    line
}

/// What the file says, if that is letter for letter what would be written to say it.
pub(super) fn parse(content: &[u8]) -> Option<(SystemId, u32)> {
    let (system, timeline) = fields(content)?;
    (render(system, timeline).as_bytes() == content).then_some((system, timeline))
}

/// What it says, whole or not.
pub(super) fn fields(content: &[u8]) -> Option<(SystemId, u32)> {
    let rest = str::from_utf8(content).ok()?.strip_prefix(TITLE)?.strip_prefix(" system=")?;
    let (system, rest) = rest.split_once(" timeline=")?;
    let timeline = rest.split([' ', '\n']).next()?;
    Some((SystemId(system.parse().ok()?), timeline.parse().ok()?))
}
