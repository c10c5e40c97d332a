//! A replica with a tag is for those who name it: its long reports leave all other reads alone.
//!
//! Counted, not timed: whoever holds connections of the tagged replica takes none from anybody.

use std::collections::BTreeMap;
use std::time::Duration;

use terrace_db::{ErrorKind, NodeState, RwPool};

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
    long_reports_on_a_tagged_replica_leave_reads_alone,
    long_reports_without_a_tag_push_reads_to_the_primary,
    without_the_tagged_replica_reports_are_refused,
);

const READS: usize = 60;
/// Connections of each node, all of which the reports take.
const CAP: usize = 3;

/// A pool over the primary, a replica, and the replica that reports go to.
async fn pool<W: World>(world: &W, tagged: bool) -> RwPool<W::B> {
    let report = world.node(2).connections(CAP);
    let report = if tagged { report.tag("reports") } else { report };
    // Without a tag, reports go to the only replica there is.
    let plain = tagged.then(|| world.node(1));
    let pool = RwPool::builder(world.backend())
        .node(world.node(0))
        .nodes(plain)
        .node(report)
        .config(config().checkout(Duration::from_millis(100)))
        .seed(7)
        .connect()
        .await
        .expect("the pool connects");
    until("the pool knows its nodes", || {
        let status = pool.status();
        let serving = status.nodes.iter().filter(|node| node.state == NodeState::Replica);
        serving.count() + 2 > status.nodes.len() && status.primary.is_some()
    })
    .await;
    pool
}

/// Who serves so many plain reads.
async fn served<W: World>(pool: &RwPool<W::B>) -> BTreeMap<String, usize> {
    let mut served = BTreeMap::new();
    for _ in 0..READS {
        let connection = pool.read().await.expect("plain reads are served");
        *served.entry(connection.served_by().to_owned()).or_default() += 1;
    }
    served
}

async fn long_reports_on_a_tagged_replica_leave_reads_alone<W: World>() {
    let Some(world) = W::start(Network::Direct).await else { return };
    let pool = pool(&world, true).await;
    let alone = BTreeMap::from([("node-1".to_owned(), READS)]);
    assert_eq!(served::<W>(&pool).await, alone, "nothing is reported yet");
    let mut reports = Vec::new();
    for _ in 0..CAP {
        let report = pool.read().tag("reports").await.expect("there is a connection");
        assert_eq!(report.served_by(), "node-2");
        reports.push(report);
    }
    // The tag has a cap of its own, and does not spill.
    let one_more = pool.read().tag("reports").await.map(|report| report.served_by().to_owned());
    assert_eq!(one_more.map_err(|error| error.kind()), Err(ErrorKind::Busy));
    assert_eq!(served::<W>(&pool).await, alone, "reports run");
    drop(reports);
    pool.read().tag("reports").await.expect("the connections came back");
}

/// The control: the same reports, on a replica that is everybody's.
async fn long_reports_without_a_tag_push_reads_to_the_primary<W: World>() {
    let Some(world) = W::start(Network::Direct).await else { return };
    let pool = pool(&world, false).await;
    assert_eq!(served::<W>(&pool).await, BTreeMap::from([("node-2".to_owned(), READS)]));
    let mut reports = Vec::new();
    for _ in 0..CAP {
        reports.push(pool.read().await.expect("there is a connection"));
    }
    let mut crowded_out = 0;
    for _ in 0..5 {
        let read = pool.read().await;
        crowded_out += usize::from(!matches!(read, Ok(read) if read.served_by() == "node-2"));
    }
    assert_eq!(crowded_out, 5, "the reports should have been in the way");
}

async fn without_the_tagged_replica_reports_are_refused<W: World>() {
    let Some(world) = W::start(Network::Direct).await else { return };
    let pool = pool(&world, true).await;
    world.kill(2).await;
    until("the pool has noticed", || {
        pool.status().nodes.iter().any(|node| node.state == NodeState::Down)
    })
    .await;
    let report = pool.read().tag("reports").await.map(|report| report.served_by().to_owned());
    assert_eq!(report.map_err(|error| error.kind()), Err(ErrorKind::NoNode));
    assert_eq!(served::<W>(&pool).await, BTreeMap::from([("node-1".to_owned(), READS)]));
    let nobody = pool.read().tag("nobody").await.map(|report| report.served_by().to_owned());
    assert_eq!(nobody.map_err(|error| error.kind()), Err(ErrorKind::NoNode));
}
