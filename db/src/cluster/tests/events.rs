use super::*;

fn name(id: u32) -> Arc<str> {
    format!("db-{id}").into()
}

#[test]
fn a_failover_is_told_once_and_in_order() {
    let mut stage = Stage::healthy(2);
    assert_eq!(stage.cluster.changes(), [Change::NewPrimary { node: name(0), timeline: 1 }]);
    stage.silent(0);
    stage.silent(0);
    assert_eq!(
        stage.cluster.changes(),
        [Change::PrimaryLost { node: name(0) }, Change::Down { node: name(0) }]
    );
    stage.primary(1, 2, 101);
    stage.primary(1, 2, 102);
    assert_eq!(stage.cluster.changes(), [Change::NewPrimary { node: name(1), timeline: 2 }]);
    stage.primary(0, 1, 150);
    stage.primary(0, 1, 150);
    assert_eq!(
        stage.cluster.changes(),
        [Change::Up { node: name(0) }, Change::StalePrimary { node: name(0), timeline: 1 }]
    );
    assert_eq!(stage.cluster.changes(), []);
}

#[test]
fn a_split_brain_is_told_with_the_names_of_all_who_claim() {
    let mut stage = Stage::healthy(1);
    stage.cluster.changes();
    stage.primary(1, 1, 101);
    stage.primary(1, 1, 102);
    assert_eq!(
        stage.cluster.changes(),
        [Change::SplitBrain { nodes: vec![name(0), name(1)], timeline: 1 }]
    );
}

#[test]
fn a_primary_that_was_removed_is_told_as_lost() {
    let mut stage = Stage::healthy(1);
    stage.cluster.changes();
    stage.cluster.remove(NodeId(0));
    assert_eq!(stage.cluster.changes(), [Change::PrimaryLost { node: name(0) }]);
}

#[test]
fn lag_is_told_when_it_matters() {
    let mut stage = Stage::healthy(1);
    stage.cluster.changes();
    for offset in [500, 900, 1500, 2000] {
        stage.primary(0, 1, offset);
    }
    assert_eq!(stage.cluster.changes(), [Change::Lagging { node: name(1) }]);
    stage.replica(1, 1, 2000);
    assert_eq!(stage.cluster.changes(), [Change::CaughtUp { node: name(1) }]);
}

#[test]
fn strangers_and_locked_doors_are_told() {
    let mut stage = Stage::healthy(2);
    stage.cluster.changes();
    let mut foreign = stage.observation(1, Role::Replica, 1, 100);
    foreign.system = SystemId(78);
    stage.see(1, &foreign);
    stage.cluster.failed(NodeId(2), stage.now, Failure::Denied);
    assert_eq!(
        stage.cluster.changes(),
        [Change::Foreign { node: name(1), system: SystemId(78) }, Change::Denied { node: name(2) }]
    );
}

#[test]
fn a_replica_that_holds_dropped_writes_is_told() {
    let mut stage = Stage::healthy(2);
    stage.replica(2, 1, 110);
    stage.cluster.changes();
    stage.forks(&[(1, 105)]);
    stage.primary(1, 2, 106);
    let changes = stage.cluster.changes();
    assert!(changes.contains(&Change::Diverged { node: name(2) }), "{changes:?}");
}
