//! RFC 9213: `CDN-Cache-Control` speaks to this cache, and stands in for `Cache-Control` and `Expires`.

use crate::support::{Reply, Served, Site, date, pass};

fn targeted(cdn: &str, control: &str) -> Reply {
    Reply::ok("page").field("cdn-cache-control", cdn).control(control)
}

/// The second answer, so many seconds after the first.
async fn again(site: Site, reply: Reply, after: u64) -> Served {
    let site = site.saying(reply);
    site.page().await;
    pass(after).await;
    site.page().await
}

async fn is_fresh_after(reply: Reply, seconds: u64) -> bool {
    again(Site::secure(), reply, seconds).await.is_hit()
}

// 2.2
#[tokio::test(start_paused = true)]
async fn it_counts_before_cache_control_and_for_exactly_its_time() {
    assert!(is_fresh_after(targeted("max-age=60", "max-age=1"), 59).await);
    assert!(!is_fresh_after(targeted("max-age=60", "max-age=600"), 60).await);
}

// 2.2: the control, with nobody who listens to the field.
#[tokio::test(start_paused = true)]
async fn without_the_field_among_the_targets_cache_control_counts() {
    let site = Site::with(|edge| edge.rules(|rules| rules.targeted.clear()));
    assert!(!again(site, targeted("max-age=60", "max-age=1"), 59).await.is_hit());
}

// 2.2
#[tokio::test(start_paused = true)]
async fn it_lets_a_response_be_stored_that_cache_control_forbids() {
    assert!(is_fresh_after(targeted("max-age=60", "no-store"), 1).await);
    assert!(is_fresh_after(targeted("max-age=60", "private"), 1).await);
}

// 2.2
#[tokio::test(start_paused = true)]
async fn it_forbids_what_cache_control_allows() {
    for cdn in ["no-store", "private", "no-cache", "max-age=0"] {
        assert!(!is_fresh_after(targeted(cdn, "max-age=600"), 1).await, "{cdn}");
    }
}

// 2.2
#[tokio::test(start_paused = true)]
async fn expires_does_not_count_beside_it() {
    let reply = |cdn| Reply::ok("page").field("cdn-cache-control", cdn).field("expires", date(600));
    assert!(is_fresh_after(reply("max-age=60"), 59).await);
    assert!(!is_fresh_after(reply("max-age=60"), 60).await);
    assert!(!is_fresh_after(reply("public"), 1).await, "no lifetime in it is none");
}

// 2.1: a dictionary of structured fields, whole or not at all.
#[tokio::test(start_paused = true)]
async fn one_that_is_no_dictionary_is_as_good_as_none() {
    for cdn in ["max-age=600, &&", "max-age=600,", "MAX-AGE=600", "max-age =600", ""] {
        assert!(is_fresh_after(targeted(cdn, "max-age=10"), 9).await, "{cdn}");
        assert!(!is_fresh_after(targeted(cdn, "max-age=10"), 10).await, "{cdn}");
    }
}

// 2.1
#[tokio::test(start_paused = true)]
async fn one_with_a_value_of_the_wrong_type_is_as_good_as_none() {
    for cdn in ["max-age=\"600\"", "max-age=600.0", "max-age", "max-age=600, no-store=1"] {
        assert!(is_fresh_after(targeted(cdn, "max-age=10"), 9).await, "{cdn}");
        assert!(!is_fresh_after(targeted(cdn, "max-age=10"), 10).await, "{cdn}");
    }
}

// 2.1
#[tokio::test(start_paused = true)]
async fn parameters_and_unknown_members_do_not_count() {
    assert!(is_fresh_after(targeted("max-age=60;x=1, foo=(a b)", "max-age=1"), 59).await);
    // There is a field, so Cache-Control does not count, and it says nothing.
    assert!(!is_fresh_after(targeted("foo", "max-age=60"), 1).await);
}

// 2.1: RFC 9651 joins the lines.
#[tokio::test(start_paused = true)]
async fn its_lines_are_one_dictionary_and_the_last_of_a_name_counts() {
    let lines = |first: &str, second: &str| {
        let reply = Reply::ok("page").field("cdn-cache-control", first);
        reply.field("cdn-cache-control", second).control("max-age=1")
    };
    assert!(is_fresh_after(lines("public", "max-age=60"), 59).await);
    assert!(is_fresh_after(lines("max-age=10", "max-age=60"), 59).await);
    assert!(!is_fresh_after(lines("max-age=60", "no-store"), 1).await);
    // One line that is broken breaks all.
    assert!(!is_fresh_after(lines("max-age=60", "&&"), 2).await);
}

// 2.1
#[tokio::test(start_paused = true)]
async fn s_maxage_in_it_counts_before_max_age() {
    assert!(is_fresh_after(targeted("max-age=1, s-maxage=60", "no-store"), 59).await);
    assert!(!is_fresh_after(targeted("max-age=600, s-maxage=60", "no-store"), 60).await);
}

// 2.1: whatever a directive means in Cache-Control, it means here.
#[tokio::test(start_paused = true)]
async fn must_revalidate_in_it_forbids_the_stale_response() {
    for (cdn, status) in [("max-age=10", 200), ("max-age=10, must-revalidate", 504)] {
        let site = Site::secure();
        site.origin.next(targeted(cdn, "max-age=600").field("etag", "\"a\""));
        site.page().await;
        pass(10).await;
        assert_eq!(site.page().await.status, status, "{cdn}");
    }
}

// 2.1 with RFC 5861, 3
#[tokio::test(start_paused = true)]
async fn stale_while_revalidate_in_it_counts_and_that_in_cache_control_does_not() {
    let reply = targeted("max-age=10, stale-while-revalidate=10", "max-age=10");
    assert!(is_fresh_after(reply, 15).await);
    let reply = targeted("max-age=10", "max-age=10, stale-while-revalidate=10");
    assert!(!is_fresh_after(reply, 15).await);
}

// 2.2: it is not for this cache alone, so those behind it may see it too.
#[tokio::test(start_paused = true)]
async fn it_goes_on_to_the_client_as_it_came() {
    let second = again(Site::secure(), targeted("max-age=60", "max-age=1"), 1).await;
    assert!(second.is_hit());
    assert_eq!(second.field("cdn-cache-control").as_deref(), Some("max-age=60"));
    assert_eq!(second.field("cache-control").as_deref(), Some("max-age=1"));
}

// 2.2
#[tokio::test(start_paused = true)]
async fn of_several_targets_the_first_that_can_be_read_counts() {
    let site = || {
        Site::with(|edge| {
            edge.rules(|rules| {
                rules.targeted.insert(0, http::HeaderName::from_static("terrace-cache-control"));
            })
        })
    };
    let reply = |own: &str| targeted("max-age=10", "max-age=1").field("terrace-cache-control", own);
    assert!(again(site(), reply("max-age=60"), 59).await.is_hit());
    assert!(!again(site(), reply("&&"), 10).await.is_hit());
    assert!(again(site(), reply("&&"), 9).await.is_hit());
    // Another's target is nobody's here.
    assert!(!is_fresh_after(reply("max-age=60"), 59).await);
}

// 2.1: numbers beyond 2^31 are 2^31 (RFC 9111, 1.2.2).
#[tokio::test(start_paused = true)]
async fn a_huge_lifetime_in_it_is_the_longest_that_there_is() {
    assert!(is_fresh_after(targeted("max-age=999999999999999", "no-store"), 31_536_000).await);
    // No integer of a structured field any more.
    assert!(!is_fresh_after(targeted("max-age=9999999999999999", "no-store"), 1).await);
}

// A targeted field does not make private what the request made so (RFC 9111, 3.5).
#[tokio::test(start_paused = true)]
async fn a_request_with_credentials_needs_leave_in_it() {
    for (cdn, shared) in
        [("max-age=60", false), ("max-age=60, public", true), ("s-maxage=60", true)]
    {
        let site = Site::secure().saying(targeted(cdn, "public, max-age=600"));
        site.get(&[("authorization", "Basic eA==")]).await;
        assert_eq!(site.page().await.is_hit(), shared, "{cdn}");
    }
}
