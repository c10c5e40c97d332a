//! A point read, by terrace-db and by deadpool-postgres alone.
//!
//! Both send the same prepared statement to the same server over the same loopback, on a runtime of
//! one thread: what differs is what the client does. The pool's monitor rests meanwhile; what it
//! costs is a question every 100 ms, however many reads there are.

use std::fmt;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, RecyclingMethod};
use terrace_db::backend::postgres::Postgres;
use terrace_db::{CausalContext, Node, PoolConfig, RwPool};
use tokio::runtime::Runtime;
use tokio_postgres::NoTls;

use super::Op;

/// Why there is nothing to measure.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// The statement that everybody sends.
pub const POINT: &str = "SELECT v FROM points WHERE k = $1";

/// Makes the rows that [`POINT`] finds.
pub const PREPARE: &str = "CREATE TABLE points (k int8 PRIMARY KEY, v text NOT NULL); \
     INSERT INTO points SELECT k, 'value ' || k FROM generate_series(0, 999) AS k";

/// deadpool-postgres alone, as its README shows it.
pub struct Raw {
    runtime: Runtime,
    pool: deadpool_postgres::Pool,
    what: What,
    turn: i64,
}

/// terrace-db over the same server.
pub struct Terrace {
    runtime: Runtime,
    pool: RwPool<Postgres>,
    context: Option<CausalContext>,
    what: What,
    turn: i64,
}

/// What is done over and over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Take a connection, and give it back.
    Get,
    /// Read one row by its key.
    Point,
}

fn runtime() -> Result<Runtime, Error> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// A pool of deadpool-postgres with the settings that terrace-db has, as far as it has them.
///
/// # Errors
///
/// If the URL is none.
pub fn raw_pool(url: &str, size: usize) -> Result<deadpool_postgres::Pool, Error> {
    let config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(url.parse()?, NoTls, config);
    Ok(deadpool_postgres::Pool::builder(manager).max_size(size).build()?)
}

impl Raw {
    /// A pool with one connection open.
    ///
    /// # Errors
    ///
    /// If the server does not let us in.
    pub fn new(url: &str, what: What) -> Result<Self, Error> {
        let (runtime, pool) = (runtime()?, raw_pool(url, 4)?);
        runtime.block_on(async { pool.get().await.map(drop) })?;
        // Every server has a timer somewhere, and so has the other side. A runtime without any
        // spares itself the look at the clock.
        runtime.spawn(async { tokio::time::sleep(Duration::from_secs(3600)).await });
        Ok(Self { runtime, pool, what, turn: 0 })
    }

    async fn step(pool: &deadpool_postgres::Pool, what: What, turn: i64) -> Result<(), Error> {
        let client = pool.get().await?;
        if what == What::Point {
            let statement = client.prepare_cached(POINT).await?;
            let row = client.query_one(&statement, &[&turn]).await?;
            std::hint::black_box(row);
        }
        Ok(())
    }
}

impl Op for Raw {
    fn once(&mut self) {
        self.repeat(1);
    }

    fn repeat(&mut self, count: u64) {
        let Self { runtime, pool, what, turn } = self;
        runtime.block_on(async {
            for _ in 0..count {
                *turn = (*turn + 7) % 1000;
                Self::step(pool, *what, *turn).await.expect("the server answers");
            }
        });
    }
}

impl Terrace {
    /// A pool over these nodes, with one connection open to the one that serves reads.
    ///
    /// With `tokened`, each read is one of a user who has written before, and whose write the
    /// replica is known to have.
    ///
    /// # Errors
    ///
    /// If a server does not let us in.
    pub fn new(urls: &[String], what: What, tokened: bool) -> Result<Self, Error> {
        let runtime = runtime()?;
        // The monitor looks once, at the start. Under callgrind everything takes fifty times as
        // long.
        let config = PoolConfig::default()
            .probe_interval(Duration::from_secs(3600))
            .probe_deadline(Duration::from_secs(60))
            .connect(Duration::from_secs(60))
            .verify_after(Duration::from_secs(3600))
            .answer(Duration::from_secs(60));
        let (pool, context) = runtime.block_on(async {
            let written = CausalContext::new();
            let first = connect(urls, config.clone()).await?;
            let touch = "UPDATE points SET v = v WHERE k = 0";
            first.write().context(&written).execute(touch, &[]).await?;
            // A pool looks at its nodes as it starts. This one is to see the write everywhere.
            let mut pool = connect(urls, config.clone()).await?;
            while pool.status().nodes.iter().any(|node| node.position < written.position()) {
                pool = connect(urls, config.clone()).await?;
            }
            let context = tokened.then_some(written);
            Ok::<_, Error>((pool, context))
        })?;
        let mut this = Self { runtime, pool, context, what, turn: 0 };
        this.once();
        Ok(this)
    }

    async fn step(
        pool: &RwPool<Postgres>,
        context: Option<&CausalContext>,
        what: What,
        turn: i64,
    ) -> Result<(), Error> {
        let read = match context {
            Some(context) => pool.read().context(context),
            None => pool.read(),
        };
        match what {
            What::Get => drop(read.connect().await?),
            What::Point => {
                std::hint::black_box(read.query_one(POINT, &[&turn]).await?);
            }
        }
        Ok(())
    }
}

/// A pool over a primary and its replicas.
///
/// # Errors
///
/// If a URL is none, or a server does not let us in.
pub async fn connect(urls: &[String], config: PoolConfig) -> Result<RwPool<Postgres>, Error> {
    let nodes = urls.iter().enumerate().map(|(number, url)| {
        Ok::<_, Error>(Node::new(format!("node-{number}"), Postgres::target(url)?))
    });
    let nodes = nodes.collect::<Result<Vec<_>, _>>()?;
    Ok(RwPool::builder(Postgres::new()).nodes(nodes).config(config).seed(1).connect().await?)
}

impl Op for Terrace {
    fn once(&mut self) {
        self.repeat(1);
    }

    fn repeat(&mut self, count: u64) {
        let Self { runtime, pool, context, what, turn } = self;
        runtime.block_on(async {
            for _ in 0..count {
                *turn = (*turn + 7) % 1000;
                let step = Self::step(pool, context.as_ref(), *what, *turn);
                step.await.expect("the server answers");
            }
        });
    }
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Raw").field("what", &self.what).finish_non_exhaustive()
    }
}

impl fmt::Debug for Terrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terrace").field("what", &self.what).finish_non_exhaustive()
    }
}
