//! A process on a bus, and what it is told.

use std::sync::{Arc, Weak};
use std::time::Duration;

use terrace_cache::bus::{Bus, Change, Subscriber};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

pub(crate) const SPACE: &str = "users:1:";
/// Nothing here takes half of it.
pub(crate) const SOON: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Changed(Change),
    Missed,
}

#[derive(Debug)]
struct Tells(UnboundedSender<Told>);

impl Subscriber for Tells {
    fn changed(&self, change: &Change) {
        let _ = self.0.send(Told::Changed(change.clone()));
    }

    fn missed(&self) {
        let _ = self.0.send(Told::Missed);
    }
}

pub(crate) struct Process<B> {
    pub(crate) bus: B,
    pub(crate) told: UnboundedReceiver<Told>,
    _subscriber: Arc<Tells>,
}

impl<B: Bus> Process<B> {
    pub(crate) fn on(bus: B) -> Self {
        let (tells, told) = unbounded_channel();
        let subscriber = Arc::new(Tells(tells));
        let weak: Weak<Tells> = Arc::downgrade(&subscriber);
        bus.subscribe(SPACE, weak);
        Self { bus, told, _subscriber: subscriber }
    }

    pub(crate) async fn says(&self, name: &str) {
        self.bus.publish(SPACE, &[key(name)]).await.unwrap();
    }

    pub(crate) async fn next(&mut self) -> Told {
        timeout(SOON, self.told.recv()).await.expect("it is told within 10 s").unwrap()
    }

    /// Waits until it is told this, and returns what it was told before.
    pub(crate) async fn until(&mut self, told: Told) -> Vec<Told> {
        let mut before = Vec::new();
        loop {
            match self.next().await {
                next if next == told => return before,
                next => before.push(next),
            }
        }
    }
}

pub(crate) fn key(name: &str) -> Change {
    Change::Key(bytes::Bytes::copy_from_slice(name.as_bytes()))
}

pub(crate) fn changed(name: &str) -> Told {
    Told::Changed(key(name))
}
