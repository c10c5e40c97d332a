//! Sending to all the others, and receiving from them.

use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::directory::{Directory, LONGEST};
use crate::bus::counts::Event;
use crate::bus::hub::Hub;
use crate::bus::outbox::Carrier;
use crate::bus::{BusError, OpenError};

/// How long a send waits for those whose queues are full: a process that runs takes what is there
/// in a millisecond, unless the machine is overloaded.
const PATIENCE: Duration = Duration::from_millis(50);
const LOOK_AGAIN: Duration = Duration::from_millis(1);
/// Between two attempts to receive, where the socket itself fails.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Peers {
    directory: Directory,
    /// Sends. Not through Tokio: there, one receiver's full queue counts as the socket's.
    socket: UnixDatagram,
    receiver: JoinHandle<()>,
    /// Who did not take the last frame in time.
    full: HashSet<PathBuf>,
    runtime: Handle,
    hub: Arc<Hub>,
}

impl Peers {
    pub(super) fn open(
        directory: Directory,
        runtime: Handle,
        hub: Arc<Hub>,
    ) -> Result<Self, OpenError> {
        let (socket, receiver) = join(&directory, &runtime, &hub)?;
        Ok(Self { directory, socket, receiver, full: HashSet::new(), runtime, hub })
    }

    /// Somebody has removed our socket, or all of the directory: others cannot have told us
    /// anything since.
    fn join_again(&mut self) -> Result<(), BusError> {
        let joined = join(&self.directory, &self.runtime, &self.hub);
        let (socket, receiver) = joined.map_err(|error| BusError { reason: error.to_string() })?;
        self.receiver.abort();
        (self.socket, self.receiver) = (socket, receiver);
        self.hub.missed();
        Ok(())
    }

    fn others(&mut self) -> Result<Vec<PathBuf>, BusError> {
        let mut listing = self.directory.list();
        if !listing.as_ref().is_ok_and(|listing| listing.own) {
            self.join_again()?;
            listing = self.directory.list();
        }
        let listing = listing.map_err(|error| BusError { reason: error.to_string() })?;
        self.full.retain(|path| listing.others.contains(path));
        Ok(listing.others)
    }

    fn send(&self, frame: &[u8], to: &Path) -> Sent {
        match self.socket.send_to(frame, to) {
            Ok(_) => Sent::Taken,
            Err(error) => match error.kind() {
                // Nobody has this socket open. Its name is random: nobody will have it again.
                ErrorKind::ConnectionRefused => {
                    let _ = fs::remove_file(to);
                    Sent::Gone
                }
                ErrorKind::NotFound => Sent::Gone,
                // No room there, or what may pass as well.
                _ => Sent::Full,
            },
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    Taken,
    Gone,
    Full,
}

impl Carrier for Peers {
    async fn carry(&mut self, frame: &Bytes) -> Result<(), BusError> {
        let mut waiting = self.others()?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            waiting.retain(|to| match self.send(frame, to) {
                Sent::Full if self.full.contains(to) => {
                    self.hub.tally.count(Event::Refused);
                    false
                }
                Sent::Full => true,
                Sent::Taken | Sent::Gone => {
                    self.full.remove(to);
                    false
                }
            });
            if waiting.is_empty() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                break;
            }
            sleep(LOOK_AGAIN).await;
        }
        for late in waiting {
            self.hub.tally.count(Event::Refused);
            self.full.insert(late);
        }
        Ok(())
    }

    fn part(&mut self, farewell: &Bytes) {
        for other in self.directory.list().map(|listing| listing.others).unwrap_or_default() {
            self.send(farewell, &other);
        }
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        self.receiver.abort();
        self.directory.remove_own();
    }
}

fn join(
    directory: &Directory,
    runtime: &Handle,
    hub: &Arc<Hub>,
) -> Result<(UnixDatagram, JoinHandle<()>), OpenError> {
    let socket = directory.bind()?;
    let receiving = socket.try_clone().and_then(|socket| {
        let _runtime = runtime.enter();
        tokio::net::UnixDatagram::from_std(socket)
    });
    match receiving {
        Ok(receiving) => {
            hub.tally.count(Event::Connection);
            Ok((socket, runtime.spawn(receive(receiving, Arc::clone(hub)))))
        }
        Err(source) => {
            directory.remove_own();
            Err(OpenError::Io { path: directory.own().to_path_buf(), source })
        }
    }
}

async fn receive(socket: tokio::net::UnixDatagram, hub: Arc<Hub>) {
    // One byte more than a frame has, so that what is too long is not taken for whole.
    let mut buffer = vec![0; LONGEST + 1];
    loop {
        match socket.recv(&mut buffer).await {
            Ok(length) => {
                let frame = Bytes::copy_from_slice(buffer.get(..length).unwrap_or_default());
                hub.receive(&frame, Instant::now());
            }
            Err(_) => {
                hub.missed();
                sleep(PAUSE).await;
            }
        }
    }
}
