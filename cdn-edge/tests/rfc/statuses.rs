//! RFC 9111, 3 and RFC 9110, 15: which final statuses are stored.

use terrace_cdn_edge::purge::Mode;

use crate::support::{Reply, Site, date, pass};

const UNDERSTOOD: [u16; 44] = [
    200, 201, 202, 203, 204, 205, 300, 301, 302, 303, 305, 307, 308, 400, 401, 402, 403, 404, 405,
    406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 417, 421, 422, 426, 428, 429, 431, 451, 500,
    501, 502, 503, 504, 505, 511,
];

/// Never as a whole: a 206 and a 416 speak of a range, a 304 of what somebody has.
const NEVER: [u16; 3] = [206, 304, 416];

/// Whether the second request for a URL of this status's own is answered from the store.
async fn is_stored(site: &Site, status: u16, change: impl FnOnce(Reply) -> Reply) -> bool {
    let path = format!("/{status}");
    site.origin.next(change(reply(status)));
    site.ask("GET", &path, &[]).await;
    site.origin.next(Reply::ok("asked again").control("no-store"));
    let is_hit = site.ask("GET", &path, &[]).await.is_hit();
    if is_hit {
        // Takes the answer that was not needed out of the script.
        site.ask("GET", "/other", &[]).await;
    }
    is_hit
}

fn reply(status: u16) -> Reply {
    Reply::status(status).field("location", "/elsewhere")
}

// RFC 9111, 3
#[tokio::test(start_paused = true)]
async fn with_an_explicit_lifetime_every_final_status_is_stored_in_both_profiles() {
    for site in [Site::secure(), Site::rfc()] {
        for status in 200..=599 {
            let stored = is_stored(&site, status, |reply| reply.control("max-age=60")).await;
            assert_eq!(stored, !NEVER.contains(&status), "{status}");
        }
    }
}

// RFC 9111, 3: the control, without a lifetime nothing is.
#[tokio::test(start_paused = true)]
async fn without_a_lifetime_no_status_is_fresh() {
    for site in [Site::secure(), Site::rfc()] {
        for status in 200..=599 {
            assert!(!is_stored(&site, status, |reply| reply).await, "{status}");
        }
    }
}

// RFC 9110, 15.1
#[tokio::test(start_paused = true)]
async fn a_guessed_lifetime_is_for_the_statuses_that_allow_it() {
    let heuristic = [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501];
    let old = |reply: Reply| reply.field("last-modified", date(-1_000_000));
    let (secure, rfc) = (Site::secure(), Site::rfc());
    for status in 200..=599 {
        assert!(!is_stored(&secure, status, old).await, "{status}");
        assert_eq!(is_stored(&rfc, status, old).await, heuristic.contains(&status), "{status}");
    }
}

// RFC 9111, 4.2.2: public lets any status have a guessed lifetime.
#[tokio::test(start_paused = true)]
async fn public_allows_a_guess_for_any_status() {
    for (control, stored) in [("public", true), ("x", false)] {
        let reply = |reply: Reply| reply.control(control).field("last-modified", date(-1_000_000));
        assert_eq!(is_stored(&Site::rfc(), 599, reply).await, stored, "{control}");
    }
}

// RFC 9111, 5.2.2.3
#[tokio::test(start_paused = true)]
async fn must_understand_is_for_known_statuses_and_overrules_no_store_there() {
    let site = Site::rfc();
    for status in (200..=599).filter(|status| !NEVER.contains(status)) {
        for control in ["max-age=60, must-understand, no-store", "must-understand, max-age=60"] {
            let stored = is_stored(&site, status, |reply| reply.control(control)).await;
            assert_eq!(stored, UNDERSTOOD.contains(&status), "{status} {control}");
            site.edge.handle().purge_all(Mode::Hard);
        }
    }
}

// RFC 9111, 5.2.2.5: the control.
#[tokio::test(start_paused = true)]
async fn no_store_alone_is_never_stored() {
    let site = Site::rfc();
    for status in 200..=599 {
        let reply = |reply: Reply| reply.control("max-age=60, no-store");
        assert!(!is_stored(&site, status, reply).await, "{status}");
    }
}

// The default profile: an error that somebody provoked is not everybody's for long.
#[tokio::test(start_paused = true)]
async fn as_it_comes_an_error_lives_for_ten_seconds_at_most() {
    for (status, secure, rfc) in [(399, 59, 59), (400, 9, 59), (404, 9, 59), (599, 9, 59)] {
        for (site, last) in [(Site::secure(), secure), (Site::rfc(), rfc)] {
            let site = site.saying(reply(status).control("max-age=60"));
            site.page().await;
            pass(last).await;
            assert!(site.page().await.is_hit(), "{status} {last}");
            pass(1).await;
            site.page().await;
            assert_eq!(site.asked(), 2, "{status} {last}");
        }
    }
}

// A shorter lifetime of its own stays.
#[tokio::test(start_paused = true)]
async fn the_cap_makes_no_error_live_longer() {
    let site = Site::secure().saying(reply(404).control("max-age=3"));
    site.page().await;
    pass(3).await;
    assert!(!site.page().await.is_hit());
}

// RFC 9111, 4: what is stored comes back as it was.
#[tokio::test(start_paused = true)]
async fn a_stored_redirect_comes_back_with_its_location() {
    for status in [301, 302, 303, 307, 308] {
        let site = Site::secure().saying(reply(status).control("max-age=60"));
        for _ in 0..2 {
            let served = site.page().await;
            assert_eq!(served.status, status);
            assert_eq!(served.field("location").as_deref(), Some("/elsewhere"));
        }
        assert_eq!(site.asked(), 1);
    }
}

// RFC 9110, 15.2: not final. hyper never shows one; another service might.
#[tokio::test(start_paused = true)]
async fn an_interim_status_is_never_stored() {
    for status in [100, 102, 103, 199] {
        let stored = is_stored(&Site::rfc(), status, |reply| reply.control("max-age=60")).await;
        assert!(!stored, "{status}");
    }
}
