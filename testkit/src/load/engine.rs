//! The run itself: a thread, a runtime, a task per request.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONNECTION, HOST};
use http::{HeaderValue, Request};
use http_body_util::{BodyExt, Full};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use super::connection::{Connection, NoHead};
use super::report::{Outcome, Record, Report};
use super::{Connections, OpenLoop, pacer};

/// A load run in progress; dropping it stops it.
#[derive(Debug)]
pub struct Running {
    stop: Arc<AtomicBool>,
    ended: watch::Receiver<usize>,
    report: Option<oneshot::Receiver<Report>>,
    began: Instant,
}

impl Running {
    pub(super) fn start(plan: OpenLoop) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (ended_sender, ended) = watch::channel(0);
        let (report_sender, report) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let began = Instant::now();
        let due = pacer::spawn(began, plan.rate, plan.total, stop.clone())?;
        thread::Builder::new().name("load".into()).spawn(move || {
            let report = runtime.block_on(drive(plan, began, due, ended_sender));
            // Nobody waits for it after the handle was dropped.
            let _ = report_sender.send(report);
        })?;
        Ok(Self { stop, ended, report: Some(report), began })
    }

    /// When the run began: the zero of all times in the report.
    #[must_use]
    pub fn began(&self) -> Instant {
        self.began
    }

    /// Requests that ended so far, however they ended.
    #[must_use]
    pub fn ended(&self) -> usize {
        *self.ended.borrow()
    }

    /// Waits until so many requests ended (or the run is over).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn until_ended(&self, requests: usize) {
        // An error means that the run is over.
        let _ = self.ended.clone().wait_for(|ended| *ended >= requests).await;
    }

    /// Starts no more requests; those in flight go on.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Waits for the last request and returns the report.
    ///
    /// # Panics
    ///
    /// If the thread of the run panicked, which is a defect of this client.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the run.
    pub async fn finish(mut self) -> Report {
        let report = self.report.take().expect("taken only here, and self is gone then");
        report.await.expect("the run ends with a report")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Run {
    plan: OpenLoop,
    began: Instant,
    /// Idle connections, one stack for each source address.
    idle: Vec<Mutex<Vec<Connection>>>,
    in_flight: AtomicUsize,
}

async fn drive(
    plan: OpenLoop,
    began: Instant,
    mut due: tokio::sync::mpsc::UnboundedReceiver<usize>,
    ended: watch::Sender<usize>,
) -> Report {
    let idle = (0..plan.sources.len().max(1)).map(|_| Mutex::default()).collect();
    let max_in_flight = plan.max_in_flight;
    let run = Arc::new(Run { plan, began, idle, in_flight: AtomicUsize::new(0) });
    let mut tasks = JoinSet::new();
    let mut records: Vec<Record> = Vec::with_capacity(run.plan.total.min(1 << 20));
    let mut pacing = true;
    while pacing || !tasks.is_empty() {
        tokio::select! {
            biased;
            next = due.recv(), if pacing => match next {
                None => pacing = false,
                Some(n) if run.in_flight.load(Ordering::Relaxed) >= max_in_flight => {
                    let mut record = run.record(n);
                    record.outcome = Outcome::NotSent;
                    records.push(record);
                    ended.send_replace(records.len());
                }
                Some(n) => {
                    run.in_flight.fetch_add(1, Ordering::Relaxed);
                    tasks.spawn(run.clone().one(n));
                }
            },
            Some(record) = tasks.join_next() => {
                records.push(record.expect("a request's task does not panic"));
                ended.send_replace(records.len());
            }
        }
    }
    records.sort_unstable_by_key(|record| record.n);
    Report::new(began, run.plan.rate, records)
}

impl Run {
    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn record(&self, n: usize) -> Record {
        let now = self.now();
        Record {
            n,
            intended: pacer::due(n, self.plan.rate),
            started: now,
            head: None,
            ended: now,
            outcome: Outcome::TimedOut { head: None },
            body_bytes: 0,
            reused: false,
            source: self.plan.sources.get(n % self.plan.sources.len().max(1)).copied(),
        }
    }

    async fn one(self: Arc<Self>, n: usize) -> Record {
        let mut record = self.record(n);
        let exchange = self.exchange(n, &mut record);
        if let Ok(outcome) = tokio::time::timeout(self.plan.timeout, exchange).await {
            record.outcome = outcome;
        } else if let Outcome::Answered { status } = record.outcome {
            // The head had come: `exchange` notes it before it reads the body.
            record.outcome = Outcome::TimedOut { head: Some(status) };
        }
        record.ended = self.now();
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        record
    }

    async fn exchange(self: &Arc<Self>, n: usize, record: &mut Record) -> Outcome {
        let mut request = self.request(n);
        let (mut connection, response) = loop {
            let mut connection = match self.connection(record).await {
                Ok(connection) => connection,
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    return Outcome::Refused;
                }
                Err(error) => return Outcome::ConnectFailed(error.kind()),
            };
            record.reused = connection.reused;
            match connection.send(request).await {
                Ok(response) => break (connection, response),
                // The server closed an idle connection: no byte was written, the next one will do.
                Err(NoHead::Unsent(unsent)) if connection.reused => request = *unsent,
                // The server spoke before it was asked, and hyper closed the connection over it.
                Err(NoHead::Unsent(_)) if connection.has_received() => return Outcome::Malformed,
                Err(NoHead::Unsent(_) | NoHead::Cut { received: 0 }) => {
                    return Outcome::CutBeforeHead;
                }
                Err(NoHead::Cut { .. }) => return Outcome::CutInHead,
                Err(NoHead::Malformed) => return Outcome::Malformed,
            }
        };
        record.head = Some(self.now());
        let status = response.status().as_u16();
        record.outcome = Outcome::Answered { status };
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => {
                    record.body_bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                }
                Err(_) => return Outcome::CutAfterHead { status },
            }
        }
        if self.plan.connections == Connections::KeepAlive {
            // In a task of its own: the answer is complete now, whatever the connection does next.
            let run = self.clone();
            tokio::spawn(async move {
                if connection.reusable().await {
                    run.lane(n).push(connection);
                }
            });
        }
        Outcome::Answered { status }
    }

    /// The idle connections for request `n`: those from its source address.
    fn lane(&self, n: usize) -> MutexGuard<'_, Vec<Connection>> {
        self.idle[n % self.idle.len()].lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connection(&self, record: &Record) -> io::Result<Connection> {
        if self.plan.connections == Connections::KeepAlive {
            let mut lane = self.lane(record.n);
            // Youngest first: the pool shrinks to what the rate needs, the rest goes stale unused.
            while let Some(connection) = lane.pop() {
                if connection.is_usable() {
                    return Ok(connection);
                }
            }
        }
        Connection::open(self.plan.target, record.source).await
    }

    fn request(&self, n: usize) -> Request<Full<Bytes>> {
        let mut request = (self.plan.request)(n).map(Full::new);
        if !request.headers().contains_key(HOST) {
            request.headers_mut().insert(HOST, host(self.plan.target));
        }
        if self.plan.connections == Connections::PerRequest {
            request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        request
    }
}

fn host(target: SocketAddr) -> HeaderValue {
    // An address is digits, dots, colons and brackets.
    HeaderValue::from_str(&target.to_string()).unwrap_or(HeaderValue::from_static("localhost"))
}
