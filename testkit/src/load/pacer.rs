//! Says when each request is due.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

/// When request `n` of a run is due, counted from its beginning.
pub(super) fn due(n: usize, rate: u32) -> Duration {
    // In nanoseconds of 128 bits: an interval rounded once would drift over millions of requests.
    let nanos = n as u128 * 1_000_000_000 / u128::from(rate);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// Sends the number of each request when it is due.
///
/// A thread of its own, because tokio's timers have a granularity of one millisecond, which would
/// be most of the latency of a fast server.
pub(super) fn spawn(
    began: Instant,
    rate: u32,
    total: usize,
    stop: Arc<AtomicBool>,
) -> std::io::Result<mpsc::UnboundedReceiver<usize>> {
    let (sender, receiver) = mpsc::unbounded_channel();
    thread::Builder::new().name("load-pacer".into()).spawn(move || {
        for n in 0..total {
            let due = due(n, rate);
            let early = due.saturating_sub(began.elapsed());
            if !early.is_zero() {
                thread::sleep(early);
            }
            if stop.load(Ordering::Relaxed) || sender.send(n).is_err() {
                return;
            }
        }
    })?;
    Ok(receiver)
}
