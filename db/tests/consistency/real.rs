//! PostgreSQL: a primary and two streaming replicas.

use std::net::SocketAddr;
use std::time::Duration;

use terrace_db::backend::postgres::Postgres as Backend;
use terrace_db::{CausalContext, Error, Node, RwPool};
use terrace_testkit::fault::{Fault, FaultProxy};
use terrace_testkit::history::append::{Call, Step};
use terrace_testkit::history::bank::Balances;
use terrace_testkit::history::register::Stored;
use terrace_testkit::{PostgresCluster, tools};

use crate::world::{ACCOUNTS, Network, OPENING, Served, World, signed, unsigned};

const SCHEMA: &str = "
    CREATE TABLE kv (key int8 PRIMARY KEY, value int8 NOT NULL, version int8 NOT NULL);
    CREATE TABLE log (id int8 NOT NULL);
    CREATE TABLE lists (key int8 PRIMARY KEY, elements int8[] NOT NULL);
    CREATE TABLE accounts (id int8 PRIMARY KEY, balance int8 NOT NULL CHECK (balance >= 0));
    CREATE TABLE transfers (id int8 NOT NULL);";

const PUT: &str = "WITH noted AS (INSERT INTO log (id) VALUES ($2))
    INSERT INTO kv (key, value, version) VALUES ($1, $2, 1)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = kv.version + 1
    RETURNING version";
const GET: &str = "SELECT value, version FROM kv WHERE key = $1";
const APPEND: &str = "INSERT INTO lists (key, elements) VALUES ($1, ARRAY[$2::int8])
    ON CONFLICT (key) DO UPDATE SET elements = lists.elements || excluded.elements";
const LIST: &str = "SELECT elements FROM lists WHERE key = $1";
const MOVE: &str = "UPDATE accounts SET balance = balance + $2 WHERE id = $1";

pub(crate) struct Real {
    cluster: PostgresCluster,
    proxies: Vec<FaultProxy>,
}

impl Real {
    /// Sets a parameter on both replicas.
    pub(crate) async fn configure_replicas(&self, name: &str, value: &str) {
        for replica in self.cluster.replicas() {
            replica.configure(name, value).await.expect("the replica takes the setting");
        }
    }

    fn addr(&self, number: usize) -> SocketAddr {
        self.proxies.get(number).map_or(self.cluster.nodes()[number].addr(), FaultProxy::addr)
    }
}

impl World for Real {
    type B = Backend;
    const NAME: &'static str = "PostgreSQL";

    async fn start(network: Network) -> Option<Self> {
        tools::require_or_skip("postgres")?;
        let cluster = PostgresCluster::start(2).await.expect("the cluster starts");
        let client = cluster.primary().connect().await.expect("the primary answers");
        client.batch_execute(SCHEMA).await.expect("the tables are made");
        for account in 0..ACCOUNTS {
            let sql = format!("INSERT INTO accounts VALUES ({account}, {OPENING})");
            client.batch_execute(&sql).await.expect("the account is opened");
        }
        cluster.catch_up().await.expect("replicas follow");
        let mut proxies = Vec::new();
        if network == Network::Cuttable {
            for node in cluster.nodes() {
                proxies.push(FaultProxy::start(node.addr()).await.expect("the proxy starts"));
            }
        }
        Some(Self { cluster, proxies })
    }

    fn backend(&self) -> Backend {
        Backend::new()
    }

    fn node(&self, number: usize) -> Node<Backend> {
        let url = format!("postgres://postgres@{}/postgres", self.addr(number));
        Node::new(format!("node-{number}"), Backend::target(&url).expect("a URL"))
    }

    fn primary(&self) -> usize {
        let primary = self.cluster.primary().name();
        let place = self.cluster.nodes().iter().position(|node| node.name() == primary);
        place.expect("the primary is a node")
    }

    async fn put(
        pool: &RwPool<Backend>,
        key: u64,
        value: u64,
        context: &CausalContext,
    ) -> Result<Stored, Error> {
        let mut connection = pool.write().context(context).await?;
        let work = async |c: &mut _| query_one(c, PUT, key, value).await;
        let row = connection.run(work).await?;
        Ok(Stored { value, version: unsigned(row.get(0)) })
    }

    async fn get(
        pool: &RwPool<Backend>,
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
        let row = connection.run(async |c| c.query_opt(GET, &[&signed(key)]).await).await?;
        let stored =
            row.map(|row| Stored { value: unsigned(row.get(0)), version: unsigned(row.get(1)) });
        Ok((stored, role))
    }

    async fn transact(
        pool: &RwPool<Backend>,
        call: &Call,
        context: &CausalContext,
    ) -> Result<Vec<Vec<u64>>, Error> {
        let mut transaction = pool.transaction().context(context).await?;
        let mut lists = Vec::new();
        for step in &call.0 {
            match *step {
                Step::Append { key, element } => {
                    let (key, element) = (signed(key), signed(element));
                    transaction.run(async |c| c.execute(APPEND, &[&key, &element]).await).await?;
                }
                Step::Read { key } => {
                    let key = signed(key);
                    let row = transaction.run(async |c| c.query_opt(LIST, &[&key]).await).await?;
                    lists.push(row.map_or_else(Vec::new, |row| elements(&row)));
                }
            }
        }
        transaction.commit().await?;
        Ok(lists)
    }

    async fn read_list(
        pool: &RwPool<Backend>,
        key: u64,
        context: &CausalContext,
    ) -> Result<Vec<u64>, Error> {
        let mut connection = pool.read().context(context).await?;
        let row = connection.run(async |c| c.query_opt(LIST, &[&signed(key)]).await).await?;
        Ok(row.map_or_else(Vec::new, |row| elements(&row)))
    }

    async fn transfer(
        pool: &RwPool<Backend>,
        id: u64,
        from: u64,
        to: u64,
        amount: i64,
    ) -> Result<(), Error> {
        let mut moves = [(signed(from), -amount), (signed(to), amount)];
        // Always in one order, so that no two transfers wait for each other.
        moves.sort_unstable();
        let mut transaction = pool.transaction().await?;
        for (account, change) in moves {
            transaction.run(async |c| c.execute(MOVE, &[&account, &change]).await).await?;
        }
        let note = "INSERT INTO transfers VALUES ($1)";
        transaction.run(async |c| c.execute(note, &[&signed(id)]).await).await?;
        transaction.commit().await.map(drop)
    }

    async fn audit(pool: &RwPool<Backend>, primary: bool) -> Result<Balances, Error> {
        let read = if primary { pool.read_primary() } else { pool.read() };
        let mut connection = read.await?;
        let sql = "SELECT id, balance FROM accounts";
        let rows = connection.run(async |c| c.query(sql, &[]).await).await?;
        Ok(rows.iter().map(|row| (unsigned(row.get(0)), row.get(1))).collect())
    }

    async fn values(pool: &RwPool<Backend>) -> Result<Vec<u64>, Error> {
        ids(pool, "SELECT id FROM log").await
    }

    async fn transfers(pool: &RwPool<Backend>) -> Result<Vec<u64>, Error> {
        ids(pool, "SELECT id FROM transfers").await
    }

    async fn kill(&self, number: usize) {
        self.cluster.nodes()[number].kill().await.expect("the node is killed");
    }

    async fn restart(&self, number: usize) {
        self.cluster.nodes()[number].restart().await.expect("the node starts");
    }

    async fn freeze(&self, number: usize) {
        self.cluster.nodes()[number].stop().await.expect("the node is frozen");
    }

    async fn thaw(&self, number: usize) {
        self.cluster.nodes()[number].cont();
    }

    async fn cut(&self, number: usize) {
        self.proxies[number].set(Fault::BlackHole).await;
    }

    /// What a black hole has swallowed is gone for ever, so the connections through it are too.
    async fn heal(&self, number: usize) {
        self.proxies[number].set(Fault::Reset).await;
        self.proxies[number].set(Fault::Pass).await;
    }

    async fn pause(&self, number: usize) {
        self.cluster.nodes()[number].pause_replay().await.expect("replay is paused");
    }

    async fn resume(&self, number: usize) {
        self.cluster.nodes()[number].resume_replay().await.expect("replay goes on");
    }

    async fn delay(&self, number: usize, delay: Duration) {
        self.cluster.nodes()[number].apply_delay(delay).await.expect("the delay is set");
    }

    async fn promote(&self) -> usize {
        let old = self.cluster.primary().name();
        let primary = self.cluster.promote_most_advanced().await.expect("a replica is promoted");
        for node in self.cluster.replicas() {
            if node.name() != old && node.is_running() {
                node.follow(primary).await.expect("the other replica follows");
            }
        }
        self.primary()
    }

    async fn rejoin(&self, number: usize) {
        let primary = self.cluster.primary();
        self.cluster.nodes()[number].rebuild(primary).await.expect("the node is rebuilt");
    }

    async fn quorum(&self, replicas: usize) {
        let set = match replicas {
            0 => self.cluster.quorum_off().await,
            count => self.cluster.quorum(count).await,
        };
        set.expect("the quorum is set");
    }

    async fn catch_up(&self) {
        self.cluster.catch_up().await.expect("replicas follow");
    }
}

async fn query_one(
    connection: &mut terrace_db::backend::postgres::PgConnection,
    sql: &str,
    key: u64,
    value: u64,
) -> Result<tokio_postgres::Row, terrace_db::backend::postgres::PgError> {
    connection.query_one(sql, &[&signed(key), &signed(value)]).await
}

fn elements(row: &tokio_postgres::Row) -> Vec<u64> {
    row.get::<_, Vec<i64>>(0).into_iter().map(unsigned).collect()
}

async fn ids(pool: &RwPool<Backend>, sql: &str) -> Result<Vec<u64>, Error> {
    let mut connection = pool.read_primary().await?;
    let rows = connection.run(async |c| c.query(sql, &[]).await).await?;
    Ok(rows.iter().map(|row| unsigned(row.get(0))).collect())
}
