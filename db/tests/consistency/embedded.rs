//! The embedded cluster: three files in a directory.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row};
use tempfile::TempDir;
use terrace_db::backend::sqlite::{Durability, Replication, Sqlite, SqliteCluster};
use terrace_db::{CausalContext, Error, Node, RwPool};
use terrace_testkit::history::append::{Call, Step};
use terrace_testkit::history::bank::Balances;
use terrace_testkit::history::register::Stored;

use crate::world::{ACCOUNTS, Network, OPENING, Served, World, signed, unsigned, until};

const SCHEMA: &str = "
    CREATE TABLE kv (key INTEGER PRIMARY KEY, value INTEGER NOT NULL, version INTEGER NOT NULL);
    CREATE TABLE log (id INTEGER NOT NULL);
    CREATE TABLE lists (place INTEGER PRIMARY KEY, key INTEGER NOT NULL, element INTEGER NOT NULL);
    CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL CHECK (balance >= 0));
    CREATE TABLE transfers (id INTEGER NOT NULL);";

const PUT: &str = "INSERT INTO kv (key, value, version) VALUES (?1, ?2, 1)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = version + 1
    RETURNING version";
const GET: &str = "SELECT value, version FROM kv WHERE key = ?1";
const APPEND: &str = "INSERT INTO lists (key, element) VALUES (?1, ?2)";
const LIST: &str = "SELECT element FROM lists WHERE key = ?1 ORDER BY place";
const MOVE: &str = "UPDATE accounts SET balance = balance + ?2 WHERE id = ?1";

pub(crate) struct Embedded {
    cluster: SqliteCluster,
    _replication: Replication,
    // Last, so that nobody looks for files that are gone.
    _dir: TempDir,
}

fn name(number: usize) -> String {
    format!("node-{number}")
}

fn list(connection: &Connection, key: u64) -> rusqlite::Result<Vec<u64>> {
    connection.prepare_cached(LIST)?.query_map([signed(key)], number)?.collect()
}

/// The first column.
fn number(row: &Row<'_>) -> rusqlite::Result<u64> {
    Ok(unsigned(row.get(0)?))
}

async fn ids(pool: &RwPool<Sqlite>, sql: &'static str) -> Result<Vec<u64>, Error> {
    let read = pool.read_primary();
    read.call(move |c| c.prepare_cached(sql)?.query_map([], number)?.collect()).await
}

impl World for Embedded {
    type B = Sqlite;
    const NAME: &'static str = "the embedded cluster";

    async fn start(_: Network) -> Option<Self> {
        let dir = tempfile::tempdir().expect("a directory");
        let names = [name(0), name(1), name(2)];
        let names = [&*names[0], &*names[1], &*names[2]];
        let cluster = SqliteCluster::create(dir.path(), &names).expect("the cluster is made");
        let replication = cluster.replicate();
        let world = Self { cluster, _replication: replication, _dir: dir };
        let pool = world.truth().await;
        let made = pool.write().call(|transaction| {
            transaction.execute_batch(SCHEMA)?;
            for account in 0..ACCOUNTS {
                let sql = "INSERT INTO accounts VALUES (?1, ?2)";
                transaction.execute(sql, [signed(account), OPENING])?;
            }
            Ok(())
        });
        made.await.expect("the tables are made");
        world.catch_up().await;
        Some(world)
    }

    /// Nobody cuts the power here, and no disk need be waited for.
    fn backend(&self) -> Sqlite {
        Sqlite::new().durability(Durability::Process)
    }

    fn node(&self, number: usize) -> Node<Sqlite> {
        Node::new(name(number), self.cluster.target(&name(number)))
    }

    fn primary(&self) -> usize {
        let primary = self.cluster.primary().expect("there is a primary");
        (0..3).find(|number| name(*number) == primary).expect("the primary is a node")
    }

    async fn put(
        pool: &RwPool<Sqlite>,
        key: u64,
        value: u64,
        context: &CausalContext,
    ) -> Result<Stored, Error> {
        let write = pool.write().context(context);
        let version = write.call(move |transaction| {
            let values = [signed(key), signed(value)];
            transaction.prepare_cached("INSERT INTO log VALUES (?1)")?.execute([values[1]])?;
            transaction.prepare_cached(PUT)?.query_row(values, number)
        });
        Ok(Stored { value, version: version.await? })
    }

    async fn get(
        pool: &RwPool<Sqlite>,
        key: u64,
        context: Option<&CausalContext>,
        primary: bool,
    ) -> Result<Served<Option<Stored>>, Error> {
        let mut read = if primary { pool.read_primary() } else { pool.read() };
        if let Some(context) = context {
            read = read.context(context);
        }
        let mut connection = read.await?;
        let role = connection.role();
        let stored = connection.call(move |c| {
            let stored = |row: &Row<'_>| {
                Ok(Stored { value: unsigned(row.get(0)?), version: unsigned(row.get(1)?) })
            };
            c.prepare_cached(GET)?.query_row([signed(key)], stored).optional()
        });
        Ok((stored.await?, role))
    }

    async fn transact(
        pool: &RwPool<Sqlite>,
        call: &Call,
        context: &CausalContext,
    ) -> Result<Vec<Vec<u64>>, Error> {
        let mut transaction = pool.transaction().context(context).await?;
        let mut lists = Vec::new();
        for step in &call.0 {
            match *step {
                Step::Append { key, element } => {
                    let values = [signed(key), signed(element)];
                    let append = move |c: &Connection| c.prepare_cached(APPEND)?.execute(values);
                    transaction.call(append).await?;
                }
                Step::Read { key } => lists.push(transaction.call(move |c| list(c, key)).await?),
            }
        }
        transaction.commit().await?;
        Ok(lists)
    }

    async fn read_list(
        pool: &RwPool<Sqlite>,
        key: u64,
        context: &CausalContext,
    ) -> Result<Vec<u64>, Error> {
        pool.read().context(context).call(move |c| list(c, key)).await
    }

    async fn transfer(
        pool: &RwPool<Sqlite>,
        id: u64,
        from: u64,
        to: u64,
        amount: i64,
    ) -> Result<(), Error> {
        let mut transaction = pool.transaction().await?;
        for (account, change) in [(from, -amount), (to, amount)] {
            let values = [signed(account), change];
            transaction.call(move |c| c.prepare_cached(MOVE)?.execute(values)).await?;
        }
        let note = "INSERT INTO transfers VALUES (?1)";
        transaction.call(move |c| c.prepare_cached(note)?.execute([signed(id)])).await?;
        transaction.commit().await.map(drop)
    }

    async fn audit(pool: &RwPool<Sqlite>, primary: bool) -> Result<Balances, Error> {
        let read = if primary { pool.read_primary() } else { pool.read() };
        let balances = read.call(|c| {
            let mut all = c.prepare_cached("SELECT id, balance FROM accounts")?;
            all.query_map([], |row| Ok((number(row)?, row.get(1)?)))?.collect()
        });
        balances.await
    }

    async fn values(pool: &RwPool<Sqlite>) -> Result<Vec<u64>, Error> {
        ids(pool, "SELECT id FROM log").await
    }

    async fn transfers(pool: &RwPool<Sqlite>) -> Result<Vec<u64>, Error> {
        ids(pool, "SELECT id FROM transfers").await
    }

    async fn kill(&self, number: usize) {
        self.cluster.kill(&name(number)).expect("the node is killed");
    }

    async fn restart(&self, number: usize) {
        self.cluster.start(&name(number)).expect("the node starts");
    }

    async fn freeze(&self, number: usize) {
        self.cluster.freeze(&name(number)).expect("the node is frozen");
    }

    async fn thaw(&self, number: usize) {
        self.cluster.thaw(&name(number)).expect("the node is thawed");
    }

    /// There is no network: a node that says nothing is all that shows of a cut.
    async fn cut(&self, number: usize) {
        self.freeze(number).await;
    }

    async fn heal(&self, number: usize) {
        self.thaw(number).await;
    }

    async fn pause(&self, number: usize) {
        self.cluster.pause(&name(number)).expect("the node is paused");
    }

    async fn resume(&self, number: usize) {
        self.cluster.resume(&name(number)).expect("the node goes on");
    }

    async fn delay(&self, number: usize, delay: Duration) {
        self.cluster.delay(&name(number), delay).expect("the delay is set");
    }

    async fn promote(&self) -> usize {
        let freshest = self.cluster.freshest().expect("a replica is up");
        self.cluster.promote(&freshest).expect("it is promoted");
        self.primary()
    }

    async fn rejoin(&self, number: usize) {
        self.cluster.start(&name(number)).expect("the node starts");
        self.cluster.follow(&name(number)).expect("the node follows");
    }

    async fn quorum(&self, replicas: usize) {
        let replicas = u32::try_from(replicas).expect("a small number");
        self.cluster.quorum(replicas, Duration::from_secs(1)).expect("the quorum is set");
    }

    async fn catch_up(&self) {
        until("replicas show what the primary has", || {
            let nodes = self.cluster.nodes().expect("the files can be read");
            let end = nodes[self.primary()].shown;
            nodes.iter().all(|node| node.shown >= end)
        })
        .await;
    }
}
