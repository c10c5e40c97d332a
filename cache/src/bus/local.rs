use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::Instant;

use super::hub::Hub;
use super::publisher::Publisher;
use super::{Bus, BusError, Change, Counts, Heartbeat, Subscriber, frame};

/// A bus inside of one process, for tests: several caches are then as many *nodes*.
///
/// It sends the same frames with the same numbers as those between processes, and a test can hold
/// them, lose them, and deliver them in any order; a node then notices as it would elsewhere. There
/// is no task and no clock in it: what is not held is delivered before `publish` returns (or by
/// another thread that is delivering at that moment), and heartbeats are [made](Self::beat) by the
/// test.
///
/// A clone is another handle on the same bus.
///
/// # Examples
///
/// ```
/// use terrace_cache::bus::{Bus, Change, Local};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let bus = Local::new();
/// let (here, there) = (bus.node(), bus.node());
///
/// bus.hold();
/// here.publish("users:1:", &[Change::Clear]).await?;
/// assert!(bus.lose(0)); // the frame for `there`
/// bus.release();
/// bus.beat();
/// assert_eq!(there.counts().gaps, 1);
/// # Ok::<(), terrace_cache::bus::BusError>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Local {
    shared: Arc<Mutex<Wire>>,
}

/// What is on its way. The lock is never held while a subscriber is called.
#[derive(Default)]
struct Wire {
    nodes: Vec<Weak<Hub>>,
    frames: VecDeque<(Arc<Hub>, Bytes)>,
    held: bool,
    /// Somebody is delivering: another thread's frames are then delivered by it, in their order.
    delivering: bool,
    beats: Vec<Weak<Mutex<Publisher>>>,
}

impl Local {
    /// A bus with nobody on it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One more node. It leaves when its last handle is dropped.
    #[must_use]
    pub fn node(&self) -> LocalNode {
        let publisher = Publisher::new(Heartbeat::default().pause(), frame::LONGEST);
        let hub = Arc::new(Hub::new(publisher.id()));
        let publisher = Arc::new(Mutex::new(publisher));
        let mut wire = self.wire();
        wire.nodes.retain(|node| node.strong_count() > 0);
        wire.beats.retain(|publisher| publisher.strong_count() > 0);
        wire.nodes.push(Arc::downgrade(&hub));
        wire.beats.push(Arc::downgrade(&publisher));
        drop(wire);
        LocalNode { bus: self.clone(), publisher, hub }
    }

    /// From now on frames wait.
    pub fn hold(&self) {
        self.wire().held = true;
    }

    /// Delivers what waits, in its order, and what comes at once again.
    pub fn release(&self) {
        self.wire().held = false;
        self.deliver_all();
    }

    /// How many frames wait, one for each receiver.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.wire().frames.len()
    }

    /// Delivers the frame that waits at this place, before those ahead of it. `false`: there is
    /// none.
    #[must_use]
    pub fn deliver(&self, at: usize) -> bool {
        let taken = self.wire().frames.remove(at);
        let Some((hub, frame)) = taken else { return false };
        hub.receive(&frame, Instant::now());
        true
    }

    /// Loses the frame that waits at this place. `false`: there is none.
    #[must_use]
    pub fn lose(&self, at: usize) -> bool {
        self.wire().frames.remove(at).is_some()
    }

    /// Adds a copy of the frame that waits at this place. `false`: there is none.
    #[must_use]
    pub fn repeat(&self, at: usize) -> bool {
        let mut wire = self.wire();
        let Some(copy) = wire.frames.get(at).cloned() else { return false };
        wire.frames.push_back(copy);
        true
    }

    /// One heartbeat of each node. It is a frame like others, and may be held and lost.
    pub fn beat(&self) {
        let mut wire = self.wire();
        let publishers: Vec<_> = wire.beats.iter().filter_map(Weak::upgrade).collect();
        for publisher in publishers {
            let publisher = lock(&publisher);
            let beat = publisher.beat();
            wire.send(publisher.id(), &beat);
        }
        drop(wire);
        self.deliver_all();
    }

    fn deliver_all(&self) {
        loop {
            let mut wire = self.wire();
            if wire.held || wire.delivering {
                return;
            }
            let Some((hub, frame)) = wire.frames.pop_front() else { return };
            wire.delivering = true;
            drop(wire);
            // Does not panic: subscribers' panics end in the hub.
            hub.receive(&frame, Instant::now());
            self.wire().delivering = false;
        }
    }

    fn wire(&self) -> MutexGuard<'_, Wire> {
        lock(&self.shared)
    }
}

impl Wire {
    fn send(&mut self, from: u64, frame: &Bytes) {
        for node in self.nodes.iter().filter_map(Weak::upgrade) {
            if node.own() != from {
                self.frames.push_back((node, frame.clone()));
            }
        }
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire")
            .field("nodes", &self.nodes.len())
            .field("frames", &self.frames.len())
            .field("held", &self.held)
            .finish_non_exhaustive()
    }
}

/// One node of a [`Local`] bus. A clone is another handle on the same node.
#[derive(Clone, Debug)]
pub struct LocalNode {
    bus: Local,
    publisher: Arc<Mutex<Publisher>>,
    hub: Arc<Hub>,
}

impl LocalNode {
    /// What it has seen so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.hub.tally.counts()
    }
}

#[async_trait]
impl Bus for LocalNode {
    async fn publish(&self, space: &str, changes: &[Change]) -> Result<(), BusError> {
        {
            // Both together: numbers must go onto the wire in their order.
            let mut wire = self.bus.wire();
            let mut publisher = lock(&self.publisher);
            for frame in publisher.changes(space, changes)? {
                wire.send(publisher.id(), &frame);
            }
        }
        self.bus.deliver_all();
        Ok(())
    }

    fn subscribe(&self, space: &str, subscriber: Weak<dyn Subscriber>) {
        self.hub.subscribe(space, subscriber);
    }
}

/// A frame is on the wire whole or not at all.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
