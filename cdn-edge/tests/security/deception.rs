//! Rule 3: a private page does not become public because its address looks like a picture's.

use http::Response;

use super::world::{Asked, World, page, with};

/// An application that shows the account whatever follows its path, and says nothing about caching.
fn careless(asked: &Asked) -> Response<bytes::Bytes> {
    let body = format!("account of {}", asked.field("x-user"));
    with(body, &[("content-type", "image/png"), ("last-modified", "Mon, 01 Jan 2024 00:00:00 GMT")])
}

const LURES: [&str; 10] = [
    "/account/x.css",
    "/account;x.js",
    "/account%2fx.png",
    "/account/..%2fx.jpg",
    "/static/../account",
    "/account%00.svg",
    "/account%3f.ico",
    "/account%23.woff2",
    "/account/.well-known/x.json",
    "/account?x.css",
];

#[tokio::test(start_paused = true)]
async fn an_extension_does_not_make_a_page_public() {
    let world = World::edge(careless);
    for lure in LURES {
        world.get_with(lure, &[("x-user", "victim")]).await;
        let attacker = world.get_with(lure, &[("x-user", "mallet")]).await;
        assert_eq!(attacker.text(), "account of mallet", "{lure}");
    }
    // The control stores by the address, as many are set up to.
    let control = World::naive(careless);
    for lure in LURES {
        control.get_with(lure, &[("x-user", "victim")]).await;
        let attacker = control.get_with(lure, &[("x-user", "mallet")]).await;
        assert_eq!(attacker.text(), "account of victim", "{lure}");
    }
}

#[tokio::test(start_paused = true)]
async fn paths_are_neither_decoded_nor_collapsed() {
    let target = |asked: &Asked| page(asked.uri.path_and_query().unwrap().as_str().to_owned());
    let world = World::edge(target);
    let spellings = [
        "/a/b",
        "/a//b",
        "/a/./b",
        "/a/x/../b",
        "/a%2fb",
        "/a%2Fb",
        "/a;/b",
        "/a/b/",
        "/A/b",
        "/%61/b",
        "/a/b%20",
        "/a\\b",
        "/a/b;jsessionid=1",
        "/a%252fb",
        "/a/b.css",
    ];
    for path in spellings {
        let answer = world.get(path).await;
        assert!(!answer.is_hit(), "{path} met another one here and would not at the origin");
        assert_eq!(answer.text(), path, "the origin gets what the key has");
    }
    assert_eq!(world.asked(), spellings.len());
    assert!(world.get("/a/b").await.is_hit(), "the control: what is the same is the same");
}

#[tokio::test(start_paused = true)]
async fn what_the_origin_keeps_private_is_private_under_every_name() {
    let private = |asked: &Asked| {
        with(asked.field("x-user").to_owned(), &[("cache-control", "private, max-age=60")])
    };
    let world = World::edge(private);
    for lure in LURES {
        world.get_with(lure, &[("x-user", "victim")]).await;
        assert_eq!(world.get_with(lure, &[("x-user", "mallet")]).await.text(), "mallet", "{lure}");
    }
}
