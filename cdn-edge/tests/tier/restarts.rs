//! Purges that survive: what an edge does with the journal, in miniature.

use std::collections::HashMap;
use std::path::Path;

use super::*;

/// What a control takes away.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// The purges of the journal are done again at the start.
    Replay,
    /// Counting goes on after the last purge of the journal.
    CountOn,
    /// Records of another journal are not used.
    Generation,
}

/// An edge that purges by tag, and asks the tier only.
struct Edge {
    tier: Directory,
    off: Option<Rule>,
    generation: u64,
    now: u64,
    purged: HashMap<Vec<u8>, u64>,
}

impl Edge {
    async fn start(path: &Path, off: Option<Rule>) -> Self {
        let tier = Directory::new(path);
        let journal = tier.open().await.unwrap();
        let mut edge =
            Self { tier, off, generation: journal.generation, now: 0, purged: HashMap::new() };
        for purge in journal.purges {
            let (number, tag) = purge.split_first_chunk().unwrap();
            let number = u64::from_be_bytes(*number);
            if edge.on(Rule::Replay) {
                edge.purged.insert(tag.to_vec(), number);
            }
            if edge.on(Rule::CountOn) {
                edge.now = edge.now.max(number);
            }
        }
        edge
    }

    fn on(&self, rule: Rule) -> bool {
        self.off != Some(rule)
    }

    fn begin(&self) -> Stamp {
        Stamp { generation: self.generation, sequence: self.now }
    }

    async fn store(&self, began: Stamp, tag: &'static str, body: &'static str) {
        let meta = TierMeta { rest: tag.into(), ..meta(1, began) };
        self.tier.put(&key("a"), &meta, None, full(body)).await.unwrap();
    }

    async fn purge(&mut self, tag: &str) {
        self.now += 1;
        self.tier.log(&entry(self.now, tag)).await.unwrap();
        self.purged.insert(tag.into(), self.now);
    }

    async fn serve(&self) -> Option<Vec<u8>> {
        let record = self.tier.get(&key("a")).await.unwrap().pop()?;
        let Stamp { generation, sequence } = record.meta.stamp;
        let this = generation == self.generation || !self.on(Rule::Generation);
        let purged = self.purged.get(&record.meta.rest[..]).is_some_and(|at| *at > sequence);
        if this && !purged { read(record).await } else { None }
    }
}

fn entry(number: u64, tag: &str) -> Bytes {
    [&number.to_be_bytes()[..], tag.as_bytes()].concat().into()
}

#[tokio::test]
async fn what_was_not_purged_is_served_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let mut edge = Edge::start(directory.path(), None).await;
    edge.purge("covers").await;
    edge.purge("other").await;
    edge.store(edge.begin(), "covers", "new").await;
    edge.purge("other").await;
    assert_eq!(edge.serve().await.unwrap(), b"new");
    let edge = Edge::start(directory.path(), None).await;
    assert_eq!(edge.serve().await.unwrap(), b"new");
}

/// What is served after a restart, of an object that was purged while it was fetched.
async fn after_a_purge(off: Option<Rule>) -> Option<Vec<u8>> {
    let directory = tempfile::tempdir().unwrap();
    let mut edge = Edge::start(directory.path(), off).await;
    let began = edge.begin();
    edge.purge("covers").await;
    edge.store(began, "covers", "old").await;
    assert_eq!(edge.serve().await, None);
    Edge::start(directory.path(), off).await.serve().await
}

#[tokio::test]
async fn what_was_purged_stays_purged_after_a_restart() {
    assert_eq!(after_a_purge(None).await, None);
    // Control: without the journal it is back.
    assert_eq!(after_a_purge(Some(Rule::Replay)).await.unwrap(), b"old");
}

/// What is served of an object that was purged after a restart, with purges before it.
async fn purged_later(off: Option<Rule>) -> Option<Vec<u8>> {
    let directory = tempfile::tempdir().unwrap();
    let mut edge = Edge::start(directory.path(), off).await;
    edge.purge("other").await;
    edge.purge("other").await;
    edge.store(edge.begin(), "covers", "old").await;
    let mut edge = Edge::start(directory.path(), off).await;
    edge.purge("covers").await;
    edge.serve().await
}

#[tokio::test]
async fn a_purge_after_a_restart_concerns_what_is_older() {
    assert_eq!(purged_later(None).await, None);
    // Control: counted from 0 again, the purge is older than the object.
    assert_eq!(purged_later(Some(Rule::CountOn)).await.unwrap(), b"old");
}

/// What is served of a purged object when the journal is damaged.
async fn without_journal(off: Option<Rule>, damage: impl Fn(&Path)) -> Option<Vec<u8>> {
    let directory = tempfile::tempdir().unwrap();
    let mut edge = Edge::start(directory.path(), off).await;
    edge.store(edge.begin(), "covers", "old").await;
    edge.purge("covers").await;
    damage(&directory.path().join("purges"));
    Edge::start(directory.path(), off).await.serve().await
}

#[tokio::test]
async fn if_the_journal_is_lost_nothing_of_before_is_served() {
    let lost = |journal: &Path| std::fs::remove_file(journal).unwrap();
    let torn = |journal: &Path| {
        let bytes = std::fs::read(journal).unwrap();
        std::fs::write(journal, &bytes[..bytes.len() - 1]).unwrap();
    };
    let damaged = |journal: &Path| {
        let mut bytes = std::fs::read(journal).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(journal, bytes).unwrap();
    };
    assert_eq!(without_journal(None, lost).await, None);
    assert_eq!(without_journal(None, torn).await, None);
    assert_eq!(without_journal(None, damaged).await, None);
    // Control: by its number alone, the object looks as if nothing had been purged since.
    let off = Some(Rule::Generation);
    assert_eq!(without_journal(off, lost).await.unwrap(), b"old");
    assert_eq!(without_journal(off, torn).await.unwrap(), b"old");
    assert_eq!(without_journal(off, damaged).await.unwrap(), b"old");
}

#[tokio::test]
async fn a_rewritten_journal_keeps_its_generation() {
    let directory = tempfile::tempdir().unwrap();
    let mut edge = Edge::start(directory.path(), None).await;
    for _ in 0..10 {
        edge.purge("covers").await;
    }
    edge.store(edge.begin(), "covers", "new").await;
    edge.tier.rewrite(&[entry(10, "covers")]).await.unwrap();
    edge.purge("other").await;
    let edge = Edge::start(directory.path(), None).await;
    assert_eq!(edge.serve().await.unwrap(), b"new");
    assert_eq!(edge.now, 11);
    let journal = edge.tier.open().await.unwrap();
    assert_eq!(journal.purges, [entry(10, "covers"), entry(11, "other")]);
}
