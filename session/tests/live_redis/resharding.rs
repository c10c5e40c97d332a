//! A slot that moves to another node of a cluster while its sessions are in use.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use redis::aio::MultiplexedConnection;
use terrace_session::store::{Guard, Patched, Redis, Store};
use terrace_session::token::SessionKey;
use terrace_session::{Limits, StoreError};
use terrace_testkit::Redis as Server;

use crate::world::{
    ALICE, HOUR, TOUCH, alice, ask, builder, cluster, key, login, new, session_name, set, stranger,
    until,
};

/// Strangers are the harder half: two of the three keys that a script is given are not there.
const SESSIONS: u32 = 20;

/// A node of a cluster.
struct Node {
    server: Server,
    connection: MultiplexedConnection,
    id: String,
}

impl Node {
    async fn of(server: Server) -> Self {
        let mut connection = server.connect().await.unwrap();
        let id = ask(&mut connection, &["CLUSTER", "MYID"]).await;
        Self { server, connection, id }
    }

    fn port(&self) -> String {
        self.server.addr().port().to_string()
    }

    async fn assign(&mut self, slot: &str, how: &[&str]) {
        let line = [&["CLUSTER", "SETSLOT", slot], how].concat();
        ask::<()>(&mut self.connection, &line).await;
    }
}

/// One that has all slots, and one that has none.
async fn two_nodes() -> Option<(Node, Node)> {
    let (full, other) = tokio::join!(cluster(), cluster());
    let (full, other) = (full?, other?);
    let mut connection = other.connect().await.unwrap();
    ask::<()>(&mut connection, &["CLUSTER", "RESET", "HARD"]).await;
    let (mut full, mut empty) = (Node::of(full).await, Node::of(other).await);
    ask::<()>(&mut full.connection, &["CLUSTER", "MEET", "127.0.0.1", &empty.port()]).await;
    until("a cluster of two", async || {
        let mut whole = true;
        for node in [&mut full, &mut empty] {
            let info: String = ask(&mut node.connection, &["CLUSTER", "INFO"]).await;
            whole &= info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:2");
        }
        whole
    })
    .await;
    Some((full, empty))
}

/// Gives a slot to another node, as `redis-cli --cluster reshard` does, or without what is in it. Between any two keys
/// something is asked: so there is a time in which half of a session is here and half there.
async fn reshard(from: &mut Node, to: &mut Node, slot: &str, with_keys: bool, asked: &AtomicU64) {
    to.assign(slot, &["IMPORTING", &from.id]).await;
    from.assign(slot, &["MIGRATING", &to.id]).await;
    if !with_keys {
        ask::<()>(&mut from.connection, &["FLUSHALL"]).await;
    }
    loop {
        let get = ["CLUSTER", "GETKEYSINSLOT", slot, "1"];
        let keys: Vec<String> = ask(&mut from.connection, &get).await;
        let Some(name) = keys.first() else { break };
        ask::<()>(&mut from.connection, &["MIGRATE", "127.0.0.1", &to.port(), name, "0", "5000"])
            .await;
        let before = asked.load(Ordering::SeqCst);
        until("questions", async || asked.load(Ordering::SeqCst) > before + 3).await;
    }
    let owner = to.id.clone();
    to.assign(slot, &["NODE", &owner]).await;
    from.assign(slot, &["NODE", &owner]).await;
}

/// What visitors and who moves the slot know of each other.
#[derive(Default)]
struct World {
    asked: AtomicU64,
    over: AtomicBool,
}

#[derive(Default)]
struct Seen {
    /// By key: the last number that was acknowledged.
    written: Vec<(SessionKey, Option<u64>)>,
    answered: u64,
    put_off: u64,
    /// Answers that there is no such session.
    gone: u64,
}

impl Seen {
    fn put_off(&mut self, error: &StoreError) {
        assert!(!matches!(error, StoreError::Invalid(_)), "{error:?}");
        self.put_off += 1;
    }
}

/// Uses and writes these sessions until it is over.
async fn visit(store: Redis, name: String, keys: Vec<SessionKey>, world: Arc<World>) -> Seen {
    let mut seen =
        Seen { written: keys.iter().map(|key| (*key, None)).collect(), ..Seen::default() };
    let mut number = 0;
    while !world.over.load(Ordering::SeqCst) {
        for nth in 0..keys.len() {
            let (key, _) = seen.written[nth];
            world.asked.fetch_add(1, Ordering::SeqCst);
            match store.load(&key, TOUCH).await {
                Ok(Some(_)) => seen.answered += 1,
                Ok(None) => seen.gone += 1,
                Err(error) => seen.put_off(&error),
            }
            number += 1;
            match store.patch(&key, &set(&name, number), Guard::Exists, Limits::default()).await {
                Ok(Patched::Applied { .. }) => seen.written[nth].1 = Some(number),
                Ok(other) => {
                    assert_eq!(other, Patched::Gone);
                    seen.gone += 1;
                }
                Err(error) => seen.put_off(&error),
            }
        }
    }
    seen
}

/// How many were told that their session is gone, and how many sessions have not what was acknowledged.
async fn faults(with_keys: bool) -> Option<(u64, usize)> {
    let (mut from, mut to) = two_nodes().await?;
    let store = builder(&from.server).cluster().connect().await.unwrap();
    let mut keys = Vec::new();
    for number in 0..SESSIONS {
        let key = key(ALICE, number);
        let of = if number % 2 == 0 { stranger() } else { new(Some(login(alice())), HOUR) };
        store.create(&key, &of).await.unwrap();
        keys.push(key);
    }
    let name = session_name("terrace", &keys[0]);
    let slot: u64 = ask(&mut from.connection, &["CLUSTER", "KEYSLOT", &name]).await;

    let world = Arc::new(World::default());
    let visitors: Vec<_> = ["a", "b", "c"]
        .map(|name| {
            let visit = visit(store.clone(), name.to_owned(), keys.clone(), Arc::clone(&world));
            (name, tokio::spawn(visit))
        })
        .into();
    let all = u64::from(SESSIONS) * 3;
    until("a first round", async || world.asked.load(Ordering::SeqCst) > all).await;
    reshard(&mut from, &mut to, &slot.to_string(), with_keys, &world.asked).await;
    until("answers by the new node", async || store.load(&keys[0], TOUCH).await.is_ok()).await;
    world.over.store(true, Ordering::SeqCst);

    let (mut gone, mut lost) = (0, 0);
    for (name, visitor) in visitors {
        let seen = visitor.await.unwrap();
        assert!(seen.answered > 0, "nobody asked");
        println!("{name}: {} loads answered, {} questions put off", seen.answered, seen.put_off);
        gone += seen.gone;
        for (key, number) in seen.written {
            let loaded = store.load(&key, TOUCH).await.unwrap();
            let kept = loaded.and_then(|loaded| loaded.record.values.get(name)?.to::<u64>().ok());
            // One whose answer was lost may be there, and is the later one.
            lost += usize::from(number.is_some() && kept < number);
        }
    }
    let left: u64 = ask(&mut from.connection, &["DBSIZE"]).await;
    assert_eq!(left, 0, "the sessions are at the other node");
    Some((gone, lost))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_moves_to_another_node_ends_no_session_and_loses_no_write() {
    let Some(faults) = faults(true).await else { return };
    assert_eq!(faults, (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn control_a_slot_that_moves_without_its_sessions_is_noticed() {
    let Some((gone, lost)) = faults(false).await else { return };
    assert!(gone > 0 && lost > 0, "gone: {gone}, lost: {lost}");
}
