//! RFC 9111, section 4.3.2, and RFC 9110, sections 13 and 14: what of a stored response the client gets.

use super::*;

/// A stored response of 100 bytes, an hour old when it came.
fn page() -> Stored {
    stored(&[
        "Cache-Control: max-age=60000",
        "Date: @-3600",
        "ETag: \"a\"",
        "Last-Modified: @-7200",
    ])
}

fn answered(stored: &Stored, request: &[&str]) -> Answer {
    let request = header(request);
    answer(&get(&request, &secure()), &request, stored, Some(100), after(1))
}

#[test]
fn who_has_it_is_told_so() {
    for (request, wanted) in [
        (&["If-None-Match: \"a\""][..], Answer::NotModified),
        (&["If-None-Match: W/\"a\""], Answer::NotModified),
        (&["If-None-Match: \"x\", \"a\""], Answer::NotModified),
        (&["If-None-Match: \"x\"", "If-None-Match: \"a\""], Answer::NotModified),
        (&["If-None-Match: *"], Answer::NotModified),
        (&["If-None-Match: \"x\""], Answer::Full),
        (&["If-None-Match: a"], Answer::Full),
        // The date does not count beside a tag, whatever it says.
        (&["If-None-Match: \"x\"", "If-Modified-Since: @0"], Answer::Full),
        (&["If-Modified-Since: @-7200"], Answer::NotModified),
        (&["If-Modified-Since: @0"], Answer::NotModified),
        (&["If-Modified-Since: @-7201"], Answer::Full),
        (&["If-Modified-Since: soon"], Answer::Full),
        (&["If-Modified-Since: @0", "If-Modified-Since: @0"], Answer::Full),
        // A precondition comes before a range (RFC 9110, 13.2.2).
        (&["If-None-Match: \"a\"", "Range: bytes=0-1"], Answer::NotModified),
        (&["If-None-Match: \"x\"", "Range: bytes=0-1"], Answer::Part(0..2, 100)),
    ] {
        assert_eq!(answered(&page(), request), wanted, "{request:?}");
    }
}

#[test]
fn without_last_modified_the_date_stands_in() {
    let page = stored(&["Cache-Control: max-age=60", "Date: @-10"]);
    assert_eq!(answered(&page, &["If-Modified-Since: @-10"]), Answer::NotModified);
    assert_eq!(answered(&page, &["If-Modified-Since: @-11"]), Answer::Full);
    assert_eq!(answered(&page, &["If-None-Match: \"a\""]), Answer::Full);
}

#[test]
fn a_status_that_is_no_success_is_answered_as_it_is() {
    let response = ["Cache-Control: max-age=60", "ETag: \"a\"", "Last-Modified: @-60"];
    for status in [204, 301, 404, 500] {
        let stored = admitted(&[], status, &response, &rfc()).unwrap().stored;
        for line in ["If-None-Match: \"a\"", "If-Modified-Since: @0", "Range: bytes=0-1"] {
            assert_eq!(answered(&stored, &[line]), Answer::Full, "{status} {line}");
        }
    }
}

#[test]
fn a_range_is_answered_by_what_there_is_of_it() {
    for (range, wanted) in [
        ("bytes=0-0", Answer::Part(0..1, 100)),
        ("bytes=90-", Answer::Part(90..100, 100)),
        ("bytes=90-999", Answer::Part(90..100, 100)),
        ("bytes=-10", Answer::Part(90..100, 100)),
        ("bytes=-999", Answer::Part(0..100, 100)),
        ("bytes=0-1,50-51", Answer::Parts([0..2, 50..52].into_iter().collect(), 100)),
        ("bytes=0-1,200-300", Answer::Part(0..2, 100)),
        ("bytes=100-", Answer::Unsatisfiable(100)),
        ("bytes=-0", Answer::Unsatisfiable(100)),
        ("bytes=5-1", Answer::Full),
        ("bytes=", Answer::Full),
        ("bytes=a-b", Answer::Full),
        ("lines=0-1", Answer::Full),
        ("bytes=0-99,0-99", Answer::Full),
    ] {
        assert_eq!(answered(&page(), &[&format!("Range: {range}")]), wanted, "{range}");
    }
}

#[test]
fn a_range_counts_only_if_its_condition_does() {
    let part = Answer::Part(0..2, 100);
    for (condition, wanted) in [
        ("\"a\"", &part),
        ("W/\"a\"", &Answer::Full),
        ("\"b\"", &Answer::Full),
        ("@-7200", &part),
        ("@-7199", &Answer::Full),
        ("@0", &Answer::Full),
        ("soon", &Answer::Full),
    ] {
        let condition = format!("If-Range: {condition}");
        let read = answered(&page(), &["Range: bytes=0-1", &condition]);
        assert_eq!(read, *wanted, "{condition}");
        assert_eq!(answered(&page(), &["Range: bytes=0-1"]), part);
    }
    // A date as new as the response may be that of two versions (RFC 9110, 8.8.2.2).
    let new = stored(&["Cache-Control: max-age=60", "Date: @0", "Last-Modified: @-1"]);
    assert_eq!(answered(&new, &["Range: bytes=0-1", "If-Range: @-1"]), Answer::Full);
}

#[test]
fn a_range_means_nothing_to_a_head_or_without_a_length() {
    let (request, page) = (header(&["Range: bytes=0-1"]), page());
    let facts = Facts::of(&Method::HEAD, &request, &rfc());
    assert_eq!(answer(&facts, &request, &page, Some(100), after(1)), Answer::Full);
    let facts = get(&request, &rfc());
    assert_eq!(answer(&facts, &request, &page, None, after(1)), Answer::Full);
    assert_eq!(answer(&facts, &request, &page, Some(100), after(1)), Answer::Part(0..2, 100));
}
