//! RFC 9111, 3.5, 5.2.2 and 7.3: whose answer may be everybody's.

use crate::support::{Reply, Site, pass};

const USER: [(&str, &str); 1] = [("authorization", "Basic dTpw")];

fn page(control: &str) -> Reply {
    Reply::ok("page").control(control)
}

// 3.5
#[tokio::test(start_paused = true)]
async fn an_answer_to_credentials_is_stored_only_with_leave() {
    for (control, stored) in [
        ("max-age=60", false),
        ("max-age=60, public", true),
        ("max-age=60, must-revalidate", true),
        ("s-maxage=60", true),
        ("max-age=60, proxy-revalidate", false),
        ("max-age=60, s-maxage=x", false),
        ("max-age=60, immutable", false),
    ] {
        for site in [Site::secure(), Site::rfc()] {
            let site = site.saying(page(control));
            site.get(&USER).await;
            assert_eq!(site.page().await.is_hit(), stored, "{control}");
        }
    }
}

// 3.5: "in subsequent requests" as well.
#[tokio::test(start_paused = true)]
async fn credentials_are_answered_from_the_store_only_with_leave() {
    for (control, served) in [
        ("max-age=60", false),
        ("max-age=60, public", true),
        ("max-age=60, must-revalidate", true),
        ("s-maxage=60", true),
    ] {
        let site = Site::secure().saying(page(control));
        site.page().await;
        assert_eq!(site.get(&USER).await.is_hit(), served, "{control}");
        if !served {
            assert_eq!(site.origin.last().field("authorization").as_deref(), Some(USER[0].1));
        }
    }
}

// 3.5: not while the origin is away either.
#[tokio::test(start_paused = true)]
async fn credentials_get_no_stale_answer_without_leave() {
    let site = Site::secure();
    site.origin.next(page("max-age=10, stale-if-error=60").field("etag", "\"a\""));
    site.page().await;
    pass(15).await;
    let request = http::Request::builder().uri("/").header("host", "example.com");
    let request = request.header(USER[0].0, USER[0].1).body(crate::support::NoBody::new()).unwrap();
    assert!(site.send(request).await.is_err());
    assert_eq!(site.page().await.status, 200, "the control: without them it stands in");
}

// 5.2.2.7
#[tokio::test(start_paused = true)]
async fn private_is_not_stored() {
    for control in ["private, max-age=60", "max-age=60, PRIVATE", "max-age=60, private=x"] {
        let site = Site::rfc().saying(page(control));
        site.page().await;
        assert!(!site.page().await.is_hit(), "{control}");
    }
}

// 5.2.2.7 and 5.2.2.4 with names: for the one who asked, and for nobody else.
#[tokio::test(start_paused = true)]
async fn fields_named_by_private_or_no_cache_reach_the_first_client_alone() {
    for control in ["max-age=60, private=\"X-User, set-cookie\"", "max-age=60, no-cache=\"x-user\""]
    {
        let site = Site::secure().saying(page(control).field("x-user", "eve").field("y", "all"));
        let first = site.page().await;
        assert_eq!(first.field("x-user").as_deref(), Some("eve"));
        let second = site.page().await;
        assert!(second.is_hit(), "{control}");
        assert_eq!((second.field("x-user"), second.field("y").as_deref()), (None, Some("all")));
    }
}

// 5.2.2.4
#[tokio::test(start_paused = true)]
async fn a_304_does_not_bring_a_named_field_into_the_store() {
    let site = Site::secure();
    let control = "max-age=10, private=\"x-user\"";
    site.origin.next(page(control).field("etag", "\"a\"").field("x-user", "eve"));
    site.page().await;
    pass(10).await;
    site.origin.next(Reply::status(304).control(control).field("x-user", "bob"));
    site.page().await;
    let served = site.page().await;
    assert_eq!((served.is_hit(), served.field("x-user")), (true, None));
}

// 7.3: allowed, and refused as it comes.
#[tokio::test(start_paused = true)]
async fn a_response_that_sets_a_cookie_is_stored_by_rfc_and_not_as_it_comes() {
    for (site, stored) in [(Site::secure(), false), (Site::rfc(), true)] {
        let site = site.saying(page("max-age=60, public").field("set-cookie", "id=1"));
        assert_eq!(site.page().await.field("set-cookie").as_deref(), Some("id=1"));
        let second = site.page().await;
        assert_eq!(second.is_hit(), stored);
        assert_eq!(second.field("set-cookie").as_deref(), Some("id=1"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_cookie_may_be_stripped_for_all_but_the_first() {
    use terrace_cdn_edge::semantics::SetCookie;
    let site = Site::with(|edge| edge.rules(|rules| rules.set_cookie = SetCookie::Strip));
    let site = site.saying(page("max-age=60").field("set-cookie", "id=1"));
    assert_eq!(site.page().await.field("set-cookie").as_deref(), Some("id=1"));
    let second = site.page().await;
    assert_eq!((second.is_hit(), second.field("set-cookie")), (true, None));
}

// As credentials, where nothing says otherwise.
#[tokio::test(start_paused = true)]
async fn the_answer_to_a_cookie_needs_leave_as_it_comes() {
    for (control, secure) in
        [("max-age=60", false), ("max-age=60, public", true), ("s-maxage=60", true)]
    {
        for (site, stored) in [(Site::secure(), secure), (Site::rfc(), true)] {
            let site = site.saying(page(control));
            site.get(&[("cookie", "id=1")]).await;
            assert_eq!(site.page().await.is_hit(), stored, "{control}");
        }
    }
}

// A 304 to somebody with a cookie is no reason to forget what others get.
#[tokio::test(start_paused = true)]
async fn a_304_to_a_cookie_leaves_the_stored_page() {
    let site = Site::secure();
    site.origin.next(page("max-age=10").field("etag", "\"a\""));
    site.page().await;
    pass(10).await;
    let holds = Reply::status(304).control("max-age=10").field("surrogate-key", "x");
    site.origin.always(holds);
    let served = site.get(&[("cookie", "id=1")]).await;
    assert_eq!((served.status, served.body.as_str()), (200, "page"));
    assert_eq!(served.field("surrogate-key"), None);
    assert_eq!(site.page().await.body, "page");
    assert_eq!(site.origin.last().field("if-none-match").as_deref(), Some("\"a\""));
    assert!(site.page().await.is_hit());
}

// A page that is stored without a cookie answers those with one: it does not vary on it.
#[tokio::test(start_paused = true)]
async fn a_request_with_a_cookie_is_answered_from_the_store() {
    let site = Site::secure().saying(page("max-age=60"));
    site.page().await;
    assert!(site.get(&[("cookie", "id=1")]).await.is_hit());
}

// 3: nothing of one request's refusal stays with the next.
#[tokio::test(start_paused = true)]
async fn an_unstored_answer_to_credentials_does_not_keep_others_from_being_stored() {
    let site = Site::secure().saying(page("max-age=60"));
    site.get(&USER).await;
    site.page().await;
    assert!(site.page().await.is_hit());
    assert_eq!(site.asked(), 2);
}

// 3.1
#[tokio::test(start_paused = true)]
async fn fields_of_the_connection_are_not_stored() {
    let site = Site::secure().saying(
        page("max-age=60")
            .field("connection", "x-hop, close")
            .field("x-hop", "1")
            .field("keep-alive", "timeout=5")
            .field("proxy-authenticate", "Basic")
            .field("x", "y"),
    );
    for served in [site.page().await, site.page().await] {
        for name in ["connection", "x-hop", "keep-alive", "proxy-authenticate"] {
            assert_eq!(served.field(name), None, "{name}");
        }
        assert_eq!(served.field("x").as_deref(), Some("y"));
    }
    assert_eq!(site.asked(), 1);
}
