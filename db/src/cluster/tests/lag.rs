use super::*;

#[test]
fn a_new_node_serves_reads_once_it_has_caught_up() {
    guards(Rule::Lag, || {
        let mut stage = Stage::healthy(1);
        stage.primary(0, 1, 5000);
        stage.replica(1, 1, 5000);
        stage.add(2, None, true);
        stage.replica(2, 1, 100);
        let waits = stage.view().read_set == [1] && stage.state(2) == NodeState::Lagging;
        stage.replica(2, 1, 5000);
        waits && stage.view().read_set == [1, 2]
    });
}

#[test]
fn a_restarted_node_has_to_catch_up_again() {
    let mut stage = Stage::healthy(1);
    stage.primary(0, 1, 800);
    stage.restart(1);
    // Within the bound, but not within half of it.
    stage.replica(1, 1, 100);
    assert_eq!(stage.state(1), NodeState::Lagging);
}

#[test]
fn a_replica_that_is_too_many_bytes_behind_leaves_and_comes_back_at_half_of_the_bound() {
    guards(Rule::Hysteresis, || {
        let mut stage = Stage::healthy(1);
        let mut states = Vec::new();
        for offset in [1100, 1101, 1100, 601, 600] {
            stage.primary(0, 1, offset);
            states.push(stage.state(1));
        }
        use NodeState::{Lagging, Replica};
        states == [Replica, Lagging, Lagging, Lagging, Replica]
    });
}

#[test]
fn a_replica_whose_data_grows_too_old_leaves() {
    guards(Rule::Lag, || {
        let mut stage = Stage::healthy(1);
        for offset in 101..211 {
            stage.wait_ms(100);
            stage.primary(0, 1, offset);
            stage.replica(1, 1, 100);
        }
        stage.state(1) == NodeState::Lagging
    });
}

#[test]
fn a_replica_of_an_idle_primary_never_grows_old() {
    let mut stage = Stage::healthy(1);
    for _ in 0..1000 {
        stage.wait_ms(100);
        stage.primary(0, 1, 100);
    }
    assert_eq!(stage.state(1), NodeState::Replica);
    let until = stage.view().nodes[1].complete_until.unwrap();
    assert!(stage.now.saturating_duration_since(until) < Duration::from_millis(2));
}

#[test]
fn a_replica_has_what_was_written_before_the_primary_was_where_the_replica_is_now() {
    let mut stage = Stage::healthy(1);
    let mut seen_at = Vec::new();
    for offset in 101..=150 {
        stage.wait_ms(100);
        stage.primary(0, 1, offset);
        seen_at.push(stage.now);
    }
    stage.replica(1, 1, 149);
    let view = stage.view();
    assert_eq!(view.nodes[1].complete_until, Some(seen_at[48]));
    assert_eq!(view.nodes[1].lag_bytes, Some(1));
}

#[test]
fn without_a_primary_nobody_falls_further_behind() {
    let mut stage = Stage::healthy(1);
    stage.silent(0);
    stage.wait(Duration::from_secs(3600));
    stage.replica(1, 1, 100);
    assert_eq!(stage.state(1), NodeState::Replica);
}

#[test]
fn replicas_serve_reads_although_no_primary_was_ever_seen() {
    let mut stage = Stage::new(3);
    stage.replica(0, 1, 5000);
    stage.replica(1, 1, 4900);
    stage.replica(2, 1, 100);
    assert_eq!(stage.view().read_set, [0, 1]);
}

#[test]
fn a_replica_that_holds_dropped_writes_leaves_the_read_set() {
    guards(Rule::Fork, || {
        let mut stage = Stage::healthy(2);
        stage.replica(2, 1, 110);
        stage.forks(&[(1, 105)]);
        stage.primary(1, 2, 105);
        stage.state(2) == NodeState::Lagging
    });
}

#[test]
fn a_replica_that_has_not_found_the_new_primary_serves_until_it_lags_too_far() {
    let mut stage = Stage::healthy(2);
    stage.forks(&[(1, 100)]);
    stage.primary(1, 2, 101);
    assert_eq!(stage.state(2), NodeState::Replica);
    assert_eq!(stage.view().nodes[2].lag_bytes, Some(1));
    for offset in 102..250 {
        stage.wait_ms(100);
        stage.primary(1, 2, offset);
        stage.replica(2, 1, 100);
    }
    assert_eq!(stage.state(2), NodeState::Lagging);
}

#[test]
fn a_replica_that_forgets_its_timeline_with_its_source_keeps_it_until_it_restarts() {
    let mut stage = Stage::healthy(2);
    stage.forks(&[(1, 100)]);
    stage.primary(1, 2, 101);
    stage.replica(2, 2, 110);
    stage.silent(1);
    // Its receiver is gone, so it only knows the timeline of its last checkpoint.
    stage.replica(2, 1, 120);
    assert_eq!(stage.view().nodes[2].sample.unwrap().position, Position::new(2, 120));
    assert_eq!(stage.state(2), NodeState::Replica);
    stage.restart(2);
    stage.replica(2, 1, 120);
    assert_eq!(stage.view().nodes[2].sample.unwrap().position, Position::new(1, 120));
}

#[test]
fn the_trail_of_a_primary_that_lost_a_split_brain_measures_nobody() {
    let mut stage = Stage::healthy(2);
    stage.primary(0, 1, 100);
    stage.primary(1, 1, 500);
    assert!(matches!(stage.writable(), Writable::SplitBrain(_)));
    assert_eq!(stage.view().nodes[2].complete_until, None);
    assert_eq!(stage.view().written, None);
}

#[test]
fn an_old_primary_is_no_measure_for_what_the_new_one_writes() {
    guards(Rule::Began, || {
        let mut stage = Stage::healthy(2);
        stage.forks(&[(1, 100)]);
        let known = stage.view().nodes[1].sample.unwrap().asked;
        // The new one may have begun to write right after it was last seen as a replica.
        stage.wait_ms(300);
        stage.primary(0, 1, 100);
        stage.primary(1, 2, 150);
        stage.view().nodes[2].complete_until <= Some(known)
    });
}

#[test]
fn a_timeline_that_began_nobody_knows_when_leaves_no_measure_of_the_old_one() {
    let mut stage = Stage::healthy(2);
    stage.forks(&[(1, 100)]);
    stage.replica(1, 2, 120);
    assert_eq!(stage.view().written, None);
    assert_eq!(stage.view().nodes[2].complete_until, None);
    // It still serves: nobody has found it too far behind.
    assert_eq!(stage.state(2), NodeState::Replica);
}
