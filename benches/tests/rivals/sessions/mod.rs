//! The two races that `terrace-session` is built around, played by it and by tower-sessions: the control
//! that shows that the scenes can go wrong.

mod scene;
mod terrace;
mod tower_sessions;

use http::StatusCode;
use scene::{Rival, Site};

/// Two requests of one visitor, at the same time, each with a value of its own: which values are there in the end.
async fn two_requests_write_different_values<R: Rival>() -> (bool, bool) {
    let site = Site::<R>::new();
    let cookie = site.sign_in("ann").await;
    let (one, two) = tokio::join!(
        site.meet_and_set(&cookie, "cart", "three records"),
        site.meet_and_set(&cookie, "theme", "dark"),
    );
    assert_eq!((one, two), (StatusCode::OK, StatusCode::OK));
    (site.has(&cookie, "cart").await, site.has(&cookie, "theme").await)
}

/// A request has read its session, the visitor logs out elsewhere, the request writes: who is logged in, by the old cookie or
/// by what the request's answer set.
async fn a_logout_overtakes_a_write<R: Rival>() -> Option<String> {
    let site = Site::<R>::new();
    let cookie = site.sign_in("ann").await;
    let answered = site.read_then_set_after(&cookie, site.sign_out(&cookie)).await;
    match site.subject(&cookie).await {
        None => site.subject(&answered?).await,
        somebody => somebody,
    }
}

/// A session moves to a new id, and then the handler answers 503: who is logged in by whatever cookie the client has now.
async fn the_id_changes_and_the_answer_is_503<R: Rival>() -> Option<String> {
    let site = Site::<R>::new();
    let cookie = site.sign_in("ann").await;
    let cookie = site.renew_and_fail(&cookie).await.unwrap_or(cookie);
    site.subject(&cookie).await
}

#[tokio::test]
async fn tower_sessions_loses_one_of_two_values_that_are_written_at_once() {
    let kept = two_requests_write_different_values::<tower_sessions::Rival>().await;
    assert!(kept == (true, false) || kept == (false, true), "{kept:?}");
}

#[tokio::test]
async fn terrace_session_keeps_both() {
    assert_eq!(two_requests_write_different_values::<terrace::Rival>().await, (true, true));
}

#[tokio::test]
async fn tower_sessions_logs_a_visitor_in_again_who_has_logged_out() {
    let subject = a_logout_overtakes_a_write::<tower_sessions::Rival>().await;
    assert_eq!(subject.as_deref(), Some("ann"));
}

#[tokio::test]
async fn terrace_session_leaves_them_logged_out() {
    assert_eq!(a_logout_overtakes_a_write::<terrace::Rival>().await, None);
}

#[tokio::test]
async fn tower_sessions_logs_a_visitor_out_whose_id_changed_before_an_error() {
    assert_eq!(the_id_changes_and_the_answer_is_503::<tower_sessions::Rival>().await, None);
}

#[tokio::test]
async fn terrace_session_leaves_them_logged_in() {
    let subject = the_id_changes_and_the_answer_is_503::<terrace::Rival>().await;
    assert_eq!(subject.as_deref(), Some("ann"));
}
