//! Rule 15, and ages: what an origin sends is bytes, however odd, and nobody panics or is lied to.

use http::{HeaderValue, Response};

use super::world::{World, pass, with};

fn aged(age: &[u8]) -> Response<bytes::Bytes> {
    let mut response = with("page", &[("cache-control", "max-age=60")]);
    response.headers_mut().insert("age", HeaderValue::from_bytes(age).unwrap());
    response
}

#[tokio::test(start_paused = true)]
async fn an_age_that_cannot_be_makes_nothing_fresh_and_nobody_panic() {
    for age in [
        "18446744073709551615",
        "18446744073709551616",
        "9223372036854775807",
        "4294967295",
        "4294967296",
        "2147483648",
        "99999999999999999999999999999999999999",
        "-1",
        "-18446744073709551615",
        "0, 0",
        "0, 7200",
        "7200, 0",
        "1.5",
        "0x10",
        "",
        " ",
        "\u{ff}",
    ] {
        for stale in
            ["", ", stale-while-revalidate=4294967295", ", stale-if-error=18446744073709551615"]
        {
            let world = World::edge(move |_| {
                let mut response = aged(age.as_bytes());
                let control = format!("max-age=60{stale}");
                response.headers_mut().insert("cache-control", control.parse().unwrap());
                response.headers_mut().insert("etag", "\"1\"".parse().unwrap());
                response
            });
            world.get("/").await;
            let again = world.get("/").await;
            assert!(!again.said().contains("fresh") && again.status == 200, "{age:?}");
            pass(100_000).await;
            assert_eq!(world.get("/").await.status, 200, "{age:?}");
        }
    }
    let control = World::edge(|_| aged(b"59"));
    control.get("/").await;
    assert!(control.get("/").await.is_hit(), "a second is left");
}

#[tokio::test(start_paused = true)]
async fn an_age_never_runs_backwards_or_over() {
    let control = "max-age=99999999999999999999";
    let world =
        World::edge(move |_| with("page", &[("cache-control", control), ("age", "2147483647")]));
    world.get("/").await;
    let mut last = 0;
    for seconds in [1, 1000, 100_000_000] {
        pass(seconds).await;
        let answer = world.get("/").await;
        let age: u64 = answer.field("age").parse().unwrap_or(0);
        assert!(answer.is_hit() && age >= last || !answer.is_hit(), "{age} after {last}");
        last = age.max(last);
    }
}

/// Everything that a field's value may hold besides visible ASCII.
const OBS_TEXT: &[u8] = b"caf\xe9 \xff\xfe \xc3\x28 \xed\xa0\x80 \t end";

#[tokio::test(start_paused = true)]
async fn bytes_that_are_no_text_come_back_as_they_were_sent() {
    let world = World::edge(|_| {
        let mut response = with("page", &[("cache-control", "max-age=60")]);
        for _ in 0..2 {
            response.headers_mut().append("x-name", HeaderValue::from_bytes(OBS_TEXT).unwrap());
        }
        response
    });
    for hit in [false, true] {
        let answer = world.get("/").await;
        assert_eq!(answer.is_hit(), hit);
        let lines: Vec<_> =
            answer.headers.get_all("x-name").iter().map(HeaderValue::as_bytes).collect();
        assert_eq!(lines, [OBS_TEXT, OBS_TEXT], "hit: {hit}");
    }
}

#[tokio::test(start_paused = true)]
async fn obs_text_keeps_two_variants_apart() {
    let world = World::edge(|asked| {
        let name = asked.headers.get("x-name").map_or(&b""[..], HeaderValue::as_bytes).to_vec();
        with(name, &[("cache-control", "max-age=60"), ("vary", "x-name")])
    });
    for name in [&b"\xff"[..], b"\xfe", b"\xc3\xa9", b"\xef\xbf\xbd", b"?"] {
        let request = http::Request::get("/").header("host", "site.example");
        let request = request.header("x-name", HeaderValue::from_bytes(name).unwrap());
        let answer = world.send(request.body(http_body_util::Full::default()).unwrap()).await;
        assert_eq!((&*answer.body, answer.is_hit()), (name, false));
    }
    // The control: read as text, the first two are one.
    assert_eq!(String::from_utf8_lossy(b"\xff"), String::from_utf8_lossy(b"\xfe"));
}

#[tokio::test(start_paused = true)]
async fn what_a_request_says_does_not_split_an_answer() {
    // Where a request's words come back: in a multipart boundary, a Content-Range, a Cache-Status.
    let world =
        World::edge(|_| with("0123456789", &[("cache-control", "max-age=60"), ("etag", "\"1\"")]));
    for target in ["/%0d%0aset-cookie:%20a=b", "/?%0d%0a%0d%0a<html>", "/a%00b", "/\u{e9}%0a"] {
        let Ok(uri) = target.parse::<http::Uri>() else { continue };
        world.get(&uri.to_string()).await;
        let answer = world.get_with(&uri.to_string(), &[("range", "bytes=0-1,3-4")]).await;
        assert!(!answer.headers.contains_key("set-cookie"));
        for value in answer.headers.values() {
            assert!(
                !value.as_bytes().iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)),
                "{value:?}"
            );
        }
    }
    // The control is in the type of values: what would split is none.
    assert!(HeaderValue::from_bytes(b"a\r\nset-cookie: a=b").is_err());
}
