//! Each safeguard of the cache's design that is left out breaks a promise.
//!
//! In the same scene the whole design keeps them all: see `cache_design.rs`.

use terrace_models::cache::{Mutant, ONE_RIGHT, OWN, QUIET, TOLD, scenes};
use terrace_models::explore;

const README: &str = include_str!("../README.md");

/// This mutant breaks this promise in this scene, by as many steps as the README says.
fn broken(mutant: Mutant, wanted: &str, promise: &str) {
    let scenes = scenes();
    let (_, scene) = scenes.iter().find(|(name, _)| name == wanted).unwrap();
    let explored = explore(&scene.without(mutant));
    let Some(steps) = explored.broken.get(promise) else {
        panic!("{mutant:?} keeps it: {:#?}", explored.broken);
    };
    println!("{mutant:?}, {} steps to break `{promise}`: {steps:#?}", steps.len());
    let short = promise.split(':').next().unwrap();
    let row = format!("| `{mutant:?}` | {wanted} | {short} | {} |", steps.len());
    assert!(README.contains(&row), "not in the README: {row}");
}

#[test]
fn control_a_load_is_kept_whatever_has_moved() {
    broken(Mutant::NoVersionCheck, "key", OWN);
}

#[test]
fn control_other_steps_come_between_check_and_insert() {
    broken(Mutant::CheckThenInsert, "key", OWN);
}

#[test]
fn control_a_hit_does_not_look_at_the_stamp() {
    broken(Mutant::NoStampCheck, "tag", OWN);
}

#[test]
fn control_what_comes_from_the_store_is_kept_without_a_capture() {
    broken(Mutant::SharedWithoutCapture, "key", OWN);
}

#[test]
fn control_tags_are_captured_after_the_load() {
    broken(Mutant::TagsCapturedLate, "tag", OWN);
}

#[test]
fn control_who_joined_a_superseded_load_gets_its_value() {
    broken(Mutant::JoinersAlwaysServed, "tag, joined", OWN);
}

#[test]
fn control_a_put_is_kept_whatever_has_moved() {
    broken(Mutant::PutWithoutCheck, "put and key, one node", OWN);
}

#[test]
fn control_a_put_lets_older_loads_be_kept() {
    broken(Mutant::PutMovesNothing, "put", OWN);
}

#[test]
fn control_the_invalidation_comes_before_the_commit() {
    broken(Mutant::InvalidateBeforeCommit, "key", OWN);
}

#[test]
fn control_memory_is_not_invalidated_again_after_the_store() {
    broken(Mutant::NotAgainAfterTheStore, "key", OWN);
}

#[test]
fn control_the_store_is_filled_without_a_lease() {
    broken(Mutant::FillWithoutLease, "key", QUIET);
}

#[test]
fn control_a_removal_leaves_the_lease_alive() {
    broken(Mutant::RemoveKeepsLease, "key", QUIET);
}

#[test]
fn control_a_restarted_store_repeats_tokens_and_epochs() {
    broken(Mutant::AllStartsAgain, "key, two loads, a restart", ONE_RIGHT);
}

#[test]
fn control_a_lost_epoch_starts_at_0_again() {
    broken(Mutant::EpochStartsAgain, "clear, a loss", QUIET);
}

#[test]
fn control_a_lost_sequence_starts_at_0_again() {
    broken(Mutant::SequenceStartsAgain, "tag twice, a loss", OWN);
}

#[test]
fn control_numbers_of_a_lost_count_are_compared_with_those_of_the_next() {
    broken(Mutant::CountsMixed, "tag, a loss", QUIET);
}

#[test]
fn control_a_fill_after_a_clear_is_of_the_new_epoch() {
    broken(Mutant::FillUnderEpochOfNow, "clear", QUIET);
}

#[test]
fn control_tags_are_not_compared_on_a_hit_in_the_store() {
    broken(Mutant::SharedTagsUnchecked, "tag", QUIET);
}

#[test]
fn control_a_forgotten_tag_fits_every_value() {
    broken(Mutant::MissingTagFits, "tag, a loss", QUIET);
}

#[test]
fn control_a_forgotten_tag_is_held_after_a_bump() {
    broken(Mutant::MissingTagHeld, "tag, a loss", QUIET);
}

#[test]
fn control_a_tag_is_held_that_was_bumped_during_the_load() {
    broken(Mutant::HoldWithoutSequence, "tag", QUIET);
}

#[test]
fn control_two_writers_at_once_both_fill() {
    broken(Mutant::BothWritersFill, "put and put", OWN);
}

#[test]
fn control_a_writer_that_may_not_fill_leaves_the_old_value() {
    broken(Mutant::RefusedWriterLeaves, "put", QUIET);
}

#[test]
fn control_a_gap_is_passed_over() {
    broken(Mutant::NoFlushOnGap, "key, elsewhere", QUIET);
}

#[test]
fn control_nobody_notices_that_the_last_message_was_lost() {
    broken(Mutant::NoHeartbeat, "key, elsewhere", QUIET);
}

#[test]
fn control_a_loads_age_counts_from_its_end() {
    broken(Mutant::LoadAgeFromTheEnd, "key, a period", TOLD);
}

#[test]
fn control_a_puts_age_counts_from_its_end() {
    broken(Mutant::PutAgeFromTheEnd, "key and put, a period", TOLD);
}
