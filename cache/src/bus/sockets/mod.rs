//! A bus between the processes of one machine: a directory with a datagram socket of each.
//!
//! There is no server. Who publishes reads the directory and sends to every socket in it but its
//! own. Reading it each time costs some microseconds and makes one thing certain that no list kept
//! from before could: a process that had its socket before a publication began is told of it. One
//! that comes later loads what it has after the write that is published.
//!
//! The kernel keeps what a receiver has not taken yet, ten datagrams or a few hundred. Who publishes
//! waits a moment for one whose queue is full, once; after that it sends on and does not wait for it
//! again until it takes something. The receiver finds from the numbers that it missed something.
//! Each of the others costs a file descriptor: one socket for all would be blocked by the first
//! process that stands still.
//!
//! The directory must belong to this user, and to nobody else: who may enter it may say anything.
//! It is made if its parent is there. Sockets of processes that died are removed by those who meet
//! them.
//!
//! Not for a directory that several machines or containers of different users share: sockets reach
//! only as far as one kernel.

mod directory;
mod peers;

use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use tokio::runtime::Handle;

use self::directory::Directory;
use self::peers::Peers;
use super::hub::Hub;
use super::outbox::Outbox;
use super::publisher::Publisher;
use super::{Bus, BusError, Change, Counts, Heartbeat, OpenError, Subscriber};

/// Far more than a send to all others takes, a short wait for slow ones among it.
const WITHIN: Duration = Duration::from_secs(2);

/// One process on a directory of sockets. A clone is another handle; with the last one the socket
/// goes.
///
/// # Examples
///
/// ```
/// use terrace_cache::bus::{Bus, Change, Sockets};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// # let parent = tempfile::tempdir()?;
/// # let run = parent.path();
/// let bus = Sockets::in_dir(run.join("bus"))?;
/// bus.publish("users:1:", &[Change::Clear]).await?;
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sockets {
    outbox: Outbox,
    hub: Arc<Hub>,
}

impl Sockets {
    /// Joins the processes that have this directory. Others may be told of changes from now on.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if the directory cannot be made, is not this user's alone or has too long a
    /// path, or outside of a Tokio runtime (which must have I/O and time enabled).
    pub fn in_dir(dir: impl Into<PathBuf>) -> Result<Self, OpenError> {
        Self::with_heartbeat(dir, Heartbeat::default())
    }

    /// The same, with a heartbeat of this process' own.
    ///
    /// # Errors
    ///
    /// As [`in_dir`](Self::in_dir).
    pub fn with_heartbeat(
        dir: impl Into<PathBuf>,
        heartbeat: Heartbeat,
    ) -> Result<Self, OpenError> {
        let runtime = Handle::try_current().map_err(|_| OpenError::NoRuntime)?;
        let publisher = Publisher::new(heartbeat.pause(), directory::LONGEST);
        let hub = Arc::new(Hub::new(publisher.id()));
        let directory = Directory::open(dir.into(), publisher.id())?;
        let peers = Peers::open(directory, runtime.clone(), Arc::clone(&hub))?;
        let (outbox, _) =
            Outbox::start(&runtime, publisher, peers, Arc::clone(&hub), heartbeat, WITHIN);
        Ok(Self { outbox, hub })
    }

    /// What it has seen so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.hub.tally.counts()
    }
}

#[async_trait]
impl Bus for Sockets {
    /// Fails if the directory cannot be read, and not for others that do not listen: they notice.
    async fn publish(&self, space: &str, changes: &[Change]) -> Result<(), BusError> {
        self.outbox.publish(space, changes).await
    }

    fn subscribe(&self, space: &str, subscriber: Weak<dyn Subscriber>) {
        self.hub.subscribe(space, subscriber);
    }
}
