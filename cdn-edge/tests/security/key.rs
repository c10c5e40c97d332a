//! Rule 1: one site's page is never another's.

use http::Response;

use super::world::{Asked, World, page};

fn names_itself(asked: &Asked) -> Response<bytes::Bytes> {
    page(format!("{} {}", asked.host(), asked.uri.path_and_query().unwrap()))
}

#[tokio::test(start_paused = true)]
async fn two_hosts_never_share_a_page() {
    let world = World::edge(names_itself);
    for host in ["one.example", "two.example", "two.example:8080", "two.example.", "xtwo.example"] {
        let answer = world.get_with("/", &[("host", host)]).await;
        assert!(!answer.is_hit(), "{host}");
        assert!(answer.text().starts_with(host.trim_end_matches(":8080")), "{host}");
    }
    let again = world.get_with("/", &[("host", "ONE.example:80")]).await;
    assert_eq!(again.text(), "one.example /", "the same host, said differently");
    assert!(again.is_hit());
}

#[tokio::test(start_paused = true)]
async fn control_a_key_without_the_host_serves_one_site_to_another() {
    let world = World::naive(names_itself);
    world.get_with("/", &[("host", "one.example")]).await;
    let other = world.get_with("/", &[("host", "two.example")]).await;
    assert_eq!(other.text(), "one.example /");
}

#[tokio::test(start_paused = true)]
async fn two_queries_never_share_a_page() {
    let world = World::edge(names_itself);
    for query in ["", "?", "?id=1", "?id=2", "?id=1&", "?ID=1", "?id=%31"] {
        let answer = world.get(&format!("/{query}")).await;
        assert!(!answer.is_hit(), "{query}");
        assert_eq!(answer.text(), format!("site.example /{query}"));
    }
    assert!(world.get("/?id=1").await.is_hit());
}

#[tokio::test(start_paused = true)]
async fn control_a_key_without_the_query_serves_one_order_to_another() {
    let world = World::naive(names_itself);
    world.get("/?id=1").await;
    assert_eq!(world.get("/?id=2").await.text(), "site.example /?id=1");
}

#[tokio::test(start_paused = true)]
async fn two_schemes_never_share_a_page() {
    let scheme = |asked: &Asked| page(asked.uri.scheme_str().unwrap_or("none").to_owned());
    let world = World::edge(scheme);
    assert_eq!(world.get("http://site.example/").await.text(), "http");
    assert_eq!(world.get("https://site.example/").await.text(), "https");
    // What names no scheme has that of the listener.
    assert!(world.get("/").await.is_hit());

    let control = World::naive(scheme);
    control.get("http://site.example/").await;
    assert_eq!(control.get("https://site.example/").await.text(), "http");
}

#[tokio::test(start_paused = true)]
async fn a_request_with_two_minds_about_its_host_is_refused() {
    let world = World::edge(names_itself);
    let contradicting = world.ask("GET", "http://a.example/", &[("host", "b.example")]).await;
    assert_eq!(contradicting.status, 400);
    let twice = world.get_with("/", &[("host", "a.example"), ("host", "a.example")]).await;
    assert_eq!(twice.status, 400);
    for host in
        ["a.example/x", "a.example, b.example", "a b", "a.example?x", "a@b", "a#b", "\u{e4}"]
    {
        assert_eq!(world.get_with("/", &[("host", host)]).await.status, 400, "{host}");
    }
    assert_eq!(world.asked(), 0, "the origin, which may choose the other one, saw none of them");

    let control = World::naive(names_itself);
    let poisoned = control.ask("GET", "http://a.example/", &[("host", "b.example")]).await;
    assert_eq!(poisoned.status, 200, "the control takes it");
}

#[tokio::test(start_paused = true)]
async fn user_information_in_a_target_leads_to_no_other_page() {
    let world = World::edge(names_itself);
    let victim = world.get("http://bank.example/").await;
    let attempt = world.get("http://bank.example@evil.example/").await;
    assert_eq!(victim.text(), "bank.example /");
    assert_eq!(attempt.text(), "evil.example /");
    assert!(world.get("http://bank.example/").await.is_hit());
}
