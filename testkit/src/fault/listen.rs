//! The port: listening, refusing, and listening again.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::relay::{relay, reset};
use super::{Fault, Regime, Tally};

/// A port that stays ours while nobody listens on it.
///
/// A bound socket that does not listen refuses connections and keeps the port from others; with
/// SO_REUSEADDR on both, a second socket may listen there.
pub(super) struct Port {
    addr: SocketAddr,
    _holder: Socket,
}

impl Port {
    pub(super) fn reserve() -> io::Result<Self> {
        let holder = socket()?;
        holder.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        let addr = holder.local_addr()?.as_socket().ok_or(io::ErrorKind::Unsupported)?;
        Ok(Self { addr, _holder: holder })
    }

    pub(super) fn listen(&self) -> io::Result<TcpListener> {
        let socket = socket()?;
        socket.bind(&self.addr.into())?;
        socket.listen(1024)?;
        socket.set_nonblocking(true)?;
        TcpListener::from_std(socket.into())
    }
}

fn socket() -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    Ok(socket)
}

pub(super) async fn accept(
    port: Port,
    listener: TcpListener,
    target: SocketAddr,
    mut orders: watch::Receiver<Regime>,
    obeys: watch::Sender<u64>,
    tally: Arc<Tally>,
) {
    let mut listener = Some(listener);
    let mut connections = JoinSet::new();
    loop {
        let (listens, epoch) = {
            let regime = orders.borrow_and_update();
            (regime.listens(), regime.epoch)
        };
        if !listens {
            listener = None;
        } else if listener.is_none() {
            // The port is held, so only a lack of descriptors can stop this; then it refuses on.
            listener = port.listen().ok();
        }
        obeys.send_replace(epoch);
        tokio::select! {
            biased;
            changed = orders.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            accepted = next(listener.as_ref()) => {
                let Ok((client, _)) = accepted else { continue };
                tally.update(|counts| {
                    counts.connections += 1;
                    counts.open += 1;
                });
                let regime = orders.clone();
                connections.spawn(connection(client, target, regime, tally.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn next(listener: Option<&TcpListener>) -> io::Result<(TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

struct Open(Arc<Tally>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.update(|counts| counts.open -= 1);
    }
}

async fn connection(
    client: TcpStream,
    target: SocketAddr,
    regime: watch::Receiver<Regime>,
    tally: Arc<Tally>,
) {
    let _open = Open(tally.clone());
    if regime.borrow().fault == Fault::Reset {
        reset(&client);
        tally.update(|counts| counts.resets += 1);
        return;
    }
    match TcpStream::connect(target).await {
        Ok(server) => relay(client, server, regime, &tally).await,
        // What a client sees of a proxy whose server is gone: its connection ends.
        Err(_) => reset(&client),
    }
}
