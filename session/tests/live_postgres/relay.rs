//! Counts round trips: a relay that reads what the client says in PostgreSQL's protocol.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};

#[derive(Clone)]
pub(crate) struct Relay {
    addr: SocketAddr,
    trips: Arc<AtomicUsize>,
}

impl Relay {
    pub(crate) async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let relay = Self { addr: listener.local_addr().unwrap(), trips: Arc::default() };
        let trips = Arc::clone(&relay.trips);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, server, Arc::clone(&trips)));
            }
        });
        relay
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@{}/postgres", self.addr)
    }

    /// Round trips since the last time it was asked.
    pub(crate) fn trips(&self) -> usize {
        self.trips.swap(0, Ordering::SeqCst)
    }
}

async fn pass(client: TcpStream, server: SocketAddr, trips: Arc<AtomicUsize>) {
    let Ok(upstream) = TcpStream::connect(server).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = upstream.into_split();
    tokio::spawn(async move { copy(&mut from_server, &mut to_client).await });
    // The first message has no letter.
    let mut message = Vec::new();
    let mut letter = None;
    loop {
        let Ok(length) = from_client.read_u32().await else { return };
        message.resize(length as usize - 4, 0);
        if from_client.read_exact(&mut message).await.is_err() {
            return;
        }
        // The server answers to Sync and to Query; `S` ends what is sent with Parse, Bind and Execute.
        if matches!(letter, Some(b'S' | b'Q')) {
            trips.fetch_add(1, Ordering::SeqCst);
        }
        let mut frame: Vec<u8> = letter.into_iter().collect();
        frame.extend(length.to_be_bytes());
        frame.extend(&message);
        if to_server.write_all(&frame).await.is_err() {
            return;
        }
        let Ok(next) = from_client.read_u8().await else { return };
        letter = Some(next);
    }
}
