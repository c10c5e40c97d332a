//! Promotions, and commits that meet them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::super::SqliteError;
use super::super::files::Files;
use super::{Bed, at, get, put};
use crate::backend::{Access, Backend as _, Fault, Role};
use crate::cluster::Standing;
use crate::position::Position;

impl Bed {
    /// How a position stands to what a node says its history is.
    async fn standing(&self, name: &str, position: Position) -> Standing {
        let seen = self.observe(name).await;
        seen.history.unwrap().standing(position, seen.position.timeline)
    }
}

#[tokio::test]
async fn a_promotion_forks_and_leaves_the_old_primary_writable() {
    let bed = Bed::new(&["a", "b"]).await;
    let mut old = bed.writer("a").await;
    let kept = put(&mut old, "kept", 1).await.unwrap();
    bed.cluster.replicate_once().unwrap();
    let lost = put(&mut old, "lost", 1).await.unwrap();
    assert_eq!(bed.cluster.promote("b").unwrap(), 2);
    let behind = put(&mut old, "behind", 1).await.unwrap();
    let mut new = bed.writer("b").await;
    let ours = put(&mut new, "ours", 1).await.unwrap();
    assert_eq!((kept, lost, behind, ours), (at(1, 2), at(1, 3), at(1, 4), at(2, 3)));
    let (a, b) = (bed.observe("a").await, bed.observe("b").await);
    assert_eq!((a.role, a.position), (Role::Primary, at(1, 4)));
    assert_eq!((b.role, b.position), (Role::Primary, at(2, 3)));
    assert_eq!(bed.standing("b", kept).await, Standing::Kept);
    assert_eq!(bed.standing("b", ours).await, Standing::Kept);
    // Acknowledged, and gone: whoever holds the position is told.
    assert_eq!(bed.standing("b", lost).await, Standing::Lost);
    assert_eq!(bed.standing("b", behind).await, Standing::Lost);
    assert_eq!(bed.get("b", "kept").await, Some(1));
    assert_eq!(bed.get("b", "lost").await, None);
    // The same again changes nothing.
    assert_eq!(bed.cluster.promote("b").unwrap(), 2);
    assert_eq!(bed.cluster.primary().unwrap(), "b");
}

#[tokio::test]
async fn an_old_primary_that_follows_gives_up_what_only_it_had() {
    let bed = Bed::new(&["a", "b"]).await;
    let mut old = bed.writer("a").await;
    let mut reader = bed.reader("a").await;
    bed.cluster.promote("b").unwrap();
    put(&mut old, "x", 1).await.unwrap();
    put(&mut bed.writer("b").await, "y", 2).await.unwrap();
    bed.cluster.follow("a").unwrap();
    let seen = bed.observe("a").await;
    assert_eq!((seen.role, seen.position, seen.incarnation), (Role::Replica, at(2, 2), 2));
    assert_eq!(bed.get("a", "x").await, None);
    assert_eq!(bed.get("a", "y").await, Some(2));
    // Connections from before led to another node, as it were.
    assert_eq!(get(&mut reader, "x").await.unwrap_err().fault(), Fault::Broken);
    assert_eq!(put(&mut old, "x", 1).await.unwrap_err().fault(), Fault::Broken);
    let mut writer = bed.writer("a").await;
    assert_eq!(put(&mut writer, "x", 1).await.unwrap_err().fault(), Fault::ReadOnly);
}

#[tokio::test]
async fn a_replica_that_has_more_than_the_new_primary_is_rebuilt_before_it_serves() {
    let bed = Bed::new(&["a", "b", "c"]).await;
    bed.cluster.kill("b").unwrap();
    put(&mut bed.writer("a").await, "x", 1).await.unwrap();
    bed.cluster.replicate_once().unwrap();
    bed.cluster.start("b").unwrap();
    bed.cluster.kill("a").unwrap();
    assert_eq!(bed.cluster.freshest().unwrap(), "c");
    let mut reader = bed.reader("c").await;
    // Somebody promotes the other one.
    bed.cluster.promote("b").unwrap();
    bed.cluster.freeze("b").unwrap();
    assert_eq!(get(&mut reader, "x").await.unwrap_err().fault(), Fault::Broken);
    assert_eq!(bed.refused("c").await, Fault::Unavailable);
    assert!(matches!(bed.cluster.promote("c"), Err(SqliteError::Refused(_))));
    // Whoever connects to it rebuilds it, once there is somebody to copy from.
    bed.cluster.thaw("b").unwrap();
    assert_eq!(bed.get("c", "x").await, None);
    assert_eq!(bed.observe("c").await.incarnation, 2);
}

#[tokio::test]
async fn a_replica_that_has_less_goes_on_with_the_new_primary() {
    let bed = Bed::new(&["a", "b", "c"]).await;
    bed.cluster.pause("c").unwrap();
    put(&mut bed.writer("a").await, "x", 1).await.unwrap();
    bed.cluster.replicate_once().unwrap();
    let mut reader = bed.reader("c").await;
    bed.cluster.promote("b").unwrap();
    bed.cluster.resume("c").unwrap();
    bed.cluster.replicate_once().unwrap();
    assert_eq!(get(&mut reader, "x").await.unwrap(), Some(1));
    let seen = bed.observe("c").await;
    assert_eq!((seen.incarnation, seen.position), (1, at(2, 2)));
}

#[tokio::test]
async fn a_switchover_loses_nothing() {
    let bed = Bed::new(&["a", "b"]).await;
    let mut old = bed.writer("a").await;
    let written = put(&mut old, "x", 1).await.unwrap();
    // The replica has not got it.
    assert_eq!(bed.cluster.nodes().unwrap()[1].received, 1);
    assert_eq!(bed.cluster.switchover("b").unwrap(), 2);
    assert_eq!(bed.standing("b", written).await, Standing::Kept);
    assert_eq!(bed.get("b", "x").await, Some(1));
    assert_eq!(put(&mut old, "y", 1).await.unwrap_err().fault(), Fault::ReadOnly);
    put(&mut bed.writer("b").await, "y", 2).await.unwrap();
    bed.cluster.replicate_once().unwrap();
    // The old primary has all of it, and need not be rebuilt.
    let seen = bed.observe("a").await;
    assert_eq!((seen.role, seen.position, seen.incarnation), (Role::Replica, at(2, 3), 1));
    assert_eq!(bed.get("a", "y").await, Some(2));
    // The control: a promotion in its place loses what was not replicated.
    put(&mut bed.writer("b").await, "z", 3).await.unwrap();
    bed.cluster.promote("a").unwrap();
    assert_eq!(bed.get("a", "z").await, None);
}

/// Begins a transaction on `a`, hands the role over, and ends the transaction: by the backend, which
/// looks at the cluster, or by a bare `COMMIT`, which does not. Whether it was acknowledged.
async fn commit_after_switchover(bed: &Bed, looks: bool) -> bool {
    let mut old = bed.writer("a").await;
    bed.sqlite.begin(&mut old).await.unwrap();
    old.within(|c| c.execute("INSERT INTO kv VALUES ('x', 1)", [])).await.unwrap();
    bed.cluster.switchover("b").unwrap();
    if looks {
        let refused = bed.sqlite.commit(&mut old, true).await.unwrap_err();
        assert_eq!(refused.fault(), Fault::ReadOnly);
        return false;
    }
    let _ = old.within(|c| c.execute_batch("COMMIT")).await;
    true
}

#[tokio::test]
async fn a_commit_that_comes_after_the_promotion_is_refused() {
    let bed = Bed::new(&["a", "b"]).await;
    assert!(!commit_after_switchover(&bed, true).await);
    assert_eq!(bed.get("a", "x").await, None);
    // The control: who does not look acknowledges what the cluster does not have.
    let bed = Bed::new(&["a", "b"]).await;
    assert!(commit_after_switchover(&bed, false).await);
    assert_eq!((bed.get("a", "x").await, bed.get("b", "x").await), (Some(1), None));
}

#[tokio::test]
async fn a_promotion_waits_for_the_commit_that_is_under_way() {
    let bed = Bed::new(&["a", "b"]).await;
    let promoted_within = |held: bool| {
        let files = Files::open(bed.dir.path()).unwrap();
        let committing = held.then(|| files.shared().unwrap());
        let (done, waiting) = mpsc::channel();
        let cluster = bed.other();
        let name = cluster.nodes().unwrap()[usize::from(held)].name.clone();
        let promotion = std::thread::spawn(move || {
            done.send(cluster.promote(&name).unwrap()).unwrap();
        });
        let in_time = waiting.recv_timeout(Duration::from_millis(200)).is_ok();
        drop(committing);
        promotion.join().unwrap();
        in_time
    };
    assert!(!promoted_within(true), "it must wait");
    assert!(promoted_within(false), "the control: nobody commits");
    assert_eq!(bed.cluster.primary().unwrap(), "a");
}

/// Writes wherever the primary is, until so many writes were acknowledged; which ones.
async fn keep_writing(bed: &Bed, writer: u32, wanted: usize, all: Arc<AtomicU32>) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for i in 0.. {
        if acknowledged.len() == wanted {
            break;
        }
        let key = format!("{writer}-{i}");
        let primary = bed.cluster.primary().unwrap();
        let Ok(mut to) = bed.connect(&primary, Access::ReadWrite).await else { continue };
        match put(&mut to, &key, i).await {
            Ok(_) => {
                acknowledged.push(key);
                all.fetch_add(1, Ordering::SeqCst);
            }
            // On the way to the old primary.
            Err(error) => assert_eq!(error.fault(), Fault::ReadOnly, "{error:?}"),
        }
    }
    acknowledged
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_in_switchovers_under_load() {
    let bed = Bed::new(&["a", "b"]).await;
    let count = Arc::new(AtomicU32::new(0));
    let switching = async {
        let mut switched = 0;
        let mut to = ["b", "a"].into_iter().cycle();
        while count.load(Ordering::SeqCst) < 60 {
            // Some commits between two of them, and some in the middle of one.
            let before = count.load(Ordering::SeqCst);
            while count.load(Ordering::SeqCst) < before + 3 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let (cluster, to) = (bed.other(), to.next().unwrap());
            let done = tokio::task::spawn_blocking(move || cluster.switchover(to)).await.unwrap();
            // A copy does not wait for long for a writer that holds the file.
            match done {
                Ok(_) => switched += 1,
                Err(error) => assert_eq!(error.fault(), Fault::Conflict, "{error:?}"),
            }
        }
        switched
    };
    let writing = |writer| keep_writing(&bed, writer, 40, Arc::clone(&count));
    let all = async { tokio::join!(writing(0), writing(1), switching) };
    let (one, two, switched) = tokio::time::timeout(Duration::from_secs(100), all).await.unwrap();
    let primary = bed.cluster.primary().unwrap();
    let mut reader = bed.reader(&primary).await;
    for key in one.iter().chain(&two) {
        assert!(get(&mut reader, key).await.unwrap().is_some(), "{key} was acknowledged");
    }
    assert!(switched >= 2, "{switched} switchovers");
}

#[tokio::test]
async fn two_primaries_on_one_timeline_can_be_made_for_those_who_must_notice() {
    let bed = Bed::new(&["a", "b"]).await;
    bed.cluster.split("b").unwrap();
    let (a, b) = (bed.observe("a").await, bed.observe("b").await);
    assert_eq!((a.role, b.role), (Role::Primary, Role::Primary));
    assert_eq!(a.position.timeline, b.position.timeline);
    put(&mut bed.writer("b").await, "x", 1).await.unwrap();
    assert_eq!(bed.get("a", "x").await, None);
}

#[tokio::test]
async fn a_node_that_joins_serves_once_it_has_the_data() {
    let bed = Bed::new(&["a"]).await;
    put(&mut bed.writer("a").await, "x", 1).await.unwrap();
    bed.cluster.freeze("a").unwrap();
    // There is nobody to copy from: it is known, and does not serve.
    std::thread::scope(|scope| {
        let joining = scope.spawn(|| bed.other().add("b"));
        while bed.cluster.nodes().unwrap().len() < 2 {
            std::thread::yield_now();
        }
        assert!(bed.cluster.nodes().unwrap()[1].stale);
        bed.cluster.thaw("a").unwrap();
        joining.join().unwrap().unwrap();
    });
    assert_eq!(bed.get("b", "x").await, Some(1));
    assert_eq!(bed.observe("b").await.system, bed.cluster.system().unwrap());
}
