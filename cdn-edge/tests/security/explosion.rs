//! Rules 8 and 9: neither fields nor queries fill the cache with copies of one page.

use http::Response;
use terrace_cdn_edge::key::{KeyRules, Query, VersionParam};

use super::world::{Asked, World, page, with};

fn by_language(asked: &Asked) -> Response<bytes::Bytes> {
    let control = [("cache-control", "max-age=60"), ("vary", "x-language")];
    with(format!("{}{}", asked.field("x-language"), "x".repeat(1000)), &control)
}

#[tokio::test(start_paused = true)]
async fn a_field_with_many_values_keeps_no_more_variants_than_the_cap() {
    let stored = |cap: usize| async move {
        let world = World::with(by_language, |builder| builder.max_variants(cap));
        for at in 0..500 {
            world.get_with("/", &[("x-language", &at.to_string())]).await;
        }
        world.handle().stats().bytes
    };
    let (capped, control) = (stored(32).await, stored(1000).await);
    assert!(capped < 32 * 2_500, "{capped} bytes for 32 variants");
    assert!(control > 500 * 1_000, "{control}: the control keeps all");
}

#[tokio::test(start_paused = true)]
async fn fields_with_as_many_values_as_clients_are_not_stored() {
    for name in ["user-agent", "cookie", "referer", "authorization", "x-forwarded-for"] {
        let app = move |_: &Asked| {
            with("page", &[("cache-control", "public, max-age=60"), ("vary", name)])
        };
        let world = World::edge(app);
        for _ in 0..2 {
            let answer = world.get("/").await;
            assert!(!answer.is_hit(), "{name}");
        }
        let first = world.get(&format!("/{name}")).await;
        assert!(first.said().contains("vary-unbounded"), "{name}: {}", first.said());

        let control = World::rfc(app);
        control.get("/").await;
        assert!(control.get("/").await.is_hit(), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn spellings_of_one_accept_encoding_are_one_variant() {
    let app =
        |_: &Asked| with("page", &[("cache-control", "max-age=60"), ("vary", "accept-encoding")]);
    let world = World::edge(app);
    world.get_with("/", &[("accept-encoding", "gzip, br")]).await;
    for same in
        ["br, gzip", "gzip,br", "GZIP;q=1.0, br", "br;q=0.5, gzip, x-made-up-1", "gzip, br, x-2"]
    {
        assert!(world.get_with("/", &[("accept-encoding", same)]).await.is_hit(), "{same}");
    }
    assert!(!world.get_with("/", &[("accept-encoding", "identity")]).await.is_hit(), "the control");
}

/// Bytes of a page: what is asked for is ten times the memory.
const PAGE: usize = 500;
const MEMORY: u64 = 2 << 20;

async fn busted(keys: KeyRules, requests: usize) -> (World, usize) {
    let world =
        World::with(|_| page("x".repeat(PAGE)), |builder| builder.memory(MEMORY).keys(keys));
    for _ in 0..20 {
        world.get("/hot").await;
    }
    fastrand::seed(7);
    let mut lost = 0;
    for at in 0..requests {
        world.hurry(&format!("/page?v={:x}", fastrand::u64(..))).await;
        if at % 100 == 0 {
            lost += usize::from(!world.get("/hot").await.is_hit());
            let bytes = world.handle().stats().bytes;
            assert!(bytes <= MEMORY, "{bytes} after {at}");
        }
    }
    (world, lost)
}

#[tokio::test(start_paused = true)]
async fn any_number_of_queries_stay_within_the_memory_and_leave_the_hot_page() {
    // No rule at all: the memory's own bound and its order of leaving.
    let (world, lost) = busted(KeyRules::default(), 25_000).await;
    assert_eq!(lost, 0, "the hot page was pushed out");
    let control = world.handle().stats();
    assert!(control.objects > 1_000, "the memory is full of one page's copies: {control:?}");

    let keys = KeyRules::default().version(VersionParam::new("v", 4));
    let (world, lost) = busted(keys, 5_000).await;
    let capped = world.handle().stats();
    assert_eq!((lost, capped.objects), (0, 5), "four versions and the hot page");

    let keys = KeyRules::default().query(Query::only(["id"]));
    let (world, lost) = busted(keys, 5_000).await;
    let listed = world.handle().stats();
    assert_eq!((lost, listed.objects), (0, 2));
    assert_eq!(world.asked(), 2, "what is not on the list does not reach the origin either");
}
