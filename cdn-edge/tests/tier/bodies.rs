//! Bodies: as streams, whole or not at all.

use std::path::{Path, PathBuf};

use futures_util::{StreamExt, stream};
use http_body::Frame;
use http_body_util::StreamBody;
use terrace_cdn_edge::store::tier::BoxError;

use super::directory::{CHUNK, Rule};
use super::*;

/// The only file that is there.
fn only(directory: &Path) -> PathBuf {
    let mut files = std::fs::read_dir(directory).unwrap();
    let file = files.next().unwrap().unwrap().path();
    assert!(files.next().is_none());
    file
}

fn is_empty(directory: &Path) -> bool {
    std::fs::read_dir(directory).unwrap().next().is_none()
}

fn streamed<S>(chunks: S) -> TierBody
where
    S: futures_util::Stream<Item = Result<Bytes, BoxError>> + Send + 'static,
{
    StreamBody::new(chunks.map_ok(Frame::data)).boxed_unsync()
}

/// How many chunks of a body were taken before the one before was in the file.
async fn ahead(off: Option<Rule>) -> usize {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_owned();
    let ahead = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&ahead);
    let chunks = stream::iter(0..64_u64).map(move |number| {
        let written = only(&path).metadata().unwrap().len();
        let late = written < number * CHUNK as u64;
        count.fetch_add(usize::from(late), std::sync::atomic::Ordering::Relaxed);
        Ok(Bytes::from(vec![b'x'; CHUNK]))
    });
    let tier = Directory::without(directory.path(), off);
    tier.put(&key("a"), &meta(1, STAMP), None, streamed(chunks)).await.unwrap();
    assert_eq!(bodies(&tier, &key("a")).await[0].len(), 64 * CHUNK);
    ahead.load(std::sync::atomic::Ordering::Relaxed)
}

#[tokio::test]
async fn a_body_is_written_as_it_comes() {
    assert_eq!(ahead(None).await, 0);
    // Control: a tier that collects the body first has taken all of it.
    assert_eq!(ahead(Some(Rule::Stream)).await, 63);
}

#[tokio::test]
async fn a_body_is_read_as_it_is_asked_for_and_never_ends_early() {
    let directory = tempfile::tempdir().unwrap();
    let tier = Directory::new(directory.path());
    tier.put(&key("a"), &meta(1, STAMP), None, full(text(64 * CHUNK))).await.unwrap();
    let record = tier.get(&key("a")).await.unwrap().pop().unwrap();
    let mut body = record.into_body(0);
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first, text(64 * CHUNK)[..CHUNK]);
    // The rest is not in memory: cut the file, and it is missing.
    let file = std::fs::File::options().write(true).open(only(directory.path())).unwrap();
    file.set_len(10 * CHUNK as u64).unwrap();
    let mut read = CHUNK;
    let end = loop {
        match body.frame().await {
            Some(Ok(frame)) => read += frame.into_data().unwrap().len(),
            end => break end,
        }
    };
    assert!(read < 10 * CHUNK);
    assert!(matches!(end, Some(Err(_))), "a cut body must not look whole");
}

#[tokio::test]
async fn a_range_begins_where_it_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let tier = Directory::new(directory.path());
    let whole = text(3 * CHUNK + 5);
    tier.put(&key("a"), &meta(1, STAMP), None, full(whole.clone())).await.unwrap();
    for from in [0, 1, CHUNK - 1, CHUNK, 2 * CHUNK + 7, whole.len(), whole.len() + 1] {
        let record = tier.get(&key("a")).await.unwrap().pop().unwrap();
        let body = record.into_body(from as u64).collect().await.unwrap().to_bytes();
        assert_eq!(body, whole[from.min(whole.len())..], "{from}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_or_is_short_stores_nothing_and_leaves_what_was_there() {
    let broken = || {
        let error: BoxError = "the origin is gone".into();
        streamed(stream::iter([Ok(Bytes::from_static(b"ha")), Err(error)]))
    };
    let directory = tempfile::tempdir().unwrap();
    let tier = Directory::new(directory.path());
    assert!(tier.put(&key("a"), &meta(1, STAMP), None, broken()).await.is_err());
    assert!(tier.put(&key("a"), &meta(1, STAMP), Some(3), full("ha")).await.is_err());
    assert!(is_empty(directory.path()));
    tier.put(&key("a"), &meta(1, STAMP), Some(5), full("whole")).await.unwrap();
    assert!(tier.put(&key("a"), &meta(1, STAMP), None, broken()).await.is_err());
    assert_eq!(bodies(&tier, &key("a")).await, [b"whole"]);

    // Control: written under its own name, what was there is lost.
    let tier = Directory::without(directory.path(), Some(Rule::Rename));
    assert!(tier.put(&key("a"), &meta(1, STAMP), None, broken()).await.is_err());
    assert!(bodies(&tier, &key("a")).await.is_empty());
}

#[tokio::test]
async fn a_put_that_is_dropped_half_way_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let tier = Directory::new(directory.path());
    let (reached, half_way) = tokio::sync::oneshot::channel();
    let first = stream::iter([Ok(Bytes::from_static(b"half"))]);
    let never = stream::once(async {
        let _ = reached.send(());
        std::future::pending().await
    });
    let body = streamed(first.chain(never));
    let (at, what) = (key("a"), meta(1, STAMP));
    tokio::select! {
        _ = tier.put(&at, &what, None, body) => panic!("the body does not end"),
        reached = half_way => reached.unwrap(),
    }
    assert!(is_empty(directory.path()));

    // And a process that died there leaves a file that the next one removes.
    std::fs::write(directory.path().join("0.unfinished"), b"half").unwrap();
    Directory::new(directory.path()).open().await.unwrap();
    assert!(only(directory.path()).ends_with("purges"));
}

#[tokio::test]
async fn a_body_goes_on_as_it_began_when_its_record_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let tier = Directory::new(directory.path());
    let old = text(4 * CHUNK);
    tier.put(&key("a"), &meta(1, STAMP), None, full(old.clone())).await.unwrap();
    let record = tier.get(&key("a")).await.unwrap().pop().unwrap();
    let mut body = record.into_body(0);
    let mut read = body.frame().await.unwrap().unwrap().into_data().unwrap().to_vec();
    tier.put(&key("a"), &meta(1, STAMP), None, full(vec![b'n'; 4 * CHUNK])).await.unwrap();
    read.extend(body.collect().await.unwrap().to_bytes());
    assert_eq!(read, old);
}

/// How many of the damaged files are believed to be whole, or give another body.
async fn believed(off: Option<Rule>, damage: impl Fn(&[u8], usize) -> Vec<u8>) -> usize {
    let directory = tempfile::tempdir().unwrap();
    let tier = Directory::without(directory.path(), off);
    let body = text(300);
    tier.put(&key("a"), &meta(1, STAMP), None, full(body.clone())).await.unwrap();
    let file = only(directory.path());
    let whole = std::fs::read(&file).unwrap();
    let mut believed = 0;
    for at in 0..whole.len() {
        std::fs::write(&file, damage(&whole, at)).unwrap();
        for record in tier.get(&key("a")).await.unwrap() {
            let same = record.meta == meta(1, STAMP);
            let read = read(record).await;
            believed += usize::from(read.is_some_and(|read| !same || read != body));
        }
    }
    believed
}

#[tokio::test]
async fn a_torn_file_is_not_there() {
    let torn = |whole: &[u8], at| whole[..at].to_vec();
    assert_eq!(believed(None, torn).await, 0);
    // The file's size is there before its bytes are: a power cut leaves zeros.
    let zeros = |whole: &[u8], at| {
        let mut file = whole.to_vec();
        file[at..].fill(0);
        file
    };
    assert_eq!(believed(None, zeros).await, 0);
    // Control: without looking, some are believed.
    assert!(believed(Some(Rule::Verify), zeros).await > 0);
}

#[tokio::test]
async fn a_damaged_file_gives_no_other_body() {
    let flipped = |whole: &[u8], at: usize| {
        let mut file = whole.to_vec();
        file[at] ^= 1 << (at % 8);
        file
    };
    assert_eq!(believed(None, flipped).await, 0);
    // Control: without checksums, every byte of the body could be another one.
    assert!(believed(Some(Rule::Verify), flipped).await >= 300);
}
