//! RFC 9110, 15.3.7.3 and RFC 9111, 3.3 and 3.4: stored parts become larger ones, and the whole.

use terrace_cdn_edge::purge::Mode;

use crate::support::{Reply, Site, pass};

const BODY: &str = "0123456789";

fn part(first: usize, last: usize) -> Reply {
    Reply::status(206)
        .body(&BODY.as_bytes()[first..=last])
        .control("max-age=60")
        .field("content-range", format!("bytes {first}-{last}/10"))
}

fn tagged(first: usize, last: usize) -> Reply {
    part(first, last).field("etag", "\"a\"")
}

async fn fetch(site: &Site, reply: Reply, range: &str) {
    site.origin.next(reply);
    let served = site.get(&[("range", range)]).await;
    assert_eq!((served.status, served.is_hit()), (206, false), "{range}");
}

/// What a range is answered with from the store; nothing if the origin is asked.
async fn kept(site: &Site, range: &str) -> Option<String> {
    site.origin.next(Reply::status(416).control("no-store"));
    let asked = site.asked();
    let served = site.get(&[("range", range)]).await;
    if site.asked() > asked {
        return None;
    }
    // Takes the answer that was not needed out of the script.
    site.ask("GET", "/other", &[]).await;
    Some(served.body)
}

#[tokio::test(start_paused = true)]
async fn parts_that_touch_answer_a_range_across_them() {
    for order in [[(2, 4), (5, 7)], [(5, 7), (2, 4)]] {
        let site = Site::secure();
        for (first, last) in order {
            fetch(&site, tagged(first, last), &format!("bytes={first}-{last}")).await;
        }
        assert_eq!(kept(&site, "bytes=3-6").await.as_deref(), Some("3456"));
        assert_eq!(kept(&site, "bytes=2-7").await.as_deref(), Some("234567"));
        assert_eq!(kept(&site, "bytes=1-7").await, None);
        assert_eq!(kept(&site, "bytes=2-8").await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn parts_that_overlap_have_each_byte_once() {
    let site = Site::secure();
    fetch(&site, tagged(1, 5), "bytes=1-5").await;
    fetch(&site, tagged(3, 8), "bytes=3-8").await;
    assert_eq!(kept(&site, "bytes=1-8").await.as_deref(), Some("12345678"));
}

#[tokio::test(start_paused = true)]
async fn one_part_may_close_the_gap_between_two() {
    let site = Site::secure();
    fetch(&site, tagged(0, 2), "bytes=0-2").await;
    fetch(&site, tagged(6, 8), "bytes=6-8").await;
    assert_eq!(kept(&site, "bytes=1-7").await, None, "there is a gap");
    fetch(&site, tagged(3, 5), "bytes=3-5").await;
    assert_eq!(kept(&site, "bytes=0-8").await.as_deref(), Some("012345678"));
}

// 15.3.7.3: "process as a complete 200, including a Content-Length".
#[tokio::test(start_paused = true)]
async fn parts_that_cover_all_are_the_whole() {
    let site = Site::secure();
    fetch(&site, tagged(0, 4).field("content-length", "5"), "bytes=0-4").await;
    fetch(&site, tagged(5, 9).field("content-length", "5"), "bytes=5-9").await;
    let served = site.page().await;
    assert_eq!((served.status, served.body.as_str(), served.is_hit()), (200, BODY, true));
    assert_eq!(served.field("content-length").as_deref(), Some("10"));
    assert_eq!(served.field("content-range"), None);
    assert_eq!(site.get(&[("range", "bytes=-2")]).await.body, "89");
    let several = site.get(&[("range", "bytes=0-0,9-9")]).await;
    assert!(several.body.contains("bytes 9-9/10"));
    assert_eq!(site.ask("HEAD", "/", &[]).await.field("content-length").as_deref(), Some("10"));
    assert_eq!(site.asked(), 2);
}

// RFC 9111, 3.3: nothing is missing from it, so it needs nothing to be combined with.
#[tokio::test(start_paused = true)]
async fn one_part_that_covers_all_is_the_whole() {
    let site = Site::secure();
    fetch(&site, part(0, 9), "bytes=0-").await;
    let served = site.page().await;
    assert_eq!((served.status, served.body.as_str(), site.asked()), (200, BODY, 1));
}

// RFC 9110, 8.8.3.2: the strong comparison, and nothing less.
#[tokio::test(start_paused = true)]
async fn parts_without_the_same_strong_tag_are_never_combined() {
    let modified = crate::support::date(-3600);
    let strong = |tag: &str| vec![("etag".to_owned(), tag.to_owned())];
    for (one, other) in [
        (vec![], vec![]),
        (strong("W/\"a\""), strong("W/\"a\"")),
        (strong("\"a\""), strong("W/\"a\"")),
        (strong("\"a\""), strong("\"b\"")),
        (strong("\"a\""), vec![]),
        (strong("a"), strong("a")),
        (
            vec![("last-modified".to_owned(), modified.clone())],
            vec![("last-modified".to_owned(), modified)],
        ),
    ] {
        let site = Site::secure();
        let with = |reply: Reply, fields: &[(String, String)]| {
            fields.iter().fold(reply, |reply, (name, value)| reply.field(name, value.clone()))
        };
        fetch(&site, with(part(0, 4), &one), "bytes=0-4").await;
        fetch(&site, with(part(5, 9), &other), "bytes=5-9").await;
        assert_eq!(kept(&site, "bytes=4-5").await, None, "{one:?} {other:?}");
        assert_eq!(kept(&site, "bytes=6-9").await.as_deref(), Some("6789"));
        assert_eq!(kept(&site, "bytes=0-3").await.as_deref(), Some("0123"));
    }
}

// 15.3.7.3: of the same representation.
#[tokio::test(start_paused = true)]
async fn parts_of_another_length_coding_or_variant_are_not_combined() {
    let longer = Reply::status(206).body("56789").control("max-age=60").field("etag", "\"a\"");
    let longer = longer.field("content-range", "bytes 5-9/11");
    for other in [longer, tagged(5, 9).field("content-encoding", "gzip")] {
        let site = Site::secure();
        fetch(&site, tagged(0, 4), "bytes=0-4").await;
        fetch(&site, other, "bytes=5-9").await;
        assert_eq!(kept(&site, "bytes=4-5").await, None);
    }
    let site = Site::secure();
    for (x, first, last) in [("1", 0, 4), ("2", 5, 9)] {
        site.origin.next(tagged(first, last).field("vary", "x"));
        site.get(&[("x", x), ("range", &format!("bytes={first}-{last}"))]).await;
    }
    for x in ["1", "2"] {
        site.origin.next(Reply::status(416).control("no-store"));
        assert_eq!(site.get(&[("x", x), ("range", "bytes=4-5")]).await.status, 416, "{x}");
    }
}

// RFC 9111, 3.4: "replace all instances of the corresponding header fields".
#[tokio::test(start_paused = true)]
async fn the_fields_of_the_newer_part_win_and_those_of_the_older_stay() {
    let site = Site::secure();
    let older = tagged(0, 4).field("x", "old").field("y", "1").field("y", "2").field("z", "kept");
    fetch(&site, older, "bytes=0-4").await;
    pass(5).await;
    let newer = tagged(5, 9).field("x", "new").field("x", "newer").field("y", "3");
    fetch(&site, newer, "bytes=5-9").await;
    let served = site.page().await;
    for (name, value) in [("x", "new, newer"), ("y", "3"), ("z", "kept")] {
        assert_eq!(served.field(name).as_deref(), Some(value));
    }
    assert_eq!((served.is_hit(), served.age()), (true, Some(0)));
    // Its lifetime is that of the newer.
    pass(59).await;
    assert!(site.page().await.is_hit());
}

// Which is the newer one, its Date says.
#[tokio::test(start_paused = true)]
async fn a_part_that_comes_later_may_be_the_older_one() {
    let site = Site::secure();
    fetch(&site, tagged(0, 4).field("x", "new"), "bytes=0-4").await;
    let older = tagged(5, 9).field("x", "old").field("date", crate::support::date(-20));
    fetch(&site, older, "bytes=5-9").await;
    let served = site.page().await;
    assert_eq!((served.field("x").as_deref(), served.age()), (Some("new"), Some(0)));
}

#[tokio::test(start_paused = true)]
async fn what_is_combined_is_no_longer_than_an_object_may_be() {
    for (most, combined) in [(7, None), (8, Some("12345678".to_owned()))] {
        let site = Site::with(|edge| edge.max_object(most));
        fetch(&site, tagged(1, 4), "bytes=1-4").await;
        fetch(&site, tagged(5, 8), "bytes=5-8").await;
        assert_eq!(kept(&site, "bytes=1-8").await, combined, "{most}");
        assert_eq!(kept(&site, "bytes=5-8").await.as_deref(), Some("5678"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_of_many_chunks_is_combined_byte_for_byte() {
    let all: String = (0..400_000).map(|n: u32| char::from(b'a' + (n % 23) as u8)).collect();
    let site = Site::secure();
    for (first, last) in [(150_001, 299_999), (0, 150_000), (250_000, 399_999)] {
        let reply = Reply::status(206).body(all[first..=last].to_owned()).control("max-age=60");
        let place = format!("bytes {first}-{last}/400000");
        let reply = reply.field("etag", "\"a\"").field("content-range", place);
        fetch(&site, reply, &format!("bytes={first}-{last}")).await;
    }
    let served = site.page().await;
    assert!(served.body == all);
    assert_eq!(site.asked(), 3);
}

// A purge between the parts concerns what they have become.
#[tokio::test(start_paused = true)]
async fn a_purged_part_does_not_come_back_in_a_whole() {
    for mode in [Mode::Hard, Mode::Soft] {
        let site = Site::secure();
        fetch(&site, tagged(0, 4), "bytes=0-4").await;
        site.edge.handle().purge_all(mode);
        fetch(&site, tagged(5, 9), "bytes=5-9").await;
        assert_eq!(kept(&site, "bytes=5-9").await.as_deref(), Some("56789"));
        assert_eq!(kept(&site, "bytes=4-5").await, None);
    }
}

// The tags of every part count.
#[tokio::test(start_paused = true)]
async fn a_whole_is_purged_by_the_tag_of_any_of_its_parts() {
    for tag in ["one", "two"] {
        let site = Site::secure();
        fetch(&site, tagged(0, 4).field("surrogate-key", "one"), "bytes=0-4").await;
        fetch(&site, tagged(5, 9).field("surrogate-key", "two"), "bytes=5-9").await;
        assert!(site.page().await.is_hit());
        site.edge.handle().purge_tag(tag, Mode::Hard);
        assert_eq!(kept(&site, "bytes=0-9").await, None, "{tag}");
    }
}

// RFC 9111, 4.4
#[tokio::test(start_paused = true)]
async fn a_write_takes_parts_and_what_they_have_become() {
    let site = Site::secure();
    fetch(&site, tagged(0, 4), "bytes=0-4").await;
    fetch(&site, tagged(5, 7), "bytes=5-7").await;
    site.origin.next(Reply::ok(""));
    site.ask("PUT", "/", &[]).await;
    fetch(&site, tagged(8, 9), "bytes=8-9").await;
    assert_eq!(kept(&site, "bytes=7-8").await, None);
}

// RFC 9111, 4.3: what was combined is validated as one.
#[tokio::test(start_paused = true)]
async fn a_stale_whole_made_of_parts_is_validated() {
    let site = Site::secure();
    fetch(&site, tagged(0, 4), "bytes=0-4").await;
    fetch(&site, tagged(5, 9), "bytes=5-9").await;
    pass(60).await;
    site.origin.next(Reply::status(304).control("max-age=60").field("etag", "\"a\""));
    let served = site.page().await;
    assert_eq!((served.status, served.body.as_str()), (200, BODY));
    assert_eq!(site.origin.last().field("if-none-match").as_deref(), Some("\"a\""));
    assert_eq!(site.page().await.field("content-length").as_deref(), Some("10"));
}

// 3.4: a new representation takes the place of a stale one, though it comes in parts.
#[tokio::test(start_paused = true)]
async fn the_whole_of_a_new_version_takes_the_place_of_the_stale_old_one() {
    let site = Site::secure();
    site.origin.next(Reply::ok("old").control("max-age=10").field("etag", "\"old\""));
    site.page().await;
    pass(10).await;
    fetch(&site, tagged(0, 4), "bytes=0-4").await;
    fetch(&site, tagged(5, 9), "bytes=5-9").await;
    let served = site.page().await;
    assert_eq!((served.body.as_str(), served.is_hit()), (BODY, true));
}
