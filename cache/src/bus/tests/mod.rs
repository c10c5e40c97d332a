mod channel;
mod frame;
mod hub;
mod local;
mod outbox;

use std::sync::{Arc, Mutex, Weak};

use super::{Change, Subscriber};

#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Changed(Change),
    Missed,
}

/// A subscriber that keeps what it is told.
#[derive(Debug, Default)]
struct Recorder(Mutex<Vec<Told>>);

impl Recorder {
    fn new() -> Arc<Self> {
        Arc::default()
    }

    fn told(&self) -> Vec<Told> {
        self.0.lock().unwrap().clone()
    }

    fn missed(&self) -> usize {
        self.told().iter().filter(|told| **told == Told::Missed).count()
    }
}

impl Subscriber for Recorder {
    fn changed(&self, change: &Change) {
        self.0.lock().unwrap().push(Told::Changed(change.clone()));
    }

    fn missed(&self) {
        self.0.lock().unwrap().push(Told::Missed);
    }
}

fn weak<S: Subscriber + 'static>(subscriber: &Arc<S>) -> Weak<dyn Subscriber> {
    let weak: Weak<S> = Arc::downgrade(subscriber);
    weak
}

fn key(name: &str) -> Change {
    Change::Key(bytes::Bytes::copy_from_slice(name.as_bytes()))
}
