//! What the inner service of a contract test does, and what it counts.

use std::time::Duration;

/// What `poll_ready` of the inner service answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Readiness {
    /// Ready (within [`ServiceProbe::capacity`](super::ServiceProbe::capacity), if that is set).
    #[default]
    Ready,
    /// Pending until the test changes it.
    Pending,
    /// An error with this text.
    Failing(String),
}

/// When a call of the inner service is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Latency {
    /// At the first poll.
    #[default]
    Immediate,
    /// After this many polls that answer Pending and wake at once: an await point each.
    Polls(usize),
    /// After this much (paused) time.
    After(Duration),
    /// When the test calls [`ServiceProbe::release`](super::ServiceProbe::release).
    Held,
}

/// How a call of the inner service ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// With the response that the responder makes of the request.
    #[default]
    Respond,
    /// With a [`ProbeError`](super::ProbeError) of this text.
    Fail(String),
    /// With a panic while the future is polled.
    Panic,
}

/// What happens to one call: when it ends, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// When it is answered.
    pub latency: Latency,
    /// How it ends.
    pub outcome: Outcome,
}

impl Plan {
    /// A good response, held until [`ServiceProbe::release`](super::ServiceProbe::release).
    #[must_use]
    pub fn held() -> Self {
        Self { latency: Latency::Held, outcome: Outcome::Respond }
    }

    /// A good response after `polls` await points.
    #[must_use]
    pub fn polls(polls: usize) -> Self {
        Self { latency: Latency::Polls(polls), outcome: Outcome::Respond }
    }

    /// A good response after this much time.
    #[must_use]
    pub fn after(time: Duration) -> Self {
        Self { latency: Latency::After(time), outcome: Outcome::Respond }
    }

    /// An immediate error with this text.
    pub fn fail(message: impl Into<String>) -> Self {
        Self { latency: Latency::Immediate, outcome: Outcome::Fail(message.into()) }
    }
}

/// What the inner service saw so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Calls of `poll_ready`.
    pub ready_polls: usize,
    /// Calls of `call`.
    pub calls: usize,
    /// Calls of `call` on an instance whose `poll_ready` had not answered Ready since the last call.
    pub unready_calls: usize,
    /// Times that the service was cloned.
    pub clones: usize,
    /// Instances that answered Ready and were neither called nor dropped since.
    pub reservations: usize,
    /// Response futures that neither ended nor were dropped.
    pub in_flight: usize,
    /// The highest `in_flight` so far.
    pub max_in_flight: usize,
    /// Response futures that ended with a response.
    pub completed: usize,
    /// Response futures that ended with an error.
    pub failed: usize,
    /// Response futures that were dropped before their end.
    pub cancelled: usize,
    /// Tasks that the probe woke: readiness changes and releases.
    pub wakes: usize,
    /// Bodies made by [`ServiceProbe::body`](super::ServiceProbe::body) that neither ended nor were dropped.
    pub open_bodies: usize,
}
