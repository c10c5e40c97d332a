//! Requests that two parsers may read differently, on a raw socket.
//!
//! Whatever a client sends, each request that the backend sees must have one length and one host,
//! and must be one that the client is answered for.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::support::*;

/// What a naive proxy would have to be caught at: `Err` names the ambiguity in a forwarded stream.
fn unambiguous(stream: &[u8]) -> Result<usize, String> {
    let mut rest = stream;
    let mut requests = 0;
    while !rest.is_empty() {
        let end = rest.windows(4).position(|window| window == b"\r\n\r\n");
        let end = end.ok_or("a head without an end")? + 4;
        let head = String::from_utf8_lossy(&rest[..end]).to_lowercase();
        let lines: Vec<&str> = head.split("\r\n").collect();
        if head.replace("\r\n", "").contains(['\r', '\n', '\0']) {
            return Err("stray control bytes".into());
        }
        let field = |name: &str| -> Vec<String> {
            let wanted = format!("{name}:");
            let found = lines.iter().filter_map(|line| line.strip_prefix(&wanted));
            found.map(|value| value.trim().to_owned()).collect()
        };
        let (lengths, codings) = (field("content-length"), field("transfer-encoding"));
        if lengths.len() + codings.len() > 1 {
            return Err(format!("two framings: {lengths:?} {codings:?}"));
        }
        if field("host").len() != 1 {
            return Err("not one host".into());
        }
        if lines[1..].iter().any(|line| line.starts_with([' ', '\t'])) {
            return Err("a folded line".into());
        }
        rest = &rest[end..];
        if let Some(length) = lengths.first() {
            let length: usize = length.parse().map_err(|_| format!("length {length}"))?;
            rest = rest.get(length..).ok_or("a short body")?;
        } else if let Some(coding) = codings.first() {
            if coding != "chunked" {
                return Err(format!("coding {coding}"));
            }
            let end = rest.windows(5).position(|window| window == b"0\r\n\r\n");
            rest = &rest[end.ok_or("chunks without an end")? + 5..];
        }
        requests += 1;
    }
    Ok(requests)
}

/// The request, and how many times a backend may be asked for it. A body that turns out broken on
/// its way has been announced to the backend, which may answer before it sees the end.
const CORPUS: &[(&str, &[u8], usize)] = &[
    ("plain", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 1),
    ("pipelined", b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n", 2),
    (
        "CL.TE",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n\
          0\r\n\r\nGET /evil HTTP/1.1\r\nHost: a\r\n\r\n",
        1,
    ),
    (
        "TE.CL",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n\
          5c\r\nGET /evil HTTP/1.1\r\n\r\n0\r\n\r\n",
        1,
    ),
    (
        "two lengths",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n12345G",
        0,
    ),
    ("a list of lengths", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 6\r\n\r\n12345", 0),
    ("a signed length", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n12345", 0),
    ("a hex length", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\n12345", 0),
    (
        "a huge length",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n12345",
        0,
    ),
    ("xchunked", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 0),
    (
        "gzip, chunked",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        0,
    ),
    (
        "chunked twice",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\
          Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        0,
    ),
    (
        "chunked, identity",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        0,
    ),
    (
        "a vertical tab before chunked",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        0,
    ),
    (
        "a space before the colon",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        0,
    ),
    (
        "a folded line",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        0,
    ),
    ("folded X", b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n", 0),
    (
        "chunked on 1.0",
        b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        0,
    ),
    (
        "a bad chunk size",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nGET /evil",
        1,
    ),
    (
        "a chunk size that overflows",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
          fffffffffffffffff\r\nx\r\n0\r\n\r\n",
        1,
    ),
    (
        "a chunk without its line end",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy0\r\n\r\n",
        1,
    ),
    ("a bare LF in a value", b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\nEvil: 1\r\n\r\n", 1),
    ("a bare CR in a value", b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\rEvil: 1\r\n\r\n", 0),
    ("a NUL in a value", b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\0\r\n\r\n", 0),
    ("a NUL in a name", b"GET / HTTP/1.1\r\nHost: a\r\nX\0: 1\r\n\r\n", 0),
    ("two hosts", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 0),
    ("no host", b"GET / HTTP/1.1\r\n\r\n", 0),
    ("an empty host", b"GET / HTTP/1.1\r\nHost:\r\n\r\n", 0),
    ("a host with a user", b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 0),
    ("two hosts, one in the target", b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 0),
    ("the host in the target too", b"GET http://a/x HTTP/1.1\r\nHost: a\r\n\r\n", 1),
    ("a space in the target", b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 0),
    ("a tab after the method", b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 0),
    ("a version from nowhere", b"GET / HTTP/9.9\r\nHost: a\r\n\r\n", 0),
    ("a header without a name", b"GET / HTTP/1.1\r\nHost: a\r\n: 1\r\n\r\n", 0),
    (
        "connection names the host",
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: host, content-length\r\n\r\n",
        1,
    ),
    (
        "connection names the length",
        b"POST / HTTP/1.1\r\nHost: a\r\nConnection: content-length\r\nContent-Length: 3\r\n\r\nabc",
        1,
    ),
    (
        "h2c",
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
          HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        1,
    ),
    (
        "an upgrade with a request behind it",
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\
          GET /evil HTTP/1.1\r\nHost: internal\r\n\r\n",
        2,
    ),
];

/// What comes back until the proxy closes, has answered as often as it may, or waits for more.
async fn answers(stream: &mut TcpStream, most: usize) -> Vec<u8> {
    let mut answers = Vec::new();
    while most == 0 || count(&answers, b"\r\n\r\nok") < most {
        let silence = Duration::from_millis(50);
        let read = tokio::time::timeout(silence, stream.read_buf(&mut answers)).await;
        if !matches!(read, Ok(Ok(1..))) {
            break;
        }
    }
    // The client hangs up; what was under way ends, or is said to be wrong.
    let _ = stream.shutdown().await;
    let _ = soon(stream.read_to_end(&mut answers)).await;
    answers
}

#[tokio::test]
async fn nothing_ambiguous_reaches_a_backend() {
    for (name, request, most) in CORPUS {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        let (backend, seen) = RawBackend::answering(answer).await;
        let proxy = proxy_to(backend.address).await;
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let answers = answers(&mut stream, *most).await;

        let oks = count(&answers, b"HTTP/1.1 200 OK");
        let mut asked = 0;
        for connection in 0..backend.connections() {
            let bytes = seen.connection(connection);
            // What was cut on its way to the backend is no request there.
            asked += match unambiguous(&bytes) {
                Ok(requests) => requests,
                Err(reason) if reason.contains("without an end") || reason == "a short body" => 0,
                Err(reason) => panic!("{name}: {reason}: {}", String::from_utf8_lossy(&bytes)),
            };
        }
        assert!(asked <= *most, "{name}: the backend was asked {asked} times");
        assert!(oks <= *most, "{name}: {oks} answers");
        if *most == 0 {
            let status = status_of(&answers);
            assert!(
                matches!(status, 0 | 400 | 431 | 501 | 502),
                "{name}: {}",
                String::from_utf8_lossy(&answers)
            );
        }
        if *name == "plain" || *name == "pipelined" {
            assert_eq!((asked, oks), (*most, *most), "{name}");
        }
    }
}

#[test]
fn the_check_itself_sees_what_a_naive_proxy_would_forward() {
    let caught: Vec<&str> = CORPUS
        .iter()
        .filter(|(_, request, _)| unambiguous(request).is_err())
        .map(|(name, ..)| *name)
        .collect();
    for name in ["CL.TE", "TE.CL", "two lengths", "xchunked", "folded X", "two hosts", "no host"] {
        assert!(caught.contains(&name), "{name} passes the check: {caught:?}");
    }
    assert!(!caught.contains(&"plain"));
}

#[tokio::test]
async fn a_head_that_never_fits_is_431() {
    let (backend, _) = RawBackend::answering(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    let proxy = proxy_to(backend.address).await;
    let mut request = b"GET / HTTP/1.1\r\nHost: a\r\n".to_vec();
    request.extend(format!("x: {}\r\n", "a".repeat(100_000)).bytes());
    assert_eq!(status_of(&raw(proxy.address, &request).await), 431);
    let mut request = b"GET / HTTP/1.1\r\nHost: a\r\n".to_vec();
    for index in 0..200 {
        request.extend(format!("x-{index}: a\r\n").bytes());
    }
    request.extend(b"\r\n");
    assert_eq!(status_of(&raw(proxy.address, &request).await), 431);
    assert_eq!(backend.connections(), 0);
}
