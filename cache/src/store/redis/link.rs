//! The connection to one node, shared by all caches of the process that use it.
//!
//! It is made by a task of its own when somebody first needs it: who waits for it waits for no longer
//! than his budget, and what he did not wait for is there for the next one. There is no pool: a
//! connection carries the commands of any number of callers, one after another.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ::redis::aio::{ConnectionLike, MultiplexedConnection};
use ::redis::{AsyncConnectionConfig, Client, Pipeline, RedisError, Value};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::call::{self, Call, Hashes};
use super::script::Script;
use crate::store::breaker::{Breaker, Ticket};

/// Why a node gave no answer.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    TimedOut,
    /// No connection.
    Unreachable(String),
    /// A connection broke.
    Broken(String),
    /// The answer was an error.
    Refused(String),
}

impl Failure {
    /// Whether it is the node that does not work, and not what it was asked to do.
    pub(super) fn is_dead(&self) -> bool {
        !matches!(self, Self::Refused(_))
    }
}

/// A connection, and what was learned when it was made.
#[derive(Clone)]
pub(super) struct Connected {
    connection: MultiplexedConnection,
    hashes: std::sync::Arc<Hashes>,
    /// Which server it is: another one after each start.
    pub(super) run: String,
    /// Which of this link's connections.
    pub(super) number: u64,
}

#[derive(Clone)]
enum Attempt {
    Pending,
    Connected(Box<Connected>),
    Failed(Failure),
}

pub(super) struct Link {
    client: Client,
    /// How long connecting may take.
    patience: Duration,
    breaker: Mutex<Breaker>,
    /// The newest attempt with its number. The lock guards looking at it and replacing it.
    attempt: Mutex<Option<(u64, watch::Receiver<Attempt>)>>,
    attempts: AtomicU64,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The client knows the password.
        f.debug_struct("Link").field("breaker", &self.breaker).finish_non_exhaustive()
    }
}

impl Link {
    pub(super) fn new(client: Client, window: Duration, patience: Duration) -> Self {
        let breaker = Mutex::new(Breaker::new(window));
        let (attempt, attempts) = (Mutex::default(), AtomicU64::new(0));
        Self { client, patience, breaker, attempt, attempts }
    }

    pub(super) fn admit(&self, now: Instant) -> Option<Ticket> {
        self.breaker(|breaker| breaker.admit(now))
    }

    pub(super) fn ended(&self, ticket: Ticket, answered: bool, now: Instant) {
        self.breaker(|breaker| breaker.ended(ticket, answered, now));
    }

    pub(super) fn is_closed(&self) -> bool {
        self.breaker(|breaker| breaker.is_closed())
    }

    pub(super) fn opened(&self) -> u64 {
        self.breaker(|breaker| breaker.opened())
    }

    /// How often it has begun to connect.
    pub(super) fn attempts(&self) -> u64 {
        self.attempts.load(Ordering::Relaxed)
    }

    fn breaker<T>(&self, step: impl FnOnce(&mut Breaker) -> T) -> T {
        step(&mut self.breaker.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The connection, as soon as there is one.
    pub(super) async fn connected(&self) -> Result<Connected, Failure> {
        let (number, mut attempt) = self.attempt();
        let ended = attempt.wait_for(|attempt| !matches!(attempt, Attempt::Pending)).await;
        let ended = ended.map(|attempt| attempt.clone());
        match ended {
            Ok(Attempt::Connected(connected)) => Ok(*connected),
            Ok(Attempt::Failed(failure)) => {
                self.discard(number);
                Err(failure)
            }
            Ok(Attempt::Pending) | Err(_) => {
                self.discard(number);
                Err(Failure::Unreachable("connecting was given up".into()))
            }
        }
    }

    /// The attempt under way or the connection that came of it; a new attempt if there is none.
    fn attempt(&self) -> (u64, watch::Receiver<Attempt>) {
        let mut newest = self.attempt.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(attempt) = &*newest {
            return attempt.clone();
        }
        let number = self.attempts.fetch_add(1, Ordering::Relaxed) + 1;
        let (ended, attempt) = watch::channel(Attempt::Pending);
        *newest = Some((number, attempt.clone()));
        let connecting = connect(self.client.clone(), self.patience, number);
        tokio::spawn(async move {
            ended.send_replace(match connecting.await {
                Ok(connected) => Attempt::Connected(Box::new(connected)),
                Err(failure) => Attempt::Failed(failure),
            });
        });
        (number, attempt)
    }

    /// This connection is not to be used again. Whoever still waits for an answer of it may.
    pub(super) fn discard(&self, number: u64) {
        let mut newest = self.attempt.lock().unwrap_or_else(PoisonError::into_inner);
        if newest.as_ref().is_some_and(|(newest, _)| *newest == number) {
            *newest = None;
        }
    }
}

/// rustls panics where it has to choose between several providers, or has none.
#[cfg(feature = "tls-rustls")]
fn provide_crypto() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // An error means that another thread was faster.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

async fn connect(client: Client, patience: Duration, number: u64) -> Result<Connected, Failure> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(patience))
        .set_response_timeout(Some(patience));
    #[cfg(feature = "tls-rustls")]
    if matches!(client.get_connection_info().addr(), ::redis::ConnectionAddr::TcpTls { .. }) {
        provide_crypto();
    }
    let connecting = async {
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        let mut questions = Pipeline::new();
        questions.cmd("INFO").arg("server");
        for script in Script::ALL {
            questions.cmd("SCRIPT").arg("LOAD").arg(script.source());
        }
        let answers = send(&mut connection, &questions).await?;
        Ok::<_, RedisError>((connection, answers))
    };
    let connected = timeout(patience, connecting).await.map_err(|_| Failure::TimedOut)?;
    let (connection, answers) =
        connected.map_err(|error| Failure::Unreachable(error.to_string()))?;
    // Also a server that refuses this, because it is loading its data, is to be left alone for a while.
    learn(answers).map_err(Failure::Unreachable).map(|(run, hashes)| Connected {
        connection,
        hashes: hashes.into(),
        run,
        number,
    })
}

/// The run id and the scripts' hashes.
fn learn(answers: Vec<Value>) -> Result<(String, Hashes), String> {
    let mut answers = answers.into_iter();
    let info = call::bytes(answers.next().ok_or_else(call::missing)?)?.unwrap_or_default();
    let info = String::from_utf8_lossy(&info);
    let run = info.lines().find_map(|line| line.strip_prefix("run_id:"));
    let run = run.ok_or("not a server that says which run it is in `INFO server`")?;
    let hash = |value| {
        let hash = call::bytes(value)?.unwrap_or_default();
        Ok::<_, String>(String::from_utf8_lossy(&hash).into_owned())
    };
    Ok((run.trim().to_owned(), answers.map(hash).collect::<Result<_, _>>()?))
}

impl Connected {
    /// Sends these and returns as many answers, which may be errors.
    pub(super) async fn send(&mut self, calls: &[Call]) -> Result<Vec<Value>, Failure> {
        let broken = |error: RedisError| match error.is_timeout() {
            true => Failure::TimedOut,
            false => Failure::Broken(error.to_string()),
        };
        let pipeline = call::by_hash(calls, &self.hashes);
        let mut answers = send(&mut self.connection, &pipeline).await.map_err(broken)?;
        let forgotten = call::forgotten(&answers);
        if !forgotten.is_empty() {
            let again = call::in_full(calls, &forgotten, &self.hashes);
            let late = send(&mut self.connection, &again).await.map_err(broken)?;
            for (index, value) in forgotten.into_iter().zip(late) {
                answers[index] = value;
            }
        }
        match answers.len() == calls.len() {
            true => Ok(answers),
            false => Err(Failure::Refused(call::missing())),
        }
    }
}

async fn send(
    connection: &mut MultiplexedConnection,
    pipeline: &Pipeline,
) -> Result<Vec<Value>, RedisError> {
    connection.req_packed_commands(pipeline, 0, pipeline.len()).await
}
