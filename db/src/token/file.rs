//! The file that holds a key, and is made once.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};

use super::KeyError;

/// Hexadecimal digits that a key has, at least and at most.
const DIGITS: std::ops::RangeInclusive<usize> = 64..=4096;

/// Gives a finished file its name, unless there is one of that name.
type Publish = fn(&Path, &Path) -> io::Result<()>;

pub(super) fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    match getrandom::fill(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) => Err(KeyError::Random { source: error.into() }),
    }
}

pub(super) fn read_or_create(path: &Path) -> Result<Vec<u8>, KeyError> {
    // A link, unlike a rename, never replaces what another process has put there meanwhile.
    read_or_create_by(path, |finished, path| fs::hard_link(finished, path))
}

pub(super) fn read_or_create_by(path: &Path, publish: Publish) -> Result<Vec<u8>, KeyError> {
    let file_error = |source| KeyError::File { path: path.to_owned(), source };
    let content = match read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let line = HEXLOWER.encode(&random::<32>()?) + "\n";
            let beside = beside(path, &HEXLOWER.encode(&random::<8>()?));
            create(path, &beside, &line, publish).map_err(file_error)?;
            read(path)
        }
        content => content,
    };
    parse(&content.map_err(file_error)?).ok_or_else(|| KeyError::Content { path: path.to_owned() })
}

/// A little more than the longest key, so that a longer file shows.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let most = *DIGITS.end() as u64 + 3;
    File::open(path)?.take(most).read_to_end(&mut content)?;
    Ok(content)
}

/// One line; how it ends is the editor's business.
pub(super) fn parse(content: &[u8]) -> Option<Vec<u8>> {
    let line = content.strip_suffix(b"\n").unwrap_or(content);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    DIGITS.contains(&line.len()).then(|| HEXLOWER_PERMISSIVE.decode(line).ok())?
}

fn create(path: &Path, beside: &Path, line: &str, publish: Publish) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(beside)?;
    let published = file
        .write_all(line.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| publish(beside, path));
    // Renamed away, if that is how it was published.
    let _ = fs::remove_file(beside);
    match published {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => File::open(directory(path))?.sync_all(),
    }
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A hidden name in the same directory.
fn beside(path: &Path, unique: &str) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".");
    name.push(unique);
    directory(path).join(name)
}
