//! That the trait of a tier can be kept: streaming both ways, restarts, torn files, and purges that
//! survive. The tier is one of these tests, and not of the crate.

mod bodies;
mod directory;
mod journal;
mod restarts;

use bytes::Bytes;
use directory::Directory;
use futures_util::TryStreamExt;
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::{BodyExt, Full};
use terrace_cdn_edge::object::{Head, Shapes};
use terrace_cdn_edge::store::tier::{Stamp, Tier, TierBody, TierKey, TierMeta, TierRecord};

fn key(text: &'static str) -> TierKey {
    TierKey::new(text)
}

fn head() -> Head {
    let map = HeaderMap::from_iter([
        (http::header::ETAG, HeaderValue::from_static("\"a\"")),
        (http::header::CONTENT_TYPE, HeaderValue::from_static("image/avif")),
    ]);
    Head::encode(StatusCode::OK, &map, &Shapes::default()).unwrap()
}

fn meta(variant: u64, stamp: Stamp) -> TierMeta {
    TierMeta { variant, stamp, head: head().to_bytes(), rest: Bytes::from_static(b"rest") }
}

const STAMP: Stamp = Stamp { generation: 1, sequence: 2 };

fn full(body: impl Into<Bytes>) -> TierBody {
    Full::new(body.into()).map_err(|never| match never {}).boxed_unsync()
}

/// Bytes that are nowhere the same.
fn text(length: usize) -> Vec<u8> {
    let mut chance = fastrand::Rng::with_seed(3);
    std::iter::repeat_with(|| chance.u8(..)).take(length).collect()
}

async fn read(record: TierRecord) -> Option<Vec<u8>> {
    record.into_body(0).collect().await.ok().map(|body| body.to_bytes().to_vec())
}

/// The bodies of all variants of a key.
async fn bodies(tier: &Directory, at: &TierKey) -> Vec<Vec<u8>> {
    let mut bodies = Vec::new();
    for record in tier.get(at).await.unwrap() {
        bodies.push(read(record).await.unwrap());
    }
    bodies
}

#[tokio::test]
async fn a_record_comes_back_after_a_restart_with_all_that_was_stored() {
    let directory = tempfile::tempdir().unwrap();
    let body = text(100_000);
    let tier = Directory::new(directory.path());
    tier.open().await.unwrap();
    tier.put(&key("a"), &meta(7, STAMP), Some(100_000), full(body.clone())).await.unwrap();
    drop(tier);

    let tier = Directory::new(directory.path());
    tier.open().await.unwrap();
    let mut records = tier.get(&key("a")).await.unwrap();
    let record = records.pop().unwrap();
    assert!(records.is_empty());
    assert_eq!(record.meta, meta(7, STAMP));
    assert_eq!(record.length, 100_000);
    assert_eq!(Head::from_bytes(&record.meta.head, &Shapes::default()), Ok(head()));
    assert_eq!(read(record).await.unwrap(), body);
    assert!(tier.get(&key("b")).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_variant_replaces_itself_and_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let tier = Directory::new(directory.path());
    for (variant, body) in [(1, "one"), (2, "two"), (1, "three")] {
        tier.put(&key("a"), &meta(variant, STAMP), None, full(body)).await.unwrap();
    }
    assert_eq!(bodies(&tier, &key("a")).await, [b"three".to_vec(), b"two".to_vec()]);
    tier.put(&key("b"), &meta(1, STAMP), None, full("other")).await.unwrap();
    tier.remove(&key("a")).await.unwrap();
    tier.remove(&key("a")).await.unwrap();
    assert!(bodies(&tier, &key("a")).await.is_empty());
    assert_eq!(bodies(&tier, &key("b")).await, [b"other"]);
}

#[tokio::test]
async fn all_keys_are_found_to_warm_up_each_once() {
    let directory = tempfile::tempdir().unwrap();
    let tier = Directory::new(directory.path());
    for (at, variant) in [("a", 1), ("a", 2), ("b", 1), ("c", 1)] {
        tier.put(&key(at), &meta(variant, STAMP), None, full("x")).await.unwrap();
    }
    tier.remove(&key("c")).await.unwrap();
    let tier = Directory::new(directory.path());
    let mut keys: Vec<TierKey> = tier.keys().try_collect().await.unwrap();
    keys.sort_by(|one, other| one.as_bytes().cmp(other.as_bytes()));
    assert_eq!(keys, [key("a"), key("b")]);
}

#[tokio::test]
async fn a_tier_can_be_kept_behind_a_pointer() {
    let directory = tempfile::tempdir().unwrap();
    let tier: std::sync::Arc<dyn Tier> = std::sync::Arc::new(Directory::new(directory.path()));
    let task = tokio::spawn(async move { tier.get(&key("a")).await.map(|records| records.len()) });
    assert_eq!(task.await.unwrap().unwrap(), 0);
}
