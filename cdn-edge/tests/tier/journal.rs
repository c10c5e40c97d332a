//! The journal of purges: one file, appended to, and not believed unless it is whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Error, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use terrace_cdn_edge::store::tier::Journal;
use xxhash_rust::xxh3::xxh3_64;

pub(crate) struct Log {
    path: PathBuf,
    generation: Mutex<Option<u64>>,
}

impl Log {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, generation: Mutex::new(None) }
    }

    /// What the file says, or an empty journal of a generation that was never used before.
    pub(crate) async fn open(self: &Arc<Self>, never_used: u64) -> io::Result<Journal> {
        self.blocking(move |log, generation| {
            let journal = fs::read(&log.path).ok().and_then(|bytes| parse(&bytes));
            let journal = match journal {
                Some(journal) => journal,
                None => {
                    log.write(never_used, &[])?;
                    Journal { generation: never_used, purges: Vec::new() }
                }
            };
            *generation = Some(journal.generation);
            Ok(journal)
        })
        .await
    }

    pub(crate) async fn add(self: &Arc<Self>, purge: &[u8]) -> io::Result<()> {
        let entry = entry(purge)?;
        self.blocking(move |log, _| {
            let mut file = OpenOptions::new().append(true).open(&log.path)?;
            file.write_all(&entry)?;
            file.sync_all()
        })
        .await
    }

    pub(crate) async fn rewrite(self: &Arc<Self>, purges: &[Bytes]) -> io::Result<()> {
        let purges = purges.to_vec();
        self.blocking(move |log, generation| {
            let generation = generation.ok_or_else(|| Error::other("not opened"))?;
            log.write(generation, &purges)
        })
        .await
    }

    /// Runs to its end even if nobody waits for it any more, and alone.
    async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self, &mut Option<u64>) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let log = Arc::clone(self);
        let work = move || {
            let mut generation = log.generation.lock().unwrap_or_else(PoisonError::into_inner);
            work(&log, &mut generation)
        };
        tokio::task::spawn_blocking(work).await.map_err(Error::other)?
    }

    fn write(&self, generation: u64, purges: &[Bytes]) -> io::Result<()> {
        let unfinished = self.path.with_extension("unfinished");
        let mut file = File::create(&unfinished)?;
        file.write_all(&entry(&generation.to_be_bytes())?)?;
        for purge in purges {
            file.write_all(&entry(purge)?)?;
        }
        file.sync_all()?;
        fs::rename(unfinished, &self.path)
    }
}

fn entry(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let length = u32::try_from(bytes.len()).map_err(Error::other)?;
    Ok([&length.to_be_bytes()[..], &xxh3_64(bytes).to_be_bytes(), bytes].concat())
}

fn parse(bytes: &[u8]) -> Option<Journal> {
    let mut entries = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk()?;
        let (sum, after) = after.split_first_chunk()?;
        let (entry, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        if xxh3_64(entry) != u64::from_be_bytes(*sum) {
            return None;
        }
        entries.push(Bytes::copy_from_slice(entry));
        rest = after;
    }
    let mut entries = entries.into_iter();
    let generation = u64::from_be_bytes(entries.next()?.as_ref().try_into().ok()?);
    Some(Journal { generation, purges: entries.collect() })
}
