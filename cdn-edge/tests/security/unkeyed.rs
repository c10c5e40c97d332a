//! Rule 2: what is not in the key does not shape what everybody gets.

use http::header::HeaderName;
use http::{Request, Response};
use http_body_util::Full;

use super::world::{Asked, World, page, pass, with};

/// Fields that frameworks read in place of the request line.
const UNKEYED: [&str; 11] = [
    "forwarded",
    "x-forwarded-host",
    "x-forwarded-scheme",
    "x-forwarded-prefix",
    "x-forwarded-server",
    "x-host",
    "x-original-url",
    "x-rewrite-url",
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
];

/// An application that builds its links from whatever it finds.
fn credulous(asked: &Asked) -> Response<bytes::Bytes> {
    let found = UNKEYED.iter().map(|name| asked.field(name)).find(|value| !value.is_empty());
    page(format!("<script src=//{}/app.js>", found.unwrap_or("site.example")))
}

#[tokio::test(start_paused = true)]
async fn no_unkeyed_field_shapes_the_page_that_everybody_gets() {
    for name in UNKEYED {
        let world = World::edge(credulous);
        world.get_with("/", &[(name, "evil.example")]).await;
        assert!(!world.last().headers.contains_key(name), "{name} reached the origin");
        let victim = world.get("/").await;
        assert!(victim.is_hit(), "{name}");
        assert_eq!(victim.text(), "<script src=//site.example/app.js>", "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn control_where_they_pass_they_poison_the_page() {
    for name in UNKEYED {
        let world = World::rfc(credulous);
        world.get_with("/", &[(name, "evil.example")]).await;
        let victim = world.get("/").await;
        assert!(victim.is_hit(), "{name}");
        assert_eq!(victim.text(), "<script src=//evil.example/app.js>", "{name}");
    }
}

/// An application whose HEAD has the fields of its GET, one of them built of what it finds.
fn linking(asked: &Asked) -> Response<bytes::Bytes> {
    let host = match asked.field("x-forwarded-host") {
        "" => "site.example",
        host => host,
    };
    let link = format!("<//{host}/app.js>; rel=preload");
    let body = if asked.method == "HEAD" { "" } else { "page" };
    with(body, &[("cache-control", "max-age=60"), ("etag", "\"1\""), ("link", &link)])
}

#[tokio::test(start_paused = true)]
async fn the_answer_to_a_poisoned_head_does_not_update_the_stored_page() {
    let world = World::edge(linking);
    world.get("/").await;
    pass(61).await;
    world.ask("HEAD", "/", &[("x-forwarded-host", "evil.example")]).await;
    let victim = world.get("/").await;
    assert_eq!(victim.field("link"), "<//site.example/app.js>; rel=preload");

    let control = World::rfc(linking);
    control.get("/").await;
    pass(61).await;
    control.ask("HEAD", "/", &[("x-forwarded-host", "evil.example")]).await;
    let victim = control.get("/").await;
    assert_eq!(victim.field("link"), "<//evil.example/app.js>; rel=preload");
}

/// An application that reads parameters from the body of a GET.
fn fat(asked: &Asked) -> Response<bytes::Bytes> {
    page(format!("report for {}", String::from_utf8_lossy(&asked.body)))
}

fn fat_get() -> Request<Full<bytes::Bytes>> {
    let request = Request::get("/").header("host", "site.example").header("content-length", 6);
    request.header("content-type", "text/plain").body(Full::from("mallet")).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_body_of_a_get_stays_behind() {
    let world = World::edge(fat);
    world.send(fat_get()).await;
    let asked = world.last();
    assert_eq!(asked.body, "");
    for name in ["content-length", "content-type", "transfer-encoding"] {
        assert!(!asked.headers.contains_key(name), "{name} speaks of a body that is not there");
    }
    assert_eq!(world.get("/").await.text(), "report for ");

    let control = World::naive(fat);
    control.send(fat_get()).await;
    assert_eq!(control.get("/").await.text(), "report for mallet");
}

/// An application that has begun to read a field which nobody told the cache about, and says so.
fn varying(asked: &Asked) -> Response<bytes::Bytes> {
    let control = [("cache-control", "max-age=60"), ("vary", "accept-encoding, x-experiment")];
    with(format!("experiment {}", asked.field("x-experiment")), &control)
}

#[tokio::test(start_paused = true)]
async fn a_response_that_varies_on_an_unlisted_field_is_reported_and_not_stored() {
    let listed = |names: &'static [&'static str]| {
        World::with(varying, |builder| {
            builder.rules(|rules| {
                let names = names.iter().map(|name| HeaderName::from_static(name));
                rules.vary_only = Some(names.collect());
            })
        })
    };
    let world = listed(&["accept-encoding", "accept-language"]);
    for _ in 0..2 {
        let answer = world.get("/").await;
        assert!(answer.said().contains("vary-unbounded"), "{}", answer.said());
    }
    assert_eq!(world.asked(), 2);

    // The control: with the field on the list, and without a list.
    for control in [listed(&["accept-encoding", "x-experiment"]), World::edge(varying)] {
        control.get("/").await;
        assert!(control.get("/").await.is_hit());
    }
}
