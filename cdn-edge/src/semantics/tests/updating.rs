//! RFC 9111, sections 3.2, 4.3.4 and 4.3.5: what a 304 and the answer to a HEAD change.

use super::*;

const PAGE: [&str; 6] = [
    "Cache-Control: max-age=10",
    "Date: @0",
    "ETag: \"a\"",
    "Last-Modified: @-7200",
    "Content-Length: 100",
    "X-A: 1",
];

/// A 304 that comes so many seconds after the stored response.
fn freshened(response: &[&str], request: &[&str], update: &[&str], seconds: u64) -> Freshened {
    by_rules(response, request, update, seconds, &rfc())
}

fn by_rules(
    response: &[&str],
    request: &[&str],
    update: &[&str],
    seconds: u64,
    rules: &Rules,
) -> Freshened {
    let Admitted { stored, headers, .. } = admitted(&[], 200, response, rules).unwrap();
    let (request, now) = (header(request), after(seconds));
    let facts = get(&request, rules);
    let exchange = Exchange { facts: &facts, request: &request, asked: now, now };
    freshen(&stored, &headers, &exchange, &header(update), rules)
}

fn updated(freshened: Freshened) -> Admitted {
    match freshened {
        Freshened::Updated(admitted) => *admitted,
        other => panic!("not updated: {other:?}"),
    }
}

#[test]
fn a_304_makes_fresh_again_and_replaces_fields() {
    let update = ["Date: @50", "Cache-Control: max-age=20", "X-A: 2", "X-A: 3", "X-B: 4"];
    let Admitted { stored, headers, .. } = updated(freshened(&PAGE, &[], &update, 50));
    assert_eq!((stored.age(after(50)), stored.ttl(after(50))), (0, 20));
    assert_eq!(stored.status(), StatusCode::OK);
    let lines: Vec<_> = headers.get_all("x-a").iter().collect();
    assert_eq!(lines, ["2", "3"]);
    assert_eq!(headers["x-b"], "4");
    assert_eq!(headers["etag"], "\"a\"");
}

#[test]
fn a_304_without_a_date_counts_from_its_arrival() {
    let Admitted { stored, headers, .. } = updated(freshened(&PAGE, &[], &["X-B: 1"], 50));
    assert_eq!((stored.age(after(50)), stored.ttl(after(50))), (0, 10));
    assert_eq!(headers["date"], date::format(BASE + 50));
    // The control: a date counts where there is one.
    let old = updated(freshened(&PAGE, &[], &["Date: @45"], 50)).stored;
    assert_eq!(old.age(after(50)), 5);
}

#[test]
fn a_304_through_another_cache_is_as_old_as_it_says() {
    let old = updated(freshened(&PAGE, &[], &["Date: @50", "Age: 4"], 50));
    assert_eq!(old.stored.age(after(50)), 4);
    assert!(!old.headers.contains_key("age"));
}

#[test]
fn a_304_does_not_change_what_describes_the_stored_body() {
    let update = [
        "ETag: \"a\"",
        "Content-Length: 0",
        "Content-Encoding: gzip",
        "Content-Range: bytes 0-1/2",
        "Connection: X-B",
        "X-B: 1",
    ];
    let headers = updated(freshened(&PAGE, &[], &update, 1)).headers;
    assert_eq!(headers["content-length"], "100");
    for name in ["content-encoding", "content-range", "connection", "x-b"] {
        assert!(!headers.contains_key(name), "{name}");
    }
}

#[test]
fn a_304_about_something_else_updates_nothing() {
    let no_tag = &["Cache-Control: max-age=10", "Last-Modified: @-7200"][..];
    let weak = &["Cache-Control: max-age=10", "ETag: W/\"a\""][..];
    for (response, update, speaks) in [
        (&PAGE[..], "ETag: \"a\"", true),
        (&PAGE, "ETag: W/\"a\"", true),
        (&PAGE, "ETag: \"b\"", false),
        (&PAGE, "ETag: W/\"b\"", false),
        (&PAGE, "X: ", true),
        (weak, "ETag: W/\"a\"", true),
        (weak, "ETag: \"b\"", false),
        (no_tag, "ETag: \"b\"", false),
        (no_tag, "Last-Modified: @-7200", true),
        (no_tag, "Last-Modified: @-1", false),
        (no_tag, "X: ", true),
    ] {
        let read = freshened(response, &[], &[update], 1);
        assert_eq!(!matches!(read, Freshened::Mismatch), speaks, "{response:?} {update}");
    }
}

#[test]
fn a_304_whose_tag_differs_from_the_stored_one_in_strength_alone_updates_it() {
    // nginx weakens the tag of what it compresses, and not that of a 304.
    let weak = ["Cache-Control: max-age=10", "ETag: W/\"a\""];
    let read = freshened(&weak, &[], &["ETag: \"a\""], 1);
    assert!(matches!(read, Freshened::Updated(_)));
    let read = freshened(&weak, &[], &["ETag: \"b\""], 1);
    assert!(matches!(read, Freshened::Mismatch), "the control");
}

#[test]
fn a_304_that_forbids_storing_is_used_once() {
    for (control, reason) in [("no-store", Reason::NoStore), ("private", Reason::Private)] {
        let read = freshened(&PAGE, &[], &[&format!("Cache-Control: {control}")], 1);
        assert!(matches!(read, Freshened::Unstored(why, _) if why == reason), "{control}");
    }
    let set = by_rules(&PAGE, &[], &["Set-Cookie: a=b"], 1, &secure());
    assert!(matches!(set, Freshened::Unstored(Reason::SetCookie, _)));
    let any = freshened(&PAGE, &[], &["Vary: *"], 1);
    assert!(matches!(any, Freshened::Unstored(Reason::VaryAny, _)));
}

#[test]
fn a_304_with_less_in_vary_does_not_widen_what_is_answered() {
    let request = header(&["Accept-Language: de"]);
    let rules = secure();
    let vary = ["Cache-Control: max-age=10", "ETag: \"a\"", "Vary: Accept-Language"];
    let page = admitted(&["Accept-Language: de"], 200, &vary, &rules).unwrap();
    let facts = get(&request, &rules);
    for (update, names) in [
        ("X: ", &["accept-language"][..]),
        ("Vary: Accept", &["accept-language"]),
        ("Vary: ", &["accept-language"]),
        ("Vary: Accept-Language, Accept", &["accept", "accept-language"]),
    ] {
        let (update, now) = (header(&[update]), after(1));
        let exchange = Exchange { facts: &facts, request: &request, asked: now, now };
        let read = freshen(&page.stored, &page.headers, &exchange, &update, &rules);
        let stored = updated(read).stored;
        let selecting = stored.selecting().expect("it varied");
        let read: Vec<_> = selecting.names().iter().map(HeaderName::as_str).collect();
        assert_eq!(read, names, "{update:?}");
        assert!(!selecting.matches(&header(&["Accept-Language: en"]), &rules));
    }
}

#[test]
fn a_304_leaves_a_part_what_it_is() {
    let place = "Content-Range: bytes 10-19/40";
    let response = ["Cache-Control: max-age=10", "ETag: \"a\"", place];
    let request = header(&["Range: bytes=10-19"]);
    let part = admitted(&["Range: bytes=10-19"], 206, &response, &rfc()).unwrap();
    let (now, facts) = (after(30), get(&request, &rfc()));
    let update = header(&["Date: @30"]);
    let exchange = Exchange { facts: &facts, request: &request, asked: now, now };
    let read = freshen(&part.stored, &part.headers, &exchange, &update, &rfc());
    let stored = updated(read).stored;
    assert_eq!(stored.span(), part.stored.span());
    assert_eq!(stored.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(stored.ttl(now), 10);
}

fn headed(request: &[&str], status: u16, answer: &[&str], rules: &Rules) -> Head {
    let Admitted { stored, headers, .. } = admitted(&[], 200, &PAGE, rules).unwrap();
    let (request, now) = (header(request), after(50));
    let facts = Facts::of(&Method::HEAD, &request, rules);
    let status = StatusCode::from_u16(status).unwrap();
    let exchange = Exchange { facts: &facts, request: &request, asked: now, now };
    head(&stored, &headers, &exchange, status, &header(answer), rules)
}

#[test]
fn the_answer_to_a_head_updates_what_it_agrees_with_and_outdates_the_rest() {
    let update = ["Date: @50", "ETag: \"a\"", "Content-Length: 100", "X-A: 2"];
    let Head::Updated(updated) = headed(&[], 200, &update, &rfc()) else { panic!("not updated") };
    assert_eq!(updated.stored.ttl(after(50)), 10);
    assert_eq!(updated.headers["x-a"], "2");
    for line in ["ETag: \"b\"", "Last-Modified: @-1", "Content-Length: 99"] {
        assert!(matches!(headed(&[], 200, &[line], &rfc()), Head::Outdated), "{line}");
    }
    assert!(matches!(headed(&[], 200, &["Cache-Control: no-store"], &rfc()), Head::Outdated));
    for status in [204, 206, 304, 404, 500] {
        assert!(matches!(headed(&[], status, &["ETag: \"b\""], &rfc()), Head::Unrelated));
    }
}

#[test]
fn a_head_with_credentials_or_a_cookie_does_not_outdate_everybodys_response() {
    let update = ["Date: @50", "ETag: \"a\""];
    for request in ["Authorization: Basic eA==", "Cookie: a=b", "X: "] {
        let read = headed(&[request], 200, &update, &secure());
        assert!(!matches!(read, Head::Outdated), "{request}");
        let other = headed(&[request], 200, &["Cache-Control: no-store"], &secure());
        assert!(matches!(other, Head::Outdated), "the control: {request}");
    }
}
