//! A connection, as users of the pool get it: the async side.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::Manager;
use deadpool_sqlite::InteractError;
use rusqlite::{Connection, InterruptHandle, Transaction};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};

use super::apply::busy;
use super::control::Liveness;
use super::error::SqliteError;
use super::seat::{Ending, Flags, Gate, Seat};
use crate::backend::{Access, Observation, Role};
use crate::position::Position;

/// How often a frozen node is asked whether it has thawed.
const FROZEN: Duration = Duration::from_millis(2);
/// How often a commit asks whether its replicas have it.
const CONFIRM: Duration = Duration::from_millis(1);
/// How often a watched node's generation is read: one small read from the page cache.
const WATCH: Duration = Duration::from_millis(10);

/// deadpool's wrapper, which runs SQLite's blocking calls on tokio's blocking pool.
type Wrapper = <deadpool_sqlite::Manager as Manager>::Type;

/// Writers of one file in this process, in the order they came. SQLite's own lock knows no order.
pub(crate) type Queue = Arc<Semaphore>;

/// A connection to one embedded node.
///
/// Every method hands a closure to tokio's blocking pool. `prepare_cached` in it keeps statements
/// with the connection.
///
/// # Cancel safety
///
/// Dropping a method's future interrupts the statement under way, rolls back what is not committed,
/// and makes the connection unusable.
pub struct SqliteConnection {
    wrapper: Option<Wrapper>,
    seat: Arc<Mutex<Seat>>,
    flags: Arc<Flags>,
    interrupt: Arc<InterruptHandle>,
    runtime: Handle,
    queue: Queue,
    /// The turn to write, from the beginning of a transaction to its end.
    turn: Option<OwnedSemaphorePermit>,
    busy: Duration,
    access: Access,
}

/// What became of a step that was sent to the blocking pool.
enum Step<W, T> {
    /// The node is frozen: nothing was done yet.
    Frozen(W),
    /// It froze meanwhile: the answer must wait.
    Late(Result<T, SqliteError>),
    Done(Result<T, SqliteError>),
}

/// Breaks the connection off, unless the exchange comes to its end.
struct Midway {
    flags: Arc<Flags>,
    interrupt: Arc<InterruptHandle>,
    ended: AtomicBool,
}

impl Midway {
    fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

impl Drop for Midway {
    fn drop(&mut self) {
        if !self.ended.load(Ordering::Relaxed) {
            self.flags.cancel();
            self.interrupt.interrupt();
        }
    }
}

impl SqliteConnection {
    /// Opens one on the blocking pool; none, if the node is frozen.
    pub(crate) async fn open(
        access: Access,
        busy: Duration,
        queue: Queue,
        open: impl FnOnce(Arc<Flags>) -> Result<Option<(Connection, Seat)>, SqliteError>
        + Send
        + 'static,
    ) -> Result<Option<Self>, SqliteError> {
        let flags = Arc::new(Flags::default());
        let opened = Arc::new(Mutex::new(None));
        let wrapper = Wrapper::new(Runtime::Tokio1, {
            let (flags, opened) = (Arc::clone(&flags), Arc::clone(&opened));
            move || {
                // The wrapper knows connections and errors; `None` is an error to it.
                let (connection, seat) = open(flags).map_err(Some)?.ok_or(None)?;
                let interrupt = Arc::new(connection.get_interrupt_handle());
                *opened.lock().unwrap_or_else(PoisonError::into_inner) = Some((seat, interrupt));
                Ok::<_, Option<SqliteError>>(connection)
            }
        })
        .await;
        let wrapper = match wrapper {
            Ok(wrapper) => wrapper,
            Err(None) => return Ok(None),
            Err(Some(error)) => return Err(error),
        };
        let opened = opened.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (seat, interrupt) = opened.ok_or(SqliteError::Broken)?;
        Ok(Some(Self {
            wrapper: Some(wrapper),
            seat: Arc::new(Mutex::new(seat)),
            flags,
            interrupt,
            runtime: Handle::current(),
            queue,
            turn: None,
            busy,
            access,
        }))
    }

    pub(crate) fn is_open(&self) -> bool {
        let sound = self.wrapper.as_ref().is_some_and(|wrapper| !wrapper.is_mutex_poisoned());
        sound && !self.flags.is_broken()
    }

    /// The node's role, as the last exchange found it.
    pub(crate) fn role(&self) -> Option<Role> {
        self.flags.role()
    }

    /// Reads.
    ///
    /// On a connection that may write, the closure still may not.
    ///
    /// # Errors
    ///
    /// What the closure returns, and what is wrong with the node.
    pub async fn read<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, SqliteError> {
        self.admitted(move |connection, seat| seat.read(connection, work)).await
    }

    /// Writes, in a transaction of its own, which commits when the closure returns `Ok`.
    ///
    /// # Errors
    ///
    /// What the closure returns (nothing stays of it then), and what is wrong with the node.
    pub async fn write<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<(T, Position), SqliteError> {
        let turn = self.queue().await?;
        let first = self.admitted(move |connection, seat| {
            let value = seat.write(connection, work)?;
            Ok((value, seat.commit(connection)?))
        });
        let (value, ending) = first.await?;
        let position = match ending {
            Ending::Frozen => self.ended().await?,
            Ending::Committed { position, quorum } => {
                drop(turn);
                self.confirm(position, quorum).await?
            }
        };
        Ok((value, position))
    }

    /// A statement inside the transaction that [`begin`](Self::begin) has begun.
    pub(crate) async fn within<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, SqliteError> {
        let access = self.access;
        self.admitted(move |connection, seat| {
            if connection.is_autocommit() {
                return Err(SqliteError::OutOfTurn);
            }
            let done = work(connection).map_err(SqliteError::of(access));
            if connection.is_autocommit() && done.is_ok() {
                // The closure has ended the transaction, with or without the counter.
                seat.flags.break_off();
                return Err(SqliteError::Ended);
            }
            done
        })
        .await
    }

    pub(crate) async fn ping(&mut self) -> Result<(), SqliteError> {
        self.read(|connection| connection.prepare_cached("SELECT 1")?.query_row([], |_| Ok(())))
            .await
    }

    pub(crate) async fn observe(&mut self) -> Result<Observation, SqliteError> {
        self.admitted(|connection, seat| seat.observe(connection)).await
    }

    pub(crate) async fn replayed(&mut self) -> Result<u64, SqliteError> {
        self.admitted(|connection, seat| seat.replayed(connection)).await
    }

    pub(crate) async fn readable(&mut self) -> Result<Position, SqliteError> {
        self.admitted(|connection, seat| seat.end(connection)).await
    }

    pub(crate) async fn written(&mut self) -> Result<Position, SqliteError> {
        self.admitted(|connection, seat| seat.written(connection)).await
    }

    pub(crate) async fn begin(&mut self) -> Result<(), SqliteError> {
        let turn = match self.access {
            Access::ReadWrite => Some(self.queue().await?),
            Access::ReadOnly => None,
        };
        self.admitted(|connection, seat| seat.begin(connection)).await?;
        self.turn = turn;
        Ok(())
    }

    pub(crate) async fn commit(&mut self) -> Result<Position, SqliteError> {
        let position = self.ended().await;
        self.turn = None;
        position
    }

    pub(crate) async fn rollback(&mut self) -> Result<(), SqliteError> {
        let done = self.admitted(|connection, seat| seat.abandon(connection)).await;
        self.turn = None;
        done
    }

    /// Resolves once the node is gone, or is not what it was.
    pub(crate) async fn changed(&self) {
        let place = {
            let seat = self.seat.lock().unwrap_or_else(PoisonError::into_inner);
            seat.place()
                .map(|place| (Arc::clone(&place.files), place.name.clone(), place.incarnation))
        };
        // A file of its own never changes.
        let Some((files, name, incarnation)) = place else { return std::future::pending().await };
        let before = self.flags.role();
        while !self.flags.is_broken() {
            let Ok(control) = files.load() else { return };
            let Ok(node) = control.node(&name) else { return };
            let same = node.incarnation == incarnation && !node.stale;
            let role = before.is_none_or(|role| role == node.role);
            if node.liveness == Liveness::Down || !same || !role {
                // A frozen node does not tell.
                if node.liveness != Liveness::Frozen {
                    return;
                }
            }
            sleep(WATCH).await;
        }
    }

    /// Waits for the turn to write.
    async fn queue(&self) -> Result<OwnedSemaphorePermit, SqliteError> {
        if self.turn.is_some() {
            return Err(SqliteError::OutOfTurn);
        }
        match timeout(self.busy, Arc::clone(&self.queue).acquire_owned()).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(SqliteError::of(self.access)(busy("other writers came first for too long"))),
        }
    }

    /// Commits, however long the node stays frozen, and waits for replicas.
    async fn ended(&mut self) -> Result<Position, SqliteError> {
        loop {
            match self.admitted(|connection, seat| seat.commit(connection)).await? {
                Ending::Frozen => {}
                Ending::Committed { position, quorum } => {
                    // The next writer need not wait for this one's replicas.
                    self.turn = None;
                    return self.confirm(position, quorum).await;
                }
            }
        }
    }

    async fn confirm(
        &mut self,
        position: Position,
        quorum: Option<(u32, u64)>,
    ) -> Result<Position, SqliteError> {
        let Some((wanted, wait)) = quorum else { return Ok(position) };
        let deadline = Instant::now() + Duration::from_millis(wait);
        loop {
            if self.admitted(move |_, seat| seat.confirmed(position, wanted)).await? {
                return Ok(position);
            }
            if Instant::now() >= deadline {
                return Err(SqliteError::Unconfirmed { position, wanted });
            }
            sleep(CONFIRM).await;
        }
    }

    /// Does something on the blocking pool, as far as the node answers.
    async fn admitted<T, W>(&mut self, work: W) -> Result<T, SqliteError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection, &mut Seat) -> Result<T, SqliteError> + Send + 'static,
    {
        let midway = Midway {
            flags: Arc::clone(&self.flags),
            interrupt: Arc::clone(&self.interrupt),
            ended: AtomicBool::new(false),
        };
        let mut work = work;
        let done = loop {
            let step = self.step(move |connection, seat| match seat.gate() {
                Err(error) => Step::Done(Err(error)),
                Ok(Gate::Frozen) => Step::Frozen(work),
                Ok(Gate::Open) => {
                    let done = work(connection, seat);
                    match seat.gate() {
                        Ok(Gate::Open) => Step::Done(done),
                        Ok(Gate::Frozen) => Step::Late(done),
                        Err(error) => Step::Done(done.and(Err(error))),
                    }
                }
            });
            match step.await {
                Err(error) => break Err(error),
                Ok(Step::Done(done)) => break done,
                Ok(Step::Late(done)) => break self.thawed().await.and(done),
                Ok(Step::Frozen(again)) => work = again,
            }
            sleep(FROZEN).await;
        };
        midway.end();
        done
    }

    async fn thawed(&self) -> Result<(), SqliteError> {
        loop {
            sleep(FROZEN).await;
            if let Gate::Open = self.step(|_, seat| seat.gate()).await?? {
                return Ok(());
            }
        }
    }

    async fn step<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, &mut Seat) -> R + Send + 'static,
    ) -> Result<R, SqliteError> {
        let Some(wrapper) = self.wrapper.as_ref().filter(|_| self.is_open()) else {
            return Err(SqliteError::Broken);
        };
        let (seat, flags) = (Arc::clone(&self.seat), Arc::clone(&self.flags));
        let done = wrapper.interact(move |connection| {
            if flags.is_cancelled() {
                return None;
            }
            Some(work(connection, &mut seat.lock().unwrap_or_else(PoisonError::into_inner)))
        });
        match done.await {
            Ok(Some(done)) => Ok(done),
            Ok(None) | Err(InteractError::Cancelled) => {
                self.flags.break_off();
                Err(SqliteError::Broken)
            }
            Err(InteractError::Panic(panic)) => {
                self.flags.break_off();
                let text = panic
                    .downcast_ref::<&str>()
                    .map(|text| (*text).to_owned())
                    .or_else(|| panic.downcast_ref::<String>().cloned());
                Err(SqliteError::Panicked(text.unwrap_or_default()))
            }
        }
    }
}

impl Drop for SqliteConnection {
    fn drop(&mut self) {
        // SQLite closes on the blocking pool. Outside of a runtime, on that of the connection; if
        // it has ended, here.
        let _entered = self.runtime.enter();
        drop(self.wrapper.take());
    }
}

impl fmt::Debug for SqliteConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteConnection")
            .field("access", &self.access)
            .field("open", &self.is_open())
            .finish_non_exhaustive()
    }
}
