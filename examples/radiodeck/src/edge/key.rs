//! The key that signs what an edge is told: a file beside the data, for this user alone.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use terrace_cdn_edge::admin::Key;

use crate::launch;

/// The site's key, of which the first who asks makes the secret.
pub(super) fn of(data: &Path) -> Result<Key, launch::Error> {
    let path = data.join("edge.key");
    let failed = |error: io::Error| {
        launch::Error::new(format!("cannot use the key {}: {error}", path.display()))
    };
    let mut secret = read(&path).map_err(failed)?;
    if secret.is_none() {
        write(&path).map_err(failed)?;
        secret = read(&path).map_err(failed)?;
    }
    Ok(Key::new("radiodeck", secret.unwrap_or_default())?)
}

/// Bytes that nobody can guess and that do not come again.
pub(super) fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(secret) => Ok(Some(secret)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes a secret, unless somebody was quicker: it appears whole or not at all.
fn write(path: &Path) -> io::Result<()> {
    let secret = random::<32>()?;
    let draft = path.with_extension(format!("key.{}", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let result = options.open(&draft).and_then(|mut file| {
        file.write_all(&secret)?;
        file.sync_all()?;
        match std::fs::hard_link(&draft, path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    });
    let _not_there = std::fs::remove_file(&draft);
    result
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn all_who_ask_have_the_same_key_and_nobody_else_can_read_it() {
        let data = tempfile::tempdir().unwrap();
        of(data.path()).unwrap();
        let path = data.path().join("edge.key");
        let secret = std::fs::read(&path).unwrap();
        of(data.path()).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), secret);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(data.path()).unwrap().count(), 1, "nothing is left behind");
    }

    #[test]
    fn a_key_that_is_cut_short_is_refused() {
        let data = tempfile::tempdir().unwrap();
        std::fs::write(data.path().join("edge.key"), "short").unwrap();
        assert!(of(data.path()).unwrap_err().to_string().contains("radiodeck"));
    }
}
