//! Rule 10: no directive of a client's makes the origin work.

use http::Response;

use super::world::{Asked, World, page, pass, with};

const DEMANDS: [(&str, &str); 7] = [
    ("cache-control", "no-cache"),
    ("cache-control", "max-age=0"),
    ("cache-control", "no-store"),
    ("cache-control", "min-fresh=1000"),
    ("pragma", "no-cache"),
    ("cache-control", "max-age=0, no-cache, no-store"),
    ("cache-control", "only-if-cached"),
];

#[tokio::test(start_paused = true)]
async fn no_directive_of_a_client_reaches_the_origin() {
    let world = World::edge(|_| page("page"));
    world.get("/").await;
    for demand in DEMANDS {
        let answer = world.get_with("/", &[demand]).await;
        assert!(answer.is_hit(), "{demand:?}");
    }
    assert_eq!(world.asked(), 1);

    let control = World::rfc(|_| page("page"));
    control.get("/").await;
    for demand in &DEMANDS[..5] {
        control.get_with("/", &[*demand]).await;
    }
    // `no-store` forbids to store, and not to answer.
    assert_eq!(control.asked(), 5, "where they count each of the others is a request");
}

#[tokio::test(start_paused = true)]
async fn a_miss_does_not_carry_a_clients_directives_on() {
    for demand in DEMANDS {
        let world = World::edge(|_| page("page"));
        world.get_with("/", &[demand]).await;
        assert!(!world.last().headers.contains_key(demand.0), "{demand:?}");
        assert!(world.get("/").await.is_hit(), "{demand:?} kept it from being stored");
    }
}

#[tokio::test(start_paused = true)]
async fn neither_ranges_nor_conditions_get_past_a_stored_page() {
    let world =
        World::edge(|_| with("0123456789", &[("cache-control", "max-age=60"), ("etag", "\"1\"")]));
    world.get("/").await;
    for field in [
        ("range", "bytes=0-0"),
        ("range", "bytes=0-0,2-2,4-4,6-6"),
        ("range", "bytes=100-"),
        ("range", "lines=1"),
        ("range", "bytes=-"),
        ("if-none-match", "\"2\""),
        ("if-none-match", "*"),
        ("if-modified-since", "Mon, 01 Jan 2035 00:00:00 GMT"),
        ("if-range", "\"2\""),
    ] {
        world.get_with("/", &[field]).await;
        assert_eq!(world.asked(), 1, "{field:?}");
    }
}

/// Each answer is a second old when it comes.
fn old(_: &Asked) -> Response<bytes::Bytes> {
    with("page", &[("cache-control", "max-age=60"), ("age", "61"), ("etag", "\"1\"")])
}

#[tokio::test(start_paused = true)]
async fn a_crowd_at_a_stale_page_is_one_request() {
    let world = World::edge(|_| page("page"));
    world.get("/").await;
    pass(61).await;
    let crowd = (0..100).map(|_| world.get("/"));
    futures_util::future::join_all(crowd).await;
    assert_eq!(world.asked(), 2);

    // The control: what is stale on arrival is asked for each time.
    let control = World::edge(old);
    control.get("/").await;
    control.get("/").await;
    assert_eq!(control.asked(), 2);
}
