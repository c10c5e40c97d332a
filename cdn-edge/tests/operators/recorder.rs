use std::time::Duration;

use http::Method;
use terrace_cdn_edge::purge::Mode;
use terrace_cdn_edge::{Outcome, Reason};
use terrace_testkit::recorder::MetricsRecorder;

use super::site::{Site, edge, request, whole};

const HITS: &str = "terrace.cdn_edge.requests";
const FRESH: [(&str, &str); 3] = [("edge", "terrace"), ("result", "hit"), ("reason", "fresh")];

#[tokio::test(start_paused = true)]
async fn the_recorder_hears_of_everything_under_closed_labels() {
    let recorder = MetricsRecorder::new();
    let _installed = recorder.install();
    let site = Site::new(edge(), |asked| match asked.uri().path() {
        "/private" => Ok(whole("private", "12345")),
        _ => Ok(whole("max-age=60", "123")),
    });
    for path in ["/?secret", "/?secret", "/private"] {
        site.get(path).await;
    }
    site.send(request(Method::POST, "/private", &[])).await;
    site.handle.purge_tag("made up by somebody", Mode::Soft);
    let _ = site.handle.stats();

    let edge = [("edge", "terrace")];
    let with = |more: &[(&'static str, &'static str)]| [&edge[..], more].concat();
    let miss = |reason| with(&[("result", "miss"), ("reason", reason)]);
    assert_eq!(recorder.counter(HITS, &FRESH), Some(1));
    assert_eq!(recorder.counter(HITS, &miss("miss")), Some(2));
    assert_eq!(recorder.counter(HITS, &miss("method")), Some(1));
    let unstored = with(&[("reason", "private")]);
    assert_eq!(recorder.counter("terrace.cdn_edge.unstored", &unstored), Some(1));
    let purges = with(&[("target", "tag")]);
    assert_eq!(recorder.counter("terrace.cdn_edge.purges", &purges), Some(1));
    for (name, value) in [
        ("origin.requests", 3),
        ("origin.failures", 0),
        ("origin.bytes", 8),
        ("served.bytes", 11),
        ("stored", 1),
        ("evictions", 0),
    ] {
        let name = format!("terrace.cdn_edge.{name}");
        assert_eq!(recorder.counter(&name, &edge), Some(value), "{name}");
    }
    for name in ["objects", "memory.bytes", "memory.capacity", "in_flight", "origin.down"] {
        let name = format!("terrace.cdn_edge.{name}");
        assert!(recorder.gauge(&name, &edge).is_some(), "{name}");
    }
    assert_eq!(recorder.gauge("terrace.cdn_edge.memory.capacity", &edge), Some(268_435_456.0));

    let reasons: Vec<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    let outcomes: Vec<&str> = Outcome::ALL.iter().map(|outcome| outcome.as_str()).collect();
    recorder.assert_labels(&[
        ("edge", &["terrace"]),
        ("reason", &reasons),
        ("result", &outcomes),
        ("target", &["url", "path", "tag", "group", "host", "prefix", "all"]),
    ]);
}

#[tokio::test(start_paused = true)]
async fn the_table_names_every_metric_and_no_other() {
    let recorder = MetricsRecorder::new();
    let _installed = recorder.install();
    let site = Site::new(edge(), |_| Ok(whole("private", "12345")));
    site.get("/").await;
    site.handle.purge_all(Mode::Hard);
    let _ = site.handle.stats();
    let table = include_str!("../../src/telemetry/METRICS.md");
    let mut named: Vec<&str> =
        table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    named.sort_unstable();
    assert_eq!(recorder.names(), named);
}

#[tokio::test(start_paused = true)]
async fn a_hit_tells_the_recorder_once_a_second_and_no_other_hit_does() {
    let recorder = MetricsRecorder::new();
    let _installed = recorder.install();
    let site = Site::new(edge(), |_| Ok(whole("max-age=60", "page")));
    // The first request hands over, before it is counted as a miss or after.
    site.get("/").await;
    for _ in 0..10 {
        site.get("/").await;
    }
    assert_eq!(recorder.counter(HITS, &FRESH), None);
    tokio::time::advance(Duration::from_secs(1)).await;
    for _ in 0..10 {
        site.get("/").await;
    }
    assert_eq!(recorder.counter(HITS, &FRESH), Some(11));
    let _ = site.handle.stats();
    assert_eq!(recorder.counter(HITS, &FRESH), Some(20));
}

#[tokio::test(start_paused = true)]
async fn a_recorder_that_comes_before_the_first_request_is_early_enough() {
    let site = Site::new(edge(), |_| Ok(whole("max-age=60", "page")));
    let recorder = MetricsRecorder::new();
    let _installed = recorder.install();
    site.get("/").await;
    assert_eq!(recorder.counter_sum("terrace.cdn_edge.origin.requests"), 1);
}
