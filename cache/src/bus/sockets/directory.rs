//! The directory: whose it is, and which names in it are sockets of the bus.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use super::OpenError;
use crate::bus::frame;

/// Bytes of a datagram at most. Linux takes what a frame may have; elsewhere 2 KiB is usual.
pub(super) const LONGEST: usize = if cfg!(target_os = "linux") { frame::LONGEST } else { 2048 };
/// Bytes of a socket's path at most: what `sockaddr_un` has, less the zero.
const LONGEST_PATH: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

const BEFORE: &str = "terrace-";
const AFTER: &str = ".sock";

/// A private directory, and the name of our socket in it.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    own: PathBuf,
}

impl Directory {
    pub(super) fn open(path: PathBuf, id: u64) -> Result<Self, OpenError> {
        // The process may change its working directory.
        let path = match std::path::absolute(&path) {
            Ok(path) => path,
            Err(source) => return Err(OpenError::Io { path, source }),
        };
        let own = path.join(format!("{BEFORE}{id:016x}{AFTER}"));
        if own.as_os_str().len() > LONGEST_PATH {
            return Err(OpenError::TooLong { path: own, limit: LONGEST_PATH });
        }
        Ok(Self { path, own })
    }

    pub(super) fn own(&self) -> &Path {
        &self.own
    }

    /// Binds our socket, in a directory that is there and ours alone after that. A socket of ours
    /// that is there already makes way.
    pub(super) fn bind(&self) -> Result<UnixDatagram, OpenError> {
        let failed = |path: &Path| {
            let path = path.to_path_buf();
            move |source| OpenError::Io { path, source }
        };
        match DirBuilder::new().mode(0o700).create(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(failed(&self.path)(error));
            }
            _ => {}
        }
        // Not what a link points to: who may make links there could point to anybody's.
        let found = fs::symlink_metadata(&self.path).map_err(failed(&self.path))?;
        if !found.is_dir() {
            return Err(self.not_private("is no directory".into()));
        }
        let mode = found.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(self.not_private(format!("lets others in: its mode is {mode:o}, not 700")));
        }
        let _ = fs::remove_file(&self.own);
        let socket = UnixDatagram::bind(&self.own).map_err(failed(&self.own))?;
        // What we have just made is ours: so that is who we are.
        let we = fs::symlink_metadata(&self.own).map_err(failed(&self.own))?.uid();
        if found.uid() != we {
            self.remove_own();
            let owner = found.uid();
            return Err(self.not_private(format!("belongs to user {owner}, and not to {we}")));
        }
        socket.set_nonblocking(true).map_err(failed(&self.own))?;
        Ok(socket)
    }

    /// The other sockets, and whether ours is there too. Whatever else is there is left alone.
    pub(super) fn list(&self) -> io::Result<Listing> {
        let mut listing = Listing { others: Vec::new(), own: false };
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let name = entry.file_name();
            if !name.to_str().is_some_and(is_name) || !entry.file_type()?.is_socket() {
                continue;
            }
            let path = entry.path();
            if path == self.own {
                listing.own = true;
            } else {
                listing.others.push(path);
            }
        }
        // The order of a directory is nobody's.
        listing.others.sort_unstable();
        Ok(listing)
    }

    pub(super) fn remove_own(&self) {
        // Gone already is as good.
        let _ = fs::remove_file(&self.own);
    }

    fn not_private(&self, reason: String) -> OpenError {
        OpenError::NotPrivate { path: self.path.clone(), reason }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Listing {
    pub(super) others: Vec<PathBuf>,
    pub(super) own: bool,
}

/// Whether a file of this name may be a socket of the bus.
fn is_name(name: &str) -> bool {
    let digits = name.strip_prefix(BEFORE).and_then(|name| name.strip_suffix(AFTER));
    digits.is_some_and(|digits| {
        digits.len() == 16 && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    })
}
