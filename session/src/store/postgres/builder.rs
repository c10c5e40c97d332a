use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio_postgres::tls::{MakeTlsConnect, NoTls, TlsConnect};
use tokio_postgres::{Config, Socket};

use super::Postgres;
use super::error::Fault;
use super::link::Link;
use super::migrate;
use super::schema::Schema;
use crate::clock::Clock;
use crate::error::StoreError;

/// One process with 16 connections does some ten thousand operations a second, more than PostgreSQL likes to commit;
/// and six such processes fit into the 100 connections that a server takes by default.
const POOL_SIZE: usize = 16;
/// A statement takes a millisecond. Two seconds are more than any wait for somebody else's, and less than what a user waits.
const TIMEOUT: Duration = Duration::from_secs(2);

type MakeManager = Box<dyn FnOnce(Config, ManagerConfig) -> Manager + Send>;

enum Source {
    Url { url: String, manager: MakeManager },
    Pool(Pool),
}

/// How sessions are kept in PostgreSQL: from [`Postgres::builder`] or [`Postgres::from_pool`].
#[must_use = "nothing is connected before `connect`"]
pub struct PostgresBuilder {
    source: Source,
    schema: String,
    prefix: String,
    migrate: bool,
    unlogged: bool,
    pool_size: usize,
    timeout: Duration,
    clock: Option<Arc<dyn Clock>>,
}

impl PostgresBuilder {
    pub(super) fn url(url: &str) -> Self {
        let manager: MakeManager =
            Box::new(|config, rules| Manager::from_config(config, NoTls, rules));
        Self::new(Source::Url { url: url.to_owned(), manager })
    }

    pub(super) fn pool(pool: Pool) -> Self {
        Self::new(Source::Pool(pool))
    }

    fn new(source: Source) -> Self {
        Self {
            source,
            schema: "public".to_owned(),
            prefix: "terrace_".to_owned(),
            migrate: true,
            unlogged: false,
            pool_size: POOL_SIZE,
            timeout: TIMEOUT,
            clock: None,
        }
    }

    /// TLS by a connector for [`tokio_postgres`], such as that of `tokio-postgres-rustls` or `postgres-native-tls`. Whether a
    /// server without TLS will do is said by the URL's `sslmode`, whose default is that it will. Default: no TLS.
    ///
    /// A pool has its own already: this changes nothing for one.
    pub fn tls<T>(mut self, connector: T) -> Self
    where
        T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
        T::Stream: Send + Sync,
        T::TlsConnect: Send + Sync,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        if let Source::Url { manager, .. } = &mut self.source {
            *manager =
                Box::new(move |config, rules| Manager::from_config(config, connector, rules));
        }
        self
    }

    /// The schema that the tables and functions are in. At most 32 small letters, digits and `_`. It is created if it
    /// is not there. Default `public`.
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = schema.into();
        self
    }

    /// What the names of tables and functions begin with, so that several applications can share a schema. At most 32
    /// small letters, digits and `_`. Default `terrace_`: the table of sessions is `terrace_sessions`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Whether [`connect`](Self::connect) makes tables and functions that are missing. Default: yes. Without it somebody
    /// with the right to has to run what [`sql`](Self::sql) gives, and the application needs no more than to use them.
    pub fn migrate(mut self, yes: bool) -> Self {
        self.migrate = yes;
        self
    }

    /// Whether tables that are made now are `UNLOGGED`. Default: no. They are written at about half the cost, **all
    /// sessions are lost when the server crashes**, and replicas have none.
    pub fn unlogged(mut self, yes: bool) -> Self {
        self.unlogged = yes;
        self
    }

    /// So many connections at most, opened when they are needed. Default 16: some ten thousand operations a second,
    /// and six processes like this one fit into the 100 connections that a server takes as it comes. A pool has its own size.
    pub fn pool_size(mut self, connections: usize) -> Self {
        self.pool_size = connections.max(1);
        self
    }

    /// How long to wait for a connection of the pool, for a new connection, and (by `statement_timeout`, so that the
    /// server ends it) for a statement, in whole milliseconds. Default 2 s: a statement takes one
    /// millisecond, and whoever asks has mostly given up before. A pool that was given keeps its own limits for statements.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit.max(Duration::from_millis(1));
        self
    }

    /// Goes by this clock instead of the server's. For tests: processes whose clocks differ would end each other's
    /// sessions.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// The SQL that makes all tables and functions in an empty database, in one transaction: for
    /// [`migrate(false)`](Self::migrate). It does no harm to run it twice.
    ///
    /// # Errors
    ///
    /// [`StoreError::Invalid`] if the schema or the prefix is none.
    pub fn sql(&self) -> Result<String, StoreError> {
        Ok(self.names()?.script())
    }

    /// Connects, and brings the tables up to date if they are not.
    ///
    /// Any number of processes may do this at the same time: one of them makes the tables, under the advisory lock
    /// `0x74657272616365`, and the others wait for it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the server cannot be reached, or refuses.
    /// [`StoreError::Invalid`] if the URL, the schema or the prefix is none; if tables are missing and may not be made;
    /// if they were made by a newer version that this one cannot work with; if the database is not in UTF-8.
    ///
    /// # Cancel safety
    ///
    /// Tables are made whole or not at all.
    pub async fn connect(self) -> Result<Postgres, StoreError> {
        let schema = self.names()?;
        let pool = match self.source {
            Source::Pool(pool) => pool,
            Source::Url { url, manager } => {
                let config = url.parse::<Config>().map_err(Fault::invalid)?;
                let config = configured(config, self.timeout);
                let rules = ManagerConfig { recycling_method: RecyclingMethod::Fast };
                Pool::builder(manager(config, rules))
                    .max_size(self.pool_size)
                    .wait_timeout(Some(self.timeout))
                    .create_timeout(Some(self.timeout))
                    .runtime(Runtime::Tokio1)
                    .build()
                    .map_err(Fault::invalid)?
            }
        };
        let link = Link::new(pool, self.timeout);
        migrate::run(&link, &schema, self.migrate).await?;
        Ok(Postgres::new(link, &schema, self.clock))
    }

    fn names(&self) -> Result<Schema, StoreError> {
        Ok(Schema::new(&self.schema, &self.prefix, self.unlogged).map_err(Fault::invalid)?)
    }
}

/// What our connections need beside what the URL says.
fn configured(mut config: Config, limit: Duration) -> Config {
    // In the first message, which costs no round trip. What the URL says comes after the time limit, and wins; the
    // isolation level comes last, because nothing is right at another one.
    let options = format!(
        "-c statement_timeout={} {} -c default_transaction_isolation=read\\ committed",
        limit.as_millis(),
        config.get_options().unwrap_or_default(),
    );
    config.options(options);
    if config.get_application_name().is_none() {
        config.application_name("terrace-session");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(limit);
    }
    if config.get_tcp_user_timeout().is_none() {
        // A server that vanished is noticed by who waits for it, and not two hours later.
        config.tcp_user_timeout(limit.saturating_mul(2));
    }
    config
}

/// Without the URL, which holds a password.
impl fmt::Debug for PostgresBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresBuilder")
            .field("schema", &self.schema)
            .field("prefix", &self.prefix)
            .field("migrate", &self.migrate)
            .field("unlogged", &self.unlogged)
            .field("pool_size", &self.pool_size)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
