//! The file of keys: what its lines say, and how it is made once by processes that start at the same time.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};

use super::keys::random;
use super::{KeyError, LineFault};

/// Bytes that a file has at most: a thousand keys, and a mistaken path to something large ends here.
const LONGEST: usize = 64 * 1024;

/// Gives a finished file its name, unless there is one of that name.
type Publish = fn(&Path, &Path) -> io::Result<()>;

/// What a file says.
pub(super) struct Secrets {
    pub(super) tags: Vec<u8>,
    pub(super) signs: (u8, Vec<u8>),
    pub(super) accepts: Vec<(u8, Vec<u8>)>,
}

pub(super) fn read_or_create(path: &Path) -> Result<Secrets, KeyError> {
    // Of several links to one name only the first is made. A rename would replace keys that others have read.
    read_or_create_by(path, |finished, path| fs::hard_link(finished, path))
}

pub(super) fn read_or_create_by(path: &Path, publish: Publish) -> Result<Secrets, KeyError> {
    let cannot = |source| KeyError::File { path: path.to_owned(), source };
    let content = match read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let unique = HEXLOWER.encode(&random::<8>()?);
            create(path, &beside(path, &unique), &fresh()?, publish).map_err(cannot)?;
            read(path)
        }
        content => content,
    };
    parse(&content.map_err(cannot)?).map_err(|(line, fault)| KeyError::Content {
        path: path.to_owned(),
        line,
        fault,
    })
}

/// A file of one key.
fn fresh() -> Result<String, KeyError> {
    let [tags, key] = [random::<32>()?, random::<32>()?].map(|secret| HEXLOWER.encode(&secret));
    Ok(format!(
        "# The first key signs, and all of them are accepted. `tags` stays when keys change.\n\
         tags {tags}\n1 {key}\n"
    ))
}

/// One byte more than is allowed, so that a longer file shows.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?.take(LONGEST as u64 + 1).read_to_end(&mut content)?;
    Ok(content)
}

/// The secrets, or what is wrong in which line.
pub(super) fn parse(content: &[u8]) -> Result<Secrets, (usize, LineFault)> {
    if content.len() > LONGEST {
        return Err((1, LineFault::TooLong));
    }
    let mut tags = None;
    let mut keys: Vec<(u8, Vec<u8>)> = Vec::new();
    let mut number = 0;
    for line in content.split(|byte| *byte == b'\n') {
        number += 1;
        let at = |fault| (number, fault);
        match entry(line).map_err(at)? {
            Entry::Nothing => {}
            Entry::Tags(_) if tags.is_some() => return Err(at(LineFault::SecondTags)),
            Entry::Tags(secret) => tags = Some(secret),
            Entry::Key(version, _) if keys.iter().any(|(other, _)| *other == version) => {
                return Err(at(LineFault::Duplicate { version }));
            }
            Entry::Key(version, secret) => keys.push((version, secret)),
        }
    }
    // A line end is the end of a line, and what follows the last one is the line where more could be.
    let end = if content.ends_with(b"\n") || content.is_empty() { number } else { number + 1 };
    let tags = tags.ok_or((end, LineFault::NoTags))?;
    let mut keys = keys.into_iter();
    let signs = keys.next().ok_or((end, LineFault::NoKey))?;
    Ok(Secrets { tags, signs, accepts: keys.collect() })
}

enum Entry {
    Nothing,
    Tags(Vec<u8>),
    Key(u8, Vec<u8>),
}

fn entry(line: &[u8]) -> Result<Entry, LineFault> {
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let name = match words.next() {
        None => return Ok(Entry::Nothing),
        Some(word) if word.starts_with(b"#") => return Ok(Entry::Nothing),
        Some(word) => word,
    };
    let (Some(digits), None) = (words.next(), words.next()) else {
        return Err(LineFault::Unknown);
    };
    if name == b"tags" {
        return Ok(Entry::Tags(secret(digits)?));
    }
    let version = version(name).ok_or(LineFault::Unknown)?;
    Ok(Entry::Key(version, secret(digits)?))
}

fn version(word: &[u8]) -> Option<u8> {
    // `parse` would take a sign as well.
    let digits = word.iter().all(u8::is_ascii_digit).then_some(word)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn secret(digits: &[u8]) -> Result<Vec<u8>, LineFault> {
    let secret = HEXLOWER_PERMISSIVE.decode(digits).map_err(|_| LineFault::NotHexadecimal)?;
    if secret.len() < 32 {
        return Err(LineFault::TooShort { bytes: secret.len() });
    }
    Ok(secret)
}

/// Written and synced under a name of its own first: nobody ever reads half a file.
fn create(path: &Path, beside: &Path, content: &str, publish: Publish) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(beside)?;
    let written = file.write_all(content.as_bytes()).and_then(|()| file.sync_all());
    let published = written.and_then(|()| publish(beside, path));
    // Already gone, if it was renamed.
    let _ = fs::remove_file(beside);
    match published {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        // The name has to survive a power cut as well: tokens that were signed with the keys do.
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
