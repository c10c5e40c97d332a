//! Load client, fault proxy and scripted backend in one line: each fault shows as its outcome.

use std::time::Duration;

use bytes::Bytes;
use terrace_testkit::backend::{Reply, ScriptedBackend};
use terrace_testkit::fault::{Fault, FaultProxy};
use terrace_testkit::load::{Connections, OpenLoop, Outcome, Report};

const REQUESTS: usize = 10;

/// Ten requests through a proxy with this fault, each for at most `limit`.
async fn under(fault: Fault, limit: Duration) -> Report {
    let backend = ScriptedBackend::start().await.unwrap();
    backend.default_reply(Reply::pattern(10_000));
    let proxy = FaultProxy::start(backend.addr()).await.unwrap();
    proxy.set(fault).await;
    OpenLoop::new(proxy.addr())
        .rate(1_000)
        .total(REQUESTS)
        .connections(Connections::PerRequest)
        .timeout(limit)
        .run()
        .await
        .unwrap()
}

async fn outcome(fault: Fault, limit: Duration) -> Outcome {
    let report = under(fault, limit).await;
    let first = report.records()[0].outcome;
    assert_eq!(report.count(|outcome| outcome == first), REQUESTS, "{report}");
    first
}

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn without_a_fault_everything_is_answered() {
    assert_eq!(outcome(Fault::Pass, LONG).await, Outcome::Answered { status: 200 });
}

#[tokio::test]
async fn a_closed_port_is_refused() {
    assert_eq!(outcome(Fault::Refuse, LONG).await, Outcome::Refused);
}

#[tokio::test]
async fn a_reset_is_a_cut_before_the_head() {
    // The RST may arrive while the client still configures its new socket.
    let report = under(Fault::Reset, LONG).await;
    let cut = report.cut_before_head();
    let failed = report.count(|outcome| matches!(outcome, Outcome::ConnectFailed(_)));
    assert_eq!(cut + failed, REQUESTS, "{report}");
    assert_eq!(report.answered(), 0, "{report}");
}

#[tokio::test]
async fn a_black_hole_and_a_half_open_server_time_out() {
    assert_eq!(outcome(Fault::BlackHole, SHORT).await, Outcome::TimedOut { head: None });
    assert_eq!(outcome(Fault::HalfOpen, SHORT).await, Outcome::TimedOut { head: None });
}

#[tokio::test]
async fn garbage_is_malformed() {
    let garbage = Fault::Garbage(Bytes::from_static(b"\x16\x03\x01\r\n\r\n"));
    assert_eq!(outcome(garbage, LONG).await, Outcome::Malformed);
}

#[tokio::test]
async fn a_cut_shows_where_it_happened() {
    assert_eq!(outcome(Fault::CutAfter(0), LONG).await, Outcome::CutBeforeHead);
    assert_eq!(outcome(Fault::CutAfter(10), LONG).await, Outcome::CutInHead);
    let in_body = outcome(Fault::CutAfter(5_000), LONG).await;
    assert_eq!(in_body, Outcome::CutAfterHead { status: 200 });
}

#[tokio::test]
async fn a_delay_shows_in_every_latency() {
    let delay = Duration::from_millis(30);
    let report = under(Fault::Delay(delay), LONG).await;
    assert_eq!(report.answered_with(200), REQUESTS, "{report}");
    // Once for the request, once for the answer.
    assert!(report.records().iter().all(|record| record.latency() >= 2 * delay), "{report}");
}

#[tokio::test]
async fn a_throttle_lengthens_the_body() {
    let report = under(Fault::Throttle(50_000), LONG).await;
    assert_eq!(report.answered_with(200), REQUESTS, "{report}");
    for record in report.records() {
        let body = record.ended - record.head.unwrap();
        assert!(body >= Duration::from_millis(100), "{body:?} for 10,000 bytes at 50,000 a second");
    }
}
