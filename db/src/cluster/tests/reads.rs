use super::*;

const ANY: Want<'static> =
    Want { after: None, seen: None, max_staleness: None, tag: None, primary: false, tried: 0 };

/// A context whose last read this node served just now.
fn seen_on(stage: &Stage, place: usize) -> Seen {
    Seen { incarnation: stage.view().nodes[place].incarnation, at: stage.now }
}

#[test]
fn reads_spread_over_the_replicas_and_spare_the_primary() {
    let stage = Stage::healthy(3);
    assert_eq!(stage.routes(&ANY), [Route::Replica(1), Route::Replica(2), Route::Replica(3)]);
}

#[test]
fn of_two_replicas_the_less_busy_one_serves() {
    let stage = Stage::healthy(3);
    let mut random = fastrand::Rng::with_seed(2);
    let view = stage.view();
    let busy = |place| if place == 2 { 9 } else { 1 };
    let mut served = [0; 4];
    for _ in 0..3000 {
        match view.route(&ANY, stage.now, random.u64(..), busy) {
            Route::Replica(place) => served[place] += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(served[2], 0);
    assert!(served[1] > 1200 && served[3] > 1200, "{served:?}");
}

#[test]
fn without_replicas_the_primary_serves() {
    let mut stage = Stage::healthy(1);
    stage.silent(1);
    assert_eq!(stage.route(&ANY), Route::Primary(0));
}

#[test]
fn without_a_primary_the_replicas_serve() {
    let mut stage = Stage::healthy(2);
    stage.silent(0);
    assert_eq!(stage.routes(&ANY), [Route::Replica(1), Route::Replica(2)]);
    assert_eq!(stage.route(&Want { primary: true, ..ANY }), Route::NoNode);
}

#[test]
fn a_node_that_was_tried_is_not_tried_again() {
    let stage = Stage::healthy(2);
    assert_eq!(stage.routes(&Want { tried: 0b010, ..ANY }), [Route::Replica(2)]);
    assert_eq!(stage.routes(&Want { tried: 0b110, ..ANY }), [Route::Primary(0)]);
    assert_eq!(stage.routes(&Want { tried: 0b111, ..ANY }), [Route::NoNode]);
}

#[test]
fn near_replicas_serve_before_far_ones_and_far_ones_before_the_primary() {
    let mut stage = Stage::healthy(1);
    stage.add(2, None, false);
    stage.replica(2, 1, 100);
    assert_eq!(stage.routes(&ANY), [Route::Replica(1)]);
    assert_eq!(stage.routes(&Want { tried: 0b010, ..ANY }), [Route::Replica(2)]);
    stage.silent(1);
    assert_eq!(stage.view().read_set, [2]);
    assert_eq!(stage.routes(&ANY), [Route::Replica(2)]);
}

#[test]
fn a_tagged_replica_serves_only_reads_that_name_its_tag() {
    guards(Rule::Tags, || {
        let mut stage = Stage::healthy(1);
        stage.add(2, Some("reports"), true);
        stage.replica(2, 1, 100);
        let reports = Want { tag: Some("reports"), ..ANY };
        stage.routes(&ANY) == [Route::Replica(1)]
            && stage.routes(&reports) == [Route::Replica(2)]
            && stage.routes(&Want { tag: Some("backup"), ..ANY }) == [Route::NoNode]
            && stage.routes(&Want { tried: 0b100, ..reports }) == [Route::NoNode]
    });
}

#[test]
fn a_tagged_replica_serves_its_reads_however_far_it_lags() {
    let mut stage = Stage::healthy(0);
    stage.add(1, Some("reports"), true);
    stage.replica(1, 1, 100);
    stage.primary(0, 1, 90_000);
    assert_eq!(stage.state(1), NodeState::Lagging);
    let reports = Want { tag: Some("reports"), ..ANY };
    assert_eq!(stage.route(&reports), Route::Replica(1));
    assert_eq!(stage.route(&Want { after: after(1, 101).after, ..reports }), Route::Check(1, 101));
}

#[test]
fn a_tagged_node_that_became_the_primary_is_the_primary() {
    let mut stage = Stage::healthy(0);
    stage.add(1, Some("reports"), true);
    stage.primary(1, 2, 101);
    assert_eq!(stage.route(&Want { primary: true, ..ANY }), Route::Primary(1));
    assert_eq!(stage.route(&Want { tag: Some("reports"), ..ANY }), Route::Primary(1));
}

#[test]
fn a_reader_finds_its_writes() {
    guards(Rule::Writes, || {
        let mut stage = Stage::healthy(2);
        stage.primary(0, 1, 200);
        stage.replica(2, 1, 200);
        stage.routes(&after(1, 150)) == [Route::Replica(2)]
    });
}

#[test]
fn replicas_that_may_have_the_writes_are_asked_and_the_primary_is_spared() {
    let mut stage = Stage::healthy(2);
    stage.primary(0, 1, 200);
    assert_eq!(stage.routes(&after(1, 200)), [Route::Check(1, 200), Route::Check(2, 200)]);
}

#[test]
fn a_replica_of_an_older_timeline_cannot_have_the_writes() {
    let mut stage = Stage::healthy(2);
    stage.forks(&[(1, 100)]);
    stage.primary(1, 2, 90);
    assert_eq!(stage.routes(&after(2, 50)), [Route::Primary(1)]);
}

#[test]
fn a_replica_of_the_new_timeline_has_what_the_fork_kept() {
    let mut stage = Stage::healthy(2);
    stage.forks(&[(1, 100)]);
    stage.primary(1, 2, 105);
    stage.replica(2, 2, 103);
    assert_eq!(stage.routes(&after(1, 100)), [Route::Replica(2)]);
    assert_eq!(stage.routes(&after(2, 104)), [Route::Check(2, 104)]);
}

#[test]
fn writes_behind_the_fork_are_not_taken_for_covered() {
    guards(Rule::Fork, || {
        let mut stage = Stage::healthy(2);
        stage.forks(&[(1, 100)]);
        stage.primary(1, 2, 205);
        stage.replica(2, 2, 205);
        stage.routes(&after(1, 101)) == [Route::Primary(1)]
            && stage.view().standing(Position::new(1, 101)) == Standing::Lost
    });
}

#[test]
fn a_token_of_a_timeline_that_nobody_has_seen_is_not_served_by_the_primary_of_the_old_one() {
    guards(Rule::Ahead, || {
        let stage = Stage::healthy(1);
        let want = after(2, 50);
        stage.route(&want) == Route::NoNode
            && stage.route(&Want { primary: true, ..want }) == Route::NoNode
    });
}

#[test]
fn a_reader_stays_with_the_node_it_read_from_until_the_others_are_known_to_have_as_much() {
    guards(Rule::Monotonic, || {
        let mut stage = Stage::healthy(3);
        let seen = Some(seen_on(&stage, 2));
        let want = Want { seen, ..ANY };
        let stays = stage.routes(&want) == [Route::Replica(2)];
        // It has moved on since, so it may have shown 130.
        stage.replica(2, 1, 130);
        stage.replica(1, 1, 140);
        let two = [Route::Replica(1), Route::Replica(2)];
        stays && stage.routes(&want) == two
    });
}

#[test]
fn a_sample_from_before_the_read_says_nothing_about_it() {
    guards(Rule::SampleAfter, || {
        let mut stage = Stage::healthy(2);
        stage.wait_ms(30);
        let want = Want { seen: Some(seen_on(&stage, 2)), tried: 0b100, ..ANY };
        stage.route(&want) == Route::Primary(0)
    });
    // Nor does one that was asked for in the same instant.
    let stage = Stage::healthy(2);
    let want = Want { seen: Some(seen_on(&stage, 2)), tried: 0b100, ..ANY };
    assert_eq!(stage.view().nodes[2].sample.unwrap().asked, stage.now);
    assert_eq!(stage.route(&want), Route::Primary(0));
}

#[test]
fn what_the_last_node_was_seen_to_have_since_becomes_a_position_to_check() {
    let mut stage = Stage::healthy(2);
    let seen = Some(seen_on(&stage, 2));
    stage.replica(2, 1, 130);
    assert_eq!(stage.route(&Want { seen, tried: 0b100, ..ANY }), Route::Check(1, 130));
}

#[test]
fn what_a_dead_node_may_have_shown_lies_before_the_primarys_next_sample() {
    let mut stage = Stage::healthy(2);
    let seen = Some(seen_on(&stage, 2));
    stage.silent(2);
    assert_eq!(stage.route(&Want { seen, ..ANY }), Route::Primary(0));
    stage.primary(0, 1, 180);
    assert_eq!(stage.route(&Want { seen, ..ANY }), Route::Check(1, 180));
    stage.replica(1, 1, 180);
    assert_eq!(stage.route(&Want { seen, ..ANY }), Route::Replica(1));
}

#[test]
fn a_node_that_restarted_is_not_the_one_that_served() {
    let mut stage = Stage::healthy(1);
    let seen = Some(seen_on(&stage, 1));
    assert_eq!(stage.route(&Want { seen, ..ANY }), Route::Replica(1));
    stage.restart(1);
    stage.replica(1, 1, 100);
    assert_eq!(stage.route(&Want { seen, ..ANY }), Route::Primary(0));
}

#[test]
fn writes_and_reads_are_both_required() {
    let mut stage = Stage::healthy(2);
    let seen = Some(seen_on(&stage, 2));
    stage.primary(0, 1, 300);
    assert_eq!(stage.route(&Want { seen, ..after(1, 250) }), Route::Check(2, 250));
    stage.replica(2, 1, 200);
    assert_eq!(
        stage.routes(&Want { seen, ..after(1, 150) }),
        [Route::Replica(2)],
        "the one that served is known to have both"
    );
    assert_eq!(stage.route(&Want { seen, tried: 0b100, ..after(1, 150) }), Route::Check(1, 200));
}

#[test]
fn a_bound_on_staleness_is_kept_or_the_read_fails() {
    guards(Rule::Staleness, || {
        let mut stage = Stage::healthy(1);
        let bound = Want { max_staleness: Some(Duration::from_millis(500)), ..ANY };
        let fresh = stage.route(&bound) == Route::Replica(1);
        for offset in 101..120 {
            stage.wait_ms(100);
            stage.primary(0, 1, offset);
        }
        let primary = stage.route(&bound) == Route::Primary(0);
        stage.silent(0);
        fresh && primary && stage.route(&bound) == Route::TooStale
            // What the pool tolerates by default is no promise.
            && stage.route(&ANY) == Route::Replica(1)
    });
}

#[test]
fn without_any_node_a_bound_on_staleness_is_not_the_reason() {
    let mut stage = Stage::healthy(1);
    stage.silent(0);
    stage.silent(1);
    let bound = Want { max_staleness: Some(Duration::from_secs(1)), ..ANY };
    assert_eq!(stage.route(&bound), Route::NoNode);
}

#[test]
fn lagging_replicas_serve_when_nobody_else_is_left_the_freshest_first() {
    let mut stage = Stage::healthy(2);
    stage.primary(0, 1, 9000);
    stage.replica(1, 1, 300);
    stage.replica(2, 1, 400);
    assert_eq!(stage.route(&ANY), Route::Primary(0));
    stage.silent(0);
    assert_eq!(stage.route(&ANY), Route::Replica(2));
    assert_eq!(stage.route(&Want { tried: 0b100, ..ANY }), Route::Replica(1));
    assert_eq!(stage.route(&after(1, 350)), Route::Replica(2));
    assert_eq!(stage.route(&after(1, 9000)), Route::Check(2, 9000));
}

#[test]
fn a_replica_with_dropped_writes_is_the_last_to_be_asked_and_only_for_nothing_in_particular() {
    let mut stage = Stage::healthy(2);
    stage.replica(2, 1, 110);
    stage.forks(&[(1, 100)]);
    stage.primary(1, 2, 101);
    stage.silent(0);
    stage.silent(1);
    assert_eq!(stage.route(&ANY), Route::Replica(2));
    assert_eq!(stage.route(&after(1, 90)), Route::NoNode);
}

#[test]
fn in_a_split_brain_replicas_serve_and_neither_contender_does() {
    let mut stage = Stage::healthy(3);
    stage.forks(&[(1, 100)]);
    stage.primary(1, 2, 100);
    stage.replica(3, 2, 120);
    stage.primary(2, 2, 150);
    assert_eq!(stage.routes(&ANY), [Route::Replica(3)]);
    assert_eq!(stage.route(&Want { primary: true, ..ANY }), Route::NoNode);
    // Which of the two offsets 110 is it?
    assert_eq!(stage.route(&after(2, 110)), Route::NoNode);
    assert_eq!(stage.route(&after(1, 90)), Route::Replica(3));
}

#[test]
fn what_a_replica_says_behind_a_fork_on_the_old_timeline_is_not_taken_for_what_it_showed() {
    let mut stage = Stage::healthy(3);
    stage.replica(3, 1, 130);
    let seen = Some(seen_on(&stage, 2));
    stage.primary(1, 2, 140);
    // It follows the new timeline by now, for all we know, and does not say so.
    stage.replica(2, 1, 120);
    assert_eq!(stage.route(&Want { seen, tried: 0b100, ..ANY }), Route::Primary(1));
}
