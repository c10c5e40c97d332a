//! A tier in one directory, as simple as it can be: to show that the trait can be kept, and how.
//!
//! A variant is one file. It is written under another name, bodies chunk by chunk as they come, and
//! renamed when it is whole; it ends with what only a whole file has. What cannot be read is not there.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Error, ErrorKind, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use terrace_cdn_edge::store::tier::{Journal, Tier, TierBody, TierKey, TierMeta, TierRecord};
use tokio::fs::{self, File};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::journal::Log;

/// Bytes of a body that are in memory at once.
pub(crate) const CHUNK: usize = 16 << 10;
/// Length and checksum, before each chunk and before the key.
const LEAD: usize = 4 + 8;
/// Length of the body and where it ends, and a checksum.
const TRAILER: usize = 8 + 8 + 8;

/// What a control takes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Checksums and the trailer are looked at.
    Verify,
    /// A file gets its name when it is whole.
    Rename,
    /// Bodies are written as they come.
    Stream,
}

pub(crate) struct Directory {
    path: PathBuf,
    off: Option<Rule>,
    number: AtomicU64,
    log: Arc<Log>,
}

impl Directory {
    /// What is in this directory, after a start.
    pub(crate) fn new(path: &Path) -> Self {
        Self::without(path, None)
    }

    pub(crate) fn without(path: &Path, off: Option<Rule>) -> Self {
        let log = Arc::new(Log::new(path.join("purges")));
        Self { path: path.to_owned(), off, number: AtomicU64::new(0), log }
    }

    fn on(&self, rule: Rule) -> bool {
        self.off != Some(rule)
    }

    fn file(&self, key: &TierKey, variant: u64) -> PathBuf {
        self.path.join(format!("{}-{variant:016x}.object", stem(key)))
    }

    /// The files of a key, or all.
    async fn files(&self, stem: &str) -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        let mut entries = fs::read_dir(&self.path).await?;
        while let Some(entry) = entries.next_entry().await? {
            let name = entry.file_name().into_string().unwrap_or_default();
            if name.starts_with(stem) && name.ends_with(".object") {
                files.push(entry.path());
            }
        }
        files.sort();
        Ok(files)
    }

    async fn write(
        &self,
        path: &Path,
        head: &[u8],
        length: Option<u64>,
        mut body: TierBody,
    ) -> io::Result<()> {
        let mut file = File::create(path).await?;
        file.write_all(&lead(head)?).await?;
        file.write_all(head).await?;
        if !self.on(Rule::Stream) {
            let whole = body.collect().await.map_err(Error::other)?.to_bytes();
            body = http_body_util::Full::new(whole).map_err(|never| match never {}).boxed_unsync();
        }
        let mut total = 0;
        let mut end = (LEAD + head.len()) as u64;
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(Error::other)?.into_data() else { continue };
            for chunk in data.chunks(CHUNK) {
                file.write_all(&lead(chunk)?).await?;
                file.write_all(chunk).await?;
                total += chunk.len() as u64;
                end += (LEAD + chunk.len()) as u64;
            }
            // So that no more than a chunk waits in memory.
            file.flush().await?;
        }
        if length.is_some_and(|length| length != total) {
            return Err(invalid("the body has another length than was said"));
        }
        let ends = [total.to_be_bytes(), end.to_be_bytes()].concat();
        file.write_all(&ends).await?;
        file.write_all(&xxh3_64(&ends).to_be_bytes()).await?;
        file.sync_all().await
    }

    /// The key and the record of a file, if it is whole.
    async fn read(&self, path: &Path) -> io::Result<(TierKey, TierRecord)> {
        let mut file = File::open(path).await?;
        let size = file.metadata().await?.len();
        let ends = size.checked_sub(TRAILER as u64).ok_or_else(|| invalid("too short"))?;
        file.seek(SeekFrom::Start(ends)).await?;
        let (length, end, sum) =
            (file.read_u64().await?, file.read_u64().await?, file.read_u64().await?);
        let found = xxh3_64(&[length.to_be_bytes(), end.to_be_bytes()].concat());
        if self.on(Rule::Verify) && (sum != found || end != ends) {
            return Err(invalid("not whole"));
        }
        file.rewind().await?;
        let head = chunk(&mut file, size, self.on(Rule::Verify)).await?;
        let (key, meta) = head
            .split_first_chunk()
            .and_then(|(length, rest)| rest.split_at_checked(u32::from_be_bytes(*length) as usize))
            .ok_or_else(|| invalid("no key"))?;
        let key = TierKey::new(key.to_vec());
        let meta = TierMeta::from_bytes(&Bytes::copy_from_slice(meta)).map_err(Error::other)?;
        let verify = self.on(Rule::Verify);
        let open = move |from| body(Open { file, verify, from, at: 0, length });
        Ok((key, TierRecord::new(meta, length, open)))
    }
}

#[async_trait]
impl Tier for Directory {
    async fn get(&self, key: &TierKey) -> io::Result<Vec<TierRecord>> {
        let mut records = Vec::new();
        for file in self.files(&stem(key)).await? {
            match self.read(&file).await {
                // Two keys can have the same hash.
                Ok((found, record)) if found == *key => records.push(record),
                _ => {}
            }
        }
        Ok(records)
    }

    async fn put(
        &self,
        key: &TierKey,
        meta: &TierMeta,
        length: Option<u64>,
        body: TierBody,
    ) -> io::Result<()> {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let whole = self.file(key, meta.variant);
        let key = key.as_bytes();
        let mut head = u32::try_from(key.len()).map_err(Error::other)?.to_be_bytes().to_vec();
        head.extend_from_slice(key);
        head.extend_from_slice(&meta.to_bytes());
        if !self.on(Rule::Rename) {
            return self.write(&whole, &head, length, body).await;
        }
        let unfinished = Unfinished(self.path.join(format!("{number}.unfinished")));
        self.write(&unfinished.0, &head, length, body).await?;
        fs::rename(&unfinished.0, whole).await
    }

    async fn remove(&self, key: &TierKey) -> io::Result<()> {
        for file in self.files(&stem(key)).await? {
            match fs::remove_file(file).await {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn keys(&self) -> BoxStream<'_, io::Result<TierKey>> {
        let files = stream::once(self.files("")).flat_map(|files| match files {
            Ok(files) => stream::iter(files.into_iter().map(Ok)).left_stream(),
            Err(error) => stream::iter([Err(error)]).right_stream(),
        });
        let keys = files.filter_map(async |file| match file {
            Ok(file) => self.read(&file).await.ok().map(|(key, _)| Ok(key)),
            Err(error) => Some(Err(error)),
        });
        // A key has a file for each variant.
        let mut seen = HashSet::new();
        let mut is_new = move |key: &io::Result<TierKey>| match key {
            Ok(key) => seen.insert(key.clone()),
            Err(_) => true,
        };
        keys.filter(move |key| std::future::ready(is_new(key))).boxed()
    }

    async fn open(&self) -> io::Result<Journal> {
        let mut entries = fs::read_dir(&self.path).await?;
        while let Some(entry) = entries.next_entry().await? {
            if entry.path().extension().is_some_and(|extension| extension == "unfinished") {
                fs::remove_file(entry.path()).await?;
            }
        }
        self.log.open(RandomState::new().hash_one(0)).await
    }

    async fn log(&self, purge: &[u8]) -> io::Result<()> {
        self.log.add(purge).await
    }

    async fn rewrite(&self, purges: &[Bytes]) -> io::Result<()> {
        self.log.rewrite(purges).await
    }
}

/// A file that is not whole yet, and goes if it never is.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

struct Open {
    file: File,
    verify: bool,
    /// Where the reader wants to begin.
    from: u64,
    /// Where in the body the file stands.
    at: u64,
    length: u64,
}

fn body(open: Open) -> TierBody {
    let chunks = stream::try_unfold(open, async |mut open| {
        while open.at < open.length {
            let left = open.length - open.at;
            let chunk = chunk(&mut open.file, left, open.verify).await?;
            let skipped = open.from.saturating_sub(open.at).min(chunk.len() as u64);
            open.at += chunk.len() as u64;
            let chunk = chunk.slice(usize::try_from(skipped).map_err(Error::other)?..);
            if !chunk.is_empty() {
                return Ok(Some((Frame::data(chunk), open)));
            }
        }
        Ok::<_, terrace_cdn_edge::store::tier::BoxError>(None)
    });
    BodyExt::boxed_unsync(StreamBody::new(chunks))
}

fn lead(chunk: &[u8]) -> io::Result<[u8; LEAD]> {
    let mut lead = [0; LEAD];
    let length = u32::try_from(chunk.len()).map_err(Error::other)?;
    lead[..4].copy_from_slice(&length.to_be_bytes());
    lead[4..].copy_from_slice(&xxh3_64(chunk).to_be_bytes());
    Ok(lead)
}

async fn chunk(file: &mut File, most: u64, verify: bool) -> io::Result<Bytes> {
    let length = file.read_u32().await?;
    let sum = file.read_u64().await?;
    if length == 0 || u64::from(length) > most {
        return Err(invalid("a chunk has a length that cannot be"));
    }
    let mut chunk = vec![0; length as usize];
    file.read_exact(&mut chunk).await?;
    if verify && xxh3_64(&chunk) != sum {
        return Err(invalid("a chunk is damaged"));
    }
    Ok(chunk.into())
}

fn stem(key: &TierKey) -> String {
    format!("{:032x}", xxh3_128(key.as_bytes()))
}

fn invalid(reason: &'static str) -> Error {
    Error::new(ErrorKind::InvalidData, reason)
}
