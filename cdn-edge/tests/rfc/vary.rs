//! RFC 9111, 4.1: which of the stored responses a request selects.

use crate::support::{Reply, Site, pass};

fn page(body: &str, vary: &str) -> Reply {
    Reply::ok(body.to_owned()).control("max-age=60").field("vary", vary)
}

#[tokio::test(start_paused = true)]
async fn each_value_has_an_answer_of_its_own() {
    let site = Site::secure();
    for x in ["1", "2", "3"] {
        site.origin.next(page(x, "x"));
        assert_eq!(site.get(&[("x", x)]).await.body, x);
    }
    for x in ["2", "1", "3", "2"] {
        let served = site.get(&[("x", x)]).await;
        assert_eq!((served.body.as_str(), served.is_hit()), (x, true));
    }
    assert_eq!(site.asked(), 3);
}

// 4.1: absent matches absent, and not empty.
#[tokio::test(start_paused = true)]
async fn absent_is_a_value_of_its_own() {
    let site = Site::secure();
    site.origin.next(page("none", "x"));
    site.page().await;
    site.origin.next(page("empty", "x"));
    assert_eq!(site.get(&[("x", "")]).await.body, "empty");
    assert_eq!(site.page().await.body, "none");
    assert_eq!(site.asked(), 2);
}

// 4.1: whitespace, and lines that belong together.
#[tokio::test(start_paused = true)]
async fn a_list_is_the_same_on_one_line_or_two() {
    let site = Site::secure().saying(page("a", "x"));
    site.get(&[("x", "1, 2")]).await;
    assert!(site.get(&[("x", "1"), ("x", "2")]).await.is_hit());
    assert!(site.get(&[("x", "1 ,2")]).await.is_hit());
    assert!(!site.get(&[("x", "2, 1")]).await.is_hit());
}

#[tokio::test(start_paused = true)]
async fn every_field_that_is_named_counts_on_whichever_line() {
    let site = Site::secure();
    site.origin.always(page("a", "x").field("vary", "Y"));
    site.get(&[("x", "1"), ("y", "1")]).await;
    for (x, y, hit) in [("1", "1", true), ("1", "2", false), ("2", "1", false), ("2", "2", false)] {
        assert_eq!(site.get(&[("x", x), ("y", y)]).await.is_hit(), hit, "{x} {y}");
    }
    assert_eq!(site.asked(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_star_anywhere_never_matches() {
    for vary in ["*", "x, *", "*, x"] {
        let site = Site::rfc().saying(page("a", vary));
        site.page().await;
        assert!(!site.page().await.is_hit(), "{vary}");
    }
    let site = Site::rfc().saying(page("a", "x").field("vary", "*"));
    site.page().await;
    assert!(!site.page().await.is_hit());
}

#[tokio::test(start_paused = true)]
async fn fields_that_are_not_named_do_not_count() {
    let site = Site::secure().saying(page("a", "x"));
    site.get(&[("x", "1"), ("y", "1")]).await;
    assert!(site.get(&[("x", "1"), ("y", "2")]).await.is_hit());
}

// RFC 9110, 12.5.3: what is acceptable counts, not how it is written.
#[tokio::test(start_paused = true)]
async fn accept_encoding_is_compared_by_what_it_accepts() {
    for (written, same) in [
        ("br,gzip", true),
        ("gzip;q=1, br", true),
        ("br, gzip, unheard-of", true),
        ("gzip", false),
        ("gzip, br;q=0", false),
        ("identity", false),
    ] {
        let site = Site::secure().saying(page("a", "accept-encoding"));
        site.get(&[("accept-encoding", "gzip, br")]).await;
        let served = site.get(&[("accept-encoding", written)]).await;
        assert_eq!(served.is_hit(), same, "{written}");
    }
}

// 4.1: "the most recent" by its Date.
#[tokio::test(start_paused = true)]
async fn of_two_that_match_the_newer_is_served() {
    let site = Site::secure();
    site.origin.next(page("x", "x"));
    site.get(&[("x", "1"), ("y", "1")]).await;
    pass(5).await;
    site.origin.next(page("y", "y"));
    site.get(&[("x", "2"), ("y", "1")]).await;
    assert_eq!(site.get(&[("x", "1"), ("y", "1")]).await.body, "y");
    // The older still answers where it alone matches.
    assert_eq!(site.get(&[("x", "1"), ("y", "2")]).await.body, "x");
    assert_eq!(site.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_stale_variant_is_validated_alone() {
    let site = Site::secure();
    for (x, age) in [("1", "max-age=10"), ("2", "max-age=60")] {
        let reply = Reply::ok(x).control(age).field("vary", "x").field("etag", format!("\"{x}\""));
        site.origin.next(reply);
        site.get(&[("x", x)]).await;
    }
    pass(10).await;
    site.origin.next(Reply::status(304).control("max-age=60").field("vary", "x"));
    assert_eq!(site.get(&[("x", "1")]).await.body, "1");
    assert_eq!(site.origin.last().field("if-none-match").as_deref(), Some("\"1\""));
    assert_eq!(site.get(&[("x", "2")]).await.age(), Some(10));
    assert_eq!(site.asked(), 3);
}

// As it comes: a field with as many values as clients makes nobody's answer anybody's.
#[tokio::test(start_paused = true)]
async fn what_varies_on_the_client_itself_is_stored_by_rfc_alone() {
    for name in ["user-agent", "cookie", "referer", "x-forwarded-for"] {
        for (site, stored) in [(Site::secure(), false), (Site::rfc(), true)] {
            let site = site.saying(page("a", name));
            site.page().await;
            assert_eq!(site.page().await.is_hit(), stored, "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn more_variants_than_are_kept_push_out_the_oldest() {
    let site = Site::with(|edge| edge.max_variants(2)).saying(page("a", "x"));
    for x in ["1", "2", "3"] {
        site.get(&[("x", x)]).await;
    }
    assert!(site.get(&[("x", "3")]).await.is_hit());
    assert!(site.get(&[("x", "2")]).await.is_hit());
    assert!(!site.get(&[("x", "1")]).await.is_hit());
}
