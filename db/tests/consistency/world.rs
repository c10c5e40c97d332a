//! A database with a primary and two replicas that does what the tests tell it.

use std::time::Duration;

use terrace_db::backend::{Backend, Role};
use terrace_db::{CausalContext, Error, Node, NodeState, PoolConfig, RwPool};
use terrace_testkit::history::append::{Call, Lists};
use terrace_testkit::history::bank::{Balances, Books};
use terrace_testkit::history::register::Stored;
use tokio::time::{Instant, sleep};

/// How many accounts the bank has, and what each begins with.
pub(crate) const ACCOUNTS: u64 = 4;
pub(crate) const OPENING: i64 = 100;
/// How many lists there are.
pub(crate) const LISTS: u64 = 3;
/// Far more than anything takes; reached only when a test fails.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// What lies between the pool and the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    /// Nothing.
    Direct,
    /// Something that [`World::cut`] can cut.
    Cuttable,
}

/// What a read returned, and who served it.
pub(crate) type Served<T> = (T, Role);

/// A primary (node 0 at first) and two replicas (nodes 1 and 2), with the tables of the tests.
///
/// What it does, it has done when the future returns.
pub(crate) trait World: Sized {
    type B: Backend;
    const NAME: &'static str;

    /// `None`, after saying so, when what it needs is not installed.
    async fn start(network: Network) -> Option<Self>;
    fn backend(&self) -> Self::B;
    /// The node, as a pool is told of it.
    fn node(&self, number: usize) -> Node<Self::B>;
    /// The number of the node that was promoted last.
    fn primary(&self) -> usize;

    /// Writes a register, and its value's row, in one transaction.
    async fn put(
        pool: &RwPool<Self::B>,
        key: u64,
        value: u64,
        context: &CausalContext,
    ) -> Result<Stored, Error>;
    /// Reads a register.
    async fn get(
        pool: &RwPool<Self::B>,
        key: u64,
        context: Option<&CausalContext>,
        primary: bool,
    ) -> Result<Served<Option<Stored>>, Error>;
    /// Carries out a transaction on lists, on the primary.
    async fn transact(
        pool: &RwPool<Self::B>,
        call: &Call,
        context: &CausalContext,
    ) -> Result<Vec<Vec<u64>>, Error>;
    /// Reads one list, where reads go.
    async fn read_list(
        pool: &RwPool<Self::B>,
        key: u64,
        context: &CausalContext,
    ) -> Result<Vec<u64>, Error>;
    /// Moves money, and leaves a row, in one transaction; [`ErrorKind::Statement`] if there is not
    /// enough.
    ///
    /// [`ErrorKind::Statement`]: terrace_db::ErrorKind::Statement
    async fn transfer(
        pool: &RwPool<Self::B>,
        id: u64,
        from: u64,
        to: u64,
        amount: i64,
    ) -> Result<(), Error>;
    /// All balances, in one statement.
    async fn audit(pool: &RwPool<Self::B>, primary: bool) -> Result<Balances, Error>;
    /// The rows of all values that were put, on the primary.
    async fn values(pool: &RwPool<Self::B>) -> Result<Vec<u64>, Error>;
    /// The rows of all transfers, on the primary.
    async fn transfers(pool: &RwPool<Self::B>) -> Result<Vec<u64>, Error>;

    /// `kill -9`.
    async fn kill(&self, number: usize);
    /// Starts a killed node, in the role it had.
    async fn restart(&self, number: usize);
    /// `SIGSTOP`.
    async fn freeze(&self, number: usize);
    /// `SIGCONT`.
    async fn thaw(&self, number: usize);
    /// The network swallows everything to and from the node.
    async fn cut(&self, number: usize);
    /// Ends [`cut`](World::cut).
    async fn heal(&self, number: usize);
    /// A replica receives, and does not show.
    async fn pause(&self, number: usize);
    /// Ends [`pause`](World::pause).
    async fn resume(&self, number: usize);
    /// A replica shows each commit so much later.
    async fn delay(&self, number: usize, delay: Duration);
    /// Promotes the replica that has received most, and lets the other ones that are up follow it.
    async fn promote(&self) -> usize;
    /// Makes a node, whatever it was, a replica of the primary.
    async fn rejoin(&self, number: usize);
    /// Every commit waits for so many replicas; 0: for none.
    async fn quorum(&self, replicas: usize);
    /// Returns when all replicas that are up show what the primary has.
    async fn catch_up(&self);

    /// A pool over all three nodes that knows its primary.
    async fn pool(&self, config: PoolConfig, seed: u64) -> RwPool<Self::B> {
        let nodes = (0..3).map(|number| self.node(number));
        let builder = RwPool::builder(self.backend()).nodes(nodes).config(config).seed(seed);
        let pool = builder.connect().await.expect("the pool connects");
        until("the pool knows its primary and both replicas", || {
            let status = pool.status();
            let serving =
                status.nodes.iter().filter(|node| node.state == NodeState::Replica).count();
            status.primary.is_some() && serving == 2
        })
        .await;
        pool
    }

    /// What the primary has in the end, asked by a pool that knows no other node.
    async fn truth(&self) -> RwPool<Self::B> {
        let builder = RwPool::builder(self.backend()).node(self.node(self.primary())).seed(0);
        builder.connect().await.expect("the primary answers")
    }

    /// All lists, on the primary.
    async fn lists(pool: &RwPool<Self::B>) -> Lists {
        let mut lists = Lists::new();
        for key in 0..LISTS {
            let call = Call::read(key);
            let read = Self::transact(pool, &call, &CausalContext::new()).await;
            lists.insert(key, read.expect("the list can be read").remove(0));
        }
        lists
    }

    /// The bank's books, on the primary.
    async fn books(pool: &RwPool<Self::B>) -> Books {
        Books {
            balances: Self::audit(pool, true).await.expect("the balances can be read"),
            transfers: Self::transfers(pool).await.expect("the transfers can be read"),
        }
    }
}

/// Databases have no unsigned integers.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).expect("the tests count from 1")
}

pub(crate) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).expect("the tests count from 1")
}

/// What the bank begins with.
pub(crate) fn opening() -> Balances {
    (0..ACCOUNTS).map(|account| (account, OPENING)).collect()
}

/// Patient enough for faults, and not for more: what is frozen is given up after 2 s.
pub(crate) fn config() -> PoolConfig {
    PoolConfig::default().connections(12).answer(Duration::from_secs(2))
}

/// Returns when the condition holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !holds() {
        assert!(Instant::now() < deadline, "waited {LONG:?} in vain until {what}");
        sleep(Duration::from_millis(2)).await;
    }
}

/// The seed of a test: another one on demand, and printed in any case.
pub(crate) fn seed<W: World>(scenario: &str) -> u64 {
    let given = std::env::var("TERRACE_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or(0x7E44_ACE0);
    println!("{scenario} on {}: TERRACE_SEED={seed}", W::NAME);
    seed
}
