//! RFC 8586: requests that go in a circle.

use crate::support::{Reply, Site};

fn site() -> Site {
    Site::with(|edge| edge.name("edge-1")).saying(Reply::ok("page").control("max-age=60"))
}

// 2: each node appends itself, once.
#[tokio::test(start_paused = true)]
async fn a_request_goes_on_with_this_edge_appended_once() {
    let site = site();
    for (method, path) in [("GET", "/a"), ("HEAD", "/b"), ("POST", "/c"), ("OPTIONS", "/d")] {
        site.ask(method, path, &[("cdn-loop", "other; a=b")]).await;
        let loops = site.origin.last().field("cdn-loop");
        assert_eq!(loops.as_deref(), Some("other; a=b, edge-1"), "{method}");
    }
    site.ask("GET", "/e", &[]).await;
    assert_eq!(site.origin.last().field("cdn-loop").as_deref(), Some("edge-1"));
}

// 2
#[tokio::test(start_paused = true)]
async fn a_request_that_was_here_more_often_than_allowed_is_508_and_goes_no_further() {
    let site = site();
    for loops in ["edge-1, edge-1", "edge-1, x, EDGE-1", "edge-1; n=1, edge-1; n=2"] {
        let served = site.get(&[("cdn-loop", loops)]).await;
        assert_eq!(served.status, 508, "{loops}");
    }
    assert_eq!(site.get(&[("cdn-loop", "edge-1"), ("cdn-loop", "edge-1")]).await.status, 508);
    assert_eq!(site.ask("POST", "/", &[("cdn-loop", "edge-1, edge-1")]).await.status, 508);
    assert_eq!(site.asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn once_here_and_other_names_are_no_loop() {
    let site = site();
    for loops in
        ["edge-1", "edge-2, edge-2", "x; by=\"edge-1, edge-1, edge-1\"", "edge-1x, xedge-1"]
    {
        assert_eq!(site.get(&[("cdn-loop", loops)]).await.status, 200, "{loops}");
    }
}
