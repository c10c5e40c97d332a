//! Rule 12: bytes of two codings are never made into one body.

use http::{Response, StatusCode};

use super::world::{Asked, World, with};

/// One page, as it is and compressed, with ranges of each; the tags differ, as they must.
fn coded(asked: &Asked) -> Response<bytes::Bytes> {
    let (body, tag, coding) = match asked.field("accept-encoding") {
        "gzip" => ("GGGGGGGGGG", "\"g\"", Some("gzip")),
        _ => ("iiiiiiiiiiiiiiiiiiii", "\"i\"", None),
    };
    let mut fields =
        vec![("cache-control", "max-age=60"), ("vary", "accept-encoding"), ("etag", tag)];
    fields.extend(coding.map(|coding| ("content-encoding", coding)));
    let range = asked.field("range").strip_prefix("bytes=").and_then(|range| range.split_once('-'));
    let Some((from, to)) = range else { return with(body, &fields) };
    let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
    let place = format!("bytes {from}-{to}/{}", body.len());
    fields.push(("content-range", &place));
    let mut response = with(&body[from..=to], &fields);
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    response
}

#[tokio::test(start_paused = true)]
async fn a_range_is_of_the_coding_that_the_client_takes() {
    let world = World::edge(coded);
    for first in ["gzip", "identity"] {
        world.get_with("/", &[("accept-encoding", first)]).await;
    }
    for (coding, byte, total, named) in [("gzip", 'G', 10, "gzip"), ("identity", 'i', 20, "")] {
        let fields = [("accept-encoding", coding), ("range", "bytes=2-5")];
        let answer = world.get_with("/", &fields).await;
        assert_eq!((answer.status, answer.is_hit()), (206, true));
        assert_eq!(answer.text(), byte.to_string().repeat(4));
        assert_eq!(answer.field("content-range"), format!("bytes 2-5/{total}"));
        assert_eq!(answer.field("content-encoding"), named);
    }
}

#[tokio::test(start_paused = true)]
async fn parts_of_two_codings_are_not_put_together() {
    let world = World::edge(coded);
    let part = |coding, range| [("accept-encoding", coding), ("range", range)];
    world.get_with("/", &part("gzip", "bytes=0-4")).await;
    world.get_with("/", &part("identity", "bytes=5-9")).await;
    for (coding, wanted) in [("gzip", "GGGGGGGGGG"), ("identity", "iiiiiiiiiiiiiiiiiiii")] {
        let answer = world.get_with("/", &[("accept-encoding", coding)]).await;
        assert_eq!((answer.status, answer.text()), (200, wanted), "{coding}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_range_under_the_tag_of_another_coding_is_the_whole() {
    let world = World::edge(coded);
    for coding in ["gzip", "identity"] {
        world.get_with("/", &[("accept-encoding", coding)]).await;
    }
    let fields = [("accept-encoding", "identity"), ("range", "bytes=0-4"), ("if-range", "\"g\"")];
    let answer = world.get_with("/", &fields).await;
    assert_eq!((answer.status, answer.text()), (200, "iiiiiiiiiiiiiiiiiiii"));
    let fields = [("accept-encoding", "gzip"), ("if-none-match", "\"i\"")];
    assert_eq!(world.get_with("/", &fields).await.status, 200, "and the other's tag is no match");

    // The control: a cache by path gives compressed bytes to one who cannot read them.
    let control = World::naive(coded);
    control.get_with("/", &[("accept-encoding", "gzip")]).await;
    assert_eq!(
        control.get_with("/", &[("accept-encoding", "identity")]).await.text(),
        "GGGGGGGGGG"
    );
}
