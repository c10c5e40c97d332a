//! Positions that replicas reach, and do not reach too early.

use terrace_testkit::fault::{Fault as Toxic, FaultProxy};

use super::super::super::lsn;
use super::*;

/// A commit that a replica does not reach within this is taken for one that it never reaches. The
/// server writes something by itself every 15 s at the earliest.
const SOON: Duration = Duration::from_secs(5);

async fn reached(replica: &mut PgConnection, position: Position) -> bool {
    let deadline = Instant::now() + SOON;
    loop {
        if Postgres::new().replayed(replica).await.unwrap() >= position.offset {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn live_every_commits_position_is_reached_without_further_writes() {
    let Some(cluster) = start(1).await else { return };
    let mut primary = connect(cluster.primary(), Access::ReadWrite).await;
    let mut replica = connect(&cluster.nodes()[1], Access::ReadOnly).await;
    let sql = "INSERT INTO t VALUES ($1)";
    for id in 0..1000 {
        let position = if id % 2 == 0 {
            primary.ask_written::<Count>(sql, &[&id]).await.unwrap().1
        } else {
            primary.begin().await.unwrap();
            primary.execute(sql, &[&id]).await.unwrap();
            primary.commit(true).await.unwrap().unwrap()
        };
        let readable = Postgres::new().readable(&mut primary).await.unwrap();
        assert!(reached(&mut replica, position).await, "commit {id} at {position}");
        assert!(reached(&mut replica, readable).await, "commit {id}, readable at {readable}");
        // The other rule: nothing is claimed before it can be read.
        let sql = "SELECT 1 FROM t WHERE id = $1";
        let row = replica.ask_checked::<Rows>(position.offset, sql, &[&id]).await.unwrap();
        assert!(matches!(&row, Checked::Reached(rows) if rows.len() == 1), "{id}: {row:?}");
    }
}

async fn inserted(primary: &PgConnection) -> u64 {
    let sql = "SELECT pg_current_wal_insert_lsn()::text";
    let text: String = primary.query_one(sql, &[]).await.unwrap().get(0);
    lsn::parse(&text).unwrap()
}

#[tokio::test]
async fn live_a_commit_that_fills_its_page_has_a_position_that_is_reached() {
    const PAGE: u64 = 8192;
    let Some(cluster) = start(1).await else { return };
    let mut primary = connect(cluster.primary(), Access::ReadWrite).await;
    let mut replica = connect(&cluster.nodes()[1], Access::ReadOnly).await;
    let sql = "SELECT pg_logical_emit_message(true, '', repeat('x', $1))";
    let mut trapped = 0;
    // What a commit needs beside its data; learned from one without a page header within it.
    let mut overhead = None;
    for attempt in 0..100 {
        let before = inserted(&primary).await;
        let free = PAGE - before % PAGE;
        let fill = match overhead {
            Some(overhead) if free >= overhead + 512 => free - overhead,
            _ => 1024,
        };
        let fill_bytes = i32::try_from(fill).unwrap();
        let (_, position) = primary.ask_written::<Rows>(sql, &[&fill_bytes]).await.unwrap();
        let raw = inserted(&primary).await;
        let readable = Postgres::new().readable(&mut primary).await.unwrap();
        assert!(reached(&mut replica, position).await, "attempt {attempt} at {position}");
        assert!(reached(&mut replica, readable).await, "attempt {attempt} at {readable}");
        if raw % PAGE == 24 {
            // Control: what the server says is out of reach, as long as nobody writes.
            sleep(Duration::from_millis(100)).await;
            let replayed = Postgres::new().replayed(&mut replica).await.unwrap();
            assert_eq!(replayed, readable.offset);
            trapped += 1;
            if trapped == 3 {
                return;
            }
        } else if raw / PAGE == before / PAGE {
            overhead = Some(raw - before - fill);
        }
    }
    panic!("the raw insert position was out of reach {trapped} times of 3: this proves nothing");
}

#[tokio::test]
async fn live_a_session_that_does_not_wait_for_the_disk_gets_a_position_that_covers_its_commit() {
    let Some(cluster) = start(1).await else { return };
    let mut primary = connect(cluster.primary(), Access::ReadWrite).await;
    let mut replica = connect(&cluster.nodes()[1], Access::ReadOnly).await;
    let sql = "INSERT INTO t VALUES ($1)";
    let flushed = "SELECT pg_current_wal_flush_lsn()::text";
    let mut early = 0;
    for id in 0..12 {
        // For the session, or just for the transaction; and then the commit is over when this
        // session waits for the disk again.
        let (position, after) = if id % 2 == 0 {
            primary.batch_execute("SET synchronous_commit = off").await.unwrap();
            let position = primary.ask_written::<Count>(sql, &[&id]).await.unwrap().1;
            (position, primary.query_one(flushed, &[]).await.unwrap())
        } else {
            primary.batch_execute("SET synchronous_commit = on").await.unwrap();
            primary.begin().await.unwrap();
            primary.batch_execute("SET LOCAL synchronous_commit = off").await.unwrap();
            primary.execute(sql, &[&id]).await.unwrap();
            let position = primary.commit(true).await.unwrap().unwrap();
            (position, primary.query_one(flushed, &[]).await.unwrap())
        };
        let flushed = lsn::parse(after.get::<_, String>(0).as_str()).unwrap();
        early += u32::from(flushed < position.offset);
        assert!(reached(&mut replica, position).await, "commit {id} at {position}");
        let rows = replica.query("SELECT 1 FROM t WHERE id = $1", &[&id]).await.unwrap();
        assert_eq!(rows.len(), 1, "commit {id} at {position}");
    }
    // Control: what was flushed did not cover it.
    assert!(early > 0, "the flushed position always covered the commit: this test proves nothing");
}

#[tokio::test]
async fn live_an_answer_from_a_replica_that_is_behind_is_thrown_away() {
    let Some(cluster) = start(1).await else { return };
    let mut primary = connect(cluster.primary(), Access::ReadWrite).await;
    let mut replica = connect(&cluster.nodes()[1], Access::ReadOnly).await;
    cluster.nodes()[1].pause_replay().await.unwrap();
    let insert = "INSERT INTO t VALUES (1)";
    let (_, position) = primary.ask_written::<Count>(insert, &[]).await.unwrap();
    let sql = "SELECT id FROM t";
    let behind = replica.ask_checked::<Rows>(position.offset, sql, &[]).await.unwrap();
    assert!(matches!(behind, Checked::Behind(at) if at < position.offset), "{behind:?}");
    // Control: unchecked, the same question gets the stale answer.
    assert!(replica.query(sql, &[]).await.unwrap().is_empty());

    cluster.nodes()[1].resume_replay().await.unwrap();
    until("the row can be read", async || {
        match replica.ask_checked::<Rows>(position.offset, sql, &[]).await.unwrap() {
            Checked::Reached(rows) => {
                assert_eq!(rows.len(), 1);
                true
            }
            Checked::Behind(_) => false,
        }
    })
    .await;
}

#[tokio::test]
async fn live_a_promoted_node_does_not_claim_what_it_has_written_itself() {
    let Some(cluster) = start(1).await else { return };
    let mut node = connect(&cluster.nodes()[1], Access::ReadWrite).await;
    cluster.nodes()[1].promote().await.unwrap();
    let fork = observe(&mut node).await.history.unwrap().forks()[0].offset;
    let (_, position) = node.ask_written::<Count>("INSERT INTO t VALUES (1)", &[]).await.unwrap();
    assert_eq!(position.timeline, 2);
    let replayed = Postgres::new().replayed(&mut node).await.unwrap();
    assert!(replayed <= fork, "{replayed:X} {fork:X}");
    assert!(position.offset > fork);
}

#[tokio::test]
async fn live_a_replica_has_no_position_of_a_primary() {
    let Some(cluster) = start(1).await else { return };
    let mut replica = connect(&cluster.nodes()[1], Access::ReadWrite).await;
    let error = Postgres::new().written(&mut replica).await.unwrap_err();
    assert!(matches!(error, PgError::InRecovery), "{error:?}");
    assert_eq!(fault(&error), Fault::ReadOnly);
    let error = replica.ask_written::<Count>("INSERT INTO t VALUES (1)", &[]).await.unwrap_err();
    assert_eq!(fault(&error), Fault::ReadOnly);
    replica.begin().await.unwrap();
    let error = replica.commit(true).await.unwrap_err();
    assert_eq!(fault(&error), Fault::ReadOnly, "{error:?}");
    // And is ready for the next one.
    assert_eq!(count(&replica).await, 0);
}

#[tokio::test]
async fn live_a_refused_write_gets_no_position() {
    let Some(cluster) = start(0).await else { return };
    let mut primary = connect(cluster.primary(), Access::ReadWrite).await;
    let sql = "INSERT INTO t VALUES (1)";
    let (rows, _) = primary.ask_written::<Count>(sql, &[]).await.unwrap();
    assert_eq!(rows, 1);
    let error = primary.ask_written::<Count>(sql, &[]).await.unwrap_err();
    assert_eq!((fault(&error), error.code().unwrap().code()), (Fault::Statement, "23505"));
    let sql = "INSERT INTO t VALUES (2), (3) RETURNING id";
    let (rows, position) = primary.ask_written::<Rows>(sql, &[]).await.unwrap();
    assert_eq!((rows.len(), position.timeline), (2, 1));
}

/// Each takes one trip to the server and back, once its statements are prepared.
#[tokio::test]
async fn live_a_position_and_a_check_cost_no_round_trip_of_their_own() {
    const WAY: Duration = Duration::from_millis(60);
    let Some(cluster) = start(1).await else { return };
    let mut proxies = Vec::new();
    let mut connections = Vec::new();
    for node in cluster.nodes() {
        let proxy = FaultProxy::start(node.addr()).await.unwrap();
        let url = format!("postgres://postgres@{}/postgres", proxy.addr());
        connections.push(try_connect(&url, Access::ReadWrite).await.unwrap());
        proxies.push(proxy);
    }
    let (insert, select) = ("INSERT INTO t VALUES ($1)", "SELECT id FROM t WHERE id = $1");
    let [primary, replica] = &mut connections[..] else { panic!("two connections") };
    for warm in [true, false] {
        if !warm {
            for proxy in &proxies {
                proxy.set(Toxic::Delay(WAY)).await;
            }
        }
        let id = i32::from(warm) * 10;
        let backend = Postgres::new();
        let begun = Instant::now();
        let (_, position) = primary.ask_written::<Count>(insert, &[&id]).await.unwrap();
        let written = Instant::now();
        primary.ask_readable::<Rows>(select, &[&id]).await.unwrap();
        let read = Instant::now();
        replica.ask_checked::<Rows>(position.offset, select, &[&id]).await.unwrap();
        let checked = Instant::now();
        backend.observe(replica).await.unwrap();
        let observed = Instant::now();
        primary.begin().await.unwrap();
        primary.execute(insert, &[&(id + 1)]).await.unwrap();
        let inside = Instant::now();
        primary.commit(true).await.unwrap().unwrap();
        let committed = Instant::now();
        // Control: one after the other, it is two trips.
        primary.execute(insert, &[&(id + 2)]).await.unwrap();
        backend.written(primary).await.unwrap();
        let apart = Instant::now();
        if warm {
            backend.observe(replica).await.unwrap();
            continue;
        }
        let spans = [
            (begun, written),
            (written, read),
            (read, checked),
            (checked, observed),
            (inside, committed),
        ];
        for (number, (from, to)) in spans.into_iter().enumerate() {
            let took = to.saturating_duration_since(from);
            assert!(took >= WAY * 2 && took < WAY * 4, "exchange {number} took {took:?}");
        }
        assert!(apart.saturating_duration_since(committed) >= WAY * 4);
    }
}
