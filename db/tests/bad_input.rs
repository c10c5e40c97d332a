//! What is wrong from outside is refused with a type, in time, and leaves nothing behind.

use std::time::Duration;

use futures_util::future::join_all;
use terrace_db::backend::postgres::Postgres as Pg;
use terrace_db::backend::sqlite::SqliteCluster;
use terrace_db::{
    CausalContext, Error, ErrorKind, Node, NodeState, Outcome, PoolConfig, Position, RwPool, Token,
    TokenError, TokenKey,
};
use terrace_testkit::{Postgres, tools};
use tokio::time::{Instant, timeout};

use crate::embedded::Embedded;
use crate::world::{Network, World, config, in_both_worlds, until};

#[allow(dead_code, reason = "the consistency suite uses the rest of it")]
#[path = "consistency/embedded.rs"]
mod embedded;
#[allow(dead_code, reason = "the consistency suite uses the rest of it")]
#[path = "consistency/real.rs"]
mod real;
#[allow(dead_code, reason = "the consistency suite uses the rest of it")]
#[path = "consistency/world.rs"]
mod world;

in_both_worlds!(
    without_a_primary_writes_are_told_so_in_time,
    an_exhausted_pool_says_so_in_time,
    callers_who_may_not_even_wait_are_told_so_at_once,
    a_read_that_writes_is_refused_wherever_it_is_served,
    a_transaction_dropped_midway_leaves_nothing,
    a_token_of_another_cluster_is_refused,
    a_token_from_the_future_is_not_waited_for_for_ever,
    a_token_of_a_timeline_that_nobody_knows_is_not_believed,
);

/// Far more than any of these waits may take.
const PROMPT: Duration = Duration::from_secs(10);

fn kind<T>(result: Result<T, Error>) -> Option<(ErrorKind, Outcome)> {
    result.err().map(|error| (error.kind(), error.outcome()))
}

fn refused(kind: ErrorKind) -> Option<(ErrorKind, Outcome)> {
    Some((kind, Outcome::NotExecuted))
}

async fn without_a_primary_writes_are_told_so_in_time<W: World>() {
    let Some(world) = W::start(Network::Direct).await else { return };
    let pool = RwPool::builder(world.backend())
        .nodes([world.node(1), world.node(2)])
        .config(PoolConfig::default().write_wait(Duration::from_millis(200)))
        .connect()
        .await
        .expect("replicas are enough to begin with");
    let begun = Instant::now();
    let written = W::put(&pool, 0, 1, &CausalContext::new()).await;
    assert_eq!(kind(written), refused(ErrorKind::NoPrimary));
    assert!(Instant::now().saturating_duration_since(begun) < PROMPT);
    assert_eq!(kind(pool.transaction().await), refused(ErrorKind::NoPrimary));
    W::get(&pool, 0, None, false).await.expect("reads flow");
    assert_eq!(kind(W::get(&pool, 0, None, true).await), refused(ErrorKind::NoNode));
}

async fn an_exhausted_pool_says_so_in_time<W: World>() {
    let Some(world) = W::start(Network::Direct).await else { return };
    let few = config().connections(1).checkout(Duration::from_millis(100));
    let pool = world.pool(few, 0).await;
    let held = pool.write().await.expect("there is one connection");
    let begun = Instant::now();
    let second = W::put(&pool, 0, 1, &CausalContext::new()).await;
    assert_eq!(kind(second), refused(ErrorKind::Busy));
    assert!(Instant::now().saturating_duration_since(begun) < PROMPT);
    // Reads have connections of their own.
    W::get(&pool, 0, None, true).await.expect("reads flow");
    drop(held);
    W::put(&pool, 0, 1, &CausalContext::new()).await.expect("the connection came back");
}

async fn callers_who_may_not_even_wait_are_told_so_at_once<W: World>() {
    let Some(world) = W::start(Network::Direct).await else { return };
    let few = config().connections(1).max_waiting(2).checkout(Duration::from_secs(60));
    let pool = &world.pool(few, 0).await;
    let held = pool.write().await.expect("there is one connection");
    let waiting = async {
        let calls =
            (1..=5).map(|value| async move { W::put(pool, 0, value, &CausalContext::new()).await });
        join_all(calls).await
    };
    let freeing = async {
        // Those who may not wait have been told so by now, whatever order they came in.
        tokio::task::yield_now().await;
        drop(held);
    };
    let (results, ()) = timeout(PROMPT, futures_util::future::join(waiting, freeing))
        .await
        .expect("nobody waits for long");
    let busy = results
        .iter()
        .filter(|result| matches!(result, Err(error) if error.kind() == ErrorKind::Busy));
    assert_eq!(busy.count(), 3, "{results:?}");
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 2, "{results:?}");
}

async fn a_read_that_writes_is_refused_wherever_it_is_served<W: World>() {
    let Some(world) = W::start(Network::Direct).await else { return };
    let pool = world.pool(config(), 0).await;
    let read_only = Some((ErrorKind::ReadOnly, Outcome::Refused));
    for primary in [false, true] {
        let noted = W::note_in_a_read(&pool, 7, primary).await;
        assert_eq!(kind(noted), read_only, "on the primary: {primary}");
    }
    // Replicas are gone, and the primary serves their reads: still for reading only.
    world.kill(1).await;
    world.kill(2).await;
    until("the pool has noticed", || {
        pool.status().nodes.iter().filter(|node| node.state == NodeState::Down).count() == 2
    })
    .await;
    assert_eq!(kind(W::note_in_a_read(&pool, 7, false).await), read_only);
    assert_eq!(W::values(&pool).await.expect("the values can be read"), [0_u64; 0]);
    assert_eq!(pool.status().primary.as_deref(), Some("node-0"), "the primary is above suspicion");
    // The control: the same statement in a transaction for writing.
    let mut transaction = pool.transaction().await.expect("the primary is well");
    W::note(&mut transaction, 7).await.expect("the primary is well");
    transaction.commit().await.expect("the primary is well");
    assert_eq!(W::values(&pool).await.expect("the values can be read"), [7]);
}

async fn a_transaction_dropped_midway_leaves_nothing<W: World>() {
    let Some(world) = W::start(Network::Direct).await else { return };
    // One connection: whoever is next gets what the last one left.
    let pool = world.pool(config().connections(1), 0).await;
    for value in 1..=3 {
        let mut transaction = pool.transaction().await.expect("the primary is well");
        W::note(&mut transaction, value).await.expect("the primary is well");
        drop(transaction);
    }
    // Dropped while it waits for an answer.
    for value in 4..=6 {
        let mut transaction = pool.transaction().await.expect("the primary is well");
        W::note(&mut transaction, value).await.expect("the primary is well");
        let nothing = Duration::ZERO;
        let _ = timeout(nothing, W::note(&mut transaction, value)).await;
        drop(transaction);
    }
    let mut transaction = pool.transaction().await.expect("the connection is clean");
    W::note(&mut transaction, 7).await.expect("the connection is clean");
    transaction.commit().await.expect("the connection is clean");
    W::put(&pool, 0, 8, &CausalContext::new()).await.expect("the connection is clean");
    let mut stored = W::values(&pool).await.expect("the values can be read");
    stored.sort_unstable();
    assert_eq!(stored, [7, 8]);
}

/// A token that this pool's primary could have made, so much further on.
async fn token<W: World>(pool: &RwPool<W::B>, further: u64) -> Token {
    let context = CausalContext::new();
    W::put(pool, 0, 1, &context).await.expect("the primary is well");
    let position = context.position().expect("it has written");
    let position = Position::new(position.timeline, position.offset + further);
    let system = pool.status().system.expect("a node was seen");
    Token { system, position, seen: 0, issued: 0 }
}

async fn a_token_of_another_cluster_is_refused<W: World>() {
    let Some(world) = W::start(Network::Direct).await else { return };
    let pool = world.pool(config(), 0).await;
    let ours = token::<W>(&pool, 0).await;
    let mut foreign = ours;
    foreign.system.0 ^= 1;
    assert_eq!(kind(pool.read().after(foreign).await), refused(ErrorKind::ForeignToken));
    assert_eq!(kind(pool.standing(&foreign)), refused(ErrorKind::ForeignToken));
    // The control.
    pool.read().after(ours).await.expect("this one is ours");
}

async fn a_token_from_the_future_is_not_waited_for_for_ever<W: World>() {
    let Some(world) = W::start(Network::Direct).await else { return };
    let pool = world.pool(config(), 0).await;
    let future = token::<W>(&pool, 1 << 40).await;
    let read = timeout(PROMPT, pool.read().after(future)).await.expect("it ends");
    let read = read.expect("the primary serves what replicas cannot");
    assert_eq!(read.served_by(), "node-0");
}

async fn a_token_of_a_timeline_that_nobody_knows_is_not_believed<W: World>() {
    let Some(world) = W::start(Network::Direct).await else { return };
    let pool = world.pool(config(), 0).await;
    let mut ahead = token::<W>(&pool, 0).await;
    ahead.position.timeline += 7;
    let read = timeout(PROMPT, pool.read().after(ahead)).await.expect("it ends");
    // Another process may have seen a promotion that this one has not: nobody here is sure to have
    // what the token speaks of.
    assert_eq!(kind(read), refused(ErrorKind::NoNode));
    // And it does not make the pool believe in that timeline.
    W::put(&pool, 0, 2, &CausalContext::new()).await.expect("the primary is well");
    assert_eq!(pool.status().timeline, ahead.position.timeline - 7);
}

/// A server that wants a password of the user `guarded`, which is `right`.
async fn guarded() -> Option<Postgres> {
    tools::require_or_skip("postgres")?;
    let postgres = Postgres::start().await.expect("the server starts");
    let client = postgres.connect().await.expect("the server answers");
    let user = "CREATE ROLE guarded LOGIN PASSWORD 'right'";
    client.batch_execute(user).await.expect("the user is made");
    let path = postgres.data_dir().join("pg_hba.conf");
    let rules = std::fs::read_to_string(&path).expect("the rules can be read");
    let rules = format!("host all guarded 127.0.0.1/32 scram-sha-256\n{rules}");
    std::fs::write(&path, rules).expect("the rules can be written");
    // Any setting will do: afterwards new sessions go by the new rules as well.
    postgres.configure("log_disconnections", "on").await.expect("the rules are read");
    Some(postgres)
}

fn as_guarded(postgres: &Postgres, password: &str) -> Node<Pg> {
    let url = format!("postgres://guarded:{password}@{}/postgres", postgres.addr());
    Node::new("db-1", Pg::target(&url).expect("a URL"))
}

#[tokio::test]
async fn wrong_credentials_are_refused_at_the_start_and_not_told_to_anybody() {
    let Some(postgres) = guarded().await else { return };
    let wrong = RwPool::builder(Pg::new()).node(as_guarded(&postgres, "sesame")).connect();
    let error = timeout(PROMPT, wrong).await.expect("it ends").expect_err("the password is wrong");
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(!error.is_retryable());
    let told = format!("{error} {error:?} {:?}", as_guarded(&postgres, "sesame"));
    assert!(!told.contains("sesame"), "{told}");
    // The control.
    let right = RwPool::builder(Pg::new()).node(as_guarded(&postgres, "right")).connect().await;
    right.expect("the password is right").read().await.expect("it serves");
}

#[tokio::test]
async fn a_database_that_does_not_exist_is_refused_at_the_start() {
    let Some(_) = tools::require_or_skip("postgres") else { return };
    let postgres = Postgres::start().await.expect("the server starts");
    let target = Pg::target(&postgres.database_url("nowhere")).expect("a URL");
    let pool = RwPool::builder(Pg::new()).node(Node::new("db-1", target)).connect().await;
    assert_eq!(kind(pool), refused(ErrorKind::Denied));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_another_cluster_never_serves() {
    let world = Embedded::start(Network::Direct).await.expect("it needs nothing");
    let dir = tempfile::tempdir().expect("a directory");
    let other = SqliteCluster::create(dir.path(), &["stranger"]).expect("the cluster is made");
    let stranger = || Node::new("stranger", other.target("stranger"));
    // Known from the start, or added later.
    let nodes = [world.node(0), stranger()];
    let builder = RwPool::builder(world.backend()).nodes(nodes);
    assert_eq!(kind(builder.connect().await), refused(ErrorKind::ForeignCluster));
    let pool = world.pool(config(), 0).await;
    pool.add(stranger()).expect("its name is free");
    until("the pool has looked at it", || {
        pool.status().nodes.iter().any(|node| node.state == NodeState::Foreign)
    })
    .await;
    for value in 1..=20 {
        Embedded::put(&pool, 0, value, &CausalContext::new()).await.expect("the primary is well");
        let connection = pool.read().await.expect("replicas are well");
        assert_ne!(connection.served_by(), "stranger");
    }
    assert!(!pool.status().split_brain, "a stranger's primary is not ours");
}

#[tokio::test]
async fn tokens_are_believed_only_as_they_were_signed_and_while_they_are_young() {
    #[expect(clippy::disallowed_types, reason = "tokens carry wall time between machines")]
    let epoch = std::time::SystemTime::UNIX_EPOCH;
    let now = epoch + Duration::from_secs(2_000_000_000);
    let key = TokenKey::generate().expect("the system has random numbers");
    let position = Position::new(1, 99);
    let system = terrace_db::SystemId(7);
    let token = Token { system, position, seen: 0, issued: 2_000_000_000 };
    let text = key.sign(&token);
    assert_eq!(key.verify(&text, now), Ok(token));
    let late = now + Duration::from_secs(24 * 60 * 60);
    assert_eq!(key.verify(&text, late), Err(TokenError::Expired));
    let stranger = TokenKey::generate().expect("the system has random numbers");
    assert_eq!(stranger.verify(&text, now), Err(TokenError::Forged));
    for place in 0..text.len() {
        let mut forged = text.clone().into_bytes();
        forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).expect("letters");
        assert!(key.verify(&forged, now).is_err(), "{forged} for {text}");
    }
    assert_eq!(key.verify("", now), Err(TokenError::Malformed));
}

#[tokio::test]
async fn settings_that_cannot_be_are_refused_by_name() {
    let dir = tempfile::tempdir().expect("a directory");
    let node =
        || Node::new("a", terrace_db::backend::sqlite::SqliteTarget::file(dir.path().join("a")));
    let builder = || RwPool::builder(terrace_db::backend::sqlite::Sqlite::new());
    assert_eq!(kind(builder().connect().await), refused(ErrorKind::Config));
    let twice = builder().nodes([node(), node()]).connect().await;
    assert_eq!(kind(twice), refused(ErrorKind::Config));
    let none = builder().node(node()).config(PoolConfig::default().connections(0));
    assert_eq!(kind(none.connect().await), refused(ErrorKind::Config));
}
