//! Stores with a fault each. The kit has to see it, in the check that is meant for it.

mod faulty;

use std::sync::Arc;

use faulty::{Fault, Faulty};
use terrace_session::conformance;
use terrace_session::store::{Memory, Store};

async fn sees(fault: Fault, checks: &[&str]) {
    for check in checks {
        assert!(conformance::names().any(|name| name == *check), "there is no check {check}");
    }
    let report = conformance::run_those(
        |name| checks.contains(&name),
        async |clock| {
            let inner = Memory::builder().clock(clock.clone()).build();
            let store: Arc<dyn Store> = Arc::new(Faulty::new(inner, clock, fault));
            Ok(store)
        },
    )
    .await;
    let failed: Vec<_> = report.failed().collect();
    assert_eq!(failed, checks, "{fault:?} was not seen by all:\n{report}");
}

macro_rules! controls {
    ($($test:ident: $fault:ident => [$($check:ident),+ $(,)?];)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $test() {
                sees(Fault::$fault, &[$(stringify!($check)),+]).await;
            }
        )+
    };
}

controls! {
    a_patch_that_creates_is_seen: PatchCreates => [a_patch_creates_nothing, a_deleted_session_stays_deleted, a_logout_is_not_undone_by_a_patch_in_flight];
    a_session_that_is_written_back_whole_is_seen: WritesBackWhole => [two_patches_at_once_keep_both];
    a_version_that_is_not_looked_at_is_seen: IgnoresVersion => [a_stale_version_changes_nothing_and_shows_what_is_there, ten_thousand_increments_are_ten_thousand];
    a_creation_that_overwrites_is_seen: CreateOverwrites => [a_key_that_is_taken_creates_nothing];
    a_rotation_that_deletes_first_is_seen: DeletesFirst => [a_session_that_moves_is_never_nowhere];
    a_rotation_that_copies_is_seen: RotationCopies => [a_login_moves_the_session_and_ends_the_old_key, an_elevation_moves_the_session_and_ends_the_old_key];
    a_rotation_that_reads_before_it_moves_is_seen: RotationReadsFirst => [a_patch_beside_a_rotation_is_kept_or_refused];
    a_use_that_is_noted_each_time_is_seen: TouchesAlways => [a_use_is_noted_when_it_is_due, ten_thousand_uses_within_an_eighth_are_noted_once];
    a_use_beyond_the_absolute_deadline_is_seen: NoAbsoluteDeadline => [a_session_in_use_ends_at_its_absolute_deadline];
    an_end_a_millisecond_late_is_seen: EndsLate => [an_unused_session_ends_to_the_millisecond];
    a_look_that_counts_as_use_is_seen: LookIsUse => [a_look_is_no_use];
    an_epoch_that_nobody_looks_at_is_seen: NoEpoch => [a_proof_from_before_a_revocation_logs_nobody_in, a_login_beside_a_revocation_does_not_outlive_it];
    an_epoch_that_stands_still_is_seen: EpochStandsStill => [an_epoch_only_grows];
    an_exception_that_is_forgotten_is_seen: NoException => [a_revocation_spares_the_one_that_is_excepted, a_revocation_spares_who_asks_by_the_key_before_a_renewal];
    an_old_key_that_lives_for_ever_is_seen: GraceForEver => [the_old_key_works_until_the_new_one_was_seen_and_the_grace_after, a_renewal_whose_answer_was_lost_is_made_again];
    an_old_key_that_dies_at_once_is_seen: RenewalElevates => [after_a_renewal_both_keys_lead_to_the_session, a_patch_by_the_old_key_reaches_the_session, two_renewals_at_once_are_one, a_patch_beside_a_renewal_is_kept];
    limits_that_nobody_looks_at_are_seen: NoLimits => [a_session_holds_as_many_bytes_as_it_may, a_session_holds_as_many_values_as_it_may, a_value_has_as_many_bytes_as_it_may, patches_at_once_stay_within_the_limits, a_rotation_without_room_changes_nothing];
    a_limit_of_sessions_that_is_looked_at_before_is_seen: CountsFirst => [fifty_logins_at_once_stay_within_the_limit];
    a_limit_of_sessions_that_nobody_looks_at_is_seen: NoSubjectLimit => [one_session_too_many_is_rejected, one_session_too_many_ends_the_one_that_was_unused_for_longest];
    a_sweep_without_end_is_seen: SweepsAll => [a_sweep_removes_only_what_is_over_and_no_more_than_it_may];
    values_that_are_written_anew_are_seen: RewritesJson => [values_are_kept_byte_by_byte];
    names_that_are_cut_at_a_dot_are_seen: CutsNames => [names_are_kept_byte_by_byte];
    an_index_by_tag_is_seen: IndexByTag => [subjects_of_one_tag_are_apart, subjects_may_be_called_anything];
    an_index_in_no_order_is_seen: ListUnordered => [a_list_has_what_is_there_the_last_used_first];
    a_device_that_is_lost_is_seen: NoDevice => [devices_are_kept_byte_by_byte];
    a_logout_that_does_nothing_is_seen: NeverDeletes => [a_deleted_session_stays_deleted, a_logout_by_either_key_ends_both];
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_without_a_fault_passes() {
    let report = conformance::run(async |clock| {
        let inner = Memory::builder().clock(clock.clone()).build();
        let store: Arc<dyn Store> = Arc::new(Faulty::new(inner, clock, Fault::None));
        Ok(store)
    })
    .await;
    report.assert();
}

#[tokio::test]
async fn a_store_that_cannot_be_opened_fails_every_check() {
    let report = conformance::run(async |_| Err("no server".into())).await;
    assert_eq!(report.failed().count(), conformance::names().count());
    assert!(report.to_string().contains("no server"), "{report}");
}
