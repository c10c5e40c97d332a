//! RFC 9111, 4.4: what a write makes of what is stored.

use crate::support::{NoBody, Reply, Site};

fn page() -> Reply {
    Reply::ok("page").control("max-age=60").field("etag", "\"a\"")
}

/// A site with these pages stored, and a new one for whoever asks again.
async fn with_pages(paths: &[&str]) -> Site {
    let site = Site::secure();
    for path in paths {
        site.origin.next(page());
        site.ask("GET", path, &[]).await;
    }
    site.origin.always(page().body("new"));
    site
}

async fn is_kept(site: &Site, path: &str) -> bool {
    site.ask("GET", path, &[]).await.is_hit()
}

#[tokio::test(start_paused = true)]
async fn a_write_that_succeeds_invalidates_its_target() {
    for method in ["POST", "PUT", "DELETE", "PATCH", "MKCOL", "UNHEARD-OF"] {
        for status in [200, 201, 204, 303] {
            let site = with_pages(&["/a?q=1", "/a", "/b"]).await;
            site.origin.next(Reply::status(status));
            site.ask(method, "/a?q=1", &[]).await;
            assert!(!is_kept(&site, "/a?q=1").await, "{method} {status}");
            assert_eq!(site.origin.last().field("if-none-match"), None, "nothing to validate");
            assert!(is_kept(&site, "/a").await && is_kept(&site, "/b").await);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_fails_invalidates_nothing() {
    for status in [400, 401, 403, 404, 409, 412, 500, 503] {
        let site = with_pages(&["/a", "/b"]).await;
        site.origin.next(Reply::status(status).field("location", "/b"));
        site.ask("POST", "/a", &[]).await;
        assert!(is_kept(&site, "/a").await && is_kept(&site, "/b").await, "{status}");
    }
}

// RFC 9110, 9.2.1 and the registry of methods.
#[tokio::test(start_paused = true)]
async fn a_safe_method_is_passed_on_and_invalidates_nothing() {
    for method in ["OPTIONS", "TRACE", "PROPFIND", "REPORT", "SEARCH", "QUERY"] {
        let site = with_pages(&["/a", "/b"]).await;
        let asked = site.asked();
        site.origin.next(Reply::ok("about").field("location", "/b"));
        assert_eq!(site.ask(method, "/a", &[]).await.body, "about");
        assert_eq!((site.origin.last().method.as_str(), site.asked()), (method, asked + 1));
        assert!(is_kept(&site, "/a").await && is_kept(&site, "/b").await, "{method}");
    }
}

// 4.4 with RFC 3986, 5
#[tokio::test(start_paused = true)]
async fn location_and_content_location_of_the_same_origin_are_invalidated() {
    for name in ["location", "content-location"] {
        for (reference, path) in [
            ("/b?q", "/b?q"),
            ("http://example.com/b", "/b"),
            ("http://EXAMPLE.com/b", "/b"),
            ("//example.com/b", "/b"),
            ("b", "/dir/b"),
            ("./b", "/dir/b"),
            ("../b", "/b"),
            ("../../b", "/b"),
            ("sub/./x/../b", "/dir/sub/b"),
            ("?q=2", "/dir/target?q=2"),
            ("/b#part", "/b"),
            ("http://example.com/b#part", "/b"),
            ("http://example.com", "/"),
            ("http://example.com?q", "/?q"),
            ("HTTP://example.com:80/b", "/b"),
            ("/dir/../b", "/b"),
        ] {
            let site = with_pages(&[path, "/kept"]).await;
            site.origin.next(Reply::status(201).field(name, reference));
            site.ask("POST", "/dir/target", &[]).await;
            assert!(!is_kept(&site, path).await, "{name}: {reference}");
            assert!(is_kept(&site, "/kept").await);
        }
    }
}

// 4.4: "MUST NOT" for another origin: one could empty the cache of others.
#[tokio::test(start_paused = true)]
async fn a_reference_to_another_origin_invalidates_nothing() {
    for name in ["location", "content-location"] {
        for reference in [
            "http://other.example/b",
            "//other.example/b",
            "http://example.com:81/b",
            "http://example.com.evil.example/b",
            "http://evil.example@other.example/b",
            "ftp://example.com/b",
            "urn:b",
        ] {
            let site = with_pages(&["/b"]).await;
            let get = || http::Request::get("http://other.example/b").body(NoBody::new()).unwrap();
            site.send(get()).await.unwrap();
            site.origin.next(Reply::status(201).field(name, reference));
            site.ask("POST", "/a", &[]).await;
            assert!(is_kept(&site, "/b").await, "{name}: {reference}");
            assert!(site.send(get()).await.unwrap().is_hit(), "{name}: {reference}");
        }
    }
}

// Where TLS ends before this edge its keys say `http`, and the site's own references `https`. What is invalidated is
// always of the origin that was written to.
#[tokio::test(start_paused = true)]
async fn a_reference_with_the_sites_other_scheme_is_the_sites_own() {
    let site = with_pages(&["/b"]).await;
    let secure = || http::Request::get("https://example.com/b").body(NoBody::new()).unwrap();
    site.send(secure()).await.unwrap();
    site.origin.next(Reply::status(201).field("location", "https://example.com/b"));
    site.ask("POST", "/a", &[]).await;
    assert!(!is_kept(&site, "/b").await);
    assert!(site.send(secure()).await.unwrap().is_hit(), "another origin's page stays");
}

// 4.4: all that is stored for the URI.
#[tokio::test(start_paused = true)]
async fn every_variant_of_the_target_is_invalidated() {
    let site = Site::secure();
    for x in ["1", "2"] {
        site.origin.next(page().field("vary", "x"));
        site.get(&[("x", x)]).await;
    }
    site.origin.always(page().field("vary", "x"));
    site.ask("PUT", "/", &[]).await;
    for x in ["1", "2"] {
        assert!(!site.get(&[("x", x)]).await.is_hit());
    }
}

// 4.4: a write that never reached the origin changed nothing that is known of.
#[tokio::test(start_paused = true)]
async fn a_write_without_an_answer_invalidates_nothing() {
    let site = with_pages(&["/a"]).await;
    site.origin.next(Reply::broken());
    let request = http::Request::post("http://example.com/a").body(NoBody::new()).unwrap();
    assert!(site.send(request).await.is_err());
    assert!(is_kept(&site, "/a").await);
}

// RFC 9110, 9.3.3: stored only if it is a representation of its own URL, and as it comes never.
#[tokio::test(start_paused = true)]
async fn the_answer_to_a_post_is_kept_for_get_by_rfc_if_it_names_itself() {
    for (rfc, location, kept) in
        [(true, "/a", true), (true, "/b", false), (false, "/a", false), (true, "", false)]
    {
        let site = if rfc { Site::rfc() } else { Site::secure() };
        let reply = page().body("posted");
        let named =
            if location.is_empty() { reply } else { reply.field("content-location", location) };
        site.origin.next(named);
        site.origin.always(page());
        site.ask("POST", "/a", &[]).await;
        let served = site.ask("GET", "/a", &[]).await;
        assert_eq!((served.is_hit(), served.body == "posted"), (kept, kept), "{rfc} {location}");
    }
}
