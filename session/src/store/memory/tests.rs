use std::sync::Arc;
use std::time::Duration;

use super::{Memory, MemoryBuilder};
use crate::clock::{Clock, ManualClock, UnixMillis};
use crate::expiry::{Expiry, Lifetime, Touch};
use crate::record::{Device, Limits, Name, Patch, Value, Values};
use crate::store::{
    Authentication, Change, Created, Guard, NewSession, Patched, Rotated, Rotation, Store, Subject,
};
use crate::token::{SessionKey, Tag};

const HOUR: Duration = Duration::from_secs(60 * 60);
const LIFETIME: Lifetime = Lifetime { idle: HOUR, absolute: Duration::from_secs(12 * 60 * 60) };
const KIB: u64 = 1024;

fn key(n: u64) -> SessionKey {
    let mut hash = [0; 32];
    hash.iter_mut().zip(n.to_le_bytes()).for_each(|(byte, of)| *byte = of);
    SessionKey::new(Tag::default(), hash)
}

fn alice() -> Subject {
    Subject { id: "alice".into(), tag: Tag::default() }
}

fn session(subject: Option<Subject>) -> NewSession {
    let login =
        |subject| Authentication { subject, device: Device::default(), epoch: None, limit: None };
    NewSession { authentication: subject.map(login), values: Values::new(), lifetime: LIFETIME }
}

fn setting(bytes: usize) -> Patch {
    let mut patch = Patch::default();
    let value = Value::of(&"x".repeat(bytes - 2)).expect("a value");
    patch.set(Name::new("a").expect("a name"), value);
    patch
}

fn store(adjust: impl FnOnce(MemoryBuilder) -> MemoryBuilder) -> (Memory, ManualClock) {
    let clock = ManualClock::at(UnixMillis(1_000_000));
    (adjust(Memory::builder()).clock(clock.clone()).build(), clock)
}

async fn create(store: &Memory, n: u64) {
    let created = store.create(&key(n), &session(Some(alice()))).await.expect("an answer");
    assert!(matches!(created, Created::Created { .. }), "{created:?}");
}

async fn is_there(store: &Memory, n: u64) -> bool {
    store.load(&key(n), Touch::Never).await.expect("an answer").is_some()
}

/// Keys, subjects, and what is due.
fn sizes(store: &Memory) -> (u64, usize, usize) {
    let (subjects, due) = store.shared.index().size();
    (store.shared.table.size().0, subjects, due)
}

async fn renew(store: &Memory, old: u64, new: u64) {
    let change = Change::Renew { grace: Duration::from_secs(10) };
    let rotation =
        Rotation { change, patch: Patch::default(), limits: Limits::default(), lifetime: LIFETIME };
    let rotated = store.rotate(&key(old), &key(new), &rotation).await.expect("an answer");
    assert!(matches!(rotated, Rotated::Rotated { .. }), "{rotated:?}");
}

#[tokio::test]
async fn under_the_bound_the_one_that_was_unused_for_longest_goes() {
    // Sessions without values weigh one and a half KiB with a subject.
    let (store, _) = store(|store| store.capacity(10 * 3 * KIB / 2));
    for n in 0..10 {
        create(&store, n).await;
    }
    assert_eq!(store.evictions(), 0);
    assert!(is_there(&store, 0).await);
    create(&store, 10).await;
    assert_eq!(store.evictions(), 1);
    assert!(is_there(&store, 0).await);
    assert!(!is_there(&store, 1).await);
    let patched = store.patch(&key(1), &setting(10), Guard::Exists, Limits::default()).await;
    assert_eq!(patched.expect("an answer"), Patched::Gone);
    // Neither a list nor a revocation knows it any more.
    assert_eq!(store.list(&alice()).await.expect("a list").len(), 10);
    assert_eq!(sizes(&store), (10, 1, 10));
    assert_eq!(store.revoke(&alice(), None).await.expect("an answer"), 10);
}

#[tokio::test]
async fn a_session_that_grows_makes_others_go() {
    let (store, _) = store(|store| store.capacity(64 * KIB));
    for n in 0..40 {
        create(&store, n).await;
    }
    assert_eq!(store.evictions(), 0);
    let patched = store.patch(&key(39), &setting(50_000), Guard::Exists, Limits::default()).await;
    assert!(matches!(patched, Ok(Patched::Applied { .. })), "{patched:?}");
    let (keys, weight) = store.shared.table.size();
    assert!(weight <= 64 * KIB, "{weight} bytes");
    assert_eq!(store.evictions(), 40 - keys);
    assert!(is_there(&store, 39).await);
    assert_eq!(store.list(&alice()).await.expect("a list").len() as u64, keys);
    assert_eq!(sizes(&store).2 as u64, keys);
}

#[tokio::test]
async fn weights_are_right_after_many_changes() {
    let (store, _) = store(|store| store);
    create(&store, 0).await;
    for bytes in [5_000, 100, 60_000, 3, 2_000, 40_000] {
        let patch = setting(bytes);
        store.patch(&key(0), &patch, Guard::Exists, Limits::default()).await.expect("an answer");
        let weight = store.shared.table.size().1;
        let expected = KIB + bytes as u64;
        assert!((expected..expected + KIB).contains(&weight), "{weight} for {bytes}");
    }
    renew(&store, 0, 1).await;
    store.delete(&key(0)).await.expect("an answer");
    assert_eq!(store.shared.table.size(), (0, 0));
}

#[tokio::test]
async fn an_evicted_session_takes_its_old_key_along() {
    let (store, _) = store(|store| store.capacity(4 * KIB));
    create(&store, 0).await;
    renew(&store, 0, 1).await;
    for n in 2..6 {
        create(&store, n).await;
    }
    assert!(!is_there(&store, 0).await && !is_there(&store, 1).await);
    assert_eq!(sizes(&store), (2, 1, 2));
}

#[tokio::test]
async fn nothing_is_left_when_all_are_over() {
    let (store, clock) = store(|store| store);
    for n in 0..10_000 {
        create(&store, n).await;
    }
    for n in 0..100 {
        renew(&store, n, 10_000 + n).await;
    }
    store
        .revoke(&Subject { id: "bob".into(), tag: Tag::default() }, None)
        .await
        .expect("an answer");
    clock.advance(HOUR * 24);
    assert_eq!(store.sweep(6_000).await.expect("an answer"), 6_000);
    assert_eq!(store.sweep(usize::MAX).await.expect("an answer"), 4_000);
    assert_eq!(sizes(&store), (0, 0, 0));
}

#[tokio::test]
async fn what_is_over_goes_while_others_come() {
    let (store, clock) = store(|store| store);
    for n in 0..1_000 {
        create(&store, n).await;
    }
    clock.advance(HOUR);
    for n in 1_000..2_000 {
        create(&store, n).await;
    }
    assert_eq!(sizes(&store), (1_000, 1, 1_000));
}

#[tokio::test]
async fn sessions_in_use_let_what_is_over_go_without_creations() {
    let (store, clock) = store(|store| store);
    let touch = Touch::Use { idle: HOUR, after: Expiry::new(HOUR, HOUR).touch_after() };
    for n in 0..200 {
        create(&store, n).await;
    }
    for _ in 0..40 {
        clock.advance(HOUR / 8);
        for n in 0..50 {
            let loaded = store.load(&key(n), touch).await.expect("an answer");
            assert!(loaded.is_some_and(|loaded| loaded.touched));
        }
    }
    assert_eq!(sizes(&store), (50, 1, 50));
}

#[tokio::test]
async fn a_login_and_a_logout_leave_nothing() {
    let (store, _) = store(|store| store);
    for n in 0..1_000 {
        create(&store, n).await;
        assert!(store.delete(&key(n)).await.expect("an answer"));
    }
    assert_eq!(sizes(&store), (0, 0, 0));
}

#[tokio::test]
async fn a_sweep_passes_by_a_session_that_somebody_is_at() {
    let (store, clock) = store(|store| store);
    create(&store, 0).await;
    create(&store, 1).await;
    clock.advance(HOUR);
    let session = store.shared.table.get(&key(0)).expect("a session");
    let at_it = session.lock();
    assert_eq!(store.shared.sweep(10).removed, 1);
    drop(at_it);
    clock.advance(Duration::from_secs(1));
    assert_eq!(store.shared.sweep(10).removed, 1);
}

#[tokio::test]
async fn a_load_copies_nothing() {
    let (store, _) = store(|store| store);
    create(&store, 0).await;
    let load = async || store.load(&key(0), Touch::Never).await.expect("an answer").expect("it");
    let (one, two) = (load().await, load().await);
    assert!(Arc::ptr_eq(&one.record, &two.record));
    // Who has loaded it keeps what was there.
    store.patch(&key(0), &setting(10), Guard::Exists, Limits::default()).await.expect("an answer");
    assert!(one.record.values.is_empty());
    assert_eq!(load().await.record.values.len(), 1);
}

#[tokio::test]
async fn a_patch_copies_only_what_somebody_looks_at() {
    let (store, _) = store(|store| store);
    create(&store, 0).await;
    let load = async || store.load(&key(0), Touch::Never).await.expect("an answer").expect("it");
    let patch = async |bytes| {
        let limits = Limits::default();
        store.patch(&key(0), &setting(bytes), Guard::Exists, limits).await.expect("an answer");
    };
    let place = async || Arc::as_ptr(&load().await.record);
    let before = place().await;
    patch(10).await;
    assert_eq!(place().await, before);
    // The control: a copy is seen.
    let looked_at = load().await;
    patch(20).await;
    assert_ne!(place().await, before);
    drop(looked_at);
}

#[tokio::test]
async fn an_epoch_is_forgotten_after_a_day_and_the_next_is_later() {
    let (store, clock) = store(|store| store);
    store.revoke(&alice(), None).await.expect("an answer");
    let before = store.epoch(&alice()).await.expect("an epoch");
    clock.advance(HOUR * 23);
    store.sweep(10).await.expect("an answer");
    assert_eq!(store.epoch(&alice()).await.expect("an epoch"), before);
    clock.advance(HOUR);
    store.sweep(10).await.expect("an answer");
    assert_eq!(sizes(&store), (0, 0, 0));
    store.revoke(&alice(), None).await.expect("an answer");
    assert!(store.epoch(&alice()).await.expect("an epoch") > before);
    assert!(clock.now() > UnixMillis(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threads_at_the_bound_leave_table_and_index_of_one_mind() {
    let (store, _) = store(|store| store.capacity(64 * KIB));
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let tasks = (0..8_u64).map(|task| {
        let store = store.clone();
        let mut chance = fastrand::Rng::with_seed(seed.wrapping_add(task));
        tokio::spawn(async move {
            for turn in 0..500 {
                let (new, any) =
                    (task * 1_000 + turn, chance.u64(..8) * 1_000 + chance.u64(..=turn));
                let patch = setting(2 + chance.usize(..8_000));
                store.create(&key(new), &session(Some(alice()))).await?;
                store.patch(&key(any), &patch, Guard::Exists, Limits::default()).await?;
                if chance.u8(..4) == 0 {
                    store.delete(&key(any)).await?;
                }
            }
            Ok::<(), crate::StoreError>(())
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.expect("no panic").expect("an answer");
    }
    drop(store.shared.index());
    let (keys, weight) = store.shared.table.size();
    assert!(weight <= 64 * KIB, "{weight} bytes");
    assert_eq!(store.list(&alice()).await.expect("a list").len() as u64, keys);
    assert_eq!(sizes(&store), (keys, 1, keys.try_into().expect("few")));
    assert_eq!(store.revoke(&alice(), None).await.expect("an answer"), keys);
    assert_eq!(store.shared.table.size(), (0, 0));
}
