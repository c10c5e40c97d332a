//! How data reaches replicas: at once, late, not at all, in time to be counted.

use std::time::Duration;

use tokio::time::Instant;

use super::super::SqliteError;
use super::{Bed, at, get, put};
use crate::backend::{Backend as _, Fault};

#[tokio::test]
async fn a_replica_moves_when_somebody_looks_at_it() {
    let bed = Bed::new(&["a", "b"]).await;
    let mut replica = bed.reader("b").await;
    let position = put(&mut bed.writer("a").await, "x", 1).await.unwrap();
    // The control: nobody has looked yet.
    assert_eq!(get(&mut replica, "x").await.unwrap(), None);
    assert_eq!(bed.sqlite.replayed(&mut replica).await.unwrap(), position.offset);
    assert_eq!(get(&mut replica, "x").await.unwrap(), Some(1));
    put(&mut bed.writer("a").await, "x", 2).await.unwrap();
    assert_eq!(bed.sqlite.observe(&mut replica).await.unwrap().position, at(1, 3));
}

#[tokio::test]
async fn a_task_keeps_replicas_up_to_date_also_two_of_them() {
    let bed = Bed::new(&["a", "b", "c"]).await;
    let (_one, _two) = (bed.cluster.replicate(), bed.other().replicate());
    let mut writer = bed.writer("a").await;
    let (mut b, mut c) = (bed.reader("b").await, bed.reader("c").await);
    for value in 0..10 {
        put(&mut writer, "x", value).await.unwrap();
        let reached = async {
            while get(&mut b, "x").await.unwrap() != Some(value)
                || get(&mut c, "x").await.unwrap() != Some(value)
            {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), reached).await.unwrap();
    }
}

#[tokio::test]
async fn a_delayed_replica_shows_nothing_early_and_everything_in_time() {
    let bed = Bed::new(&["a", "b", "c"]).await;
    bed.cluster.delay("b", Duration::from_millis(300)).unwrap();
    let mut writer = bed.writer("a").await;
    let mut written = Vec::new();
    let mut most = 0;
    // A commit every 20 ms, and a look at the replica every 10 ms.
    for tick in 0..200_i64 {
        let now = tick * 10;
        if tick % 2 == 0 && tick < 150 {
            put(&mut writer, "x", now).await.unwrap();
            written.push(now);
        }
        bed.cluster.replicate_once().unwrap();
        let shown = bed.get("b", "x").await;
        let newest_due = written.iter().rev().find(|at| **at + 300 <= now);
        if let Some(shown) = shown {
            assert!(shown + 300 <= now, "{shown} is shown at {now}");
            most = most.max(newest_due.map_or(0, |due| due - shown));
        } else {
            assert!(newest_due.is_none_or(|due| *due + 300 + 40 >= now), "nothing at {now}");
        }
        // The control: a replica without a delay shows it at once.
        assert_eq!(bed.get("c", "x").await, written.last().copied());
        bed.pass(10);
    }
    assert!(most <= 60, "up to {most} ms more than the delay");
    assert_eq!(bed.get("b", "x").await, written.last().copied());
}

#[tokio::test]
async fn a_paused_replica_receives_and_does_not_show() {
    let bed = Bed::new(&["a", "b"]).await;
    bed.cluster.pause("b").unwrap();
    let mut writer = bed.writer("a").await;
    for value in 1..5 {
        put(&mut writer, "x", value).await.unwrap();
        bed.cluster.replicate_once().unwrap();
        bed.pass(1);
    }
    let node = bed.cluster.nodes().unwrap().remove(1);
    assert_eq!((node.shown, node.received), (1, 5));
    assert_eq!(bed.get("b", "x").await, None);
    // It keeps no more than it needs.
    let kept = std::fs::read_dir(bed.dir.path().join("b.inbox")).unwrap().count();
    assert!(kept <= 2, "{kept} copies");
    bed.cluster.kill("a").unwrap();
    bed.cluster.resume("b").unwrap();
    bed.cluster.replicate_once().unwrap();
    assert_eq!(bed.get("b", "x").await, Some(4), "it had received it");
}

#[tokio::test]
async fn a_promotion_shows_what_was_received_first() {
    let bed = Bed::new(&["a", "b"]).await;
    bed.cluster.delay("b", Duration::from_secs(3600)).unwrap();
    let mut writer = bed.writer("a").await;
    put(&mut writer, "x", 1).await.unwrap();
    bed.cluster.replicate_once().unwrap();
    put(&mut writer, "never received", 1).await.unwrap();
    bed.cluster.kill("a").unwrap();
    assert_eq!(bed.get("b", "x").await, None);
    bed.cluster.promote("b").unwrap();
    assert_eq!(bed.get("b", "x").await, Some(1));
    assert_eq!(bed.get("b", "never received").await, None);
    assert_eq!(bed.observe("b").await.position, at(2, 2));
}

#[tokio::test]
async fn replicas_of_a_dead_or_frozen_primary_stay_as_they_are() {
    let bed = Bed::new(&["a", "b"]).await;
    put(&mut bed.writer("a").await, "x", 1).await.unwrap();
    bed.cluster.kill("a").unwrap();
    bed.cluster.replicate_once().unwrap();
    assert_eq!(bed.get("b", "x").await, None);
    bed.cluster.start("a").unwrap();
    bed.cluster.freeze("a").unwrap();
    bed.cluster.replicate_once().unwrap();
    assert_eq!(bed.get("b", "x").await, None);
    // The control: the same with a primary that is up.
    bed.cluster.thaw("a").unwrap();
    bed.cluster.replicate_once().unwrap();
    assert_eq!(bed.get("b", "x").await, Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_commit_under_quorum_is_on_its_replicas_or_unconfirmed() {
    let bed = Bed::new(&["a", "b", "c"]).await;
    bed.cluster.quorum(1, Duration::from_millis(500)).unwrap();
    let mut writer = bed.writer("a").await;
    bed.cluster.kill("c").unwrap();
    put(&mut writer, "x", 1).await.unwrap();
    // Whatever happens to the primary now, it is there.
    bed.cluster.kill("a").unwrap();
    bed.cluster.promote("b").unwrap();
    assert_eq!(bed.get("b", "x").await, Some(1));
    bed.cluster.kill("b").unwrap();
    bed.cluster.start("b").unwrap();
    let mut writer = bed.writer("b").await;
    let begun = Instant::now();
    let error = put(&mut writer, "y", 2).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Unconfirmed);
    let waited = Instant::now().saturating_duration_since(begun);
    assert!(waited >= Duration::from_millis(500), "{waited:?}");
    assert!(
        matches!(error, SqliteError::Unconfirmed { position, wanted: 1 } if position == at(2, 3))
    );
    // It is there nevertheless, and the connection is as good as before.
    assert_eq!(get(&mut writer, "y").await.unwrap(), Some(2));
    assert_eq!(bed.sqlite.written(&mut writer).await.unwrap(), at(2, 3));
    // The control: without a quorum nobody waits.
    bed.cluster.quorum(0, Duration::ZERO).unwrap();
    put(&mut writer, "z", 3).await.unwrap();
}

#[tokio::test]
async fn a_quorum_needs_what_was_received_and_not_what_is_shown() {
    let bed = Bed::new(&["a", "b"]).await;
    bed.cluster.quorum(1, Duration::from_secs(20)).unwrap();
    bed.cluster.delay("b", Duration::from_secs(3600)).unwrap();
    let mut writer = bed.writer("a").await;
    for value in 1..100 {
        put(&mut writer, "x", value).await.unwrap();
    }
    assert_eq!(bed.get("b", "x").await, None);
    let kept = std::fs::read_dir(bed.dir.path().join("b.inbox")).unwrap().count();
    assert!(kept <= 65, "{kept} copies");
    bed.cluster.kill("a").unwrap();
    bed.cluster.promote("b").unwrap();
    assert_eq!(bed.get("b", "x").await, Some(99));
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_was_promoted_without_it_never_confirms_a_commit() {
    let bed = Bed::new(&["a", "b", "c"]).await;
    bed.cluster.quorum(1, Duration::from_millis(200)).unwrap();
    bed.cluster.promote("b").unwrap();
    let mut new = bed.writer("b").await;
    for value in 0..5 {
        put(&mut new, "new", value).await.unwrap();
    }
    // The old primary's commits have smaller numbers than what the others have, and mean others.
    let mut old = bed.writer("a").await;
    assert_eq!(put(&mut old, "old", 1).await.unwrap_err().fault(), Fault::Unconfirmed);
}

#[tokio::test]
async fn readers_of_a_replica_see_whole_transactions() {
    let bed = Bed::new(&["a", "b"]).await;
    let mut writer = bed.writer("a").await;
    put(&mut writer, "from", 1000).await.unwrap();
    put(&mut writer, "to", 0).await.unwrap();
    bed.cluster.replicate_once().unwrap();
    let replication = bed.cluster.replicate();
    let mut reader = bed.reader("b").await;
    let reading = tokio::spawn(async move {
        let (mut states, mut last) = (0, -1);
        while last < 200 {
            let sql = "SELECT sum(v), max(v) FILTER (WHERE k = 'to') FROM kv";
            let both = reader.read(move |c| {
                c.prepare_cached(sql)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
            });
            let (sum, to): (i64, i64) = both.await.unwrap();
            assert_eq!(sum, 1000);
            assert!(to >= last, "it went back from {last} to {to}");
            states += i32::from(to > last);
            last = to;
        }
        states
    });
    for _ in 0..200 {
        let moved = writer.write(|t| {
            t.execute("UPDATE kv SET v = v - 1 WHERE k = 'from'", [])?;
            t.execute("UPDATE kv SET v = v + 1 WHERE k = 'to'", [])
        });
        moved.await.unwrap();
    }
    let states = tokio::time::timeout(Duration::from_secs(60), reading).await.unwrap().unwrap();
    assert!(states > 1, "the replica moved only once");
    drop(replication);
}
