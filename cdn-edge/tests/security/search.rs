//! Rule 9, said by the origin: `No-Vary-Search` makes one page of many addresses, and never two pages one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use terrace_cdn_edge::key::KeyRules;
use terrace_cdn_edge::purge::Mode;
use terrace_cdn_edge::{BoxError, EdgeHandle, OriginBody};
use tokio::sync::Semaphore;
use tower::{Layer, ServiceExt};

use super::world::{Asked, Client, World, builder, page, pass, settle, whole, with};

const RULE: &str = "params=(\"utm\")";

fn shop(rule: &'static str) -> impl Fn(&Asked) -> Response<Bytes> + Send + Sync + 'static {
    move |asked| {
        let body = asked.uri.query().unwrap_or_default().to_owned();
        with(body, &[("cache-control", "max-age=60"), ("no-vary-search", rule)])
    }
}

#[tokio::test(start_paused = true)]
async fn two_urls_that_differ_in_an_ignored_parameter_are_fetched_once() {
    let world = World::edge(shop(RULE));
    world.get("/?id=1&utm=a").await;
    for same in ["/?id=1&utm=b", "/?utm=c&id=1", "/?id=1", "/?id=1&utm", "/?utm=d&utm=e&id=%31"] {
        assert!(world.get(same).await.is_hit(), "{same}");
    }
    assert_eq!(world.asked(), 1);
    for other in ["/?id=2&utm=a", "/?id=1&UTM=a", "/?id=1&page=2", "/", "/x?id=1"] {
        assert!(!world.get(other).await.is_hit(), "{other}");
    }
    let elsewhere = world.get_with("/?id=1", &[("host", "other.example")]).await;
    assert!(!elsewhere.is_hit(), "a rule is of one site's path");
}

#[tokio::test(start_paused = true)]
async fn control_without_the_field_or_where_it_does_not_count_each_query_is_its_own() {
    for world in [
        World::edge(|_| page("page")),
        World::edge(shop("params=(utm)")),
        World::with(shop(RULE), |builder| builder.keys(KeyRules::default().no_vary_search(false))),
    ] {
        world.get("/?id=1&utm=a").await;
        assert!(!world.get("/?id=1&utm=b").await.is_hit());
        assert!(world.get("/?id=1&utm=a").await.is_hit());
    }
}

#[tokio::test(start_paused = true)]
async fn any_number_of_random_values_of_an_ignored_parameter_are_one_page() {
    let world = World::edge(shop(RULE));
    fastrand::seed(7);
    for _ in 0..20_000 {
        world.hurry(&format!("/?id=1&utm={:x}", fastrand::u64(..))).await;
    }
    assert_eq!((world.asked(), world.handle().stats().objects), (1, 1));
}

/// A rule for as long as the query says so.
fn moody(asked: &Asked) -> Response<Bytes> {
    let query = asked.uri.query().unwrap_or_default();
    let rule = match query {
        query if query.contains("none") => return page(query.to_owned()),
        query if query.contains("other") => "params=(\"b\")",
        _ => "params=(\"a\")",
    };
    with(query.to_owned(), &[("cache-control", "max-age=600"), ("no-vary-search", rule)])
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_changes_replaces_the_old_one_and_all_that_it_found() {
    let world = World::edge(moody);
    world.get("/?a=1&b=1").await;
    assert!(world.get("/?a=2&b=1").await.is_hit());
    world.get("/?a=1&b=1&other").await;
    assert!(world.get("/?a=1&b=2&other").await.is_hit(), "the new rule");
    let apart = world.get("/?a=2&b=1").await;
    assert_eq!((apart.text(), apart.is_hit()), ("a=2&b=1", false), "the old one is over");
}

#[tokio::test(start_paused = true)]
async fn a_response_without_the_field_ends_the_rule() {
    let world = World::edge(moody);
    world.get("/?a=1&b=1").await;
    world.get("/?a=1&b=1&none").await;
    let apart = world.get("/?a=2&b=1&none").await;
    assert_eq!((apart.text(), apart.is_hit()), ("a=2&b=1&none", false));
    assert!(world.get("/?a=1&b=1&none").await.is_hit(), "it is found under its own query");
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_not_stored_teaches_nothing() {
    let app = |asked: &Asked| match asked.field("x-attack") {
        "" => page(asked.uri.query().unwrap_or_default().to_owned()),
        _ => with("", &[("cache-control", "no-store"), ("no-vary-search", "params")]),
    };
    let world = World::edge(app);
    world.get_with("/?id=1", &[("x-attack", "1")]).await;
    pass(11).await;
    world.get("/?id=1").await;
    assert_eq!(world.get("/?id=2").await.text(), "id=2");
}

#[tokio::test(start_paused = true)]
async fn a_purge_of_any_of_the_same_urls_purges_the_page() {
    for purged in ["id=1&utm=a", "id=1&utm=z", "id=1", "utm=q&id=1"] {
        let world = World::edge(shop(RULE));
        world.get("/?id=1&utm=a").await;
        world.get("/?id=2&utm=a").await;
        let url = format!("http://site.example/?{purged}").parse().unwrap();
        world.handle().purge_url(&url, Mode::Hard).unwrap();
        assert!(!world.get("/?id=1&utm=b").await.is_hit(), "{purged}");
        assert!(world.get("/?id=2&utm=b").await.is_hit(), "{purged}: the other page stays");
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_to_any_of_the_same_urls_invalidates_the_page() {
    let world = World::edge(shop(RULE));
    world.get("/?id=1&utm=a").await;
    world.ask("POST", "/?id=1&utm=z", &[]).await;
    assert!(!world.get("/?id=1&utm=b").await.is_hit());
    assert!(world.get("/?id=1&utm=c").await.is_hit(), "the control: without a write it stays");
}

#[tokio::test(start_paused = true)]
async fn what_was_purged_under_a_rule_is_not_found_when_the_rule_is_gone() {
    let world = World::edge(moody);
    // Stored by its own query, before there is a rule.
    world.get("/?a=1&none").await;
    world.get("/?a=1&b=1").await;
    world.handle().purge_url(&"http://site.example/?a=1&none".parse().unwrap(), Mode::Hard);
    // The rule ends.
    world.get("/?a=9&none").await;
    assert!(!world.get("/?a=1&none").await.is_hit());
}

#[tokio::test(start_paused = true)]
async fn a_304_that_names_another_rule_moves_nothing_to_a_wrong_place() {
    let app = |asked: &Asked| {
        let is_again = asked.headers.contains_key("if-none-match");
        let rule = if is_again { "params=(\"b\")" } else { "params=(\"a\")" };
        let fields = [("cache-control", "max-age=60"), ("etag", "\"1\""), ("no-vary-search", rule)];
        let mut response = with(asked.uri.query().unwrap_or_default().to_owned(), &fields);
        if is_again {
            *response.status_mut() = http::StatusCode::NOT_MODIFIED;
            *response.body_mut() = Bytes::new();
        }
        response
    };
    let world = World::edge(app);
    world.get("/?a=1&b=1").await;
    pass(61).await;
    assert_eq!(world.get("/?a=1&b=1").await.text(), "a=1&b=1");
    // By what the 304 says, `a` counts.
    assert_eq!(world.get("/?a=2&b=1").await.text(), "a=2&b=1");
}

/// The body of what is served for another of the same URLs, after a fill during which something happened that
/// could not know yet which URLs are the same.
async fn overtaken_by(happens: impl AsyncFnOnce(&EdgeHandle, &Client)) -> String {
    let (asked, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let (count, open) = (Arc::clone(&asked), Arc::clone(&gate));
    let origin = tower::service_fn(move |request: Request<OriginBody<Full<Bytes>>>| {
        let (number, open) = (count.fetch_add(1, Ordering::SeqCst), Arc::clone(&open));
        async move {
            if request.method() == "GET" && number == 0 {
                let _first = open.acquire().await;
            }
            let fields = [("cache-control", "max-age=60"), ("no-vary-search", RULE)];
            Ok::<_, BoxError>(with(format!("{number}"), &fields).map(Full::new))
        }
    });
    let layer = builder().build().unwrap();
    let client = layer.layer(origin).map_err(BoxError::from).and_then(whole);
    let client = Client::new(client);
    let get = |query: &str| {
        let request = Request::get(format!("http://site.example/?{query}"));
        client.clone().oneshot(request.body(Full::default()).unwrap())
    };
    let during = async {
        settle().await;
        happens(&layer.handle(), &client).await;
        gate.add_permits(1);
    };
    let (first, ()) = tokio::join!(get("id=1&utm=a"), during);
    assert_eq!(first.unwrap().body(), "0");
    settle().await;
    let next = get("id=1&utm=b").await.unwrap().into_body();
    String::from_utf8(next.to_vec()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_fill_that_learns_what_is_the_same_is_overtaken_by_what_happened_meanwhile() {
    let url = "http://site.example/?id=1&utm=b";
    let purged = async |edge: &EdgeHandle, _: &Client| {
        edge.purge_url(&url.parse().unwrap(), Mode::Hard).unwrap();
    };
    assert_eq!(overtaken_by(purged).await, "1");
    let written = async |_: &EdgeHandle, client: &Client| {
        let post = Request::post(url).body(Full::default()).unwrap();
        assert_eq!(client.clone().oneshot(post).await.unwrap().status(), 200);
        settle().await;
    };
    assert_eq!(overtaken_by(written).await, "2");
    // The control: if nothing happens, the fill answers the other URL too.
    assert_eq!(overtaken_by(async |_: &EdgeHandle, _: &Client| ()).await, "0");
}
