//! RFC 9111, sections 4, 4.1, 4.2.4 and 5.2.1: what is served.

use super::*;

fn fresh(at: usize) -> Lookup {
    Lookup::Serve { at, reason: Reason::Fresh, behind: false }
}

fn revalidate(reason: Reason) -> Lookup {
    Lookup::Revalidate { at: 0, reason }
}

#[test]
fn what_a_response_allows_is_served_and_nothing_else() {
    let swr = Lookup::Serve { at: 0, reason: Reason::StaleWhileRevalidate, behind: true };
    for (control, seconds, wanted) in [
        ("max-age=10", 9, fresh(0)),
        ("max-age=10", 10, revalidate(Reason::Stale)),
        ("max-age=10, stale-while-revalidate=5", 9, fresh(0)),
        ("max-age=10, stale-while-revalidate=5", 10, swr),
        ("max-age=10, stale-while-revalidate=5", 14, swr),
        ("max-age=10, stale-while-revalidate=5", 15, revalidate(Reason::Stale)),
        ("max-age=10, stale-while-revalidate=x", 10, revalidate(Reason::Stale)),
        ("max-age=10, stale-while-revalidate=5, must-revalidate", 10, revalidate(Reason::Stale)),
        ("max-age=10, stale-while-revalidate=5, proxy-revalidate", 10, revalidate(Reason::Stale)),
        ("s-maxage=10, stale-while-revalidate=5", 10, revalidate(Reason::Stale)),
        ("s-maxage=10, stale-while-revalidate=5", 9, fresh(0)),
        ("max-age=10, stale-if-error=5", 10, revalidate(Reason::Stale)),
        ("max-age=10, no-cache", 0, revalidate(Reason::NoCache)),
        ("max-age=10, no-cache=x", 0, revalidate(Reason::NoCache)),
        ("max-age=10, no-cache=\"x\"", 0, fresh(0)),
        ("max-age=10, must-revalidate", 9, fresh(0)),
    ] {
        let stored = stored(&[&format!("Cache-Control: {control}"), "ETag: \"a\""]);
        for rules in [rfc(), secure()] {
            let read = looked(&[valid(&stored)], &[], seconds, &rules);
            assert_eq!(read, wanted, "{control} after {seconds}");
        }
    }
}

#[test]
fn a_soft_purge_makes_stale_whatever_the_lifetime_says() {
    let purged = |control: &str, request: &[&str]| {
        let stored = stored(&[&format!("Cache-Control: {control}"), "ETag: \"a\""]);
        looked(&[Candidate { stored: &stored, purged: true }], request, 1, &rfc())
    };
    assert_eq!(purged("max-age=60", &[]), revalidate(Reason::Purged));
    assert_eq!(purged("max-age=60", &["Cache-Control: max-stale"]), revalidate(Reason::Purged));
    assert_eq!(purged("s-maxage=60, stale-while-revalidate=9", &[]), revalidate(Reason::Purged));
    assert_eq!(
        purged("max-age=60, stale-while-revalidate=9", &[]),
        Lookup::Serve { at: 0, reason: Reason::StaleWhileRevalidate, behind: true }
    );
}

#[test]
fn a_clients_directives_count_in_the_rfc_and_not_by_default() {
    let request = revalidate(Reason::RequestDirective);
    let max_stale = Lookup::Serve { at: 0, reason: Reason::MaxStale, behind: false };
    for (directives, seconds, wanted) in [
        ("no-cache", 1, request),
        ("max-age=0", 0, request),
        ("max-age=4", 5, request),
        ("max-age=5", 5, fresh(0)),
        ("min-fresh=5", 5, fresh(0)),
        ("min-fresh=6", 5, request),
        ("max-stale", 99, max_stale),
        ("max-stale=5", 15, max_stale),
        ("max-stale=5", 16, revalidate(Reason::Stale)),
        ("max-stale=5, max-age=10", 15, request),
        ("no-store", 15, Lookup::Pass(Reason::RequestNoStore)),
        ("no-store", 5, fresh(0)),
        ("only-if-cached", 5, fresh(0)),
        ("only-if-cached", 15, Lookup::Unavailable),
        ("only-if-cached, max-stale", 15, max_stale),
        ("only-if-cached, no-cache", 5, Lookup::Unavailable),
    ] {
        let stored = stored(&["Cache-Control: max-age=10", "ETag: \"a\""]);
        let line = format!("Cache-Control: {directives}");
        let read = |rules: &Rules| looked(&[valid(&stored)], &[&line], seconds, rules);
        assert_eq!(read(&rfc()), wanted, "{directives} after {seconds}");
        let plain = looked(&[valid(&stored)], &[], seconds, &secure());
        assert_eq!(read(&secure()), plain, "{directives} by default");
    }
}

#[test]
fn pragma_counts_only_without_cache_control() {
    let stored = stored(&["Cache-Control: max-age=10"]);
    let read = |request: &[&str]| looked(&[valid(&stored)], request, 1, &rfc());
    assert_eq!(read(&["Pragma: No-Cache"]), revalidate(Reason::RequestDirective));
    assert_eq!(read(&["Pragma: x, no-cache"]), revalidate(Reason::RequestDirective));
    assert_eq!(read(&["Pragma: no-cache", "Cache-Control: max-age=9"]), fresh(0));
    assert_eq!(read(&["Pragma: no-cached"]), fresh(0));
}

#[test]
fn max_stale_does_not_overrule_a_response_that_forbids_it() {
    for (forbids, wanted) in [
        ("must-revalidate", revalidate(Reason::Stale)),
        ("proxy-revalidate", revalidate(Reason::Stale)),
        ("s-maxage=10", revalidate(Reason::Stale)),
        ("no-cache", revalidate(Reason::NoCache)),
        ("public", Lookup::Serve { at: 0, reason: Reason::MaxStale, behind: false }),
    ] {
        let stored = stored(&[&format!("Cache-Control: max-age=10, {forbids}"), "ETag: \"a\""]);
        let read = looked(&[valid(&stored)], &["Cache-Control: max-stale"], 11, &rfc());
        assert_eq!(read, wanted, "{forbids}");
    }
}

#[test]
fn a_reload_does_not_ask_for_what_is_immutable_and_fresh() {
    let stored = stored(&["Cache-Control: max-age=10, immutable"]);
    let read = |request, seconds| looked(&[valid(&stored)], &[request], seconds, &rfc());
    assert_eq!(read("Cache-Control: max-age=0", 5), fresh(0));
    assert_eq!(read("Cache-Control: max-age=0", 10), revalidate(Reason::RequestDirective));
    assert_eq!(read("Cache-Control: no-cache", 5), revalidate(Reason::RequestDirective));
}

#[test]
fn credentials_are_answered_only_from_what_has_leave() {
    let request = ["Authorization: Basic eA=="];
    for (control, wanted) in [
        ("max-age=60", Lookup::Pass(Reason::Authorization)),
        ("max-age=60, public", fresh(0)),
        ("s-maxage=60", fresh(0)),
        ("max-age=60, must-revalidate", fresh(0)),
    ] {
        let stored = stored(&[&format!("Cache-Control: {control}")]);
        assert_eq!(looked(&[valid(&stored)], &request, 1, &rfc()), wanted, "{control}");
    }
}

/// One of two languages, made so many seconds before.
fn variant(language: &str, date: i64) -> Stored {
    let request = [&format!("Accept-Language: {language}")[..]];
    let date = format!("Date: @{date}");
    let response = ["Cache-Control: max-age=600", "Vary: Accept-Language", date.as_str()];
    admitted(&request, 200, &response, &secure()).unwrap().stored
}

#[test]
fn only_what_was_selected_by_the_same_values_is_served() {
    let (de, en) = (variant("de", 0), variant("en", 0));
    let candidates = [valid(&de), valid(&en)];
    let read = |request: &[&str]| looked(&candidates, request, 1, &secure());
    assert_eq!(read(&["Accept-Language: de"]), fresh(0));
    assert_eq!(read(&["Accept-Language:  EN "]), fresh(1));
    assert_eq!(read(&["Accept-Language: fr"]), Lookup::Fetch(Reason::VaryMiss));
    // Absent is not any value, and not the empty one.
    assert_eq!(read(&[]), Lookup::Fetch(Reason::VaryMiss));
    assert_eq!(looked(&[], &[], 1, &secure()), Lookup::Fetch(Reason::Miss));
}

#[test]
fn of_several_that_match_the_one_made_last_is_served() {
    let (old, new) = (variant("de", -60), variant("de", -5));
    let request = ["Accept-Language: de"];
    assert_eq!(looked(&[valid(&old), valid(&new)], &request, 1, &secure()), fresh(1));
    assert_eq!(looked(&[valid(&new), valid(&old)], &request, 1, &secure()), fresh(0));
    assert_eq!(looked(&[valid(&old), valid(&old)], &request, 1, &secure()), fresh(1));
}

#[test]
fn a_part_answers_only_ranges_that_lie_in_it() {
    let place = "Content-Range: bytes 10-19/40";
    let part = admitted(
        &["Range: bytes=10-19"],
        206,
        &["Cache-Control: max-age=60", place, "ETag: \"a\""],
        &rfc(),
    );
    let part = part.unwrap().stored;
    for (request, served) in [
        (&["Range: bytes=10-19"][..], true),
        (&["Range: bytes=12-15"], true),
        (&["Range: bytes=12-15", "If-Range: \"a\""], true),
        (&["Range: bytes=12-15", "If-Range: \"b\""], false),
        (&["Range: bytes=9-19"], false),
        (&["Range: bytes=10-20"], false),
        (&["Range: bytes=10-"], false),
        (&["Range: bytes=-30"], false),
        (&["Range: bytes=10-12, 14-19"], false),
        (&["Range: bytes=10-19", "Range: bytes=10-19"], false),
        (&[], false),
    ] {
        let wanted = if served { fresh(0) } else { Lookup::Fetch(Reason::PartMiss) };
        assert_eq!(looked(&[valid(&part)], request, 1, &rfc()), wanted, "{request:?}");
    }
    let whole = stored(&["Cache-Control: max-age=60", "Date: @-9"]);
    let both = [valid(&whole), valid(&part)];
    assert_eq!(looked(&both, &["Range: bytes=10-19"], 1, &rfc()), fresh(0), "a whole one first");
}

#[test]
fn other_methods_and_what_only_the_origin_may_judge_are_passed_on() {
    let (stored, rules) = (stored(&["Cache-Control: max-age=60"]), rfc());
    let read = |method: &str, request: &[&str], seconds| {
        let (request, method) = (header(request), Method::from_bytes(method.as_bytes()).unwrap());
        let facts = Facts::of(&method, &request, &rules);
        lookup(&[valid(&stored)], &facts, &request, after(seconds), &rules)
    };
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW", "get"] {
        assert_eq!(read(method, &[], 1), Lookup::Pass(Reason::Method), "{method}");
    }
    for line in ["If-Match: \"a\"", "If-Unmodified-Since: @0"] {
        assert_eq!(read("GET", &[line], 1), Lookup::Pass(Reason::Precondition), "{line}");
    }
    assert_eq!(read("HEAD", &[], 1), fresh(0));
    // Only a GET fills the cache.
    assert_eq!(read("HEAD", &[], 61), Lookup::Pass(Reason::Stale));
    assert_eq!(read("GET", &[], 61), revalidate(Reason::Stale));
}
