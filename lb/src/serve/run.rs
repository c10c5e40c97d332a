//! The accept loop and its end.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::connection::Protocols;
use super::drain::{Drain, Stage};
use super::{Acceptor, HttpService, Listener, Server, telemetry};
use crate::proxy::Peer;

/// How a server's life went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Connections that were accepted.
    pub connections: u64,
    /// Requests whose head arrived whole.
    pub requests: u64,
    /// Connections that were still busy at the drain's deadline and were cut.
    pub cut: u64,
}

/// Connections that a drain accepts beyond the cap: the queue that listeners have by default. They
/// were promised a connection by the kernel before the drain began.
const MAX_BACKLOG: usize = 4096;

impl<A> Server<A> {
    /// Serves every connection with clones of one service until `shutdown` completes, then drains.
    ///
    /// Each request carries the client's [`Peer`] in its extensions.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the listener; open connections go on in their tasks.
    pub async fn serve<L, S>(
        self,
        listener: L,
        service: S,
        shutdown: impl Future<Output = ()>,
    ) -> Report
    where
        L: Listener,
        A: Acceptor<L::Io>,
        S: HttpService,
    {
        let make = move |peer: &Peer| (service.clone(), Some(peer.clone()));
        self.run(listener, make, shutdown).await
    }

    /// Like [`serve`](Self::serve), with a service made for each connection, which may know its
    /// peer: `|peer| proxy.clone().for_peer(peer.clone())`. Requests carry no [`Peer`] then.
    pub async fn serve_each<L, M, S>(
        self,
        listener: L,
        make: M,
        shutdown: impl Future<Output = ()>,
    ) -> Report
    where
        L: Listener,
        A: Acceptor<L::Io>,
        M: Fn(&Peer) -> S + Clone + Send + 'static,
        S: HttpService,
    {
        self.run(listener, move |peer: &Peer| (make(peer), None), shutdown).await
    }

    async fn run<L, M, S>(
        self,
        mut listener: L,
        make: M,
        shutdown: impl Future<Output = ()>,
    ) -> Report
    where
        L: Listener,
        A: Acceptor<L::Io>,
        M: Fn(&Peer) -> (S, Option<Peer>) + Clone + Send + 'static,
        S: HttpService,
    {
        let drain = Arc::new(Drain::default());
        let protocols = Protocols {
            http1: self.http1(),
            http2: self.http2(),
            timeouts: self.timeouts,
            drain: Arc::clone(&drain),
        };
        let protocols = Arc::new(protocols);
        let acceptor = self.acceptor;
        let spawn = |io: L::Io, peer: Peer, permit: Option<OwnedSemaphorePermit>| {
            let mut place = drain.enter();
            let (protocols, make, acceptor) =
                (Arc::clone(&protocols), make.clone(), acceptor.clone());
            tokio::spawn(async move {
                let activity = Arc::clone(place.activity());
                let mut served = pin!(async move {
                    let accepting = acceptor.accept(io, peer);
                    let accepted = timeout(protocols.timeouts.handshake, accepting).await;
                    let Ok(Ok((stream, peer))) = accepted else {
                        return;
                    };
                    let (service, peer) = make(&peer);
                    protocols.serve(stream, service, peer, &activity).await;
                });
                poll_fn(|cx| {
                    if place.poll_cut(cx).is_ready() {
                        Poll::Ready(())
                    } else {
                        served.as_mut().poll(cx)
                    }
                })
                .await;
                drop(permit);
            });
        };

        let slots = Arc::new(Semaphore::new(self.max_connections));
        let mut shutdown = pin!(shutdown);
        let mut backoff = Backoff::default();
        loop {
            let next = async {
                let permit = Arc::clone(&slots).acquire_owned().await.ok();
                (poll_fn(|cx| listener.poll_accept(cx)).await, permit)
            };
            let (accepted, permit) = tokio::select! {
                biased;
                () = &mut shutdown => break,
                next = next => next,
            };
            match accepted {
                Ok((io, peer)) => {
                    backoff.reset();
                    spawn(io, peer, permit);
                }
                Err(error) => {
                    drop(permit);
                    if let Some(wait) = backoff.after(&error) {
                        tokio::select! {
                            biased;
                            () = &mut shutdown => break,
                            () = sleep(wait) => {}
                        }
                    }
                }
            }
        }

        let deadline = Instant::now() + self.timeouts.drain;
        // The runtime looks at its sockets only between tasks: let it see what has arrived.
        tokio::task::yield_now().await;
        for _ in 0..MAX_BACKLOG {
            let accepted = poll_fn(|cx| Poll::Ready(listener.poll_accept(cx))).await;
            match accepted {
                Poll::Ready(Ok((io, peer))) => spawn(io, peer, None),
                Poll::Ready(Err(error)) if is_of_one_connection(&error) => {}
                Poll::Ready(Err(_)) | Poll::Pending => break,
            }
        }
        drop(listener);
        telemetry::draining();

        drain.advance(Stage::Draining);
        let lingered = Instant::now() + self.timeouts.linger;
        if timeout_at(lingered.min(deadline), drain.emptied()).await.is_err() {
            drain.advance(Stage::Closing);
        }
        let mut cut = 0;
        if timeout_at(deadline, drain.emptied()).await.is_err() {
            cut = drain.cut();
            // They end as soon as they are polled, unless a service blocks its thread.
            let _ = timeout(CUT_PATIENCE, drain.emptied()).await;
        }
        let report = Report { connections: drain.entered(), requests: drain.requests(), cut };
        telemetry::drained(&report);
        report
    }
}

const CUT_PATIENCE: Duration = Duration::from_secs(1);

/// Waits that grow while accepting fails for want of file descriptors or memory: the connections
/// stay in the queue, and spinning would take the processor from those that could end.
#[derive(Debug, Default)]
struct Backoff {
    failures: u32,
}

impl Backoff {
    fn reset(&mut self) {
        if self.failures > 0 {
            telemetry::accept_recovered(self.failures);
            self.failures = 0;
        }
    }

    fn after(&mut self, error: &io::Error) -> Option<Duration> {
        if is_of_one_connection(error) {
            return None;
        }
        if self.failures == 0 {
            telemetry::accept_fails(error);
        }
        let wait = Duration::from_millis(10 << self.failures.min(7));
        self.failures = self.failures.saturating_add(1);
        Some(wait.min(Duration::from_secs(1)))
    }
}

/// Errors that belong to the connection that was being accepted, not to the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backs_off_from_a_full_table_but_not_from_one_lost_client() {
        let mut backoff = Backoff::default();
        let full = io::Error::from_raw_os_error(24);
        assert_eq!(backoff.after(&io::ErrorKind::ConnectionAborted.into()), None);
        assert_eq!(backoff.after(&full), Some(Duration::from_millis(10)));
        assert_eq!(backoff.after(&full), Some(Duration::from_millis(20)));
        for _ in 0..100 {
            assert!(backoff.after(&full).unwrap() <= Duration::from_secs(1));
        }
        backoff.reset();
        assert_eq!(backoff.after(&full), Some(Duration::from_millis(10)));
    }
}
