//! Who descends from whom, read from `/proc`.

use std::fs;

use rustix::process::{Pid, Signal};

/// One line of the process table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) pid: u32,
    parent: u32,
    state: char,
}

impl Entry {
    fn read(pid: u32) -> Option<Entry> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The command's name stands in parentheses and may itself hold any character.
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields.split_whitespace();
        let state = fields.next()?.chars().next()?;
        let parent = fields.next()?.parse().ok()?;
        Some(Entry { pid, parent, state })
    }

    fn is_gone(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }

    /// Neither stopped nor gone.
    pub(super) fn is_moving(&self) -> bool {
        !self.is_gone() && !matches!(self.state, 'T' | 't')
    }

    pub(super) fn signal(&self, signal: Signal) {
        if let Some(pid) = to_pid(self.pid) {
            let _ = rustix::process::kill_process(pid, signal);
        }
    }
}

fn to_pid(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

/// Whether a process with this id exists and has not ended; a zombie has.
#[must_use]
pub fn is_alive(pid: u32) -> bool {
    Entry::read(pid).is_some_and(|entry| !entry.is_gone())
}

/// The ids of all living descendants of `pid`, in whatever session or group they are.
#[must_use]
pub fn descendants(pid: u32) -> Vec<u32> {
    with_descendants(pid)
        .iter()
        .filter(|entry| entry.pid != pid && !entry.is_gone())
        .map(|entry| entry.pid)
        .collect()
}

/// `pid` and its descendants, parents before children.
pub(super) fn with_descendants(pid: u32) -> Vec<Entry> {
    let table: Vec<Entry> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(Entry::read)
        .collect();
    let mut tree: Vec<Entry> = table.iter().filter(|e| e.pid == pid).copied().collect();
    let mut next = 0;
    while let Some(parent) = tree.get(next).map(|entry| entry.pid) {
        tree.extend(table.iter().filter(|e| e.parent == parent));
        next += 1;
    }
    tree
}
