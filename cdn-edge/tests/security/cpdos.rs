//! Rule 4: an error that a stranger provokes is not everybody's (cache-poisoned denial of service).

use http::{Response, StatusCode};

use super::world::{Asked, World, page, pass, with};

/// An origin that takes less header than caches do.
fn narrow(asked: &Asked) -> Response<bytes::Bytes> {
    let size: usize =
        asked.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if size < 8_000 {
        return page("fine");
    }
    failing(400)
}

fn failing(status: u16) -> Response<bytes::Bytes> {
    let mut response = with("error", &[("cache-control", "max-age=3600")]);
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

#[tokio::test(start_paused = true)]
async fn an_oversized_header_ends_before_the_origin() {
    let big = "x".repeat(17_000);
    let world = World::edge(narrow);
    assert_eq!(world.get_with("/", &[("x-big", &big)]).await.status, 431);
    assert_eq!(world.asked(), 0);
    let many: Vec<_> =
        (0..600).map(|at| (format!("x-{at:04}"), "0123456789012345678901234")).collect();
    let many: Vec<_> = many.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    assert_eq!(world.get_with("/", &many).await.status, 431, "many small ones are as large");
    assert_eq!(world.get(&format!("/?{big}")).await.status, 431, "and so is a target");
    let victim = world.get("/").await;
    assert_eq!((victim.status, victim.text()), (200, "fine"));

    // Without the limit the origin refuses, and its refusal is everybody's.
    let control = World::with(narrow, |builder| builder.max_header(1 << 20));
    control.get_with("/", &[("x-big", &big)]).await;
    let victim = control.get("/").await;
    assert_eq!((victim.status, victim.is_hit()), (400, true));
}

/// An application with a field that breaks it.
fn brittle(status: u16) -> impl Fn(&Asked) -> Response<bytes::Bytes> + Send + Sync + 'static {
    move |asked| if asked.field("x-meta").is_empty() { page("fine") } else { failing(status) }
}

#[tokio::test(start_paused = true)]
async fn a_provoked_error_is_over_after_seconds() {
    for status in [400, 401, 403, 404, 405, 413, 414, 431, 451, 500, 501, 502, 503] {
        let world = World::edge(brittle(status));
        assert_eq!(world.get_with("/", &[("x-meta", "a")]).await.status, status);
        pass(11).await;
        assert_eq!(world.get("/").await.status, 200, "{status} outlived its ten seconds");

        let control = World::rfc(brittle(status));
        control.get_with("/", &[("x-meta", "a")]).await;
        pass(11).await;
        let victim = control.get("/").await;
        assert_eq!(
            (victim.status, victim.is_hit()),
            (status, true),
            "the control keeps it an hour"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_without_a_lifetime_of_its_own_is_nobody_elses() {
    for status in [400, 404, 405, 413, 414, 431, 500, 501, 503] {
        let silent = move |asked: &Asked| {
            let mut response = brittle(status)(asked);
            if response.status() != 200 {
                response.headers_mut().remove("cache-control");
                response
                    .headers_mut()
                    .insert("last-modified", "Mon, 01 Jan 2024 00:00:00 GMT".parse().unwrap());
            }
            response
        };
        let world = World::edge(silent);
        assert_eq!(world.get_with("/", &[("x-meta", "a")]).await.status, status);
        assert_eq!(world.get("/").await.status, 200, "{status}");
    }
    // The control: a cache that stores all serves the error.
    let control = World::naive(brittle(404));
    control.get_with("/", &[("x-meta", "a")]).await;
    assert_eq!(control.get("/").await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_method_override_does_not_turn_a_get_into_an_error() {
    let overridden = |asked: &Asked| match asked.field("x-http-method-override") {
        "" => page("fine"),
        _ => failing(405),
    };
    let fields = [("x-http-method-override", "DELETE")];
    let world = World::edge(overridden);
    assert_eq!(world.get_with("/", &fields).await.status, 200);

    let control = World::rfc(overridden);
    control.get_with("/", &fields).await;
    assert_eq!(control.get("/").await.status, 405);
}
