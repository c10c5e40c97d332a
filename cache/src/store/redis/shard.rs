//! What one cache has on one node: who may ask it, and what must happen before.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::redis::Value;
use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use super::call::{self, Call};
use super::cells::Cells;
use super::link::{Connected, Failure, Link};
use super::script::Script;
use crate::store::StoreError;
use crate::store::breaker::{Breaker, Ticket};
use crate::store::owed::{Debt, Owed, Reach};
use crate::store::random::Random;

#[derive(Debug)]
pub(super) struct Shard {
    pub(super) name: String,
    pub(super) link: Arc<Link>,
    pub(super) cells: Arc<Cells>,
    pub(super) random: Arc<Random>,
    /// The newest connection over which the cells were looked at.
    greeted: AtomicU64,
    dues: Mutex<Dues>,
}

/// What the node must be told before it is used again, and who tells it.
///
/// The gate is a breaker of its own: the node may answer, and refuse.
#[derive(Debug)]
struct Dues {
    gate: Breaker,
    owed: Owed,
}

impl Shard {
    pub(super) fn new(
        name: String,
        link: Arc<Link>,
        cells: Arc<Cells>,
        random: Arc<Random>,
        window: Duration,
    ) -> Self {
        let dues = Mutex::new(Dues { gate: Breaker::new(window), owed: Owed::default() });
        Self { name, link, cells, random, greeted: AtomicU64::new(0), dues }
    }

    /// Sends these, and returns as many answers.
    pub(super) async fn ask(
        &self,
        calls: Vec<Call>,
        deadline: Instant,
    ) -> Result<Vec<Value>, StoreError> {
        let now = Instant::now();
        let open = || StoreError::Open { node: self.name.clone() };
        let due = self.dues(|dues| dues.gate.admit(now)).ok_or_else(open)?;
        let Some(ticket) = self.link.admit(now) else {
            if due.probe {
                self.dues(|dues| dues.gate.trip(now));
            }
            return Err(open());
        };
        let mut asking = Asking { shard: self, ticket, due, answered: false };
        let used = AtomicU64::new(0);
        let asked = timeout_at(deadline, self.exchange(&calls, due.probe, &used)).await;
        let asked = asked.unwrap_or(Err(Failure::TimedOut));
        if matches!(asked, Err(Failure::TimedOut)) {
            // A connection over which nothing comes back is not tried again.
            self.link.discard(used.load(Ordering::Relaxed));
        }
        asking.answered = asked.as_ref().map_or_else(|failure| !failure.is_dead(), |_| true);
        asked.map_err(|failure| self.error(failure))
    }

    /// Sends these, which invalidate something. If that fails it is owed.
    pub(super) async fn invalidate(
        &self,
        calls: Vec<Call>,
        debt: Debt,
        deadline: Instant,
    ) -> (Reach, Result<(), StoreError>) {
        let done = match self.ask(calls, deadline).await {
            Ok(answers) => all_done(answers).map_err(|reason| self.refused(reason)),
            Err(error) => Err(error),
        };
        match done {
            Ok(()) => (Reach::Here, Ok(())),
            Err(error) => (self.owe(debt), Err(error)),
        }
    }

    pub(super) fn owe(&self, debt: Debt) -> Reach {
        let now = Instant::now();
        self.dues(|dues| {
            dues.gate.trip(now);
            dues.owed.owe(debt)
        })
    }

    pub(super) fn is_usable(&self) -> bool {
        self.link.is_closed() && self.dues(|dues| dues.owed.is_empty())
    }

    pub(super) fn refused(&self, reason: String) -> StoreError {
        StoreError::Refused { node: self.name.clone(), reason }
    }

    fn error(&self, failure: Failure) -> StoreError {
        let node = self.name.clone();
        match failure {
            Failure::TimedOut => StoreError::TimedOut { node },
            Failure::Unreachable(reason) | Failure::Broken(reason) => {
                StoreError::Unreachable { node, reason }
            }
            Failure::Refused(reason) => StoreError::Refused { node, reason },
        }
    }

    fn dues<T>(&self, step: impl FnOnce(&mut Dues) -> T) -> T {
        step(&mut self.dues.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A connection that has broken may have done so long ago, when the server closed it for being
    /// idle or was restarted. So a broken one is tried once more with a new one: everything that is
    /// asked here may be asked twice, and says so where that is not plain.
    async fn exchange(
        &self,
        calls: &[Call],
        probe: bool,
        used: &AtomicU64,
    ) -> Result<Vec<Value>, Failure> {
        let mut tries = 0;
        loop {
            let mut connected = self.link.connected().await?;
            used.store(connected.number, Ordering::Relaxed);
            match self.over(&mut connected, calls, probe).await {
                Err(Failure::Broken(reason)) => {
                    self.link.discard(connected.number);
                    tries += 1;
                    if tries == 2 {
                        return Err(Failure::Broken(reason));
                    }
                }
                answered => return answered,
            }
        }
    }

    async fn over(
        &self,
        connected: &mut Connected,
        calls: &[Call],
        probe: bool,
    ) -> Result<Vec<Value>, Failure> {
        if self.greeted.load(Ordering::Acquire) < connected.number {
            self.greet(connected).await?;
        }
        if probe {
            self.settle(connected).await?;
        }
        connected.send(calls).await
    }

    /// A server that was started again, or another one behind the same name, may have brought back
    /// what was removed, and counters that it had before. Its cells then begin anew.
    async fn greet(&self, connected: &mut Connected) -> Result<(), Failure> {
        let cells = [vec![self.cells.run(), self.cells.epoch()], self.cells.count()].concat();
        let args = vec![Bytes::from(connected.run.clone()), self.epoch(), self.start()];
        let answers = connected.send(&[Call::Script(Script::Greet, cells, args)]).await?;
        all_done(answers).map_err(Failure::Refused)?;
        self.greeted.fetch_max(connected.number, Ordering::AcqRel);
        Ok(())
    }

    /// Does what is owed.
    async fn settle(&self, connected: &mut Connected) -> Result<(), Failure> {
        while let Some(work) = self.dues(|dues| dues.owed.next()) {
            let mut calls = Vec::new();
            if work.clear {
                calls.push(self.clear());
            }
            if !work.keys.is_empty() {
                calls.push(self.remove(&work.keys));
            }
            if !work.tags.is_empty() {
                calls.push(self.bump(&work.tags));
            }
            all_done(connected.send(&calls).await?).map_err(Failure::Refused)?;
            self.dues(|dues| dues.owed.settle(&work));
        }
        Ok(())
    }

    pub(super) fn clear(&self) -> Call {
        Call::Script(Script::Clear, vec![self.cells.epoch()], vec![self.epoch()])
    }

    pub(super) fn remove(&self, keys: &[Box<str>]) -> Call {
        // One command, so that no lease is left of a value that is gone.
        let both = keys.iter().flat_map(|key| [Bytes::from(key.to_string()), Cells::lease(key)]);
        Call::Plain("UNLINK", both.collect())
    }

    pub(super) fn bump(&self, tags: &[crate::store::TagId]) -> Call {
        Call::Script(Script::Bump, self.cells.of_tags(tags), vec![self.start(), Cells::tag_keep()])
    }

    /// An epoch, if there is none.
    pub(super) fn epoch(&self) -> Bytes {
        Bytes::copy_from_slice(&self.random.next().to_be_bytes())
    }

    /// From where bumps are counted, if they are not yet.
    pub(super) fn start(&self) -> Bytes {
        self.random.start().to_string().into()
    }
}

fn all_done(answers: Vec<Value>) -> Result<(), String> {
    answers.into_iter().try_for_each(|value| call::answer(value).map(drop))
}

/// A question under way. However it ends, and be it with a panic, it is reported.
struct Asking<'a> {
    shard: &'a Shard,
    ticket: Ticket,
    due: Ticket,
    answered: bool,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        let now = Instant::now();
        self.shard.link.ended(self.ticket, self.answered, now);
        self.shard.dues(|dues| dues.gate.ended(self.due, dues.owed.is_empty(), now));
    }
}
