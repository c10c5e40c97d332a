//! Rule 7: on a hit nobody reads the request's body; what is in it must not become the next request
//! (CVE-2025-4366 in one proxy). Over hyper's own connection, as the edge is served.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use terrace_cdn_edge::{BoxError, OriginBody};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::{Layer, ServiceExt};

use super::world::{builder, page};

/// Sends bytes down one connection, and reads until it is closed.
async fn conversation(sent: &str) -> String {
    let layer = builder().build().unwrap();
    let origin = tower::service_fn(|request: Request<OriginBody<Incoming>>| async move {
        Ok::<_, BoxError>(page(format!("<{}>", request.uri().path())).map(Full::<Bytes>::new))
    });
    let edge = layer.layer(origin);
    let (mut client, server) = tokio::io::duplex(1 << 20);
    let each = hyper::service::service_fn(move |request| edge.clone().oneshot(request));
    let connection =
        http1::Builder::new().half_close(true).serve_connection(TokioIo::new(server), each);
    let served = tokio::spawn(connection);
    client.write_all(sent.as_bytes()).await.unwrap();
    client.shutdown().await.unwrap();
    let mut answers = Vec::new();
    client.read_to_end(&mut answers).await.unwrap();
    let _ = served.await.unwrap();
    String::from_utf8(answers).unwrap()
}

const HOST: &str = "host: site.example\r\n";

/// The bodies of all answers, in their order.
fn bodies(answers: &str) -> Vec<&str> {
    answers.split('<').skip(1).filter_map(|rest| rest.split('>').next()).collect()
}

/// A request that would steal the next visitor's, if it were one.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nhost: site.example\r\n\r\n";

fn with_body(path: &str, framing: &str) -> String {
    let body = match framing {
        "length" => format!("content-length: {}\r\n\r\n{SMUGGLED}", SMUGGLED.len()),
        _ => format!(
            "transfer-encoding: chunked\r\n\r\n{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n",
            SMUGGLED.len()
        ),
    };
    format!("GET {path} HTTP/1.1\r\n{HOST}{body}")
}

#[tokio::test]
async fn the_body_of_a_hit_is_not_the_next_request() {
    for framing in ["length", "chunked"] {
        let warm = format!("GET /hit HTTP/1.1\r\n{HOST}\r\n");
        let next = format!("GET /next HTTP/1.1\r\n{HOST}connection: close\r\n\r\n");
        let answers = conversation(&format!("{warm}{}{next}", with_body("/hit", framing))).await;
        assert!(answers.contains("; hit"), "{framing}: {answers}");
        // Drained, or closed: the one after it is right or is not answered.
        let got = bodies(&answers);
        assert!(
            ["/hit", "/hit", "/next"].starts_with(&got) && got.len() >= 2,
            "{framing}: {answers}"
        );
    }
}

#[tokio::test]
async fn the_body_of_a_fill_and_of_a_refusal_is_not_the_next_request() {
    for framing in ["length", "chunked"] {
        let next = format!("GET /next HTTP/1.1\r\n{HOST}connection: close\r\n\r\n");
        let answers = conversation(&format!("{}{next}", with_body("/miss", framing))).await;
        assert!(["/miss", "/next"].starts_with(&bodies(&answers)), "{framing}: {answers}");

        let refused = with_body("/refused", framing).replace(HOST, "host: a/b\r\n");
        let answers = conversation(&format!("{refused}{next}")).await;
        assert!(answers.starts_with("HTTP/1.1 400"), "{answers}");
        assert!(["/next"].starts_with(&bodies(&answers)), "{framing}: {answers}");
    }
}

#[tokio::test]
async fn control_a_server_that_leaves_the_body_in_its_buffer_answers_what_was_smuggled() {
    // What a reader does that takes the body of a hit for the next request's head.
    let ignoring = with_body("/hit", "length").replace("content-length", "x-ignored-length");
    let next = format!("GET /next HTTP/1.1\r\n{HOST}connection: close\r\n\r\n");
    let answers = conversation(&format!("{ignoring}{next}")).await;
    assert_eq!(bodies(&answers), ["/hit", "/smuggled", "/next"]);
}
