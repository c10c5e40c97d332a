//! What a load run found.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// A whole answer came, whatever its status.
    Answered {
        /// Its status.
        status: u16,
    },
    /// Nobody listened: the connect was refused.
    Refused,
    /// The connect failed otherwise (no free port, reset, unreachable).
    ConnectFailed(io::ErrorKind),
    /// The connection ended before any byte of the answer.
    CutBeforeHead,
    /// The connection ended inside the head.
    CutInHead,
    /// The head came, and the body ended before its time.
    CutAfterHead {
        /// The status in the head.
        status: u16,
    },
    /// What came is not HTTP.
    Malformed,
    /// No end within the time limit.
    TimedOut {
        /// The status, if the head had come.
        head: Option<u16>,
    },
    /// The client had too many in flight and did not send it.
    NotSent,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered { status } => write!(f, "answered {status}"),
            Self::Refused => f.write_str("refused at connect"),
            Self::ConnectFailed(kind) => write!(f, "connect failed: {kind}"),
            Self::CutBeforeHead => f.write_str("cut before the head"),
            Self::CutInHead => f.write_str("cut in the head"),
            Self::CutAfterHead { status } => write!(f, "cut after the head ({status})"),
            Self::Malformed => f.write_str("malformed answer"),
            Self::TimedOut { head: None } => f.write_str("timed out before the head"),
            Self::TimedOut { head: Some(status) } => {
                write!(f, "timed out after the head ({status})")
            }
            Self::NotSent => f.write_str("not sent (too many in flight)"),
        }
    }
}

/// One request; all times count from the beginning of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// Its number, from 0.
    pub n: usize,
    /// When the schedule wanted it to start.
    pub intended: Duration,
    /// When it really started; the connect comes after this.
    pub started: Duration,
    /// When the response head was complete.
    pub head: Option<Duration>,
    /// When it ended, however it did.
    pub ended: Duration,
    /// How it ended.
    pub outcome: Outcome,
    /// Bytes of body that came.
    pub body_bytes: u64,
    /// Whether its connection had served another request before.
    pub reused: bool,
    /// The source address, if one was asked for.
    pub source: Option<IpAddr>,
}

impl Record {
    /// Time from the intended start to the end.
    #[must_use]
    pub fn latency(&self) -> Duration {
        self.ended.saturating_sub(self.intended)
    }

    /// Whether a whole answer came.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        matches!(self.outcome, Outcome::Answered { .. })
    }
}

/// The result of a load run. Its `Display` fits one screen.
#[derive(Clone, Debug)]
pub struct Report {
    began: Instant,
    rate: u32,
    records: Vec<Record>,
    latencies: Histogram<u64>,
}

impl Report {
    pub(super) fn new(began: Instant, rate: u32, records: Vec<Record>) -> Self {
        // Microseconds with three digits: 0.1 % is finer than any clock effect here.
        let mut latencies = Histogram::new(3).expect("3 digits are legal");
        for record in records.iter().filter(|record| record.is_answered()) {
            let micros = u64::try_from(record.latency().as_micros()).unwrap_or(u64::MAX);
            // It resizes itself; only a value beyond all memory could fail.
            let _ = latencies.record(micros.max(1));
        }
        Self { began, rate, records, latencies }
    }

    /// Every request, by number.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The zero of all times.
    #[must_use]
    pub fn began(&self) -> Instant {
        self.began
    }

    /// How many requests ended in each way.
    #[must_use]
    pub fn outcomes(&self) -> BTreeMap<Outcome, usize> {
        let mut outcomes = BTreeMap::new();
        for record in &self.records {
            *outcomes.entry(record.outcome).or_default() += 1;
        }
        outcomes
    }

    /// How many requests ended in a way that satisfies `which`.
    pub fn count(&self, which: impl Fn(Outcome) -> bool) -> usize {
        self.records.iter().filter(|record| which(record.outcome)).count()
    }

    /// Whole answers.
    #[must_use]
    pub fn answered(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Answered { .. }))
    }

    /// Whole answers with this status.
    #[must_use]
    pub fn answered_with(&self, status: u16) -> usize {
        self.count(|outcome| outcome == Outcome::Answered { status })
    }

    /// Connects that were refused.
    #[must_use]
    pub fn refused(&self) -> usize {
        self.count(|outcome| outcome == Outcome::Refused)
    }

    /// Connections that ended before the head was complete.
    #[must_use]
    pub fn cut_before_head(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::CutBeforeHead | Outcome::CutInHead))
    }

    /// Answers whose body ended too early.
    #[must_use]
    pub fn cut_after_head(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::CutAfterHead { .. }))
    }

    /// Requests that had no end within the time limit.
    #[must_use]
    pub fn timed_out(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::TimedOut { .. }))
    }

    /// The requests that had started and not ended at this instant.
    pub fn in_flight_at(&self, instant: Instant) -> impl Iterator<Item = &Record> {
        let at = instant.saturating_duration_since(self.began);
        self.records.iter().filter(move |record| {
            record.outcome != Outcome::NotSent && record.started <= at && at < record.ended
        })
    }

    /// A percentile of the latency of whole answers, from the intended start; None without any.
    #[must_use]
    pub fn percentile(&self, percent: f64) -> Option<Duration> {
        (!self.latencies.is_empty())
            .then(|| Duration::from_micros(self.latencies.value_at_percentile(percent)))
    }

    /// The latencies of whole answers in microseconds.
    #[must_use]
    pub fn histogram(&self) -> &Histogram<u64> {
        &self.latencies
    }

    /// The most that the client was behind its schedule.
    ///
    /// It is part of every latency; a large one says that the client was the bottleneck.
    #[must_use]
    pub fn max_slip(&self) -> Duration {
        let slip = |record: &Record| record.started.saturating_sub(record.intended);
        self.records.iter().map(slip).max().unwrap_or_default()
    }

    /// The time from the beginning to the last end.
    #[must_use]
    pub fn lasted(&self) -> Duration {
        self.records.iter().map(|record| record.ended).max().unwrap_or_default()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lasted = self.lasted();
        let per_second = self.records.len() as f64 / lasted.as_secs_f64().max(f64::MIN_POSITIVE);
        writeln!(
            f,
            "{} requests in {:.2} s: {per_second:.0}/s, asked for {}/s; client at most {:.1} ms late",
            self.records.len(),
            lasted.as_secs_f64(),
            self.rate,
            self.max_slip().as_secs_f64() * 1e3,
        )?;
        for (outcome, count) in self.outcomes() {
            writeln!(f, "  {count:>9}  {outcome}")?;
        }
        write!(f, "  latency of answers, from the intended start:")?;
        for percent in [50.0, 90.0, 99.0, 99.9, 100.0] {
            match self.percentile(percent) {
                Some(time) => write!(f, "  p{percent} {:.2} ms", time.as_secs_f64() * 1e3)?,
                None => return write!(f, " none"),
            }
        }
        Ok(())
    }
}
