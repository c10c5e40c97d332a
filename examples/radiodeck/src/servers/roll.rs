//! Which app servers there are: a file in the data directory that their parent writes and `/status` reads.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The app servers of a site whose number changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roll {
    /// How many take requests.
    pub serving: u16,
    /// How many there always are.
    pub at_least: u16,
    /// How many there are at most.
    pub at_most: u16,
    /// How many an operator wants, if they do.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fixed: Option<u16>,
    /// All of them.
    pub members: Vec<Member>,
}

/// One app server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its process; 0 while it is started again.
    pub pid: u32,
    /// Whether it only answers what it has begun.
    pub leaving: bool,
}

impl Roll {
    /// The list that was written last, if there is one.
    #[must_use]
    pub fn read(data: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(file(data)).ok()?).ok()
    }

    pub(super) fn write(&self, data: &Path) -> io::Result<()> {
        let text = serde_json::to_vec(self).map_err(io::Error::other)?;
        replace(&file(data), &text)
    }
}

fn file(data: &Path) -> PathBuf {
    data.join("servers.json")
}

/// Writes a file so that whoever reads sees the old one or the new one.
pub(super) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let draft = path.with_extension(format!("new.{}", std::process::id()));
    fs::write(&draft, content).and_then(|()| fs::rename(&draft, path)).inspect_err(|_| {
        let _not_there = fs::remove_file(&draft);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let data = tempfile::tempdir().unwrap();
        assert_eq!(Roll::read(data.path()), None);
        let members = vec![Member { name: "app-1".to_owned(), pid: 7, leaving: false }];
        let roll = Roll { serving: 1, at_least: 1, at_most: 2, fixed: None, members };
        roll.write(data.path()).unwrap();
        assert_eq!(Roll::read(data.path()), Some(roll));
        assert_eq!(fs::read_dir(data.path()).unwrap().count(), 1, "nothing is left behind");
    }
}
