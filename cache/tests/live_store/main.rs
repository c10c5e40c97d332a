//! What a store promises, kept by each of them: in memory, on one Redis, on three. And what becomes
//! of it when servers die, freeze, forget and lie.

#![allow(clippy::unwrap_used, missing_docs)]
#![cfg(target_os = "linux")]

mod broken;
mod dead;
mod forgetful;
mod odd;
mod owing;
mod promises;
mod world;

use broken::Broken;
use world::World;

/// Each promise is a function that finds out whether a store keeps it. Every store must; and for each
/// safeguard behind it, a store that lacks it must be found out.
macro_rules! promises {
    ($($promise:ident, without $($how:ident),+;)*) => {
        mod memory {
            $(
                #[tokio::test(start_paused = true)]
                async fn $promise() {
                    let world = crate::World::in_memory();
                    crate::promises::$promise(&world).await.unwrap();
                }
            )*
        }

        mod one_redis {
            $(
                #[tokio::test]
                async fn $promise() {
                    let Some(world) = crate::World::on_redis(1).await else { return };
                    crate::promises::$promise(&world).await.unwrap();
                }
            )*
        }

        mod three_redis {
            $(
                #[tokio::test]
                async fn $promise() {
                    let Some(world) = crate::World::on_redis(3).await else { return };
                    crate::promises::$promise(&world).await.unwrap();
                }
            )*
        }

        mod controls {
            $(
                #[tokio::test(start_paused = true)]
                async fn $promise() {
                    for how in [$(crate::Broken::$how),+] {
                        let world = crate::World::broken(how);
                        let found = crate::promises::$promise(&world).await;
                        assert!(found.is_err(), "{how:?} was not found out");
                    }
                }
            )*
        }
    };
}

promises! {
    of_fifty_that_miss_one_gets_the_lease, without EverybodyWins;
    what_was_kept_is_found_by_all, without KeepsNothing, KeepsForOthers;
    what_was_removed_while_it_was_loaded_is_not_kept, without FillsAnyway;
    what_was_cleared_while_it_was_loaded_is_not_kept, without FillsAnyway;
    what_was_removed_is_gone, without RemovesNothing;
    what_was_cleared_is_gone, without ClearsNothing;
    a_lease_of_before_a_clear_is_in_nobodys_way, without ClearsNothing;
    a_tag_that_was_bumped_during_a_load_is_not_held, without HoldsAnything;
    a_bump_changes_the_version_that_is_held, without BumpsNothing;
    a_tag_that_nobody_has_held_or_bumped_has_no_version, without KnowsAllTags;
    a_tag_that_is_new_is_held_at_the_second_try_at_the_latest, without HoldsNothing;
    of_two_writers_neither_fills, without WritersIgnoreEachOther;
    a_writer_takes_the_right_from_a_reader, without WritersWait;
    a_reader_between_two_writers_keeps_nothing_old, without FillsAnyway, RemovesNothing;
    a_lease_that_is_given_back_goes_to_the_next, without ReleasesNothing;
    a_lease_is_given_back_by_its_holder_alone, without ReleasesAnything;
    a_value_that_was_seen_is_replaced_and_another_is_found, without SeesNothing;
    values_and_leases_end_by_the_stores_clock, without NothingEnds;
    a_lease_is_good_for_one_value, without FillsAnyway;
    answers_come_in_the_order_of_the_questions, without AnswersBackwards;
    keys_and_values_of_any_bytes_stay_apart, without KeepsNothing, OneForAll;
}
