//! What is compared of `terrace-session` and tower-sessions is the same work.

use terrace_benches::ops::session::{FIRST, Site, VISITORS, Work, alone, rival, terrace};

/// Everybody comes twice.
const REQUESTS: u64 = 2 * VISITORS as u64;

fn visited(mut site: Box<dyn Site>) -> Box<dyn Site> {
    site.repeat(REQUESTS);
    site
}

fn both(work: Work) -> [Box<dyn Site>; 2] {
    [terrace, rival].map(|open| visited(open(work).unwrap()))
}

#[test]
fn every_request_is_answered_the_same_way() {
    for (work, name) in Work::ALL {
        let [ours, theirs] = both(work).map(|site| site.answered());
        let cookies = match work {
            Work::NoCookie | Work::Untouched | Work::Get => [0, 0],
            // The rival sends its cookie with every change.
            Work::Change => [0, REQUESTS],
            Work::Rolling | Work::Login => [REQUESTS, REQUESTS],
        };
        assert_eq!(ours, [REQUESTS, REQUESTS, cookies[0]], "{name}");
        assert_eq!(theirs, [REQUESTS, REQUESTS, cookies[1]], "{name}");
    }
    assert_eq!(visited(alone(Work::Change).unwrap()).answered(), [REQUESTS, REQUESTS, 0]);
}

#[test]
fn what_was_changed_is_in_both_stores() {
    for mut site in both(Work::Change) {
        assert_eq!(site.values().unwrap(), [FIRST + 2; VISITORS]);
    }
}

#[test]
fn what_was_not_changed_is_still_in_both_stores() {
    for work in [Work::Untouched, Work::Get, Work::Rolling, Work::Login] {
        for mut site in both(work) {
            assert_eq!(site.values().unwrap(), [FIRST; VISITORS], "{work:?}");
        }
    }
}
