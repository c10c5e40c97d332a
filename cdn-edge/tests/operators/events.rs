use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use terrace_cdn_edge::purge::{Limits, Mode};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::site::{Site, edge, gone, whole};

/// Keeps what this thread's events say.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(Level, String)>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.push_str(&format!("{}={value:?} ", field.name()));
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("terrace")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().unwrap().push((*event.metadata().level(), line.0));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Log {
    fn with(&self, text: &str) -> Vec<(Level, String)> {
        let lines = self.0.lock().unwrap();
        lines.iter().filter(|(_, line)| line.contains(text)).cloned().collect()
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_told_when_it_begins_and_when_it_ends_and_not_between() {
    let log = Log::default();
    let _default = tracing::subscriber::set_default(log.clone());
    let site = Site::new(edge(), |asked| match asked.uri().path() {
        "/good" => Ok(whole("max-age=60", "good")),
        _ => Err(gone()),
    });
    for n in 0..20 {
        site.get(&format!("/{n}")).await;
    }
    assert_eq!(log.with("the origin fails").len(), 1);
    for _ in 0..20 {
        site.get("/good").await;
    }
    assert_eq!(log.with("the origin answers again").len(), 1);
    // Neither hits nor misses are events.
    assert_eq!(log.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_purge_is_told_with_its_target_which_cannot_break_a_line() {
    let log = Log::default();
    let _default = tracing::subscriber::set_default(log.clone());
    let site = Site::new(edge(), |_| Ok(whole("max-age=60", "page")));
    site.handle.purge_tag("news\nwarn: all is lost", Mode::Soft);
    let told = log.with("purged");
    assert_eq!(told.len(), 1);
    let (level, line) = &told[0];
    assert_eq!(*level, Level::INFO);
    assert!(line.contains(r#"kind="tag""#) && line.contains("mode=Soft"), "{line}");
    assert!(line.contains(r"news\nwarn") && !line.contains('\n'), "{line}");
}

#[tokio::test(start_paused = true)]
async fn purges_that_are_forgotten_are_told_when_their_number_doubles() {
    let log = Log::default();
    let _default = tracing::subscriber::set_default(log.clone());
    let mut limits = Limits::default();
    limits.prefixes = 4;
    let site = Site::new(edge().purge_limits(limits), |_| Ok(whole("max-age=60", "page")));
    for n in 0..4 {
        site.handle.purge_prefix(&format!("example.org/{n}/"), Mode::Hard);
    }
    assert_eq!(log.with("more was purged").len(), 0);
    for n in 4..20 {
        site.handle.purge_prefix(&format!("example.org/{n}/"), Mode::Hard);
    }
    // 16 are forgotten: told at 1, 2, 4, 8 and 16.
    assert_eq!(log.with("more was purged").len(), 5);
}
