//! Bodies that break off, or are not as long as they say: their readers see an error, and nothing is stored.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, future, stream};
use http::StatusCode;
use http_body_util::BodyExt;
use terrace_cdn_edge::Edge;
use terrace_cdn_edge::origin::Client;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::sleep;

use super::support::{Origin, answer, ask, edge, fed, frames, get, page, settle, text};

/// The first answer has these bytes under this length, all others are as they should be.
fn once(length: &'static str, sent: &'static [&'static str]) -> Origin {
    Origin::new(move |asked| async move {
        let (length, sent): (_, &[&str]) =
            if asked.number == 0 { (length, sent) } else { ("10", &["01234", "56789"]) };
        let body = stream::iter(sent).then(|piece| async move {
            sleep(Duration::from_millis(10)).await;
            Ok(Bytes::from_static(piece.as_bytes()))
        });
        Ok(answer(&[("cache-control", "max-age=60"), ("content-length", length)], frames(body)))
    })
}

/// Nothing of it is stored, and the next one gets what is right.
async fn is_asked_for_again(edge: &Edge<Origin>, origin: &Origin) {
    settle().await;
    assert_eq!(edge.handle().stats().objects, 0);
    assert_eq!(page(edge, "/file").await, (StatusCode::OK, "0123456789".to_owned()));
    assert_eq!(origin.asked(), 2);
    assert_eq!(edge.handle().stats().objects, 1);
}

#[tokio::test(start_paused = true)]
async fn a_body_of_another_length_than_announced_is_an_error_for_all_and_is_not_stored() {
    for sent in [&["01234"][..], &["01234", "56789x"], &["0123456789x"], &[]] {
        let origin = once("10", sent);
        let edge = edge(origin.clone(), |edge| edge);
        let calls = (0..10).map(|_| async {
            text(ask(&edge, get("/file")).await).await.unwrap_err();
        });
        future::join_all(calls).await;
        assert_eq!(origin.asked(), 1, "{sent:?}");
        is_asked_for_again(&edge, &origin).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_after_the_announced_length_reaches_nobody_and_nothing_is_stored() {
    let origin = once("10", &["01234", "56789", "x"]);
    let edge = edge(origin.clone(), |edge| edge);
    // They have all that was announced before the rest is here.
    assert_eq!(page(&edge, "/file").await, (StatusCode::OK, "0123456789".to_owned()));
    sleep(Duration::from_millis(20)).await;
    is_asked_for_again(&edge, &origin).await;
}

#[tokio::test(start_paused = true)]
async fn a_body_of_the_announced_length_is_none() {
    let origin = once("10", &["0123", "456789"]);
    let edge = edge(origin.clone(), |edge| edge);
    for _ in 0..2 {
        assert_eq!(page(&edge, "/file").await, (StatusCode::OK, "0123456789".to_owned()));
    }
    assert_eq!(origin.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_dies_in_the_middle_is_an_error_for_all_readers_and_nothing_is_stored() {
    for names_length in [true, false] {
        let (feed, body) = fed();
        let body = std::sync::Mutex::new(Some(body));
        let origin = Origin::new(move |_| {
            let body = body.lock().unwrap().take();
            async move {
                let fields = [("cache-control", "max-age=60"), ("content-length", "10")];
                let fields = &fields[..1 + usize::from(names_length)];
                let whole = || super::support::full("0123456789");
                Ok(answer(fields, body.unwrap_or_else(whole)))
            }
        });
        let edge = edge(origin.clone(), |edge| edge);
        let mut first = ask(&edge, get("/file")).await.into_body();
        feed.send(Ok(Bytes::from_static(b"01234"))).unwrap();
        assert_eq!(first.frame().await.unwrap().unwrap().into_data().unwrap(), "01234");
        let mut second = ask(&edge, get("/file")).await.into_body();
        feed.send(Err("the connection was reset".into())).unwrap();
        let error = first.frame().await.unwrap().unwrap_err();
        assert!(error.to_string().contains("reset"), "{error}");
        assert!(first.frame().await.is_none());
        assert_eq!(second.frame().await.unwrap().unwrap().into_data().unwrap(), "01234");
        second.frame().await.unwrap().unwrap_err();
        assert_eq!(origin.asked(), 1);
        is_asked_for_again(&edge, &origin).await;
    }
}

/// Answers connections on a port of its own with these bytes, one after the other, and hangs up.
async fn raw(answers: &'static [&'static str]) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::to(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move {
        for answer in answers {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(connection.read_u8().await.unwrap());
            }
            connection.write_all(answer.as_bytes()).await.unwrap();
            connection.shutdown().await.unwrap();
        }
    });
    client
}

#[tokio::test]
async fn over_a_connection_that_ends_early_readers_see_an_error_and_nothing_is_stored() {
    const WHOLE: &str =
        "HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-length: 10\r\n\r\n0123456789";
    const SHORT: &str =
        "HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-length: 10\r\n\r\n01234";
    const CUT: &str = "HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ntransfer-encoding: chunked\r\n\r\n5\r\n01234\r\n";
    for answers in [&[SHORT, WHOLE][..], &[CUT, WHOLE]] {
        let edge = edge(raw(answers).await, |edge| edge);
        text(ask(&edge, get("/file")).await).await.unwrap_err();
        for _ in 0..2 {
            // The second one is from the store: nobody answers a third connection.
            assert_eq!(page(&edge, "/file").await, (StatusCode::OK, "0123456789".to_owned()));
        }
    }
}

#[tokio::test]
async fn what_an_origin_sends_after_the_announced_length_is_no_part_of_this_answer_nor_of_the_next()
{
    const LONG: &str =
        "HTTP/1.1 200 OK\r\ncache-control: no-store\r\ncontent-length: 10\r\n\r\n0123456789x";
    let edge = edge(raw(&[LONG, LONG]).await, |edge| edge);
    for _ in 0..2 {
        assert_eq!(page(&edge, "/file").await, (StatusCode::OK, "0123456789".to_owned()));
    }
}
