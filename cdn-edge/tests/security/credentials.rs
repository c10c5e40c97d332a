//! Rule 5: what belongs to one user stays with them.

use http::Response;
use terrace_cdn_edge::semantics::SetCookie;

use super::world::{Asked, World, page, pass, with};

fn session(asked: &Asked) -> Response<bytes::Bytes> {
    let cookie = format!("session={}", asked.field("x-user"));
    with("page", &[("cache-control", "public, max-age=60"), ("set-cookie", &cookie)])
}

#[tokio::test(start_paused = true)]
async fn one_users_session_does_not_reach_the_next() {
    let world = World::edge(session);
    let own = world.get_with("/", &[("x-user", "one")]).await;
    assert_eq!(own.field("set-cookie"), "session=one", "it is for whom it was made");
    assert!(own.said().contains("set-cookie"), "{}", own.said());
    assert_eq!(world.get_with("/", &[("x-user", "two")]).await.field("set-cookie"), "session=two");

    let control = World::rfc(session);
    control.get_with("/", &[("x-user", "one")]).await;
    assert_eq!(
        control.get_with("/", &[("x-user", "two")]).await.field("set-cookie"),
        "session=one"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stripped_session_reaches_its_owner_only() {
    let strip = |rules: &mut terrace_cdn_edge::Rules| rules.set_cookie = SetCookie::Strip;
    let world = World::with(session, |builder| builder.rules(strip));
    let own = world.get_with("/", &[("x-user", "one")]).await;
    assert_eq!(own.field("set-cookie"), "session=one");
    let other = world.get_with("/", &[("x-user", "two")]).await;
    assert!(other.is_hit());
    assert!(!other.headers.contains_key("set-cookie"));
}

/// A page for whoever is logged in, by an application that thinks of no cache but the browser's.
fn personal(
    field: &'static str,
    control: &'static str,
) -> impl Fn(&Asked) -> Response<bytes::Bytes> {
    move |asked| with(format!("page of {:?}", asked.field(field)), &[("cache-control", control)])
}

#[tokio::test(start_paused = true)]
async fn a_page_for_credentials_is_not_stored_without_leave() {
    for field in ["authorization", "cookie"] {
        let world = World::edge(personal(field, "max-age=60"));
        world.get_with("/", &[(field, "one")]).await;
        assert_eq!(
            world.get_with("/", &[(field, "two")]).await.text(),
            "page of \"two\"",
            "{field}"
        );
        assert_eq!(world.get("/").await.text(), "page of \"\"", "{field}");

        let control = World::naive(personal(field, "max-age=60"));
        control.get_with("/", &[(field, "one")]).await;
        assert_eq!(control.get_with("/", &[(field, "two")]).await.text(), "page of \"one\"");
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_for_credentials_is_stored_with_leave() {
    for control in ["public, max-age=60", "s-maxage=60", "max-age=60, must-revalidate"] {
        for field in ["authorization", "cookie"] {
            let world = World::edge(personal(field, control));
            world.get_with("/", &[(field, "one")]).await;
            assert!(world.get_with("/", &[(field, "two")]).await.is_hit(), "{field} {control}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn credentials_get_no_page_that_was_stored_for_strangers_without_leave() {
    let world = World::edge(personal("authorization", "max-age=60"));
    world.get("/").await;
    let answer = world.get_with("/", &[("authorization", "one")]).await;
    assert_eq!(answer.text(), "page of \"one\"");
    assert!(world.get("/").await.is_hit(), "and the strangers' one stays");
}

fn validated(asked: &Asked) -> Response<bytes::Bytes> {
    let mut response = with("page", &[("cache-control", "max-age=60"), ("etag", "\"1\"")]);
    if asked.field("if-none-match") == "\"1\"" {
        *response.status_mut() = http::StatusCode::NOT_MODIFIED;
    }
    if asked.method == "HEAD" || response.status() == 304 {
        *response.body_mut() = bytes::Bytes::new();
    }
    response
}

#[tokio::test(start_paused = true)]
async fn a_head_with_credentials_throws_nobodys_page_out() {
    let world = World::edge(validated);
    world.get("/").await;
    world.ask("HEAD", "/", &[("authorization", "anything")]).await;
    assert_eq!(world.last().method, "HEAD", "it went to the origin");
    assert!(world.get("/").await.is_hit());
}

#[tokio::test(start_paused = true)]
async fn a_visitor_with_a_cookie_throws_nobodys_stale_page_out() {
    let world = World::edge(validated);
    world.get("/").await;
    pass(61).await;
    let visitor = world.get_with("/", &[("cookie", "a=b")]).await;
    assert_eq!((visitor.status, visitor.text()), (200, "page"));
    let next = world.get("/").await;
    assert_eq!(
        world.last().field("if-none-match"),
        "\"1\"",
        "the stored page is still asked about"
    );
    assert_eq!((next.status, next.text()), (200, "page"));
    assert!(world.get("/").await.is_hit());
}

#[tokio::test(start_paused = true)]
async fn a_304_without_a_date_is_not_as_old_as_what_it_updates() {
    let world = World::edge(validated);
    world.get("/").await;
    pass(61).await;
    assert!(!world.get("/").await.is_hit());
    assert_eq!(world.last().field("if-none-match"), "\"1\"");
    assert!(world.get("/").await.is_hit(), "it is fresh again");
}

#[tokio::test(start_paused = true)]
async fn waiters_with_credentials_do_not_share_a_page_without_leave() {
    let world = World::edge(personal("authorization", "max-age=60"));
    let (stranger, user) = (world.get("/"), world.get_with("/", &[("authorization", "one")]));
    let (stranger, user) = tokio::join!(stranger, user);
    assert_eq!(stranger.text(), "page of \"\"");
    assert_eq!(user.text(), "page of \"one\"");

    // The control: with leave one answer is for both.
    let world = World::edge(|_| page("page"));
    tokio::join!(world.get("/"), world.get("/"));
    assert_eq!(world.asked(), 1);
}
