//! Processes that write and read registers while something else goes on, and what they saw.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::future::Future;
use std::time::Duration;

use fastrand::Rng;
use futures_util::future::{join, join_all};
use terrace_db::backend::Role;
use terrace_db::{CausalContext, Error, ErrorKind, Outcome, Position, RwPool, Token};
use terrace_testkit::history::History;
use terrace_testkit::history::durability::{self, DurabilityReport};
use terrace_testkit::history::register::{Answer, Call, RegisterOp};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::world::{LONG, World};

/// Processes that read where reads go.
pub(crate) const SESSIONS: u32 = 4;
/// Processes that read on the primary only.
pub(crate) const LATEST: u32 = 3;
const KEYS: u64 = 3;
/// Leaves the processor to the database now and then.
const PACE: Duration = Duration::from_millis(1);

/// Whether processes carry what they have seen from one operation to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tokens {
    Carried,
    /// The control: sessions must then see what they must not.
    Dropped,
}

/// What the processes share. All of them run in one task.
pub(crate) struct Load<'a, W: World> {
    pool: &'a RwPool<W::B>,
    seed: u64,
    tokens: Tokens,
    history: History<Call, Answer>,
    next: Cell<u64>,
    over: Cell<bool>,
    acknowledged: watch::Sender<u64>,
    served: RefCell<BTreeMap<&'static str, u64>>,
    positions: RefCell<HashMap<u64, Position>>,
    mishaps: RefCell<Vec<Mishap>>,
}

/// Something that failed, and what the pool said about it.
#[derive(Debug)]
pub(crate) struct Mishap {
    pub(crate) write: bool,
    pub(crate) kind: ErrorKind,
    pub(crate) outcome: Outcome,
    pub(crate) text: String,
}

impl Mishap {
    pub(crate) fn new(write: bool, error: &Error) -> Mishap {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        Mishap { write, kind: error.kind(), outcome: error.outcome(), text }
    }

    /// Whether a fault of a node may end so, in an operation that is right by itself.
    pub(crate) fn fits(&self) -> bool {
        let unknown = self.outcome == Outcome::Unknown;
        match self.kind {
            ErrorKind::Disconnected | ErrorKind::Timeout => self.write || !unknown,
            ErrorKind::Unconfirmed => self.write && unknown,
            ErrorKind::NoPrimary | ErrorKind::NotPrimary => self.write && !unknown,
            ErrorKind::NoNode | ErrorKind::TooStale => !self.write,
            ErrorKind::Busy | ErrorKind::Conflict => !unknown,
            _ => false,
        }
    }
}

impl fmt::Display for Mishap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.write { "write" } else { "read" };
        write!(f, "a {what} failed with {:?}, {:?}: {}", self.kind, self.outcome, self.text)
    }
}

impl<'a, W: World> Load<'a, W> {
    pub(crate) fn new(pool: &'a RwPool<W::B>, seed: u64, tokens: Tokens) -> Self {
        Load {
            pool,
            seed,
            tokens,
            history: History::new(),
            next: Cell::new(1),
            over: Cell::new(false),
            acknowledged: watch::Sender::new(0),
            served: RefCell::default(),
            positions: RefCell::default(),
            mishaps: RefCell::default(),
        }
    }

    /// Runs all processes for as long as `story` takes, and to the end of what they are at then.
    pub(crate) async fn during<T>(&self, story: impl Future<Output = T>) -> T {
        let processes = join_all((0..SESSIONS + LATEST).map(|number| self.process(number)));
        let story = async {
            let told = story.await;
            self.over.set(true);
            told
        };
        join(processes, story).await.1
    }

    /// Returns when so many more writes were acknowledged; how long that took.
    pub(crate) async fn progress(&self, more: u64) -> Duration {
        let begun = Instant::now();
        let goal = *self.acknowledged.borrow() + more;
        let mut news = self.acknowledged.subscribe();
        let reached = timeout(LONG, news.wait_for(|count| *count >= goal)).await;
        if reached.is_err() {
            let mishaps = self.mishaps.borrow();
            let last: Vec<_> = mishaps.iter().rev().take(5).map(Mishap::to_string).collect();
            panic!("no progress in {LONG:?}; status {:?}; last {last:#?}", self.pool.status());
        }
        Instant::now().saturating_duration_since(begun)
    }

    /// Returns when so many more reads were served by a node of this role.
    pub(crate) async fn reads_by(&self, role: Role, more: u64) {
        let count = || self.served.borrow().get(name(role)).copied().unwrap_or(0);
        let goal = count() + more;
        crate::world::until("reads are served there", || count() >= goal).await;
    }

    async fn process(&self, number: u32) {
        let mut rng = Rng::with_seed(self.seed ^ (u64::from(number) << 32));
        let mut context = CausalContext::new();
        while !self.over.get() {
            let key = rng.u64(..KEYS);
            if rng.u8(..3) == 0 {
                self.write(number, key, &context).await;
            } else {
                self.read(number, key, &context).await;
            }
            if self.tokens == Tokens::Dropped {
                context = CausalContext::new();
            } else if rng.u8(..8) == 0 {
                // The next request is another process's: all it has is the token.
                context = carried(&context);
            }
            sleep(PACE).await;
        }
    }

    async fn write(&self, process: u32, key: u64, context: &CausalContext) {
        let value = self.next.get();
        self.next.set(value + 1);
        let pending = self.history.invoke(process, Call::Write { key, value });
        // A context of its own: the write's own position, for the question what became of it.
        let own = CausalContext::new();
        match W::put(self.pool, key, value, &own).await {
            Ok(stored) => {
                pending.ok(Some(stored));
                let position = own.position().expect("an acknowledged write has a position");
                self.positions.borrow_mut().insert(value, position);
                context.merge(&own);
                self.acknowledged.send_modify(|count| *count += 1);
            }
            Err(error) => {
                match error.outcome() {
                    Outcome::Unknown => pending.unknown(),
                    Outcome::NotExecuted | Outcome::Refused => pending.fail(),
                }
                self.mishaps.borrow_mut().push(Mishap::new(true, &error));
            }
        }
    }

    async fn read(&self, process: u32, key: u64, context: &CausalContext) {
        let pending = self.history.invoke(process, Call::Read { key });
        match W::get(self.pool, key, Some(context), process >= SESSIONS).await {
            Ok((answer, role)) => {
                pending.ok(answer);
                *self.served.borrow_mut().entry(name(role)).or_default() += 1;
            }
            Err(error) => {
                pending.fail();
                self.mishaps.borrow_mut().push(Mishap::new(false, &error));
            }
        }
    }

    /// Everything that was recorded.
    pub(crate) fn ops(&self) -> Vec<RegisterOp> {
        self.history.ops()
    }

    /// What must be linearizable: writes, and reads on the primary.
    pub(crate) fn latest(&self) -> Vec<RegisterOp> {
        let counts =
            |op: &RegisterOp| op.process >= SESSIONS || matches!(op.call, Call::Write { .. });
        self.ops().into_iter().filter(counts).collect()
    }

    /// The writes beside what is stored.
    pub(crate) fn audit(&self, stored: &[u64]) -> DurabilityReport {
        let id = |call: &Call| match *call {
            Call::Write { value, .. } => Some(value),
            Call::Read { .. } => None,
        };
        durability::audit(&self.ops(), id, stored)
    }

    /// Writes, whatever became of them, that are not stored: `(key, value)`.
    pub(crate) fn gone(&self, stored: &[u64]) -> HashSet<(u64, u64)> {
        let stored: HashSet<u64> = stored.iter().copied().collect();
        let writes = self.ops().into_iter().filter_map(|op| match op.call {
            Call::Write { key, value } => Some((key, value)),
            Call::Read { .. } => None,
        });
        writes.filter(|(_, value)| !stored.contains(value)).collect()
    }

    /// What became of all acknowledged writes, as the pool says.
    pub(crate) fn standings(&self) -> BTreeMap<u64, terrace_db::Standing> {
        let system = self.pool.status().system.expect("a node was seen");
        let positions = self.positions.borrow();
        let standing = |(&value, &position): (&u64, &Position)| {
            let token = Token { system, position, seen: 0, issued: 0 };
            (value, self.pool.standing(&token).expect("the token is this cluster's"))
        };
        positions.iter().map(standing).collect()
    }

    /// Says what failed, and that all of it failed as it may.
    pub(crate) fn mishaps_fit(&self) {
        let mishaps = self.mishaps.borrow();
        let mut counts: BTreeMap<(bool, &str, String), usize> = BTreeMap::new();
        for mishap in mishaps.iter() {
            let outcome = format!("{:?}", mishap.outcome);
            *counts.entry((mishap.write, mishap.kind.as_str(), outcome)).or_default() += 1;
        }
        for ((write, kind, outcome), count) in counts {
            println!(
                "  {count} {} failed: {kind}, {outcome}",
                if write { "writes" } else { "reads" }
            );
        }
        let unfit: BTreeSet<_> =
            mishaps.iter().filter(|mishap| !mishap.fits()).map(Mishap::to_string).collect();
        assert!(unfit.is_empty(), "errors of the wrong type: {unfit:#?}");
    }

    /// How many writes failed.
    pub(crate) fn failed_writes(&self) -> usize {
        self.mishaps.borrow().iter().filter(|mishap| mishap.write).count()
    }

    /// How many operations failed.
    pub(crate) fn failed(&self) -> usize {
        self.mishaps.borrow().len()
    }

    /// How many reads replicas served, and how many the primary.
    pub(crate) fn served(&self) -> (u64, u64) {
        let served = self.served.borrow();
        let of = |role| served.get(name(role)).copied().unwrap_or(0);
        (of(Role::Replica), of(Role::Primary))
    }
}

fn name(role: Role) -> &'static str {
    match role {
        Role::Primary => "primary",
        Role::Replica => "replica",
    }
}

/// What is left of a context after a journey as a token.
#[expect(clippy::disallowed_types, reason = "tokens carry wall time between machines")]
fn carried(context: &CausalContext) -> CausalContext {
    match context.token(std::time::SystemTime::now()) {
        Some(token) => CausalContext::from_token(token, Instant::now()),
        None => CausalContext::new(),
    }
}
