use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use terrace_cdn_edge::admin::{
    AdminService, Control as _, Key, Purge, PurgeTarget, SIGNATURE, Scope, sign,
};
use terrace_cdn_edge::key::{KeyRules, Query};
use terrace_cdn_edge::purge::Mode;
use tower::ServiceExt;

use super::site::{NoBody, START, Site, edge, request, settle, whole};

/// A site whose keys leave out `utm_*`, with pages that name tag and group.
fn site(keys: KeyRules) -> Site {
    Site::new(edge().keys(keys.query(Query::without(["utm_*"]))), |_| {
        let mut answer = whole("max-age=60", "page");
        answer.headers_mut().insert("surrogate-key", "news".parse().unwrap());
        answer.headers_mut().insert("cache-groups", "\"news\"".parse().unwrap());
        Ok(answer)
    })
}

/// Whether a purge reaches `/img/a?v=1`; and whether it reaches `/b` of another host.
async fn reaches(keys: KeyRules, target: PurgeTarget) -> (bool, bool) {
    let site = site(keys);
    let other =
        || Request::get("/b").header("host", "example.net:8080").body(NoBody::new()).unwrap();
    site.get("/img/a?v=1&utm_source=x").await;
    site.send(other()).await.into_body().collect().await.unwrap();
    settle().await;
    assert_eq!(site.asked(), 2);
    let control = site.edge.control::<NoBody>();
    let purge = Purge { target, mode: Mode::Hard };
    let number = control.purge(purge).sequence.number();
    assert_eq!(site.handle.stats().purges, number);
    site.get("/img/a?v=1").await;
    let first = site.asked() == 3;
    let before = site.asked();
    site.send(other()).await;
    (first, site.asked() > before)
}

#[tokio::test(start_paused = true)]
async fn a_purge_names_a_url_in_any_form_that_the_key_takes_for_the_same() {
    let url = |url: &str| PurgeTarget::Url(url.to_owned());
    let path = |url: &str| PurgeTarget::UrlPath(url.to_owned());
    let group =
        |origin: &str| PurgeTarget::Group { origin: origin.to_owned(), name: "news".to_owned() };
    let prefix = |text: &str| PurgeTarget::Prefix(text.to_owned());
    let targets = [
        url("http://example.org/img/a?v=1"),
        url("https://example.org/img/a?v=1"),
        url("https://EXAMPLE.org:443/img/a?v=1&utm_campaign=y"),
        url("http://example.org:80/img/a?v=1"),
        path("https://Example.org:443/img/a?v=7"),
        path("http://example.org:80/img/a"),
        group("https://example.org"),
        group("https://example.org:443"),
        group("http://EXAMPLE.org:80"),
        prefix("example.org/img/"),
        prefix("Example.org:443/img/"),
        prefix("example.org:80/img/"),
        prefix("example.org"),
    ];
    for target in targets {
        for keys in [KeyRules::default(), KeyRules::default().https()] {
            let scheme = format!("{keys:?}");
            let reached = reaches(keys, target.clone()).await;
            // Under https the port 80 is another host's, and so is what a client of http names.
            assert_eq!(reached, (true, false), "{target:?} {scheme}");
        }
    }
    for target in [PurgeTarget::All, PurgeTarget::Tag("news".to_owned())] {
        assert_eq!(reaches(KeyRules::default(), target.clone()).await, (true, true), "{target:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_purge_of_something_else_leaves_it_there() {
    let targets = [
        PurgeTarget::Url("http://example.org/img/a".to_owned()),
        PurgeTarget::Url("http://example.org/img/a?v=2".to_owned()),
        PurgeTarget::Url("http://example.org:8080/img/a?v=1".to_owned()),
        PurgeTarget::UrlPath("http://example.org/img".to_owned()),
        PurgeTarget::Tag("new".to_owned()),
        PurgeTarget::Group { origin: "http://example.com".to_owned(), name: "news".to_owned() },
        PurgeTarget::Prefix("example.org/img/b".to_owned()),
        PurgeTarget::Prefix("example.org:8080/".to_owned()),
    ];
    for target in targets {
        assert_eq!(
            reaches(KeyRules::default(), target.clone()).await,
            (false, false),
            "{target:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_report_tells_what_was_counted() {
    let site = Site::new(edge(), |asked| match asked.uri().path() {
        "/private" => Ok(whole("private", "12345")),
        _ => Ok(whole("max-age=60", "123")),
    });
    for path in ["/a", "/a", "/a", "/private"] {
        site.get(path).await;
    }
    let report = site.edge.control::<NoBody>().report();
    assert!((report.hit_ratio - 0.5).abs() < f64::EPSILON, "{}", report.hit_ratio);
    assert_eq!((report.from_origin_bytes, report.served_bytes), (8, 14));
    assert_eq!((report.origin_requests, report.origin_down), (2, false));
    assert_eq!((report.objects, report.in_flight, report.purges), (2, 0, 0));
    assert_eq!(report.decisions["hit"]["fresh"], 2);
    assert_eq!(report.decisions["miss"]["miss"], 2);
    assert_eq!(report.decisions["unstored"]["private"], 1);
    let top = &report.top_misses;
    assert_eq!((top.len(), top[0].url.as_str()), (2, "http://example.org/private"));
}

#[tokio::test(start_paused = true)]
async fn nothing_was_asked_and_the_ratio_is_a_number() {
    let site = Site::new(edge(), |_| Ok(whole("max-age=60", "123")));
    assert_eq!(site.edge.control::<NoBody>().report().hit_ratio, 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_signed_request_preloads_and_purges_and_an_unsigned_one_does_neither() {
    let site = Site::new(edge(), |_| Ok(whole("max-age=60", "page")));
    let key = Key::new("all", "0123456789abcdef0123456789abcdef").unwrap();
    let key = key.allow(Scope::All).allow(Scope::Preload).allow(Scope::Read);
    let control = site.edge.control::<NoBody>().with_host("example.org");
    let admin = AdminService::builder(control, || START).key(key.clone()).build().unwrap();
    let send = async |path: &str, body: &'static str, nonce: Option<u8>| {
        let mut request = Request::post(path);
        if let Some(nonce) = nonce {
            let signed = sign(&key, &Method::POST, path, body.as_bytes(), START, [nonce; 16]);
            request = request.header(SIGNATURE, signed);
        }
        let body = Full::<bytes::Bytes>::from(body);
        admin.clone().oneshot(request.body(body).unwrap()).await.unwrap().status()
    };
    let preload = r#"{"urls": ["https://example.org/a"]}"#;
    let purge = r#"{"url": "https://example.org/a"}"#;

    assert_eq!(send("/preload", preload, None).await, 401);
    assert_eq!(site.asked(), 0);
    assert_eq!(send("/preload", preload, Some(1)).await, 200);
    assert_eq!(site.asked(), 1);
    assert_eq!(send("/purge", purge, None).await, 401);
    site.send(request(Method::GET, "/a", &[])).await;
    assert_eq!(site.asked(), 1);
    assert_eq!(send("/purge", purge, Some(2)).await, 200);
    site.send(request(Method::GET, "/a", &[])).await;
    assert_eq!(site.asked(), 2);
}
