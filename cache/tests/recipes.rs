//! The recipes of `terrace_cache::recipes`, and what happens where a step is left out.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use terrace_cache::engine::Policy;
use terrace_cache::freshness::{Freshness, Ttl};
use terrace_cache::tag::{Tag, row};
use terrace_cache::{Cache, Invalidations, LoadCx, Status};
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::sleep;

/// A table whose changes become visible when they are committed.
#[derive(Clone)]
struct Table {
    rows: Arc<Mutex<BTreeMap<u64, String>>>,
    loads: watch::Sender<usize>,
    gate: watch::Sender<bool>,
}

impl Table {
    fn new(rows: &[(u64, &str)]) -> Self {
        let rows = rows.iter().map(|(id, name)| (*id, (*name).to_owned())).collect();
        Self {
            rows: Arc::new(Mutex::new(rows)),
            loads: watch::Sender::new(0),
            gate: watch::Sender::new(true),
        }
    }

    fn commit(&self, id: u64, name: &str) {
        self.rows.lock().unwrap().insert(id, name.to_owned());
    }

    fn loads(&self) -> usize {
        *self.loads.borrow()
    }

    /// Reads, and brings what it read while the gate is open.
    async fn read(&self) -> BTreeMap<u64, String> {
        let rows = self.rows.lock().unwrap().clone();
        self.loads.send_modify(|loads| *loads += 1);
        let _ = self.gate.subscribe().wait_for(|open| *open).await;
        rows
    }
}

fn for_ever() -> Freshness {
    Freshness::default().ttl(Ttl::ForEver)
}

fn users(table: &Table) -> Cache<u64, String> {
    Cache::builder("users")
        .seed(7)
        .freshness(for_ever())
        .loader(table.clone(), |table, id, cx: LoadCx<String>| async move {
            cx.tag(row("users", id));
            Ok::<_, Infallible>(table.read().await.remove(&id))
        })
        .build()
        .unwrap()
}

/// Lists of all rows whose names begin with a letter. `whole`: they carry a tag of their own, too.
fn lists(table: &Table, whole: bool) -> Cache<String, String> {
    Cache::builder("lists")
        .seed(7)
        .freshness(for_ever())
        .loader(table.clone(), move |table, letter: String, cx: LoadCx<String>| async move {
            if whole {
                cx.tag(Tag::new("users"));
            }
            let rows = table.read().await.into_iter().filter(|(_, name)| name.starts_with(&letter));
            let names = rows.map(|(id, name)| {
                cx.tag(row("users", id));
                name
            });
            Ok::<_, Infallible>(Some(names.collect::<Vec<_>>().join(" ")))
        })
        .build()
        .unwrap()
}

async fn bump(cache: &Cache<String, String>, tag: Tag) {
    let mut changes = Invalidations::new();
    changes.tag(cache, tag);
    changes.send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_value_without_a_ttl_is_served_for_years_and_not_after_its_row_was_written() {
    let table = Table::new(&[(7, "Ann")]);
    let users = users(&table);
    users.get(&7).await.unwrap();
    sleep(Duration::from_secs(10 * 365 * 24 * 3600)).await;
    let old = users.get(&7).await.unwrap();
    assert_eq!((old.as_deref(), old.status()), (Some("Ann"), Status::L1));
    table.commit(7, "Anna");
    let mut changes = Invalidations::new();
    changes.tag(&users, row("users", 7));
    changes.send().await.unwrap();
    assert_eq!(users.get(&7).await.unwrap().as_deref(), Some("Anna"));
    assert_eq!(table.loads(), 2);
}

/// What is read for ever where a reader comes between the two steps of a write.
async fn after_a_write(send_first: bool) -> Option<String> {
    let table = Table::new(&[(7, "Ann")]);
    let users = users(&table);
    users.get(&7).await.unwrap();
    let mut changes = Invalidations::new();
    changes.key(&users, &7);
    if send_first {
        changes.send().await.unwrap();
        users.get(&7).await.unwrap();
        table.commit(7, "Anna");
    } else {
        table.commit(7, "Anna");
        users.get(&7).await.unwrap();
        changes.send().await.unwrap();
    }
    (*users.get(&7).await.unwrap()).clone()
}

#[tokio::test]
async fn invalidations_that_are_sent_after_the_commit_leave_no_old_value() {
    assert_eq!(after_a_write(false).await.as_deref(), Some("Anna"));
    // The control: sent before, they are too early.
    assert_eq!(after_a_write(true).await.as_deref(), Some("Ann"));
}

#[tokio::test]
async fn a_load_that_the_commit_overtakes_is_not_kept_for_ever() {
    let table = Table::new(&[(7, "Ann")]);
    let users = users(&table);
    table.gate.send_replace(false);
    let before = tokio::spawn({
        let users = users.clone();
        async move { users.get(&7).await.unwrap() }
    });
    table.loads.subscribe().wait_for(|loads| *loads == 1).await.unwrap();
    table.commit(7, "Anna");
    let mut changes = Invalidations::new();
    changes.tag(&users, row("users", 7));
    changes.send().await.unwrap();
    table.gate.send_replace(true);
    assert_eq!(before.await.unwrap().as_deref(), Some("Ann"), "it had asked before");
    assert_eq!(users.get(&7).await.unwrap().as_deref(), Some("Anna"));
}

#[tokio::test]
async fn a_transaction_that_is_rolled_back_costs_no_load() {
    let table = Table::new(&[(7, "Ann")]);
    let users = users(&table);
    users.get(&7).await.unwrap();
    let mut changes = Invalidations::new();
    changes.key(&users, &7).tag(&users, row("users", 7));
    drop(changes);
    assert_eq!(users.get(&7).await.unwrap().status(), Status::L1);
    assert_eq!(table.loads(), 1);
}

#[tokio::test]
async fn a_row_that_is_written_makes_the_lists_old_that_show_it_and_no_others() {
    let table = Table::new(&[(1, "Ann"), (2, "Adam"), (3, "Bob")]);
    let lists = lists(&table, true);
    let read = async |letter: &str| (*lists.get(&letter.to_owned()).await.unwrap()).clone();
    assert_eq!(read("A").await.as_deref(), Some("Ann Adam"));
    assert_eq!(read("B").await.as_deref(), Some("Bob"));
    table.commit(2, "Alan");
    bump(&lists, row("users", 2)).await;
    assert_eq!(read("A").await.as_deref(), Some("Ann Alan"));
    assert_eq!(read("B").await.as_deref(), Some("Bob"));
    assert_eq!(table.loads(), 3);
}

#[tokio::test]
async fn a_new_row_is_in_the_lists_that_have_a_tag_for_it() {
    for (whole, expected) in [(true, "Ann Ada"), (false, "Ann")] {
        let table = Table::new(&[(1, "Ann")]);
        let lists = lists(&table, whole);
        lists.get(&"A".to_owned()).await.unwrap();
        table.commit(4, "Ada");
        bump(&lists, row("users", 4)).await;
        bump(&lists, Tag::new("users")).await;
        // The control: without a tag of its own a list does not know of a row it has not got.
        let list = lists.get(&"A".to_owned()).await.unwrap();
        assert_eq!(list.as_deref(), Some(expected));
    }
}

/// What there is to read, and since when.
type News = Arc<Mutex<(u64, &'static str)>>;

fn news(version: u64, text: &'static str) -> News {
    Arc::new(Mutex::new((version, text)))
}

/// Pages by name and last change, made of what `source` has. `checks`: what is older than its key is
/// not kept.
fn pages(source: &News, checks: bool) -> Cache<(&'static str, u64), &'static str> {
    Cache::builder("news")
        .seed(7)
        .freshness(for_ever())
        .loader(Arc::clone(source), move |source, (_, version), cx: LoadCx<_>| async move {
            let (changed, text) = *source.lock().unwrap();
            if checks && changed < version {
                cx.do_not_store();
            }
            Ok::<_, Infallible>(Some(text))
        })
        .build()
        .unwrap()
}

#[tokio::test]
async fn who_knows_the_new_version_never_gets_the_old_value() {
    let source = news(1, "peace");
    let pages = pages(&source, true);
    assert_eq!(*pages.get(&("news", 1)).await.unwrap(), Some("peace"));
    *source.lock().unwrap() = (2, "rain");
    assert_eq!(*pages.get(&("news", 2)).await.unwrap(), Some("rain"));
    // Who still knows the old one has what it was then.
    assert_eq!(*pages.get(&("news", 1)).await.unwrap(), Some("peace"));
    // The control: without the version in the key everybody has.
    assert_eq!(*pages.get(&("page", 0)).await.unwrap(), Some("rain"));
    *source.lock().unwrap() = (3, "sun");
    assert_eq!(*pages.get(&("page", 0)).await.unwrap(), Some("rain"));
}

#[tokio::test]
async fn a_load_of_the_old_version_under_way_is_not_joined_by_who_knows_the_new_one() {
    let gate = watch::Sender::new(false);
    let pages: Cache<(&str, u64), u64> = Cache::builder("slow")
        .freshness(for_ever())
        .loader(gate.clone(), |gate: watch::Sender<bool>, (_, version), _| async move {
            if version == 1 {
                let _ = gate.subscribe().wait_for(|open| *open).await;
            }
            Ok::<_, Infallible>(Some(version))
        })
        .build()
        .unwrap();
    let old = tokio::spawn({
        let pages = pages.clone();
        async move { pages.get(&("news", 1)).await.unwrap() }
    });
    while pages.stats().in_flight == 0 {
        yield_now().await;
    }
    assert_eq!(*pages.get(&("news", 2)).await.unwrap(), Some(2));
    gate.send_replace(true);
    assert_eq!(*old.await.unwrap(), Some(1));
    assert_eq!(*pages.get(&("news", 2)).await.unwrap(), Some(2));
}

#[tokio::test]
async fn what_a_replica_has_not_got_yet_is_not_kept_under_the_new_version() {
    for (checks, expected) in [(true, "rain"), (false, "peace")] {
        let replica = news(1, "peace");
        let pages = pages(&replica, checks);
        assert_eq!(*pages.get(&("news", 2)).await.unwrap(), Some("peace"), "it is behind");
        *replica.lock().unwrap() = (2, "rain");
        // The control: without the check the old text is version 2 for ever.
        assert_eq!(*pages.get(&("news", 2)).await.unwrap(), Some(expected));
    }
}

#[tokio::test]
async fn old_versions_do_not_pile_up_and_new_ones_are_kept() {
    for policy in Policy::all().iter().copied() {
        let source = news(0, "news");
        let pages: Cache<(&str, u64), u64> = Cache::builder("many")
            .seed(7)
            .policy(policy)
            .capacity(100)
            .freshness(for_ever())
            .loader(source, |_, (_, version), _| async move { Ok::<_, Infallible>(Some(version)) })
            .build()
            .unwrap();
        let (mut hits, mut most) = (0, 0);
        for version in 0..2_000 {
            for _ in 0..4 {
                let page = pages.get(&("news", version)).await.unwrap();
                assert_eq!(*page, Some(version), "{policy}");
                hits += usize::from(page.status() == Status::L1);
            }
            if version % 50 == 0 {
                most = most.max(pages.stats().entries);
            }
        }
        assert!(most <= 100, "{policy}: {most} entries, the capacity is 100");
        // TinyLFU compares a new version with old ones that were asked for just as often, and refuses
        // it.
        let kept = if policy == Policy::TinyLfu { 2_000 } else { 6_000 };
        assert!(hits >= kept, "{policy}: {hits} hits of 6,000");
    }
}
