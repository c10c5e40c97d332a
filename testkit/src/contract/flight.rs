//! One request on its way through a subject, polled by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use super::kit::{Failure, Input, LocalFuture, Reply, Wrapped};

/// More polls than this after one wake are a busy loop: no honest layer needs so many steps.
pub(super) const BUSY: usize = 64;

/// A waker that counts.
#[derive(Debug, Default)]
pub(super) struct Alarm(AtomicUsize);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Alarm {
    pub(super) fn rang(&self) -> bool {
        self.0.swap(0, Ordering::SeqCst) > 0
    }
}

/// Polls `poll_ready` until it stalls without having woken itself.
///
/// `Err` holds the number of polls of a busy loop.
pub(super) fn drive_ready(
    service: &mut Wrapped,
    alarm: &Arc<Alarm>,
) -> Result<Poll<Result<(), Failure>>, usize> {
    let waker = Waker::from(alarm.clone());
    for _ in 0..BUSY {
        let poll = service.poll_ready(&mut Context::from_waker(&waker));
        if poll.is_ready() || !alarm.rang() {
            return Ok(poll);
        }
    }
    Err(BUSY)
}

/// More polls than any request of the suite needs.
const ENOUGH: usize = 10_000;

enum Stage {
    Ready(Wrapped, Input),
    Calling(LocalFuture<Result<Reply, Failure>>),
    Body(Reply),
    Failed(Failure),
    Ended(Reply),
}

/// One request on its way: to readiness, to the head, to the end of the body.
pub(super) struct Flight {
    stage: Stage,
    pub alarm: Arc<Alarm>,
}

impl Flight {
    /// The way axum calls: a clone of its own, driven to readiness, called once.
    pub(super) fn oneshot(service: &Wrapped, n: usize) -> Self {
        Self::with(Stage::Ready(service.clone_box(), Input::Plain(n)))
    }

    pub(super) fn hostile(service: &Wrapped, n: usize) -> Self {
        Self::with(Stage::Ready(service.clone_box(), Input::Hostile(n)))
    }

    /// Calls an instance that is ready.
    pub(super) fn call(service: &mut Wrapped, n: usize) -> Self {
        Self::with(Stage::Calling(service.call(Input::Plain(n))))
    }

    fn with(stage: Stage) -> Self {
        Self { stage, alarm: Arc::default() }
    }

    /// Polls once; true when nothing is left to wait for. Stops for a poll at the head.
    fn step(&mut self, cx: &mut Context<'_>, through_body: bool) -> Poll<()> {
        loop {
            match &mut self.stage {
                Stage::Ready(service, input) => match std::task::ready!(service.poll_ready(cx)) {
                    Ok(()) => self.stage = Stage::Calling(service.call(*input)),
                    Err(failure) => self.stage = Stage::Failed(failure),
                },
                Stage::Calling(future) => match std::task::ready!(future.as_mut().poll(cx)) {
                    Ok(reply) => self.stage = Stage::Body(reply),
                    Err(failure) => self.stage = Stage::Failed(failure),
                },
                Stage::Body(_) if !through_body => return Poll::Ready(()),
                Stage::Body(reply) => {
                    let more = match reply.body.as_mut() {
                        Some(body) => std::task::ready!(body.as_mut().poll_next(cx)),
                        None => None,
                    };
                    if !matches!(more, Some(Ok(()))) {
                        let (status, extensions) = (reply.status, reply.extensions);
                        // The ended body stays alive: its end alone must release what it held.
                        let body = reply.body.take();
                        self.stage = Stage::Ended(Reply { status, extensions, body });
                    }
                }
                Stage::Failed(_) | Stage::Ended(_) => return Poll::Ready(()),
            }
        }
    }

    /// Polls once with the flight's own alarm.
    pub(super) fn poll(&mut self) -> Poll<()> {
        let waker = Waker::from(self.alarm.clone());
        self.step(&mut Context::from_waker(&waker), true)
    }

    /// Polls as long as it wakes itself; `Err` is the number of polls of a busy loop.
    pub(super) fn stall(&mut self, through_body: bool) -> Result<Poll<()>, usize> {
        let waker = Waker::from(self.alarm.clone());
        for _ in 0..BUSY {
            let poll = self.step(&mut Context::from_waker(&waker), through_body);
            if poll.is_ready() || !self.alarm.rang() {
                return Ok(poll);
            }
        }
        Err(BUSY)
    }

    /// Drives it to its end (or to the head) with the runtime's help; false after `limit`.
    pub(super) async fn finish(&mut self, through_body: bool, limit: Duration) -> bool {
        let mut polls = 0;
        let end = std::future::poll_fn(|cx| {
            polls += 1;
            // Paused time stands still while somebody wakes itself: a limit in time alone would
            // never come.
            if polls > ENOUGH {
                Poll::Ready(false)
            } else {
                self.step(cx, through_body).map(|()| true)
            }
        });
        tokio::time::timeout(limit, end).await.unwrap_or(false)
    }

    pub(super) fn failure(&self) -> Option<&Failure> {
        match &self.stage {
            Stage::Failed(failure) => Some(failure),
            _ => None,
        }
    }

    pub(super) fn reply(&self) -> Option<&Reply> {
        match &self.stage {
            Stage::Body(reply) | Stage::Ended(reply) => Some(reply),
            _ => None,
        }
    }

    /// How it stands, for messages.
    pub(super) fn describe(&self) -> String {
        match &self.stage {
            Stage::Ready(..) => "still waiting for readiness".into(),
            Stage::Calling(_) => "still waiting for the response".into(),
            Stage::Body(_) => "still reading the body".into(),
            Stage::Failed(failure) => format!("failed: {}", failure.error),
            Stage::Ended(reply) => match reply.status {
                Some(status) => format!("answered {status}"),
                None => "answered".into(),
            },
        }
    }
}
