use super::*;

#[test]
fn the_first_system_that_is_seen_is_the_pools_own() {
    guards(Rule::Identity, || {
        let mut stage = Stage::healthy(0);
        stage.add(1, None, true);
        let mut foreign = stage.observation(1, Role::Primary, 9, 900);
        foreign.system = SystemId(78);
        stage.see(1, &foreign);
        stage.state(1) == NodeState::Foreign
            && stage.writable() == Writable::Primary(0)
            && stage.view().timeline == 1
    });
}

#[test]
fn a_remembered_system_binds_before_any_node_was_seen() {
    let mut stage = Stage::remembering(Some((SystemId(1), 3)));
    stage.add(0, None, true);
    stage.primary(0, 5, 0);
    assert_eq!(stage.state(0), NodeState::Foreign);
    assert_eq!(stage.cluster.remember(), Some((SystemId(1), 3)));
}

#[test]
fn a_foreign_node_that_was_rebuilt_from_the_cluster_joins_it() {
    let mut stage = Stage::healthy(1);
    let mut foreign = stage.observation(1, Role::Replica, 1, 100);
    foreign.system = SystemId(78);
    stage.see(1, &foreign);
    assert_eq!(stage.state(1), NodeState::Foreign);
    stage.restart(1);
    stage.replica(1, 1, 100);
    assert_eq!(stage.state(1), NodeState::Replica);
}

#[test]
fn a_promoted_replica_takes_over_at_once_while_the_old_primary_is_silent() {
    let mut stage = Stage::healthy(1);
    stage.silent(0);
    assert_eq!(stage.writable(), Writable::Nobody);
    stage.primary(1, 2, 101);
    assert_eq!(stage.writable(), Writable::Primary(1));
}

#[test]
fn a_promoted_replica_takes_over_at_once_while_the_old_primary_still_answers() {
    let mut stage = Stage::healthy(1);
    stage.primary(1, 2, 101);
    assert_eq!(stage.writable(), Writable::Primary(1));
    assert_eq!(stage.state(0), NodeState::StalePrimary);
}

#[test]
fn an_old_primary_that_wakes_up_gets_no_writes() {
    guards(Rule::HighestTimeline, || {
        let mut stage = Stage::healthy(1);
        stage.silent(0);
        stage.primary(1, 2, 101);
        stage.primary(0, 1, 200);
        stage.writable() == Writable::Primary(1) && stage.state(0) == NodeState::StalePrimary
    });
}

#[test]
fn an_old_primary_gets_no_writes_when_the_new_one_is_silent() {
    let mut stage = Stage::healthy(1);
    stage.primary(1, 2, 101);
    stage.silent(1);
    stage.primary(0, 1, 200);
    assert_eq!(stage.writable(), Writable::Nobody);
}

#[test]
fn an_old_primary_gets_no_writes_after_the_new_one_was_removed() {
    let mut stage = Stage::healthy(1);
    stage.primary(1, 2, 101);
    stage.cluster.remove(NodeId(1));
    assert_eq!(stage.writable(), Writable::Nobody);
    assert_eq!(stage.state(0), NodeState::StalePrimary);
}

#[test]
fn an_old_primary_is_trusted_again_once_it_follows_or_is_promoted_anew() {
    let mut stage = Stage::healthy(1);
    stage.forks(&[(1, 100)]);
    stage.primary(1, 2, 101);
    stage.primary(0, 1, 100);
    stage.restart(0);
    stage.replica(0, 2, 101);
    assert_eq!(stage.state(0), NodeState::Replica);
    stage.primary(0, 3, 102);
    assert_eq!(stage.writable(), Writable::Primary(0));
}

#[test]
fn the_highest_timeline_outlives_the_process() {
    guards(Rule::Remember, || {
        let mut first = Stage::healthy(1);
        first.primary(1, 2, 101);
        let mut second = Stage::remembering(first.cluster.remember());
        second.add(0, None, true);
        second.primary(0, 1, 100);
        second.writable() == Writable::Nobody
    });
}

#[test]
fn a_replica_that_follows_a_newer_timeline_ends_the_primarys() {
    guards(Rule::ReplicaTimeline, || {
        let mut stage = Stage::healthy(1);
        stage.replica(1, 2, 101);
        stage.writable() == Writable::Nobody && stage.state(0) == NodeState::StalePrimary
    });
}

#[test]
fn two_writable_nodes_on_one_timeline_are_a_split_brain() {
    guards(Rule::EqualTimelines, || {
        let mut stage = Stage::healthy(2);
        stage.primary(1, 2, 101);
        stage.primary(2, 2, 101);
        stage.writable() == Writable::SplitBrain(vec![1, 2])
            && stage.state(1) == NodeState::Contender
            && stage.state(2) == NodeState::Contender
            && stage.state(0) == NodeState::StalePrimary
    });
}

#[test]
fn a_silent_primary_keeps_its_claim_to_its_timeline() {
    guards(Rule::SilentClaim, || {
        let mut stage = Stage::healthy(2);
        stage.primary(1, 2, 101);
        stage.silent(1);
        stage.primary(2, 2, 101);
        stage.writable() == Writable::SplitBrain(vec![1, 2]) && stage.state(1) == NodeState::Down
    });
}

#[test]
fn a_refused_write_does_not_end_a_claim() {
    let mut stage = Stage::healthy(2);
    stage.primary(1, 2, 101);
    stage.cluster.not_primary(NodeId(1), stage.now);
    stage.primary(2, 2, 101);
    assert_eq!(stage.writable(), Writable::SplitBrain(vec![1, 2]));
}

#[test]
fn a_split_brain_ends_when_one_side_follows() {
    let mut stage = split();
    stage.restart(2);
    stage.replica(2, 2, 101);
    assert_eq!(stage.writable(), Writable::Primary(1));
}

#[test]
fn a_split_brain_ends_when_one_side_is_removed() {
    let mut stage = split();
    stage.silent(2);
    assert_eq!(stage.writable(), Writable::SplitBrain(vec![1, 2]));
    stage.cluster.remove(NodeId(2));
    assert_eq!(stage.writable(), Writable::Primary(1));
}

#[test]
fn a_split_brain_ends_with_the_next_promotion() {
    let mut stage = split();
    stage.primary(2, 3, 150);
    assert_eq!(stage.writable(), Writable::Primary(2));
    assert_eq!(stage.state(1), NodeState::StalePrimary);
}

fn split() -> Stage {
    let mut stage = Stage::healthy(2);
    stage.primary(1, 2, 101);
    stage.primary(2, 2, 101);
    assert_eq!(stage.writable(), Writable::SplitBrain(vec![1, 2]));
    stage
}

#[test]
fn a_node_that_refused_a_write_gets_none_until_it_was_asked_again() {
    guards(Rule::NotPrimary, || {
        let mut stage = Stage::healthy(0);
        let asked = stage.now;
        let answer = stage.observation(0, Role::Primary, 1, 100);
        stage.wait_ms(5);
        stage.cluster.not_primary(NodeId(0), stage.now);
        let refused = stage.writable() == Writable::Nobody;
        // This was asked before the refusal.
        stage.wait_ms(1);
        stage.cluster.observed(NodeId(0), asked, stage.now, &answer);
        refused && stage.writable() == Writable::Nobody
    });
    let mut stage = Stage::healthy(0);
    stage.cluster.not_primary(NodeId(0), stage.now);
    stage.primary(0, 1, 100);
    assert_eq!(stage.writable(), Writable::Primary(0));
}

#[test]
fn an_answer_that_was_asked_for_earlier_never_wins() {
    guards(Rule::Order, || {
        let mut stage = Stage::healthy(0);
        let asked = stage.now;
        let late = stage.observation(0, Role::Primary, 1, 100);
        stage.wait_ms(50);
        stage.restart(0);
        stage.replica(0, 1, 120);
        stage.wait_ms(1);
        stage.cluster.observed(NodeId(0), asked, stage.now, &late);
        stage.writable() == Writable::Nobody
    });
}

#[test]
fn an_answer_from_before_a_failure_does_not_bring_a_node_back() {
    guards(Rule::Order, || {
        let mut stage = Stage::healthy(0);
        let asked = stage.now;
        let late = stage.observation(0, Role::Primary, 1, 100);
        stage.wait_ms(5);
        stage.silent(0);
        stage.cluster.observed(NodeId(0), asked, stage.now, &late);
        stage.state(0) == NodeState::Down
    });
}

#[test]
fn a_late_answer_still_tells_that_a_timeline_began() {
    let mut stage = Stage::healthy(1);
    let asked = stage.now;
    let late = stage.observation(1, Role::Primary, 2, 101);
    stage.wait_ms(5);
    stage.silent(1);
    stage.cluster.observed(NodeId(1), asked, stage.now, &late);
    assert_eq!(stage.state(1), NodeState::Down);
    assert_eq!(stage.state(0), NodeState::StalePrimary);
    assert_eq!(stage.cluster.remember(), Some((OURS, 2)));
}

#[test]
fn a_view_is_settled_once_every_node_has_answered_or_failed_to() {
    let mut stage = Stage::new(2);
    assert!(!stage.view().settled());
    stage.primary(0, 1, 100);
    assert!(!stage.view().settled());
    stage.silent(1);
    assert!(stage.view().settled());
}

#[test]
fn a_node_that_does_not_let_us_in_is_told_apart_from_a_silent_one() {
    let mut stage = Stage::healthy(1);
    stage.cluster.failed(NodeId(1), stage.now, Failure::Denied);
    assert_eq!(stage.state(1), NodeState::Denied);
    assert!(stage.view().read_set.is_empty());
}
