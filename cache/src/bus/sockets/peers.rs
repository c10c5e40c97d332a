//! Sending to all the others, and receiving from them.

use std::collections::HashMap;
use std::fs;
use std::io::{self, ErrorKind};
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
    others: HashMap<PathBuf, Other>,
    receiver: JoinHandle<()>,
    runtime: Handle,
    hub: Arc<Hub>,
}

/// One of the others.
#[derive(Debug, Default)]
struct Other {
    /// A socket for this one alone. What a process that stands still has not taken fills the send
    /// buffer it came from, and nothing more would get to anybody.
    ///
    /// Not one of Tokio's: there, a full queue counts as the socket's, whoever's it is.
    socket: Option<UnixDatagram>,
    /// It did not take the last frame in time.
    full: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    Taken,
    Gone,
    Full,
}

impl Peers {
    pub(super) fn open(
        directory: Directory,
        runtime: Handle,
        hub: Arc<Hub>,
    ) -> Result<Self, OpenError> {
        let receiver = join(&directory, &runtime, &hub)?;
        Ok(Self { directory, others: HashMap::new(), receiver, runtime, hub })
    }

    /// Somebody has removed our socket, or all of the directory: others cannot have told us
    /// anything since.
    fn join_again(&mut self) -> Result<(), BusError> {
        let joined = join(&self.directory, &self.runtime, &self.hub);
        let receiver = joined.map_err(|error| {
            self.hub.tally.count(Event::Failure);
            BusError { reason: error.to_string() }
        })?;
        self.receiver.abort();
        self.receiver = receiver;
        self.hub.missed();
        Ok(())
    }

    /// Looks who is there now. Reading a directory blocks, for microseconds: handing it to another
    /// thread takes longer.
    fn look(&mut self) -> Result<Vec<PathBuf>, BusError> {
        let mut listing = self.directory.list();
        if !listing.as_ref().is_ok_and(|listing| listing.own) {
            self.join_again()?;
            listing = self.directory.list();
        }
        let others = listing.map_err(|error| BusError { reason: error.to_string() })?.others;
        self.others.retain(|path, _| others.contains(path));
        Ok(others)
    }

    /// Whether that is all to be done about this one.
    fn send(&mut self, frame: &[u8], to: &Path) -> bool {
        let other = self.others.entry(to.to_path_buf()).or_default();
        match other.send(frame, to) {
            Sent::Taken | Sent::Gone => other.full = false,
            Sent::Full if other.full => self.hub.tally.count(Event::Refused),
            Sent::Full => return false,
        }
        true
    }
}

impl Other {
    fn send(&mut self, frame: &[u8], to: &Path) -> Sent {
        match self.try_send(frame, to) {
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

    fn try_send(&mut self, frame: &[u8], to: &Path) -> io::Result<usize> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => {
                let socket = UnixDatagram::unbound()?;
                socket.set_nonblocking(true)?;
                socket
            }
        };
        self.socket.insert(socket).send_to(frame, to)
    }
}

impl Carrier for Peers {
    async fn carry(&mut self, frame: &Bytes) -> Result<(), BusError> {
        let mut waiting = self.look()?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            waiting.retain(|to| !self.send(frame, to));
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
            self.others.entry(late).or_default().full = true;
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

/// Binds our socket and receives on it.
fn join(
    directory: &Directory,
    runtime: &Handle,
    hub: &Arc<Hub>,
) -> Result<JoinHandle<()>, OpenError> {
    let socket = directory.bind()?;
    let receiving = {
        let _runtime = runtime.enter();
        tokio::net::UnixDatagram::from_std(socket)
    };
    match receiving {
        Ok(receiving) => {
            hub.tally.count(Event::Connection);
            Ok(runtime.spawn(receive(receiving, Arc::clone(hub))))
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
