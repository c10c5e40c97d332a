use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::audit::AuditEvent;
use super::control::Control;
use super::error::AdminError;
use super::gate::Gate;
use super::key::Key;
use super::quota::Rate;
use super::service::{AdminService, Shared};

pub(super) type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;
pub(super) type Audit = Arc<dyn Fn(&AuditEvent) + Send + Sync>;

/// Settings of an [`AdminService`]; from [`AdminService::builder`].
#[must_use = "nothing happens before `build`"]
pub struct AdminBuilder<C> {
    control: C,
    clock: Clock,
    keys: Vec<Key>,
    rate: Rate,
    room: usize,
    limits: Limits,
    audit: Option<Audit>,
}

/// What a request may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) body: usize,
    pub(super) body_wait: Duration,
    pub(super) preload_wait: Duration,
}

impl<C: Control> AdminBuilder<C> {
    pub(super) fn new(control: C, clock: Clock) -> Self {
        let (body_wait, preload_wait) = (Duration::from_secs(10), Duration::from_secs(60));
        let limits = Limits { body: 64 * 1024, body_wait, preload_wait };
        Self {
            control,
            clock,
            keys: Vec::new(),
            rate: Rate::default(),
            room: 4096,
            limits,
            audit: None,
        }
    }

    /// Adds a key. At least one is needed.
    pub fn key(mut self, key: Key) -> Self {
        self.keys.push(key);
        self
    }

    /// How often each key may ask.
    pub fn rate(mut self, rate: Rate) -> Self {
        self.rate = rate;
        self
    }

    /// How many requests of two minutes are remembered of each key, so that none is done twice;
    /// more are refused. 4096, three times what the usual rate lets through.
    pub fn remembered(mut self, requests: usize) -> Self {
        self.room = requests;
        self
    }

    /// How long a body may be; 64 KiB, which is some hundred URLs.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.limits.body = bytes;
        self
    }

    /// How long a body may take to come; 10 seconds, for it is small.
    pub fn body_timeout(mut self, wait: Duration) -> Self {
        self.limits.body_wait = wait;
        self
    }

    /// How long a preload may take; a minute, after which most clients have hung up.
    pub fn preload_timeout(mut self, wait: Duration) -> Self {
        self.limits.preload_wait = wait;
        self
    }

    /// Who is told of every request, done or refused. It must be quick: the answer waits for it.
    pub fn audit(mut self, audit: impl Fn(&AuditEvent) + Send + Sync + 'static) -> Self {
        self.audit = Some(Arc::new(audit));
        self
    }

    /// The service.
    ///
    /// # Errors
    ///
    /// [`AdminError`] says which key or setting is wrong. Without a key there is no service.
    pub fn build(self) -> Result<AdminService<C>, AdminError> {
        let Self { control, clock, keys, rate, room, limits, audit } = self;
        let gate = Gate::new(keys, rate, room)?;
        Ok(AdminService::new(Shared { control, clock, gate, limits, audit }))
    }
}

impl<C> fmt::Debug for AdminBuilder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminBuilder")
            .field("keys", &self.keys)
            .field("rate", &self.rate)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
