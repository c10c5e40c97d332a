//! One connection: two directions, each a reader and a writer with a queue between them.

use std::time::Duration;

use bytes::Bytes;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::{Fault, Regime, Tally};

/// Chunks on their way under [`Fault::Delay`]; a full queue stops the reader, as a full pipe does.
const QUEUE: usize = 256;

/// A throttled direction moves so often in a second.
const STEPS: u64 = 50;

/// Makes the close of this socket a RST.
pub(super) fn reset(stream: &TcpStream) {
    // It fails only on a socket that is dead already.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

/// The connection is over for both sides.
enum Over {
    Cut,
    Failed,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    ToServer,
    ToClient,
}

struct Chunk {
    due: Instant,
    bytes: Bytes,
}

pub(super) async fn relay(
    mut client: TcpStream,
    mut server: TcpStream,
    regime: watch::Receiver<Regime>,
    tally: &Tally,
) {
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let born = regime.borrow().epoch;
    let was_reset = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let pumps = async {
            tokio::try_join!(
                pump(Direction::ToServer, from_client, to_server, regime.clone(), tally),
                pump(Direction::ToClient, from_server, to_client, regime.clone(), tally),
            )
        };
        let mut orders = regime.clone();
        tokio::select! {
            biased;
            reset = orders.wait_for(|regime| regime.last_reset > born) => reset.is_ok(),
            _ = pumps => false,
        }
    };
    if was_reset {
        reset(&client);
        reset(&server);
        tally.update(|counts| counts.resets += 1);
    }
}

async fn pump(
    direction: Direction,
    read: ReadHalf<'_>,
    write: WriteHalf<'_>,
    regime: watch::Receiver<Regime>,
    tally: &Tally,
) -> Result<(), Over> {
    let (sender, queue) = mpsc::channel(QUEUE);
    tokio::try_join!(
        fill(read, sender, regime.clone(), tally),
        drain(direction, write, queue, regime, tally),
    )?;
    Ok(())
}

/// Reads, if the fault lets it, and notes when each chunk is due on the other side.
async fn fill(
    mut read: ReadHalf<'_>,
    queue: mpsc::Sender<Chunk>,
    mut regime: watch::Receiver<Regime>,
    tally: &Tally,
) -> Result<(), Over> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let fault = regime.borrow_and_update().fault.clone();
        if fault == Fault::HalfOpen {
            moved(&mut regime).await?;
            continue;
        }
        let n = tokio::select! {
            biased;
            change = moved(&mut regime) => {
                change?;
                continue;
            }
            n = read.read(&mut buffer) => n.map_err(|_| Over::Failed)?,
        };
        let due = match fault {
            Fault::BlackHole if n == 0 => {
                // The end is swallowed like all else, until the fault is over.
                let over = |regime: &Regime| regime.fault != Fault::BlackHole;
                regime.wait_for(over).await.map_err(|_| Over::Failed)?;
                return Ok(());
            }
            Fault::BlackHole => {
                tally.update(|counts| counts.swallowed += n as u64);
                continue;
            }
            Fault::Delay(delay) => Instant::now() + delay,
            _ => Instant::now(),
        };
        let end = n == 0;
        // An empty chunk is the end: it takes its time like the bytes before it.
        let chunk = Chunk { due, bytes: Bytes::copy_from_slice(&buffer[..n]) };
        if queue.send(chunk).await.is_err() || end {
            return Ok(());
        }
    }
}

/// Writes what is due, as the fault lets it.
async fn drain(
    direction: Direction,
    mut write: WriteHalf<'_>,
    mut queue: mpsc::Receiver<Chunk>,
    mut regime: watch::Receiver<Regime>,
    tally: &Tally,
) -> Result<(), Over> {
    // A new connection plays the fault in force, not the ones before it.
    let mut played = match regime.borrow().fault {
        Fault::Garbage(_) => 0,
        _ => regime.borrow().epoch,
    };
    let mut cut = None;
    loop {
        let now = regime.borrow_and_update().clone();
        if let Some((epoch, garbage)) = now.last_garbage.filter(|(epoch, _)| *epoch > played)
            && direction == Direction::ToClient
        {
            played = epoch;
            write.write_all(&garbage).await.map_err(|_| Over::Failed)?;
        }
        match now.fault {
            Fault::CutAfter(bytes) if direction == Direction::ToClient => {
                cut.get_or_insert(bytes);
            }
            _ => cut = None,
        }
        if cut == Some(0) {
            return Err(Over::Cut);
        }
        if now.fault == Fault::HalfOpen {
            moved(&mut regime).await?;
            continue;
        }
        let chunk = tokio::select! {
            biased;
            change = moved(&mut regime) => {
                change?;
                continue;
            }
            chunk = queue.recv() => chunk,
        };
        // The reader is gone without an end: a black hole closed over it.
        let Some(Chunk { due, bytes: mut chunk }) = chunk else {
            return Ok(());
        };
        tokio::time::sleep_until(due).await;
        if chunk.is_empty() {
            let _ = write.shutdown().await;
            return Ok(());
        }
        while !chunk.is_empty() {
            let mut n = chunk.len() as u64;
            if let Fault::Throttle(rate) = regime.borrow().fault {
                n = n.min((rate / STEPS).max(1));
            }
            n = n.min(cut.unwrap_or(u64::MAX));
            let now = chunk.split_to(usize::try_from(n).unwrap_or(chunk.len()));
            write.write_all(&now).await.map_err(|_| Over::Failed)?;
            tally.update(|counts| match direction {
                Direction::ToServer => counts.to_server += n,
                Direction::ToClient => counts.to_client += n,
            });
            if let Some(left) = &mut cut {
                *left -= n;
                if *left == 0 {
                    return Err(Over::Cut);
                }
            }
            throttle(n, &mut regime).await;
        }
    }
}

/// Waits as long as `n` bytes take, or until the fault changes.
async fn throttle(n: u64, regime: &mut watch::Receiver<Regime>) {
    let Fault::Throttle(rate) = regime.borrow().fault else {
        return;
    };
    let time = Duration::from_nanos(n.saturating_mul(1_000_000_000) / rate.max(1));
    tokio::select! {
        () = tokio::time::sleep(time) => {}
        _ = regime.wait_for(|regime| regime.fault != Fault::Throttle(rate)) => {}
    }
}

/// Waits for another fault; an error means that the proxy is gone.
async fn moved(regime: &mut watch::Receiver<Regime>) -> Result<(), Over> {
    regime.changed().await.map_err(|_| Over::Failed)
}
