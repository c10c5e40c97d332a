//! Rule 6: what is about one connection ends with it, and nothing else does.

use http::Response;

use super::world::{Asked, World, page, with};

const HOP_BY_HOP: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "proxy-authorization",
];

#[tokio::test(start_paused = true)]
async fn connection_fields_of_a_request_do_not_reach_the_origin() {
    for method in ["GET", "HEAD", "POST"] {
        let world = World::edge(|_| page("page"));
        let mut fields: Vec<_> = HOP_BY_HOP.map(|name| (name, "x-named")).to_vec();
        fields.push(("x-named", "1"));
        world.ask(method, "/", &fields).await;
        for name in HOP_BY_HOP.iter().chain(&["x-named"]) {
            assert!(!world.last().headers.contains_key(*name), "{method} {name}");
        }
        let control = World::naive(|_| page("page"));
        control.ask(method, "/", &fields).await;
        assert!(control.last().headers.contains_key("x-named"));
    }
}

#[tokio::test(start_paused = true)]
async fn connection_fields_of_a_response_do_not_reach_a_client() {
    let app = |_: &Asked| {
        let mut fields: Vec<_> = HOP_BY_HOP[..7].iter().map(|name| (*name, "x-named")).collect();
        fields.extend([("x-named", "1"), ("cache-control", "max-age=60"), ("x-other", "1")]);
        with("page", &fields)
    };
    let world = World::edge(app);
    for method in ["POST", "GET", "GET", "HEAD"] {
        let answer = world.ask(method, "/", &[]).await;
        for name in HOP_BY_HOP[..7].iter().chain(&["x-named"]) {
            assert!(!answer.headers.contains_key(*name), "{method} {name}");
        }
        assert_eq!(answer.field("x-other"), "1");
    }
    let control = World::naive(app);
    assert_eq!(control.get("/").await.field("x-named"), "1");
}

/// A page for whoever is logged in, which the origin lets nobody store.
fn account(asked: &Asked) -> Response<bytes::Bytes> {
    match (asked.field("cookie"), asked.field("authorization")) {
        ("", "") => page("log in, please"),
        _ => with("account", &[("cache-control", "private")]),
    }
}

#[tokio::test(start_paused = true)]
async fn connection_cannot_take_the_credentials_away() {
    for name in ["cookie", "authorization"] {
        let world = World::edge(account);
        let attempt = world.get_with("/", &[(name, "one"), ("connection", name)]).await;
        assert_eq!(attempt.text(), "account", "{name}");
        assert_eq!(world.last().field(name), "one");

        // The control: a hop that believes it makes the login page of one who is logged in.
        let believing = |asked: &Asked| {
            let mut asked = asked.clone();
            let named = asked.field("connection").to_owned();
            asked.headers.remove(named.as_str());
            account(&asked)
        };
        let control = World::naive(believing);
        control.get_with("/", &[(name, "one"), ("connection", name)]).await;
        assert_eq!(control.get_with("/", &[(name, "two")]).await.text(), "log in, please");
    }
}

#[tokio::test(start_paused = true)]
async fn connection_cannot_take_away_what_an_origin_trusts() {
    for name in ["host", "x-forwarded-for", "cdn-loop", "accept-encoding", "origin"] {
        let world = World::edge(|_| page("page"));
        let fields = [(name, "site.example"), ("connection", name)];
        world.get_with("/", &fields).await;
        assert!(world.last().headers.contains_key(name), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_response_cannot_hide_what_forbids_to_store_it() {
    for (name, value) in [("cache-control", "no-store"), ("vary", "*"), ("set-cookie", "a=b")] {
        let world = World::edge(move |_| {
            with(
                "own",
                &[
                    ("connection", name),
                    (name, value),
                    ("expires", "Fri, 01 Jan 2100 00:00:00 GMT"),
                ],
            )
        });
        world.get("/").await;
        assert!(!world.get("/").await.is_hit(), "{name}");
    }
}
