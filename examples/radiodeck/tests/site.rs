//! The site from outside: forms, pages, errors, headers.

mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn;
use axum::routing::get;

use radiodeck::{CookieIdentity, Seed};
use support::{NOW, Site};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

#[tokio::test]
async fn one_address_answers_in_three_forms() {
    let site = Site::start().await;
    let json = site.get("/stations/7").await;
    assert_eq!(json.json()["name"], Seed::small().rows().stations[6].name);
    let html = site.browse("/stations/7").await;
    assert_eq!(html.header("content-type"), "text/html; charset=utf-8");
    assert!(html.body.starts_with("<!doctype html>"));
    for (path, accept) in [("/stations/7?format=xml", "*/*"), ("/stations/7", "application/xml")] {
        let xml = site.ask("GET", path, &[("accept", accept)], "").await;
        assert_eq!(xml.header("content-type"), "application/xml; charset=utf-8");
        assert!(xml.body.contains("<station><id>7</id><name>"), "{}", xml.body);
    }
}

#[tokio::test]
async fn the_host_says_who_the_site_is_for() {
    let site = Site::start().await;
    for (host, form) in
        [("www.radiodeck.test", "text/html"), ("api.radiodeck.test", "application/json")]
    {
        let answer = site.ask("GET", "/stations", &[("host", host)], "").await;
        assert!(answer.header("content-type").starts_with(form), "{host}");
        let answer = site.ask("GET", "/nothing", &[("host", host)], "").await;
        assert_eq!(answer.status, 404);
        assert!(answer.header("content-type").starts_with(form), "{host}: errors too");
    }
}

#[tokio::test]
async fn pages_of_a_list_follow_each_other() {
    let site = Site::start().await;
    let mut names = Vec::new();
    let mut page = 1;
    loop {
        let list = site.get(&format!("/stations?sort=name&per_page=50&page={page}")).await.json();
        assert_eq!((&list["total"], &list["pages"]), (&120.into(), &3.into()));
        let stations = list["stations"].as_array().unwrap();
        if stations.is_empty() {
            break;
        }
        names.extend(stations.iter().map(|station| station["name"].as_str().unwrap().to_owned()));
        page += 1;
    }
    assert_eq!((page, names.len()), (4, 120));
    assert!(names.is_sorted());
}

#[tokio::test]
async fn what_is_on_air_follows_from_the_clock() {
    let site = Site::start().await;
    let first = site.get("/stations/3/now").await.json();
    assert!(first["started"].as_i64().unwrap() <= NOW && NOW < first["ends"].as_i64().unwrap());
    let detail = site.get("/stations/3").await.json();
    assert_eq!(detail["now"]["track"], first["track"]);
    site.clock.store(first["ends"].as_i64().unwrap(), Ordering::Relaxed);
    let second = site.get("/stations/3/now").await.json();
    assert_eq!(second["started"], first["ends"]);
    assert_eq!(second["track"], detail["next"][0]["track"]);
}

#[tokio::test]
async fn a_favourite_is_put_and_deleted_as_often_as_one_likes() {
    let site = Site::start().await;
    let badge = [("x-listener", "1")];
    let before = site.get("/stations/90").await.json()["favourites"].as_i64().unwrap();
    let kept = site.ask("GET", "/stations/90", &badge, "").await.json()["favourite"] == true;
    assert!(!kept, "the seed leaves this one free");
    for _ in 0..2 {
        let state = site.ask("PUT", "/favourites/90", &badge, "").await.json();
        assert_eq!(
            state,
            serde_json::json!({"station": 90, "favourite": true, "favourites": before + 1})
        );
    }
    let list = site.ask("GET", "/favourites", &badge, "").await.json();
    assert_eq!(list["stations"][0]["id"], 90, "newest first");
    for _ in 0..2 {
        let state = site.ask("DELETE", "/favourites/90", &badge, "").await.json();
        assert_eq!(state["favourites"], before);
    }
    let list = site.ask("GET", "/stations/90", &badge, "").await.json();
    assert_eq!(list["favourite"], false);
}

#[tokio::test]
async fn favourites_belong_to_somebody() {
    let site = Site::start().await;
    assert_eq!(site.get("/favourites").await.status, 401);
    assert_eq!(site.ask("PUT", "/favourites/1", &[], "").await.status, 401);
    let stranger = [("x-listener", "999999")];
    assert_eq!(site.ask("PUT", "/favourites/1", &stranger, "").await.status, 401);
    let listener = [("cookie", "theme=dark; listener=2")];
    assert_eq!(site.ask("PUT", "/favourites/999999", &listener, "").await.status, 404);
    assert_eq!(site.ask("PUT", "/favourites/1", &listener, "").await.status, 200);
    let redirect = site.browse("/favourites").await;
    assert_eq!(
        (redirect.status.as_u16(), redirect.header("location")),
        (303, "/sign-in?next=%2Ffavourites")
    );
}

#[tokio::test]
async fn a_listener_signs_in_with_a_form_and_out_again() {
    let site = Site::start().await;
    let page = site.browse("/sign-in?next=%2Ffavourites").await;
    assert!(page.body.contains("name=\"next\" value=\"/favourites\""));
    let answer = site.ask("POST", "/sign-in", &[], "listener=7&next=%2Ffavourites").await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/favourites"));
    let cookie = answer.header("set-cookie");
    assert!(
        cookie.starts_with("listener=7;") && cookie.contains("HttpOnly; SameSite=Lax"),
        "{cookie}"
    );
    let name = &Seed::small().rows().listeners[6].name;
    let page = site.ask("GET", "/?format=html", &[("cookie", "listener=7")], "").await;
    assert!(page.body.contains(name.as_str()), "the page knows {name}");
    let answer = site.ask("POST", "/sign-out", &[("cookie", "listener=7")], "").await;
    assert!(answer.header("set-cookie").starts_with("listener=; Max-Age=0"));
    let elsewhere = site.ask("POST", "/sign-in", &[], "listener=7&next=//evil.test").await;
    assert_eq!(elsewhere.header("location"), "/");
    for form in ["", "listener=0", "listener=x", "listener=1&listener=2"] {
        assert_eq!(site.ask("POST", "/sign-in", &[], form).await.status, 400, "{form}");
    }
    assert_eq!(site.ask("POST", "/sign-in", &[], "listener=999999").await.status, 401);
}

#[tokio::test]
async fn the_heart_works_without_scripts() {
    let site = Site::start().await;
    let headers = [("cookie", "listener=1"), ("referer", "http://localhost/stations?page=2")];
    let answer = site.ask("POST", "/favourites/90", &headers, "keep=yes").await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/stations?page=2"));
    let page = site.ask("GET", "/stations/90?format=html", &headers, "").await;
    assert!(page.body.contains("aria-pressed=\"true\""));
    site.ask("POST", "/favourites/90", &headers, "keep=no").await;
    let page = site.ask("GET", "/stations/90?format=html", &headers, "").await;
    assert!(page.body.contains("aria-pressed=\"false\""));
    assert_eq!(site.ask("POST", "/favourites/90", &headers, "keep=maybe").await.status, 400);
}

#[tokio::test]
async fn text_from_outside_stays_text() {
    let site = Site::start().await;
    let page = site.browse("/stations?q=%3Cscript%3Ealert(1)%3C/script%3E%22%27").await;
    assert_eq!(page.status, 200);
    assert!(!page.body.contains("<script>alert"), "{}", page.body);
    assert!(page.body.contains("value=\"&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;\""));
    let policy = page.header("content-security-policy");
    assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{policy}");
    assert!(!page.body.contains(" style=") && !page.body.contains(" onclick="), "nothing inline");
}

#[tokio::test]
async fn nonsense_is_refused_in_the_callers_form() {
    let site = Site::start().await;
    let long = format!("/stations?q={}", "a".repeat(101));
    for (path, status) in [
        ("/nothing", 404),
        ("/stations/0", 404),
        ("/stations/-1", 404),
        ("/stations/07", 404),
        ("/stations/abc", 404),
        ("/stations/99999999999999999999", 404),
        ("/stations/9999", 404),
        ("/stations/9999/tracks", 404),
        ("/stations/9999/now", 404),
        ("/tracks/999999", 404),
        ("/listeners/999999", 404),
        ("/covers/x.svg", 404),
        ("/covers/7.png", 404),
        ("/covers/7.svg?v=0", 400),
        ("/assets/nothing.css", 404),
        ("/assets/..%2f..%2fCargo.toml", 404),
        ("/stations/%ff", 400),
        ("/stations?q=%ff", 400),
        ("/stations?q=%00", 400),
        ("/stations?q=%zz", 400),
        (&long, 400),
        ("/stations?page=0", 400),
        ("/stations?page=10001", 400),
        ("/stations?page=1&page=2", 400),
        ("/stations?per_page=101", 400),
        ("/stations?per_page=x", 400),
        ("/stations?genre=polka", 400),
        ("/stations?sort=random", 400),
        ("/stations?format=yaml", 400),
    ] {
        let json = site.get(path).await;
        assert_eq!(json.status, status, "{path}: {}", json.body);
        assert_eq!(json.json()["error"]["status"], status, "{path}");
        let html = site.browse(path).await;
        assert_eq!(html.status, status, "{path}");
        assert!(html.body.starts_with("<!doctype html>"), "{path}: {}", html.body);
        assert_eq!(html.header("cache-control"), "no-store", "{path}");
    }
    let xml = site.ask("GET", "/nothing", &[("accept", "text/xml")], "").await;
    assert!(xml.body.contains("<error><status>404</status>"), "{}", xml.body);
}

#[tokio::test]
async fn the_wrong_method_is_named_and_the_right_one_too() {
    let site = Site::start().await;
    let answer = site.ask("DELETE", "/stations/7", &[], "").await;
    assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "GET,HEAD"));
    assert_eq!(answer.json()["error"]["message"], "this address does not take that method");
    let head = site.ask("HEAD", "/nothing", &[], "").await;
    assert_eq!((head.status.as_u16(), head.body.as_str()), (404, ""));
}

#[tokio::test]
async fn an_empty_result_is_a_page_and_not_an_error() {
    let site = Site::start().await;
    let page = site.browse("/stations?q=nobodyhasthisname").await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("Nothing on this frequency"));
    let page = site.browse("/stations?page=500").await;
    assert!(page.body.contains("Page 500 of 5") && page.body.contains("rel=\"prev\""));
    let nobody_yet = (1..60)
        .find(|id| Seed::small().rows().favourites.iter().all(|row| row.listener.get() != *id));
    let badge = nobody_yet.expect("somebody keeps nothing").to_string();
    let page = site.ask("GET", "/favourites?format=html", &[("x-listener", &badge)], "").await;
    assert!(page.body.contains("No favourites here"));
}

#[tokio::test]
async fn files_with_a_version_are_cached_for_ever() {
    let site = Site::start().await;
    let page = site.browse("/").await;
    let addresses: Vec<_> = page
        .body
        .split(['"'])
        .filter(|text| text.starts_with("/assets/") || text.starts_with("/covers/"))
        .collect();
    assert!(addresses.len() >= 15, "{addresses:?}");
    for address in addresses {
        let file = site.get(address).await;
        assert_eq!(file.status, 200, "{address}");
        assert!(file.header("cache-control").contains("immutable"), "{address}");
        assert!(file.header("set-cookie").is_empty() && file.cost() == (0, 0), "{address}");
        let tag = [("if-none-match", file.header("etag"))];
        let again = site.ask("GET", address, &tag, "").await;
        assert_eq!((again.status.as_u16(), again.body.as_str()), (304, ""), "{address}");
    }
    for address in ["/assets/site.css", "/assets/site.css?v=old", "/covers/7.svg", "/favicon.ico"] {
        assert_eq!(
            site.get(address).await.header("cache-control"),
            "public, max-age=300, stale-if-error=86400",
            "{address}"
        );
    }
    let covers = [site.get("/covers/7.svg?v=1").await, site.get("/covers/7.svg?v=2").await];
    assert_ne!(covers[0].body, covers[1].body, "a new version is a new picture");
}

#[tokio::test]
async fn a_shared_cache_keeps_what_is_for_all_and_nothing_else() {
    let site = Site::start().await;
    let for_all = site.browse("/").await;
    assert!(for_all.header("cache-control").starts_with("public"));
    let shared = for_all.header("cdn-cache-control");
    assert!(shared.contains("stale-if-error") && !shared.contains("s-maxage"), "{shared}");
    assert!(for_all.header("vary").contains("cookie"));
    // One copy for all: what tells a visitor from another makes a page of their own.
    for (name, value) in [
        ("cookie", "listener=3"),
        ("cookie", "listener=nobody"),
        ("cookie", "other=1"),
        ("x-listener", "3"),
        ("x-listener", "nobody"),
    ] {
        let for_one = site.ask("GET", "/", &[(name, value)], "").await;
        assert_eq!(for_one.header("cache-control"), "private, no-store", "{name}: {value}");
        assert_eq!(for_one.header("cdn-cache-control"), "", "{name}: {value}");
    }
    let status = site.get("/status").await;
    assert_eq!(status.header("cache-control"), "no-store");
    assert_eq!(status.header("cdn-cache-control"), "");
}

#[tokio::test]
async fn a_dead_database_is_said_so_and_static_files_still_come() {
    let site = Site::start().await;
    let app = radiodeck::App::new(support::Dead).identity(CookieIdentity);
    let router = radiodeck::router(app).layer(from_fn(radiodeck::error_pages));
    drop(site);
    let ready = support::ask(router.clone(), "GET", "/readyz", &[], "").await;
    assert_eq!(ready.status, 503);
    assert!(ready.json()["reason"].as_str().unwrap().contains("cannot be reached"));
    assert_eq!(support::ask(router.clone(), "GET", "/healthz", &[], "").await.status, 200);
    let list = support::ask(router.clone(), "GET", "/stations", &[], "").await;
    assert_eq!((list.status.as_u16(), list.header("retry-after")), (503, "1"));
    assert!(!list.body.contains("secret"), "what the database said is for the log: {}", list.body);
    let html = [("host", "www.radiodeck.test")];
    let page = support::ask(router.clone(), "GET", "/stations", &html, "").await;
    assert!(page.body.contains("Lost the signal"), "{}", page.body);
    assert_eq!(support::ask(router, "GET", "/covers/1.svg?v=1", &[], "").await.status, 200);
}

/// The layers of a stage answer with a bare status; their callers still get a page or JSON.
#[tokio::test(start_paused = true)]
async fn a_panic_and_a_timeout_are_told_in_the_callers_form() {
    async fn broken() {
        panic!("the secret of the handler");
    }
    let router = Router::new()
        .route("/broken", get(broken))
        .route("/stuck", get(std::future::pending::<()>))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            Duration::from_secs(10),
        ))
        .layer(CatchPanicLayer::custom(radiodeck::panic_response))
        .layer(from_fn(radiodeck::error_pages));
    for (path, status, title) in
        [("/broken", 500, "Something broke"), ("/stuck", 503, "Lost the signal")]
    {
        let json = support::ask(router.clone(), "GET", path, &[], "").await;
        assert_eq!(json.status, status, "{path}");
        assert_eq!(json.json()["error"]["status"], status, "{path}");
        assert!(!json.body.contains("secret"), "{}", json.body);
        let html = support::ask(router.clone(), "GET", path, &[("accept", "text/html")], "").await;
        assert!(html.body.contains(title), "{path}: {}", html.body);
    }
}

#[tokio::test]
async fn every_link_on_the_pages_leads_somewhere() {
    let site = Site::start().await;
    let mut pending = vec!["/".to_owned()];
    let mut seen = std::collections::HashSet::new();
    while let Some(path) = pending.pop() {
        if seen.len() > 400 || !seen.insert(path.clone()) {
            continue;
        }
        let page = site.ask("GET", &path, &[("host", "www.radiodeck.test")], "").await;
        assert!(
            page.status.is_success() || page.status.is_redirection(),
            "{path}: {}",
            page.status
        );
        let links = page
            .body
            .split(['"'])
            .filter(|text| text.starts_with('/') && !text.contains([' ', '>']));
        let forms_only =
            |link: &&str| !link.starts_with("/sign-out") && !(link.starts_with("/favourites/"));
        pending.extend(links.filter(forms_only).map(|link| link.replace("&amp;", "&")));
    }
    assert!(seen.len() > 100);
}
