//! RFC 9110, 14.6: several ranges in one answer.

use crate::support::{Reply, Served, Site};

const BODY: &str = "0123456789";

async fn stored() -> Site {
    let reply = Reply::ok(BODY).control("max-age=60").field("content-type", "text/plain");
    let site = Site::secure().saying(reply);
    site.page().await;
    site
}

/// The parts of an answer: the header of each, and its bytes.
fn parts(served: &Served) -> Vec<(String, String)> {
    let kind = served.field("content-type").unwrap();
    let boundary = kind.strip_prefix("multipart/byteranges; boundary=").unwrap();
    let body = served.body.strip_suffix(&format!("\r\n--{boundary}--\r\n")).unwrap();
    let body = body.strip_prefix(&format!("--{boundary}\r\n")).unwrap();
    body.split(&format!("\r\n--{boundary}\r\n"))
        .map(|part| {
            let (head, bytes) = part.split_once("\r\n\r\n").unwrap();
            (head.to_owned(), bytes.to_owned())
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn each_part_has_its_place_and_kind_in_the_order_asked_for() {
    let site = stored().await;
    let served = site.get(&[("range", "bytes=8-9, 0-1,4-4")]).await;
    assert_eq!(served.status, 206);
    let head = |place: &str| format!("Content-Type: text/plain\r\nContent-Range: bytes {place}/10");
    let expected = [(head("8-9"), "89"), (head("0-1"), "01"), (head("4-4"), "4")];
    assert_eq!(parts(&served), expected.map(|(head, body)| (head, body.to_owned())));
    // 15.3.7.2: it stands in the parts, not in the answer.
    assert_eq!(served.field("content-range"), None);
    assert_eq!(site.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn two_answers_have_boundaries_of_their_own() {
    let site = stored().await;
    let range = [("range", "bytes=0-1,4-4")];
    let kinds = [site.get(&range).await, site.get(&range).await].map(|it| it.field("content-type"));
    assert_ne!(kinds[0], kinds[1]);
}

// 15.3.7.2: one range is no multipart.
#[tokio::test(start_paused = true)]
async fn ranges_that_touch_or_leave_one_are_answered_as_one() {
    let site = stored().await;
    for (range, place) in [
        ("bytes=0-3,4-6", "bytes 0-6/10"),
        ("bytes=3-4,0-3", "bytes 0-4/10"),
        ("bytes=2-3,50-", "bytes 2-3/10"),
    ] {
        let served = site.get(&[("range", range)]).await;
        assert_eq!(served.field("content-range").as_deref(), Some(place), "{range}");
    }
}

// 14.2: what would be more than the whole, or very many pieces, is the whole.
#[tokio::test(start_paused = true)]
async fn a_range_header_that_wants_too_much_gets_the_whole() {
    let site = stored().await;
    let many = (0..200).map(|_| "0-0").collect::<Vec<_>>().join(",");
    for range in ["bytes=0-,0-,0-", &format!("bytes={many}")] {
        let served = site.get(&[("range", range)]).await;
        assert_eq!((served.status, served.body.as_str()), (200, BODY));
    }
}

// What the origin sends as multipart has no single place, so it is not stored.
#[tokio::test(start_paused = true)]
async fn an_origins_multipart_is_passed_on_and_not_stored() {
    let body = "--x\r\nContent-Range: bytes 0-0/10\r\n\r\n0\r\n--x--\r\n";
    let reply = Reply::status(206).body(body).control("max-age=60").field("etag", "\"a\"");
    let site = Site::rfc().saying(reply.field("content-type", "multipart/byteranges; boundary=x"));
    for _ in 0..2 {
        assert_eq!(site.get(&[("range", "bytes=0-0,5-5")]).await.body, body);
    }
    assert_eq!(site.asked(), 2);
}
