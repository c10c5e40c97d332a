//! Where an app server listens.

use std::io;
use std::os::unix::process::parent_id;
use std::path::{Path, PathBuf};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::net::unix::SocketAddr;
use tokio::net::{UnixListener, UnixStream};

use super::READY;
use crate::http::client::Peer;
use crate::launch;

/// A socket that nobody but the balancer can reach.
#[derive(Debug)]
pub struct AppListener {
    listener: UnixListener,
    path: PathBuf,
    parent: u32,
}

/// Listens on an app server's socket and tells the parent so.
///
/// # Errors
///
/// When the socket cannot be created.
pub fn listen(socket: &Path) -> Result<AppListener, launch::Error> {
    // Left behind by a server that was killed; nobody else can have put it there.
    let _not_there = std::fs::remove_file(socket);
    let listener = UnixListener::bind(socket).map_err(|error| {
        launch::Error::new(format!("cannot listen on {} ({error})", socket.display()))
    })?;
    launch::say(&format!("{READY}{}", socket.display()));
    Ok(AppListener { listener, path: socket.to_owned(), parent: parent_id() })
}

impl Listener for AppListener {
    type Io = UnixStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (UnixStream, SocketAddr) {
        Listener::accept(&mut self.listener).await
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Drop for AppListener {
    /// Clears up after a parent that was killed and could not: the last one takes the directory.
    fn drop(&mut self) {
        if parent_id() != self.parent {
            let _not_there = std::fs::remove_file(&self.path);
            let _not_empty = self.path.parent().map(std::fs::remove_dir);
        }
    }
}

impl Connected<IncomingStream<'_, AppListener>> for Peer {
    fn connect_info(_: IncomingStream<'_, AppListener>) -> Self {
        Self::Balancer
    }
}
