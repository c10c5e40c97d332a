//! The connection to a server or a cluster: one for all callers, and always being made again.
//!
//! There is no pool: one connection carries the questions of any number of callers, one after another. When it breaks,
//! a task of its own makes the next, and goes on trying. Meanwhile callers are told at once that there is
//! none, so that an outage costs each of them nothing.
//!
//! Nothing is sent twice. A client that repeats what was lost on the way counts an increment twice; the cluster's own
//! repetition is therefore off, and only what was refused before it began is asked again.

mod pace;
mod wire;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use ::redis::{RedisError, ServerErrorKind, Value};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use self::wire::Connection;
pub(super) use self::wire::Target;
use super::call::Call;
use super::error::{Says, is_broken, of_command};
use crate::error::StoreError;

/// How often a question is asked again that a cluster's node sent elsewhere or put off. A slot moves once.
const DETOURS: u32 = 3;
/// How long a cluster that puts questions off is left alone.
const DETOUR: Duration = Duration::from_millis(20);

#[derive(Clone)]
enum Status {
    /// Nobody has asked yet, or a connection was lost a moment ago.
    Pending,
    Up(u64, Connection),
    Down(RedisError),
}

pub(super) struct Link {
    target: Target,
    /// How long connecting may take, and how long an answer.
    limit: Duration,
    status: watch::Sender<Status>,
    /// Guards that one task at a time connects.
    connecting: Mutex<bool>,
    attempts: AtomicU64,
    /// When the last answer came, in microseconds after `began`.
    answered: AtomicU64,
    began: Instant,
}

impl Link {
    pub(super) fn new(target: Target, limit: Duration) -> Arc<Self> {
        Arc::new(Self {
            target,
            limit,
            status: watch::Sender::new(Status::Pending),
            connecting: Mutex::new(false),
            attempts: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            began: Instant::now(),
        })
    }

    /// How often it has begun to connect.
    pub(super) fn attempts(&self) -> u64 {
        self.attempts.load(Ordering::Relaxed)
    }

    pub(super) fn is_cluster(&self) -> bool {
        !self.target.is_one_server()
    }

    /// Waits for the first connection.
    pub(super) async fn up(self: &Arc<Self>) -> Result<(), StoreError> {
        self.connection().await.map(drop)
    }

    /// Asks, and gives the answer.
    ///
    /// # Cancel safety
    ///
    /// A question that was sent may have its effect.
    pub(super) async fn ask(self: &Arc<Self>, call: &Call<'_>) -> Result<Value, StoreError> {
        let (number, mut connection) = self.connection().await?;
        let mut asking = Asking { link: self, number, asked: Instant::now(), answered: false };
        let answer = match timeout(self.limit, exchange(&mut connection, call)).await {
            Ok(answer) => answer,
            Err(elapsed) => return Err(StoreError::Unknown(elapsed.into())),
        };
        match answer {
            Ok(value) => {
                asking.answered = true;
                self.heard();
                Ok(value)
            }
            Err(error) => {
                if is_broken(&error) {
                    self.lost(number);
                }
                // Also an error of the server is an answer.
                asking.answered = !error.is_timeout();
                Err(of_command(error))
            }
        }
    }

    async fn connection(self: &Arc<Self>) -> Result<(u64, Connection), StoreError> {
        let mut status = self.status.subscribe();
        if !matches!(*status.borrow(), Status::Up(..)) {
            self.connect();
        }
        let settled = status.wait_for(|status| !matches!(status, Status::Pending));
        let none = |error: RedisError| StoreError::Unavailable(error.into());
        match timeout(self.limit, settled).await {
            Ok(Ok(status)) => match &*status {
                Status::Up(number, connection) => Ok((*number, connection.clone())),
                Status::Down(error) => Err(none(error.clone())),
                Status::Pending => Err(StoreError::Unavailable(Says("not connected").into())),
            },
            Ok(Err(closed)) => Err(StoreError::Unavailable(closed.into())),
            Err(elapsed) => Err(StoreError::Unavailable(elapsed.into())),
        }
    }

    /// Lets a task connect, unless one does.
    fn connect(self: &Arc<Self>) {
        let mut connecting = self.connecting.lock().unwrap_or_else(PoisonError::into_inner);
        if !*connecting && !matches!(*self.status.borrow(), Status::Up(..)) {
            *connecting = true;
            tokio::spawn(keep_connecting(Turn(Arc::downgrade(self))));
        }
    }

    /// This connection is not used again. Who still waits for an answer of it may.
    fn lost(self: &Arc<Self>, number: u64) {
        let lost = self.status.send_if_modified(|status| {
            let current = matches!(status, Status::Up(current, _) if *current == number);
            if current {
                *status = Status::Pending;
            }
            current
        });
        if lost {
            self.connect();
        }
    }

    fn heard(&self) {
        let micros = Instant::now().saturating_duration_since(self.began).as_micros();
        self.answered.fetch_max(u64::try_from(micros).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// A question ended without an answer.
    fn unanswered(self: &Arc<Self>, number: u64, asked: Instant) {
        let answered = self.began + Duration::from_micros(self.answered.load(Ordering::Relaxed));
        // Answers of one node of a cluster say nothing of another.
        let answered = self.target.is_one_server().then_some(answered);
        if pace::is_silent(asked, answered, Instant::now()) {
            self.lost(number);
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The target knows the password.
        f.debug_struct("Link").field("attempts", &self.attempts).finish_non_exhaustive()
    }
}

/// Connects, however often it takes. Ends with the link.
async fn keep_connecting(turn: Turn) {
    let link = Weak::clone(&turn.0);
    let mut failed = 0;
    loop {
        let Some(this) = link.upgrade() else { return };
        let number = this.attempts.fetch_add(1, Ordering::Relaxed) + 1;
        let lost = Weak::clone(&link);
        let lost = move || lost.upgrade().iter().for_each(|link| link.lost(number));
        let connected = this.target.connect(this.limit, lost).await;
        match connected {
            Ok(connection) => {
                let _turn = turn;
                this.status.send_replace(Status::Up(number, connection));
                return;
            }
            Err(error) => {
                failed += 1;
                this.status.send_replace(Status::Down(error));
            }
        }
        drop(this);
        sleep(pace::pause(failed)).await;
    }
}

/// Whose turn it is to connect. Given back also when a runtime ends under the task.
struct Turn(Weak<Link>);

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(link) = self.0.upgrade() {
            *link.connecting.lock().unwrap_or_else(PoisonError::into_inner) = false;
        }
    }
}

/// A question under way. If it ends without an answer, also because nobody waits any more, the connection is judged.
struct Asking<'a> {
    link: &'a Arc<Link>,
    number: u64,
    asked: Instant,
    answered: bool,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.link.unanswered(self.number, self.asked);
        }
    }
}

/// Sends a script's hash, and its text if the server does not know it: then it has done nothing. What a node of a cluster
/// sends elsewhere, or puts off, was not done either.
async fn exchange(connection: &mut Connection, call: &Call<'_>) -> Result<Value, RedisError> {
    let mut command = call.by_hash();
    let mut asked = connection.send(&command).await;
    for _ in 0..DETOURS {
        let Err(error) = &asked else { return asked };
        let ::redis::ErrorKind::Server(kind) = error.kind() else { return asked };
        asked = match kind {
            ServerErrorKind::NoScript => {
                command = call.in_full();
                connection.send(&command).await
            }
            ServerErrorKind::Ask => match error.redirect_node() {
                Some((node, _)) => connection.send_to(node, &command).await,
                None => return asked,
            },
            ServerErrorKind::Moved | ServerErrorKind::TryAgain if connection.is_cluster() => {
                sleep(DETOUR).await;
                connection.send(&command).await
            }
            _ => return asked,
        };
    }
    asked
}
