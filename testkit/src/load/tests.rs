//! The load client against servers whose every step is scripted.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{Connections, OpenLoop, Outcome, pacer};
use crate::backend::{Cut, Reply, ScriptedBackend};

async fn backend(reply: Reply) -> ScriptedBackend {
    let backend = ScriptedBackend::start().await.unwrap();
    backend.default_reply(reply);
    backend
}

/// Long enough for a head on a busy machine, where it matters that the head comes.
const SHORT: Duration = Duration::from_millis(500);

/// One outcome for `total` requests to a server with this reply.
async fn only_outcome(reply: Reply) -> Outcome {
    outcome_within(Duration::from_secs(60), reply).await
}

async fn outcome_within(limit: Duration, reply: Reply) -> Outcome {
    let backend = backend(reply).await;
    let run = OpenLoop::new(backend.addr()).rate(500).total(20).timeout(limit);
    let report = run.run().await.unwrap();
    let outcomes: Vec<_> = report.outcomes().into_iter().collect();
    assert_eq!(outcomes.len(), 1, "{report}");
    assert_eq!(outcomes[0].1, 20, "{report}");
    outcomes[0].0
}

#[tokio::test]
async fn each_end_of_a_request_has_an_outcome_of_its_own() {
    assert_eq!(only_outcome(Reply::ok("x")).await, Outcome::Answered { status: 200 });
    assert_eq!(only_outcome(Reply::status(503)).await, Outcome::Answered { status: 503 });
    assert_eq!(only_outcome(Reply::cut_before_head()).await, Outcome::CutBeforeHead);
    assert_eq!(only_outcome(Reply::cut_after_head()).await, Outcome::CutAfterHead { status: 200 });
    let short = Reply::pattern(100_000).cut(Cut::AfterBody(50_000));
    assert_eq!(only_outcome(short).await, Outcome::CutAfterHead { status: 200 });
    let chunked = Reply::pattern(100_000).chunked().cut(Cut::AfterBody(50_000));
    assert_eq!(only_outcome(chunked).await, Outcome::CutAfterHead { status: 200 });
    assert_eq!(outcome_within(SHORT, Reply::hang()).await, Outcome::TimedOut { head: None });
    let slow = Reply::pattern(1 << 20)
        .pace(Duration::from_secs(9))
        .with_status(http::StatusCode::PARTIAL_CONTENT);
    assert_eq!(outcome_within(SHORT, slow).await, Outcome::TimedOut { head: Some(206) });
}

/// A server that answers each connection with these bytes and closes it.
async fn outcome_of_bytes(answer: &'static [u8]) -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(answer).await.unwrap();
        }
    });
    let report = OpenLoop::new(addr).total(1).run().await.unwrap();
    server.abort();
    report.records()[0].outcome
}

#[tokio::test]
async fn a_cut_before_in_and_after_the_head_differ_by_the_bytes_that_came() {
    assert_eq!(outcome_of_bytes(b"").await, Outcome::CutBeforeHead);
    assert_eq!(outcome_of_bytes(b"H").await, Outcome::CutInHead);
    assert_eq!(outcome_of_bytes(b"HTTP/1.1 200 OK\r\nx: y\r\n").await, Outcome::CutInHead);
    let cut = outcome_of_bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n1234").await;
    assert_eq!(cut, Outcome::CutAfterHead { status: 200 });
    assert_eq!(outcome_of_bytes(b"\x15\x03\x01\0\x02\x02\x0a\r\n\r\n").await, Outcome::Malformed);
    let whole = outcome_of_bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n12345").await;
    assert_eq!(whole, Outcome::Answered { status: 200 });
}

#[tokio::test]
async fn a_closed_port_refuses() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener);
    let report = OpenLoop::new(addr).rate(1_000).total(10).run().await.unwrap();
    assert_eq!(report.refused(), 10, "{report}");
    assert_eq!(report.percentile(50.0), None);
}

#[tokio::test]
async fn latency_counts_from_the_intended_start_when_a_server_stalls() {
    let backend = backend(Reply::ok("x")).await;
    backend.default_reply(Reply::ok("x").held());
    let running = OpenLoop::new(backend.addr()).rate(1_000).total(200).start().unwrap();
    // The server stalls until the last request has come, then answers all at once.
    backend.until(|counts| counts.requests == 200).await;
    let stalled = running.began().elapsed();
    backend.release();
    let report = running.finish().await;
    assert_eq!(report.answered(), 200, "{report}");
    // The first waited through the whole stall, the last hardly: half of them about half of it.
    assert!(report.percentile(100.0).unwrap() + Duration::from_millis(2) >= stalled, "{report}");
    assert!(report.percentile(50.0).unwrap() >= stalled / 3, "{report}");
}

#[tokio::test]
async fn keep_alive_reuses_connections_and_per_request_does_not() {
    let backend = backend(Reply::ok("x")).await;
    let run = OpenLoop::new(backend.addr()).rate(200).total(40);
    let report = run.clone().run().await.unwrap();
    let kept = backend.counts().connections;
    assert!(kept < 40, "{kept} connections for 40 requests");
    let fresh = report.records().iter().filter(|record| !record.reused).count();
    assert!(fresh <= kept, "{fresh} first requests on {kept} connections");
    run.connections(Connections::PerRequest).run().await.unwrap();
    assert_eq!(backend.counts().connections - kept, 40);
}

#[tokio::test]
async fn several_sources_take_turns_and_requests_can_be_made_by_number() {
    let backend = backend(Reply::ok("x")).await;
    let report = OpenLoop::new(backend.addr())
        .rate(1_000)
        .total(30)
        .sources(3)
        .requests(|n| Request::put(format!("/{n}")).body(Bytes::from(vec![b'x'; n])).unwrap())
        .run()
        .await
        .unwrap();
    assert_eq!(report.answered(), 30, "{report}");
    let seen = backend.until_seen(30).await;
    for seen in seen {
        let n: u64 = seen.uri.path()[1..].parse().unwrap();
        assert_eq!(seen.body_bytes, n);
        assert_eq!(seen.peer.ip().to_string(), format!("127.0.0.{}", 2 + n % 3));
    }
}

#[tokio::test]
async fn the_report_knows_which_requests_were_in_flight_at_an_instant() {
    let backend = backend(Reply::ok("x").held()).await;
    let running = OpenLoop::new(backend.addr()).rate(1_000).total(5).start().unwrap();
    let before = running.began();
    backend.until(|counts| counts.in_flight == 5).await;
    let during = Instant::now();
    backend.release();
    let report = running.finish().await;
    assert_eq!(report.in_flight_at(during).count(), 5, "{report}");
    assert!(report.in_flight_at(before).count() <= 1);
    assert_eq!(report.in_flight_at(Instant::now()).count(), 0);
    assert!(report.records().iter().all(|record| record.head.unwrap() <= record.ended));
}

#[tokio::test]
async fn more_than_the_limit_in_flight_is_not_sent_and_said_so() {
    let backend = backend(Reply::ok("x").held()).await;
    let running =
        OpenLoop::new(backend.addr()).rate(2_000).total(50).max_in_flight(10).start().unwrap();
    running.until_ended(40).await;
    backend.until(|counts| counts.in_flight == 10).await;
    backend.release();
    let report = running.finish().await;
    assert_eq!(report.count(|outcome| outcome == Outcome::NotSent), 40, "{report}");
    assert_eq!(report.answered(), 10, "{report}");
}

#[tokio::test]
async fn a_stopped_run_ends_early() {
    let backend = backend(Reply::ok("x")).await;
    let running = OpenLoop::new(backend.addr()).rate(1_000).total(1_000_000).start().unwrap();
    running.until_ended(20).await;
    running.stop();
    let report = running.finish().await;
    assert!((20..10_000).contains(&report.records().len()), "{report}");
}

#[test]
fn the_schedule_does_not_drift() {
    assert_eq!(pacer::due(0, 3), Duration::ZERO);
    assert_eq!(pacer::due(3_000_000, 3), Duration::from_secs(1_000_000));
    assert_eq!(pacer::due(1, 1_000), Duration::from_millis(1));
    assert_eq!(
        OpenLoop::new(([127, 0, 0, 1], 1).into()).rate(3).lasting(Duration::from_secs(10)).total,
        30
    );
}
