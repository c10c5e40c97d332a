//! RFC 9110, 14 and 13.1.5: ranges and If-Range, from whole and partial responses.

use crate::support::{Reply, Served, Site, date, pass};

const BODY: &str = "0123456789";

fn file() -> Reply {
    Reply::ok(BODY).control("max-age=60").field("etag", "\"a\"").field("content-type", "text/plain")
}

fn part(first: usize, last: usize) -> Reply {
    Reply::status(206)
        .body(&BODY.as_bytes()[first..=last])
        .control("max-age=60")
        .field("etag", "\"a\"")
        .field("content-range", format!("bytes {first}-{last}/10"))
}

async fn stored(reply: Reply) -> Site {
    let site = Site::secure();
    site.origin.next(reply);
    site.page().await;
    site
}

fn says(served: &Served) -> (u16, &str, Option<String>) {
    (served.status, &served.body, served.field("content-range"))
}

// RFC 9110, 14.1.2 and 14.4
#[tokio::test(start_paused = true)]
async fn a_stored_whole_answers_every_form_of_a_range() {
    let site = stored(file()).await;
    for (range, body, place) in [
        ("bytes=2-4", "234", "bytes 2-4/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-2", "89", "bytes 8-9/10"),
        ("bytes=-20", BODY, "bytes 0-9/10"),
        ("bytes=8-99", "89", "bytes 8-9/10"),
        ("bytes=0-0", "0", "bytes 0-0/10"),
    ] {
        let served = site.get(&[("range", range)]).await;
        assert_eq!(says(&served), (206, body, Some(place.to_owned())), "{range}");
        let length = body.len().to_string();
        assert_eq!(served.field("content-length"), Some(length), "{range}");
        assert_eq!(served.field("etag").as_deref(), Some("\"a\""));
        assert!(served.is_hit());
    }
    assert_eq!(site.asked(), 1);
}

// RFC 9110, 14.2: what is no range is as good as none.
#[tokio::test(start_paused = true)]
async fn a_range_that_cannot_be_read_is_answered_with_the_whole() {
    let site = stored(file()).await;
    for range in ["bytes=4-2", "lines=1-2", "bytes", "bytes=", "bytes=a-b", "bytes=1-2;x"] {
        assert_eq!(says(&site.get(&[("range", range)]).await), (200, BODY, None), "{range}");
    }
    assert_eq!(site.asked(), 1);
}

// RFC 9110, 15.5.17
#[tokio::test(start_paused = true)]
async fn a_range_beyond_the_end_is_416_with_the_length() {
    let site = stored(file()).await;
    for range in ["bytes=10-", "bytes=10-12", "bytes=-0", "bytes=99-,-0"] {
        let served = site.get(&[("range", range)]).await;
        assert_eq!(says(&served), (416, "", Some("bytes */10".to_owned())), "{range}");
        assert_eq!(served.field("content-type"), None);
    }
    assert_eq!(site.asked(), 1);
}

// RFC 9110, 15.5.17
#[tokio::test(start_paused = true)]
async fn a_416_is_never_stored() {
    let site = Site::rfc();
    site.origin
        .next(Reply::status(416).control("max-age=600").field("content-range", "bytes */10"));
    site.origin.always(file());
    assert_eq!(site.get(&[("range", "bytes=99-")]).await.status, 416);
    assert_eq!(site.page().await.body, BODY);
    assert_eq!(site.asked(), 2);
}

// RFC 9110, 14.2: defined for GET alone.
#[tokio::test(start_paused = true)]
async fn a_range_means_nothing_on_a_head() {
    let site = stored(file()).await;
    let served = site.ask("HEAD", "/", &[("range", "bytes=2-4")]).await;
    assert_eq!((served.status, served.field("content-range")), (200, None));
    assert_eq!(served.field("content-length").as_deref(), Some("10"));
}

// RFC 9110, 14.2: a range is of a 200.
#[tokio::test(start_paused = true)]
async fn a_stored_404_is_served_whole() {
    let site = stored(Reply::status(404).body("nothing").control("max-age=5")).await;
    assert_eq!(says(&site.get(&[("range", "bytes=0-1")]).await), (404, "nothing", None));
    assert_eq!(site.asked(), 1);
}

// RFC 9110, 13.1.5
#[tokio::test(start_paused = true)]
async fn if_range_with_the_strong_tag_gets_the_range_and_with_another_the_whole() {
    let site = stored(file()).await;
    let both = |tag: &'static str| [("range", "bytes=2-4"), ("if-range", tag)];
    assert_eq!(site.get(&both("\"a\"")).await.body, "234");
    for other in ["\"b\"", "W/\"a\"", "a", "*", "\"a\", \"b\""] {
        assert_eq!(says(&site.get(&both(other)).await), (200, BODY, None), "{other}");
    }
    assert_eq!(site.asked(), 1);
}

// RFC 9110, 13.1.5
#[tokio::test(start_paused = true)]
async fn a_weak_tag_never_gets_a_range() {
    let site = stored(Reply::ok(BODY).control("max-age=60").field("etag", "W/\"a\"")).await;
    let fields = [("range", "bytes=2-4"), ("if-range", "W/\"a\"")];
    assert_eq!(says(&site.get(&fields).await), (200, BODY, None));
    // Without the condition there is nothing to compare.
    assert_eq!(site.get(&fields[..1]).await.body, "234");
}

// RFC 9110, 8.8.2.2
#[tokio::test(start_paused = true)]
async fn if_range_with_a_date_needs_exactly_the_date_and_a_strong_one() {
    for (modified, asked, body) in [
        (-3600, -3600, "234"),
        (-3600, -3599, BODY),
        (-3600, -3601, BODY),
        (-60, -60, "234"),
        // Could have changed twice within the second.
        (-1, -1, BODY),
    ] {
        let site = Site::secure();
        let reply = Reply::ok(BODY).control("max-age=60").field("last-modified", date(modified));
        site.origin.next(reply);
        site.page().await;
        let served = site.get(&[("range", "bytes=2-4"), ("if-range", &date(asked))]).await;
        assert_eq!(served.body, body, "{modified} {asked}");
    }
}

// RFC 9111, 3.3
#[tokio::test(start_paused = true)]
async fn a_stored_part_answers_what_lies_in_it_and_nothing_else() {
    let site = Site::secure();
    site.origin.next(part(2, 6));
    site.get(&[("range", "bytes=2-6")]).await;
    site.origin.next(part(0, 3));
    site.origin.always(file());
    let inside = site.get(&[("range", "bytes=3-5")]).await;
    assert_eq!(says(&inside), (206, "345", Some("bytes 3-5/10".to_owned())));
    assert!(inside.is_hit());
    assert_eq!(site.get(&[("range", "bytes=0-3")]).await.body, "0123");
    assert_eq!(site.asked(), 2);
    assert_eq!(says(&site.page().await), (200, BODY, None));
    assert_eq!(site.asked(), 3);
}

// RFC 9110, 13.1.5: the condition is judged for a stored part too.
#[tokio::test(start_paused = true)]
async fn a_stored_part_of_another_tag_does_not_answer() {
    let site = Site::secure();
    site.origin.next(part(2, 6));
    site.get(&[("range", "bytes=2-6")]).await;
    site.origin.always(file());
    let same = site.get(&[("range", "bytes=2-3"), ("if-range", "\"a\"")]).await;
    assert_eq!((same.status, site.asked()), (206, 1));
    let other = site.get(&[("range", "bytes=2-3"), ("if-range", "\"b\"")]).await;
    assert_eq!((says(&other), site.asked()), ((200, BODY, None), 2));
}

// RFC 9110, 14.2: on a miss the origin judges.
#[tokio::test(start_paused = true)]
async fn on_a_miss_range_and_condition_go_to_the_origin() {
    let site = Site::secure().saying(part(2, 4));
    let served = site.get(&[("range", "bytes=2-4"), ("if-range", "\"a\"")]).await;
    assert_eq!(says(&served), (206, "234", Some("bytes 2-4/10".to_owned())));
    let asked = site.origin.last();
    assert_eq!(asked.field("range").as_deref(), Some("bytes=2-4"));
    assert_eq!(asked.field("if-range").as_deref(), Some("\"a\""));
}

// RFC 9110, 14.2: an origin may answer with the whole; the client gets what it wanted from it.
#[tokio::test(start_paused = true)]
async fn an_origin_without_ranges_fills_the_whole_and_the_client_gets_its_range() {
    let site = Site::secure().saying(file());
    assert_eq!(site.get(&[("range", "bytes=2-4")]).await.body, "234");
    assert!(site.page().await.is_hit());
    assert_eq!(site.asked(), 1);
}

// RFC 9110, 14.4: a 206 that does not say where it belongs, or says so wrongly, is nobody else's.
#[tokio::test(start_paused = true)]
async fn a_206_whose_place_is_unknown_is_passed_on_and_not_stored() {
    let bad = |place: &str| {
        let reply = Reply::status(206).body("234").control("max-age=60").field("etag", "\"a\"");
        if place.is_empty() { reply } else { reply.field("content-range", place) }
    };
    for place in ["", "bytes 2-4/*", "bytes 2-9/10", "bytes 4-2/10", "lines 2-4/10", "bytes */10"] {
        let site = Site::rfc().saying(bad(place));
        for _ in 0..2 {
            assert_eq!(site.get(&[("range", "bytes=2-4")]).await.body, "234", "{place}");
        }
        assert_eq!(site.asked(), 2, "{place}");
    }
}

// RFC 9110, 15.3.7: only the answer to a range request.
#[tokio::test(start_paused = true)]
async fn a_206_that_nobody_asked_for_is_not_stored() {
    let site = Site::rfc().saying(part(2, 4));
    site.page().await;
    site.get(&[("range", "bytes=2-4")]).await;
    assert_eq!(site.asked(), 2);
}

// RFC 9111, 4: a part gets old like a whole, and is asked about as one.
#[tokio::test(start_paused = true)]
async fn a_stale_part_is_validated_and_serves_again() {
    let site = Site::secure();
    site.origin.next(part(2, 6));
    site.get(&[("range", "bytes=2-6")]).await;
    pass(60).await;
    site.origin.next(Reply::status(304).control("max-age=60").field("etag", "\"a\""));
    let served = site.get(&[("range", "bytes=3-4")]).await;
    assert_eq!(says(&served), (206, "34", Some("bytes 3-4/10".to_owned())));
    assert_eq!(site.origin.last().field("if-none-match").as_deref(), Some("\"a\""));
    assert!(site.get(&[("range", "bytes=2-6")]).await.is_hit());
    assert_eq!(site.asked(), 2);
}
