//! Rule 9, said by the origin: `No-Vary-Search` makes one page of many addresses, and never two pages one.

use http::Response;
use terrace_cdn_edge::key::KeyRules;
use terrace_cdn_edge::purge::Mode;

use super::world::{Asked, World, page, pass, with};

const RULE: &str = "params=(\"utm\")";

fn shop(rule: &'static str) -> impl Fn(&Asked) -> Response<bytes::Bytes> + Send + Sync + 'static {
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
async fn a_hundred_thousand_random_values_of_an_ignored_parameter_are_one_page() {
    let world = World::edge(shop(RULE));
    fastrand::seed(7);
    for _ in 0..100_000 {
        world.hurry(&format!("/?id=1&utm={:x}", fastrand::u64(..))).await;
    }
    assert_eq!((world.asked(), world.handle().stats().objects), (1, 1));
}

/// A rule for as long as the query says so.
fn moody(asked: &Asked) -> Response<bytes::Bytes> {
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
            *response.body_mut() = bytes::Bytes::new();
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
