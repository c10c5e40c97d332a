//! Servers that die, hang, and come back.

use std::time::Duration;

use terrace_session::expiry::Touch;
use terrace_session::store::{Created, Guard, Patched, Redis, Store};
use terrace_session::{Limits, StoreError};
use terrace_testkit::fault::{Fault, FaultProxy};
use tokio::time::{Instant, timeout};

use crate::world::{ALICE, HOUR, SOON, alice, key, login, new, server, set, stranger, until};

const LIMIT: Duration = Duration::from_millis(500);

async fn hasty(url: String) -> Redis {
    until("a server", async || Redis::builder(url.clone()).timeout(LIMIT).connect().await.is_ok())
        .await;
    // On a busy machine the next may still be slow; it connects by itself.
    Redis::builder(url).timeout(LIMIT).open().unwrap()
}

async fn works(store: &Redis) -> bool {
    store.epoch(&alice()).await.is_ok()
}

#[tokio::test]
async fn a_server_that_is_away_costs_nobody_time_and_is_used_when_it_is_back() {
    let Some(server) = server().await else { return };
    let store = hasty(server.url()).await;
    let id = key(ALICE, 1);
    until("a connection", async || works(&store).await).await;
    store.create(&id, &new(Some(login(alice())), HOUR)).await.unwrap();
    server.kill().await.unwrap();
    until("a refusal", async || {
        matches!(store.load(&id, Touch::Never).await, Err(StoreError::Unavailable(_)))
    })
    .await;
    let (before, began) = (store.connects(), Instant::now());
    for _ in 0..1_000 {
        let loaded = store.load(&id, Touch::Never).await;
        assert!(matches!(loaded, Err(StoreError::Unavailable(_))), "{loaded:?}");
    }
    // No storm: the attempts are those of time, and not of callers.
    let most = 2 + began.elapsed_in(Duration::from_millis(50));
    assert!(store.connects() - before <= most, "{} attempts", store.connects() - before);
    server.restart().await.unwrap();
    until("the server's return", async || works(&store).await).await;
    assert!(store.load(&id, Touch::Never).await.unwrap().is_none(), "it came back empty");
    let created = store.create(&id, &stranger()).await.unwrap();
    assert!(matches!(created, Created::Created { .. }));
}

trait Elapsed {
    fn elapsed_in(self, step: Duration) -> u64;
}

impl Elapsed for Instant {
    fn elapsed_in(self, step: Duration) -> u64 {
        let whole = Instant::now().saturating_duration_since(self).as_millis() / step.as_millis();
        u64::try_from(whole).unwrap()
    }
}

#[tokio::test]
async fn a_frozen_server_holds_nobody_up_and_answers_are_not_mixed_up_afterwards() {
    let Some(server) = server().await else { return };
    let store = hasty(server.url()).await;
    until("a connection", async || works(&store).await).await;
    let ids: Vec<_> = (0..20).map(|number| key([9; 4], number)).collect();
    for (value, id) in (0..).zip(&ids) {
        store.create(id, &stranger()).await.unwrap();
        store.patch(id, &set("who", value), Guard::Exists, Limits::default()).await.unwrap();
    }
    server.stop().await.unwrap();
    let began = Instant::now();
    let first = store.load(&ids[0], Touch::Never).await;
    assert!(matches!(first, Err(StoreError::Unknown(_))), "{first:?}");
    for id in &ids {
        let loaded = timeout(SOON, store.load(id, Touch::Never)).await.unwrap();
        assert!(loaded.is_err(), "{loaded:?}");
    }
    // 21 callers, one after the other; the first waits for an answer, some for a connection, and the rest for nothing.
    assert!(Instant::now().saturating_duration_since(began) < LIMIT * 10);
    server.cont();
    until("its thaw", async || works(&store).await).await;
    for (value, id) in (0_u64..).zip(&ids) {
        let loaded = store.load(id, Touch::Never).await.unwrap().unwrap();
        assert_eq!(loaded.record.values.get("who").unwrap().to::<u64>().unwrap(), value);
    }
}

#[tokio::test]
async fn a_caller_who_does_not_wait_leaves_no_deaf_connection_behind() {
    let Some(server) = server().await else { return };
    let proxy = FaultProxy::start(server.addr()).await.unwrap();
    let url = format!("redis://{}", proxy.addr());
    // Nobody waits for as long as the store itself does: a layer gives it 250 ms.
    let store = Redis::builder(url).timeout(SOON).connect().await.unwrap();
    until("a connection", async || works(&store).await).await;
    let (opened, begun) = (proxy.counts().connections, store.connects());
    proxy.set(Fault::BlackHole).await;
    let asked = timeout(Duration::from_millis(250), store.epoch(&alice())).await;
    assert!(asked.is_err(), "{asked:?}");
    until("another attempt", async || store.connects() > begun).await;
    // That one went into the hole too, and is given up with it.
    proxy.set(Fault::Reset).await;
    proxy.set(Fault::Pass).await;
    until("a connection", async || works(&store).await).await;
    assert!(proxy.counts().connections > opened);
}

#[tokio::test]
async fn a_connection_that_breaks_is_replaced_before_anybody_asks() {
    let Some(server) = server().await else { return };
    let proxy = FaultProxy::start(server.addr()).await.unwrap();
    let store =
        Redis::builder(format!("redis://{}", proxy.addr())).timeout(SOON).connect().await.unwrap();
    assert!(works(&store).await);
    let begun = store.connects();
    proxy.set(Fault::Reset).await;
    until("the next attempt", async || store.connects() > begun).await;
    proxy.set(Fault::Pass).await;
    until("a connection", async || works(&store).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_link_that_flaps_no_acknowledged_write_is_lost_and_none_is_made_twice() {
    let Some(server) = server().await else { return };
    let proxy = FaultProxy::start(server.addr()).await.unwrap();
    let store = Redis::builder(format!("redis://{}", proxy.addr())).timeout(LIMIT).open().unwrap();
    let id = key([9; 4], 1);
    until("a connection", async || works(&store).await).await;
    store.create(&id, &stranger()).await.unwrap();
    proxy
        .set(Fault::Flapping { up: Duration::from_millis(60), down: Duration::from_millis(20) })
        .await;
    let (mut acknowledged, mut unknown, began) = (0_u64, 0, Instant::now());
    let mut tries = 0;
    while Instant::now().saturating_duration_since(began) < Duration::from_secs(2)
        || acknowledged == 0
    {
        tries += 1;
        match store.patch(&id, &set("n", tries), Guard::Exists, Limits::default()).await {
            Ok(Patched::Applied { .. }) => acknowledged += 1,
            Ok(other) => panic!("{other:?}"),
            Err(StoreError::Unknown(_)) => unknown += 1,
            Err(StoreError::Unavailable(_)) => tokio::task::yield_now().await,
            Err(other) => panic!("{other:?}"),
        }
        assert!(Instant::now().saturating_duration_since(began) < SOON * 3);
    }
    proxy.set(Fault::Pass).await;
    until("a connection", async || works(&store).await).await;
    // The version counts what was done: each once, or not at all.
    let done = store.load(&id, Touch::Never).await.unwrap().unwrap().record.version - 1;
    assert!(
        (acknowledged..=acknowledged + unknown).contains(&done),
        "{acknowledged} + {unknown}: {done}"
    );
}
