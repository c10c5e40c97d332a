//! The sending end of the buses that need a task: one that numbers, sends and beats.
//!
//! One task does it for all handles, so that numbers are sent in their order, and so that what many
//! ask for while a send is under way goes out together: a burst of invalidations becomes a few
//! frames, and receivers with short queues keep up.
//!
//! The task ends when the last handle is gone, and says farewell.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::hub::Hub;
use super::publisher::Publisher;
use super::{BusError, Change, Heartbeat};

/// Requests that wait while others are sent; then those who ask wait. With 100 bytes a key these
/// fill one or two frames.
const WAITING: usize = 512;

/// How frames get to the others.
pub(super) trait Carrier: Send + 'static {
    /// Hands a frame on. Takes no longer than a bound of its own.
    fn carry(&mut self, frame: &Bytes) -> impl Future<Output = Result<(), BusError>> + Send;

    /// The same without waiting, for a last frame when the runtime ends first.
    fn part(&mut self, _farewell: &Bytes) {}
}

struct Request {
    space: Box<str>,
    changes: Vec<Change>,
    done: oneshot::Sender<Result<(), BusError>>,
}

/// A handle on the task.
#[derive(Clone, Debug)]
pub(super) struct Outbox {
    requests: mpsc::Sender<Request>,
    within: Duration,
}

impl Outbox {
    /// `within` bounds how long anybody waits for a publication.
    pub(super) fn start(
        runtime: &Handle,
        publisher: Publisher,
        carrier: impl Carrier,
        hub: Arc<Hub>,
        heartbeat: Heartbeat,
        within: Duration,
    ) -> (Self, JoinHandle<()>) {
        let (requests, receiver) = mpsc::channel(WAITING);
        let sender = Sender { publisher, carrier, hub, parted: false };
        let task = runtime.spawn(sender.run(receiver, heartbeat));
        (Self { requests, within }, task)
    }

    /// Once the request is in the queue it is sent, whoever waits for it.
    pub(super) async fn publish(&self, space: &str, changes: &[Change]) -> Result<(), BusError> {
        if changes.is_empty() {
            return Ok(());
        }
        let (done, answer) = oneshot::channel();
        let request = Request { space: space.into(), changes: changes.to_vec(), done };
        let sent = async {
            self.requests.send(request).await.map_err(|_| gone())?;
            answer.await.map_err(|_| gone())?
        };
        let late = |_| BusError { reason: format!("not sent within {:?}", self.within) };
        timeout(self.within, sent).await.map_err(late)?
    }
}

fn gone() -> BusError {
    BusError { reason: "the runtime it was opened in has ended".into() }
}

struct Sender<C: Carrier> {
    publisher: Publisher,
    carrier: C,
    hub: Arc<Hub>,
    parted: bool,
}

impl<C: Carrier> Sender<C> {
    async fn run(mut self, mut requests: mpsc::Receiver<Request>, heartbeat: Heartbeat) {
        // At once: others then know of this process before it says anything.
        self.beat().await;
        let first = Instant::now() + heartbeat.pause();
        let mut beats = interval_at(first, heartbeat.pause());
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                // Else a steady stream of requests might be all that is ever looked at.
                biased;
                _ = beats.tick() => self.beat().await,
                received = requests.recv_many(&mut batch, WAITING) => {
                    if received == 0 {
                        // Who does not get it takes this process for silent.
                        let _ = self.carrier.carry(&self.publisher.farewell()).await;
                        self.parted = true;
                        return;
                    }
                    self.send(&mut batch).await;
                }
            }
        }
    }

    async fn beat(&mut self) {
        self.hub.notice_silence(Instant::now());
        // Who cannot be reached now hears the same number later.
        let _ = self.carrier.carry(&self.publisher.beat()).await;
    }

    /// Sends what several have asked for, space by space.
    async fn send(&mut self, batch: &mut Vec<Request>) {
        let mut failed: Option<BusError> = None;
        while let Some(first) = batch.first() {
            let space = first.space.clone();
            let mut asked = Vec::new();
            let mut changes = Vec::new();
            for mut request in batch.extract_if(.., |request| request.space == space) {
                changes.append(&mut request.changes);
                asked.push(request.done);
            }
            let sent = match self.publisher.changes(&space, &changes) {
                // What follows a failure would only fail later. The numbers are used up, and the
                // next heartbeat tells the others what they have missed.
                Ok(frames) => match &failed {
                    Some(failed) => Err(failed.clone()),
                    None => {
                        let sent = self.carry(&frames).await;
                        failed = sent.as_ref().err().cloned();
                        sent
                    }
                },
                Err(refused) => Err(refused),
            };
            for done in asked {
                // Nobody may be waiting any more.
                let _ = done.send(sent.clone());
            }
        }
    }

    async fn carry(&mut self, frames: &[Bytes]) -> Result<(), BusError> {
        for frame in frames {
            self.carrier.carry(frame).await?;
        }
        Ok(())
    }
}

impl<C: Carrier> Drop for Sender<C> {
    fn drop(&mut self) {
        if !self.parted {
            self.carrier.part(&self.publisher.farewell());
        }
    }
}
