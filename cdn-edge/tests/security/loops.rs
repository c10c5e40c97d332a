//! Rule 14: no circles, and what is said to the cache alone stays there.

use super::world::{World, page, with};

#[tokio::test(start_paused = true)]
async fn a_request_that_goes_in_a_circle_ends() {
    let world = World::edge(|_| page("page"));
    for (at, method) in ["GET", "POST", "HEAD"].into_iter().enumerate() {
        let path = format!("/{at}");
        world.ask(method, &path, &[("cdn-loop", "other, other;v=1")]).await;
        assert_eq!(world.last().headers.get_all("cdn-loop").iter().count(), 2, "{method}");
        assert_eq!(world.ask(method, &path, &[("cdn-loop", "terrace, terrace")]).await.status, 508);
    }
    assert_eq!(world.asked(), 3);

    let control = World::with(|_| page("page"), |builder| builder.name("another"));
    let answer = control.get_with("/", &[("cdn-loop", "terrace, terrace, terrace")]).await;
    assert_eq!(answer.status, 200, "other caches' names are no circle");
}

#[tokio::test(start_paused = true)]
async fn a_client_cannot_make_a_circle_out_of_a_hit_or_hide_one_by_connection() {
    let world = World::edge(|_| page("page"));
    world.get_with("/", &[("connection", "cdn-loop"), ("cdn-loop", "other")]).await;
    let lines: Vec<_> = world.last().headers.get_all("cdn-loop").iter().cloned().collect();
    assert_eq!(lines, ["other", "terrace"]);
}

#[tokio::test(start_paused = true)]
async fn tags_are_for_the_cache_alone() {
    let app = |_: &_| {
        let tags = [("surrogate-key", "user-7 secret"), ("cache-tag", "user-7,secret")];
        with("page", &[&[("cache-control", "max-age=60")][..], &tags].concat())
    };
    let world = World::edge(app);
    for method in ["POST", "GET", "GET", "HEAD"] {
        let answer = world.ask(method, "/", &[]).await;
        for name in ["surrogate-key", "cache-tag"] {
            assert!(!answer.headers.contains_key(name), "{method} {name}");
        }
    }
    // The control: they were there, and count.
    assert!(world.get("/").await.is_hit());
    world.handle().purge_tag("user-7", terrace_cdn_edge::purge::Mode::Hard);
    assert!(!world.get("/").await.is_hit());
}

#[tokio::test(start_paused = true)]
async fn what_failed_behind_is_not_told_outside() {
    let secret = "postgres://user:password@10.0.0.7";
    let layer = super::world::builder().build().unwrap();
    let origin = tower::service_fn(
        move |_: http::Request<terrace_cdn_edge::OriginBody<String>>| async move {
            Err::<http::Response<String>, _>(terrace_cdn_edge::BoxError::from(secret))
        },
    );
    let edge = tower::Layer::layer(&layer, origin);
    let request = http::Request::get("http://site.example/").body(String::new()).unwrap();
    let response = tower::ServiceExt::oneshot(edge, request).await.unwrap();
    assert_eq!(response.status(), 502);
    assert!(!format!("{:?}", response.headers()).contains("postgres"));
    let failure = response.extensions().get::<terrace_cdn_edge::EdgeFailure>().unwrap().clone();
    assert!(failure.to_string().contains(secret), "the control: the operator is told");
    let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
    assert_eq!(body, "Bad Gateway\n");
}
