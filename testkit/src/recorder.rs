//! A metrics recorder for one test: what was counted, and whether labels stay in bounds.
//!
//! The `metrics` facade sends to a global recorder, which tests that run side by side would share.
//! [`MetricsRecorder`] is installed for the current thread only, so use it in a single-threaded
//! runtime (tokio's test default). Libraries make their handles lazily at first use; a recorder
//! must be installed before that.
//!
//! # Examples
//!
//! ```
//! use terrace_testkit::recorder::MetricsRecorder;
//!
//! let recorder = MetricsRecorder::new();
//! let guard = recorder.install();
//! metrics::counter!("terrace.lb.picks", "outcome" => "picked").increment(2);
//! metrics::histogram!("wait").record(0.5);
//!
//! assert_eq!(recorder.counter("terrace.lb.picks", &[("outcome", "picked")]), Some(2));
//! assert_eq!(recorder.histogram("wait", &[]), [0.5]);
//! recorder.assert_labels(&[("outcome", &["picked", "none"])]);
//! # drop(guard);
//! ```

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, LocalRecorderGuard, Metadata, Recorder,
    SharedString, Unit,
};

type Labels = Vec<(String, String)>;

#[derive(Clone, Debug)]
enum Value {
    Counter(Arc<AtomicU64>),
    Gauge(Arc<AtomicU64>),
    Histogram(Arc<Samples>),
}

#[derive(Debug, Default)]
struct Samples(Mutex<Vec<f64>>);

impl HistogramFn for Samples {
    fn record(&self, value: f64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(value);
    }
}

/// Keeps every metric of this thread, while it is [installed](Self::install).
#[derive(Debug, Default)]
pub struct MetricsRecorder {
    series: Mutex<BTreeMap<(String, Labels), Value>>,
}

impl MetricsRecorder {
    /// An empty recorder.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes it the recorder of this thread until the guard is dropped.
    #[must_use = "the recorder is removed when the guard is dropped"]
    pub fn install(&self) -> LocalRecorderGuard<'_> {
        metrics::set_default_local_recorder(self)
    }

    /// The value of a counter; None if it was never touched with exactly these labels.
    #[must_use]
    pub fn counter(&self, name: &str, labels: &[(&str, &str)]) -> Option<u64> {
        match self.get(name, labels)? {
            Value::Counter(value) => Some(value.load(Ordering::Acquire)),
            _ => None,
        }
    }

    /// The sum of a counter over all its labels; 0 if there is none.
    #[must_use]
    pub fn counter_sum(&self, name: &str) -> u64 {
        let value = |value: &Value| match value {
            Value::Counter(value) => value.load(Ordering::Acquire),
            _ => 0,
        };
        let series = self.lock();
        series.iter().filter(|((n, _), _)| n == name).map(|(_, found)| value(found)).sum()
    }

    /// The value of a gauge; None if it was never touched with exactly these labels.
    #[must_use]
    pub fn gauge(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        match self.get(name, labels)? {
            Value::Gauge(value) => Some(f64::from_bits(value.load(Ordering::Acquire))),
            _ => None,
        }
    }

    /// The samples of a histogram in their order; empty if there are none.
    #[must_use]
    pub fn histogram(&self, name: &str, labels: &[(&str, &str)]) -> Vec<f64> {
        match self.get(name, labels) {
            Some(Value::Histogram(samples)) => {
                samples.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
            }
            _ => Vec::new(),
        }
    }

    /// The names of all metrics.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.lock().keys().map(|(name, _)| name.clone()).collect();
        names.dedup();
        names
    }

    /// Every label that is not in `allowed`, or whose value is not: labels must come from closed
    /// sets, for each new value is a time series that somebody stores for ever.
    #[must_use]
    pub fn unbounded_labels(&self, allowed: &[(&str, &[&str])]) -> Vec<String> {
        let mut found = Vec::new();
        for (name, labels) in self.lock().keys() {
            for (label, value) in labels {
                match allowed.iter().find(|(known, _)| known == label) {
                    None => found.push(format!("{name}: label {label:?} is not expected")),
                    Some((_, values)) if !values.contains(&value.as_str()) => {
                        found.push(format!("{name}: {label}={value:?} is none of {values:?}"));
                    }
                    Some(_) => {}
                }
            }
        }
        found
    }

    /// Checks that all labels of all metrics are among these, with one of these values each.
    ///
    /// # Panics
    ///
    /// If one is not; the message lists them.
    #[track_caller]
    pub fn assert_labels(&self, allowed: &[(&str, &[&str])]) {
        let found = self.unbounded_labels(allowed);
        assert!(found.is_empty(), "labels outside the closed sets:\n  {}", found.join("\n  "));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, Labels), Value>> {
        self.series.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<Value> {
        let labels = labels.iter().map(|(label, value)| ((*label).into(), (*value).into()));
        self.lock().get(&(name.to_owned(), sorted(labels))).cloned()
    }

    fn register(&self, key: &Key, new: impl FnOnce() -> Value) -> Value {
        let labels = key.labels().map(|label| (label.key().into(), label.value().into()));
        let id = (key.name().to_owned(), sorted(labels));
        self.lock().entry(id).or_insert_with(new).clone()
    }
}

fn sorted(labels: impl Iterator<Item = (String, String)>) -> Labels {
    let mut labels: Labels = labels.collect();
    labels.sort();
    labels
}

impl Recorder for MetricsRecorder {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    // One name used as two kinds gives a dead handle: the first use wins, the second shows as None.
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        match self.register(key, || Value::Counter(Arc::default())) {
            Value::Counter(value) => Counter::from_arc(value),
            _ => Counter::noop(),
        }
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        match self.register(key, || Value::Gauge(Arc::default())) {
            Value::Gauge(value) => Gauge::from_arc(value),
            _ => Gauge::noop(),
        }
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        match self.register(key, || Value::Histogram(Arc::default())) {
            Value::Histogram(samples) => Histogram::from_arc(samples),
            _ => Histogram::noop(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::MetricsRecorder;

    #[test]
    fn values_are_found_by_name_and_labels_in_any_order() {
        let recorder = MetricsRecorder::new();
        let guard = recorder.install();
        metrics::counter!("c", "a" => "1", "b" => "2").increment(3);
        metrics::counter!("c", "b" => "2", "a" => "1").increment(4);
        metrics::counter!("c").increment(1);
        metrics::gauge!("g").set(2.5);
        metrics::gauge!("g").decrement(1.0);
        metrics::histogram!("h", "x" => "y").record(1.0);
        metrics::histogram!("h", "x" => "y").record(2.0);
        drop(guard);
        metrics::counter!("c").increment(100);
        assert_eq!(recorder.counter("c", &[("b", "2"), ("a", "1")]), Some(7));
        assert_eq!(recorder.counter("c", &[]), Some(1));
        assert_eq!(recorder.counter("c", &[("a", "1")]), None);
        assert_eq!(recorder.counter_sum("c"), 8);
        assert_eq!(recorder.gauge("g", &[]), Some(1.5));
        assert_eq!(recorder.gauge("c", &[]), None);
        assert_eq!(recorder.histogram("h", &[("x", "y")]), [1.0, 2.0]);
        assert_eq!(recorder.names(), ["c", "g", "h"]);
    }

    #[test]
    fn a_label_value_from_a_request_is_caught() {
        let recorder = MetricsRecorder::new();
        let _guard = recorder.install();
        metrics::counter!("requests", "outcome" => "ok").increment(1);
        let allowed: &[(&str, &[&str])] = &[("outcome", &["ok", "failed"])];
        recorder.assert_labels(allowed);
        metrics::counter!("requests", "outcome" => "ok", "path" => "/users/7").increment(1);
        metrics::counter!("requests", "outcome" => "/users/7").increment(1);
        let found = recorder.unbounded_labels(allowed);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(std::panic::catch_unwind(|| recorder.assert_labels(allowed)).is_err());
    }

    #[test]
    fn recorders_of_two_threads_do_not_see_each_other() {
        let here = MetricsRecorder::new();
        let _guard = here.install();
        std::thread::spawn(|| metrics::counter!("c").increment(1)).join().unwrap();
        assert_eq!(here.counter_sum("c"), 0);
    }
}
