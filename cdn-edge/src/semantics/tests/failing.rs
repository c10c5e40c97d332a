//! RFC 5861, section 4, and RFC 9111, sections 4.2.4 and 4.4: an origin that fails, and writes.

use super::*;

fn rescued(control: &str, request: &[&str], failure: Failure, seconds: u64) -> Option<Reason> {
    let stored = stored(&[&format!("Cache-Control: {control}"), "ETag: \"a\""]);
    let facts = get(&header(request), &rfc());
    rescue(&stored, false, failure, &facts, after(seconds), &rfc())
}

const DOWN: Failure = Failure::Unreachable;
const BUSY: Failure = Failure::Status(StatusCode::SERVICE_UNAVAILABLE);

#[test]
fn a_stale_response_stands_in_for_as_long_as_it_says() {
    for (control, failure, seconds, wanted) in [
        ("max-age=10, stale-if-error=5", BUSY, 14, Some(Reason::StaleIfError)),
        ("max-age=10, stale-if-error=5", BUSY, 15, None),
        ("max-age=10, stale-if-error=5", DOWN, 14, Some(Reason::StaleIfError)),
        ("max-age=10, stale-if-error=5", DOWN, 15, Some(Reason::StaleDisconnected)),
        ("max-age=10", BUSY, 10, None),
        ("max-age=10", DOWN, 10, Some(Reason::StaleDisconnected)),
        ("max-age=10", DOWN, 86_409, Some(Reason::StaleDisconnected)),
        ("max-age=10", DOWN, 86_410, None),
        ("max-age=10", BUSY, 9, Some(Reason::Fresh)),
    ] {
        assert_eq!(rescued(control, &[], failure, seconds), wanted, "{control} after {seconds}");
    }
}

#[test]
fn what_forbids_stale_use_forbids_it_when_the_origin_is_away_too() {
    let lax = "max-age=10, stale-if-error=5";
    for forbids in ["must-revalidate", "proxy-revalidate", "s-maxage=10", "no-cache"] {
        for failure in [DOWN, BUSY] {
            assert_eq!(rescued(&format!("{lax}, {forbids}"), &[], failure, 11), None, "{forbids}");
            assert!(rescued(lax, &[], failure, 11).is_some(), "without {forbids}");
        }
    }
}

#[test]
fn a_client_may_ask_for_stale_and_get_it_only_if_it_could_have_it_fresh() {
    let asks = ["Cache-Control: stale-if-error=60"];
    assert_eq!(rescued("max-age=10", &asks, BUSY, 30), Some(Reason::StaleIfError));
    assert_eq!(rescued("max-age=10", &asks, BUSY, 70), None);
    assert_eq!(rescued("max-age=10, must-revalidate", &asks, BUSY, 30), None);
    let credentials = ["Authorization: Basic eA=="];
    assert_eq!(rescued("max-age=10", &credentials, DOWN, 30), None);
    assert!(rescued("max-age=10, public", &credentials, DOWN, 30).is_some());
}

#[test]
fn a_soft_purge_takes_freshness_and_not_the_leave_to_stand_in() {
    let facts = get(&header(&[]), &secure());
    let purged = |control: &str, failure| {
        let stored = stored(&[&format!("Cache-Control: {control}")]);
        rescue(&stored, true, failure, &facts, after(1), &secure())
    };
    assert_eq!(purged("max-age=10", BUSY), None);
    assert_eq!(purged("max-age=10", DOWN), Some(Reason::StaleDisconnected));
    assert_eq!(purged("max-age=10, stale-if-error=5", BUSY), Some(Reason::StaleIfError));
}

#[test]
fn four_statuses_are_failures() {
    for status in 200..600 {
        let read = Failure::of(StatusCode::from_u16(status).unwrap()).is_some();
        assert_eq!(read, [500, 502, 503, 504].contains(&status), "{status}");
    }
}

fn gone(method: &str, status: u16, response: &[&str]) -> Invalidates {
    let verb = Verb::of(&Method::from_bytes(method.as_bytes()).unwrap());
    let status = StatusCode::from_u16(status).unwrap();
    invalidates(verb, b"example.com", status, &header(response), "/dir/page?q=1")
}

#[test]
fn a_write_that_did_not_fail_invalidates_its_target() {
    for method in ["POST", "PUT", "DELETE", "PATCH", "BREW"] {
        for status in [200, 201, 204, 301, 303] {
            assert!(gone(method, status, &[]).target, "{method} {status}");
        }
        for status in [400, 404, 409, 500, 503] {
            assert_eq!(gone(method, status, &["Location: /x"]), Invalidates::default());
        }
    }
    for method in ["GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "QUERY"] {
        assert_eq!(gone(method, 200, &["Location: /x"]), Invalidates::default(), "{method}");
    }
}

#[test]
fn a_write_invalidates_what_it_names_at_its_own_host_only() {
    for (reference, wanted) in [
        ("/x?y=2", Some("/x?y=2")),
        ("/x#part", Some("/x")),
        ("x", Some("/dir/x")),
        ("?z=3", Some("/dir/page?z=3")),
        ("http://example.com/x", Some("/x")),
        ("http://EXAMPLE.com", Some("/")),
        ("//example.com/x", Some("/x")),
        ("http://example.org/x", None),
        ("//example.org/x", None),
        ("http://example.com.example.org/x", None),
        ("mailto:somebody", None),
    ] {
        for name in ["Location", "Content-Location"] {
            let read = gone("POST", 201, &[&format!("{name}: {reference}")]);
            let paths: Vec<_> = read.paths.iter().map(String::as_str).collect();
            assert_eq!(paths, wanted.into_iter().collect::<Vec<_>>(), "{name}: {reference}");
            assert!(read.target, "{name}: {reference}");
        }
    }
    assert!(gone("POST", 201, &["Location: /x", "Location: /y"]).paths.is_empty());
}
