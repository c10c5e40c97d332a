//! What is counted, and that nothing secret is in it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use metrics::{
    Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use terrace_session::{Expiry, Session};

use crate::support::{Browser, Fault, MINUTE, Op, Site};

/// Names with labels, and how often each was counted.
#[derive(Clone, Default)]
struct Counts(Arc<Mutex<BTreeMap<String, u64>>>);

/// One of them.
struct Count {
    name: String,
    of: Counts,
}

impl Count {
    fn add(&self, more: u64) {
        *self.of.0.lock().unwrap().entry(self.name.clone()).or_default() += more;
    }
}

impl CounterFn for Count {
    fn increment(&self, more: u64) {
        self.add(more);
    }

    fn absolute(&self, _: u64) {
        panic!("{} is set", self.name);
    }
}

impl HistogramFn for Count {
    fn record(&self, seconds: f64) {
        assert!((0.0..60.0).contains(&seconds), "{}: {seconds} seconds", self.name);
        self.add(1);
    }
}

impl Counts {
    fn count(&self, key: &Key) -> Arc<Count> {
        let labels = key.labels().map(|label| format!(" {}={}", label.key(), label.value()));
        let name = format!("{}{}", key.name(), labels.collect::<String>());
        Arc::new(Count { name, of: self.clone() })
    }

    /// What was counted since the last look.
    fn seen(&self) -> BTreeMap<String, u64> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Recorder for Counts {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.count(key))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.count(key))
    }
}

/// Runs a test on this thread, with all that it counts.
fn counted(test: impl AsyncFnOnce(Counts)) {
    let counts = Counts::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    metrics::with_local_recorder(&counts, || runtime.block_on(test(counts.clone())));
}

fn request(outcome: &str) -> String {
    format!("terrace.session.requests outcome={outcome}")
}

fn asked(operation: &str, outcome: &str) -> String {
    format!("terrace.session.store.duration operation={operation} outcome={outcome}")
}

fn security(operation: &str) -> String {
    format!("terrace.session.security operation={operation}")
}

fn once(names: impl IntoIterator<Item = String>) -> BTreeMap<String, u64> {
    names.into_iter().map(|name| (name, 1)).collect()
}

#[test]
fn each_request_is_counted_once_by_what_became_of_its_session() {
    counted(async |counts| {
        let (site, mut browser) = (Site::new(), Browser::new());
        let layer = &site.layer;
        browser.visit(layer, async |_| Ok(200)).await;
        assert_eq!(counts.seen(), once([request("untouched")]));

        browser.visit(layer, async |session| session.set("n", &1).await.map(|()| 200)).await;
        assert_eq!(counts.seen(), once([request("written"), asked("create", "ok")]));

        let read = async |session: Session| session.get::<u64>("n").await.map(|_| 200);
        browser.visit(layer, read).await;
        assert_eq!(counts.seen(), once([request("read"), asked("load", "ok")]));

        site.store.next(Op::Load, Fault::Refuse);
        browser.visit(layer, read).await;
        assert_eq!(counts.seen(), once([request("failed"), asked("load", "unavailable")]));

        let mut other = browser.clone();
        browser.visit(layer, async |session| session.logout().await.map(|()| 200)).await;
        counts.seen();
        other.visit(layer, async |session| session.set_blind("n", &2).map(|()| 200)).await;
        assert_eq!(counts.seen(), once([request("gone"), asked("patch", "ok")]));
    });
}

#[test]
fn what_is_done_for_security_is_counted_when_it_is_done() {
    counted(async |counts| {
        let expiry = Expiry::default().renewal(5 * MINUTE);
        let site = Site::with(|builder| builder.expiry(expiry));
        let (mut browser, layer) = (Browser::new(), &site.layer);
        let login = async |session: Session| session.login("ada").await.map(|()| 200);
        let only_security = |what: &str| {
            let mut seen = counts.seen();
            seen.retain(|name, _| name.starts_with("terrace.session.security"));
            assert_eq!(seen, once((!what.is_empty()).then(|| security(what))));
        };
        browser.visit(layer, login).await;
        only_security("login");
        browser.visit(layer, async |session| session.elevate().await.map(|()| 200)).await;
        only_security("elevate");
        browser.visit(layer, async |session| session.revoke_others().await.map(|_| 200)).await;
        only_security("revoke");
        site.clock.advance(5 * MINUTE);
        browser.visit(layer, async |session| session.subject().await.map(|_| 200)).await;
        only_security("renew");
        browser.visit(layer, async |session| session.logout().await.map(|()| 200)).await;
        only_security("logout");
        site.store.next(Op::Create, Fault::Refuse);
        browser.visit(layer, login).await;
        only_security("");
    });
}

#[test]
fn a_cookie_that_asks_for_nothing_is_counted_and_not_told() {
    counted(async |counts| {
        let site = Site::new();
        let (mut browser, mut other) = (Browser::new(), Browser::new());
        let login = async |session: Session| session.login("ada").await.map(|()| 200);
        for browser in [&mut browser, &mut other] {
            browser.visit(&site.layer, login).await;
        }
        let cookies = [&browser, &other].map(|browser| browser.cookie.clone().unwrap());
        let all: String = counts.seen().into_keys().collect();

        let forged = cookies[0].replace(|letter: char| letter.is_ascii_digit(), "x");
        assert_ne!(forged, cookies[0]);
        let read = async |session: Session| session.subject().await.map(|_| 200);
        for (cookie, reason) in [(forged, "forged"), (cookies.join("; "), "ambiguous")] {
            Browser { cookie: Some(cookie) }.visit(&site.layer, read).await;
            let refused = format!("terrace.session.refused reason={reason}");
            assert_eq!(counts.seen(), once([refused, request("read")]));
        }
        for cookie in cookies {
            let (_, token) = cookie.split_once('=').unwrap();
            assert!(!all.contains(token) && !all.contains("ada"), "{all}");
        }
    });
}
