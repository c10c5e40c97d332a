//! A key-value server on a replicated database: everything of this crate in one process.
//!
//! ```sh
//! cargo run --release -p terrace-db --example db-kv -- --listen 127.0.0.1:8080
//! cargo run --release -p terrace-db --example db-kv -- --listen 127.0.0.1:8080 \
//!     --primary postgres://app@db-1/kv --replica postgres://app@db-2/kv
//!
//! curl -i -X PUT --data hello localhost:8080/kv/greeting     # answers a terrace-token
//! curl -i -H 'terrace-token: …' localhost:8080/kv/greeting   # sees it, whichever node answers
//! curl localhost:8080/status
//! ```
//!
//! Without URLs it makes a cluster of SQLite files in `--data`. It prints `listening on http://ADDR`
//! when it is ready, and drains on SIGTERM or Ctrl-C: the listener closes, requests in flight get ten
//! seconds. A bad flag is a line on stderr and exit code 2.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{self, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use clap::Parser;
use rusqlite::{OptionalExtension, params};
use serde_json::json;
use terrace_db::backend::Role;
use terrace_db::backend::postgres::Postgres;
use terrace_db::backend::sqlite::{Sqlite, SqliteCluster};
use terrace_db::{
    Backend, CausalContext, CausalLayer, Error, ErrorKind, Node, NodeState, Outcome,
    ReadConnection, RwPool, Status, TokenKey,
};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// How long requests in flight may take after the signal.
const DRAIN: Duration = Duration::from_secs(10);
/// How often a read goes on to another node when one fails under it.
const ATTEMPTS: usize = 3;

/// A key-value server on a replicated database.
#[derive(Debug, Parser)]
struct Args {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDR")]
    listen: SocketAddr,
    /// A PostgreSQL primary: postgres://USER:PASSWORD@HOST:PORT/NAME. Without it, files.
    #[arg(long, value_name = "URL")]
    primary: Option<String>,
    /// A streaming replica of it. Repeatable.
    #[arg(long, value_name = "URL", requires = "primary")]
    replica: Vec<String>,
    /// Directory for the files and for what the pool remembers; a fresh one if left out.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// How many replica files, 0 to 16; 2 if left out.
    #[arg(long, value_name = "N", conflicts_with = "primary",
          value_parser = clap::value_parser!(u8).range(0..=16))]
    replicas: Option<u8>,
    /// The key that signs tokens, created if absent; in the data directory if left out. Processes
    /// that share it accept each other's tokens.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) if error.exit_code() == 0 => {
            // --help and the like.
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            // The first paragraph is the error, what follows is usage.
            let text = error.to_string();
            let message = text.split("\n\n").next().unwrap_or_default();
            return refuse(message.strip_prefix("error: ").unwrap_or(message), 2);
        }
    };
    match tokio::runtime::Runtime::new()
        .map_err(AnyError::from)
        .and_then(|on| on.block_on(run(args)))
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(&chain(&*error), if error.is::<BadFlag>() { 2 } else { 1 }),
    }
}

fn refuse(message: &str, code: u8) -> ExitCode {
    let words: Vec<&str> = message.split_whitespace().collect();
    eprintln!("error: {}", words.join(" "));
    ExitCode::from(code)
}

/// An error and its causes.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let lines: Vec<String> = causes.map(ToString::to_string).collect();
    lines.join(": ")
}

/// A flag that parses, and makes no sense.
#[derive(Debug)]
struct BadFlag(String);

impl std::fmt::Display for BadFlag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadFlag {}

fn bad(flag: &str, error: &(dyn std::error::Error + 'static)) -> BadFlag {
    BadFlag(format!("{flag}: {}", chain(error)))
}

async fn run(args: Args) -> Result<(), AnyError> {
    let fresh;
    let data: &Path = match &args.data {
        Some(data) => {
            std::fs::create_dir_all(data).map_err(|error| bad("--data", &error))?;
            data
        }
        None => {
            fresh = tempfile::Builder::new().prefix("db-kv-").tempdir()?;
            fresh.path()
        }
    };
    let key_file = args.key_file.clone().unwrap_or_else(|| data.join("token.key"));
    let key = TokenKey::from_file(key_file).map_err(|error| bad("--key-file", &error))?;
    let listener = TcpListener::bind(args.listen).await;
    let listener = listener.map_err(|error| bad("--listen", &error))?;
    let store = Store::open(&args, data).await?;
    store.create_table().await?;

    let app = Router::new()
        .route("/kv/{key}", get(read).put(write))
        .route("/status", get(status))
        .layer(CausalLayer::header(key))
        .with_state(store);
    let stop = stop_signal()?;
    println!("listening on http://{}", listener.local_addr()?);
    let server = axum::serve(listener, app).with_graceful_shutdown(wanted(stop.clone()));
    let limit = async {
        wanted(stop).await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        ended = server => Ok(ended?),
        () = limit => Err("some requests were still unanswered 10 s after the signal".into()),
    }
}

fn stop_signal() -> std::io::Result<watch::Receiver<bool>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (wish, stop) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        let _nobody_waits = wish.send(true);
    });
    Ok(stop)
}

async fn wanted(mut stop: watch::Receiver<bool>) {
    let _ended = stop.wait_for(|wanted| *wanted).await;
}

/// The table, on either kind of database.
#[derive(Clone, Debug)]
enum Store {
    Files(RwPool<Sqlite>),
    Servers(RwPool<Postgres>),
}

/// A value, and who read it.
struct Found {
    value: Option<Vec<u8>>,
    by: String,
}

impl Store {
    async fn open(args: &Args, data: &Path) -> Result<Self, AnyError> {
        let memory = data.join("seen");
        let Some(primary) = &args.primary else {
            let replicas = args.replicas.unwrap_or(2);
            let names: Vec<String> = (0..=replicas).map(name).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let cluster = SqliteCluster::open_or_create(data.join("cluster"), &names)?;
            let nodes = cluster.nodes()?.into_iter().map(|node| {
                let target = cluster.target(&node.name);
                Node::new(node.name, target)
            });
            let pool = RwPool::builder(Sqlite::new()).nodes(nodes).remember(memory);
            return Ok(Self::Files(pool.connect().await?));
        };
        let mut pool = RwPool::builder(Postgres::new()).remember(memory);
        for (number, url) in (0..).zip([primary].into_iter().chain(&args.replica)) {
            let flag = if number == 0 { "--primary" } else { "--replica" };
            let target = Postgres::target(url).map_err(|error| bad(flag, &error))?;
            pool = pool.node(Node::new(name(number), target));
        }
        Ok(Self::Servers(pool.connect().await?))
    }

    /// Not where it exists: there may be no primary just now, and reads need none.
    async fn create_table(&self) -> Result<(), Error> {
        if self.get(&CausalContext::new(), "").await.is_ok() {
            return Ok(());
        }
        let created = CausalContext::new();
        match self {
            Self::Files(pool) => {
                let create =
                    "CREATE TABLE IF NOT EXISTS kv (key TEXT PRIMARY KEY, value BLOB NOT NULL)
                              WITHOUT ROWID, STRICT";
                let write = pool.write().context(&created);
                write.call(move |transaction| transaction.execute_batch(create)).await?;
            }
            Self::Servers(pool) => {
                let mut transaction = pool.transaction().context(&created).await?;
                // For several processes that start at once.
                transaction.query_one("SELECT pg_advisory_xact_lock(7521962)", &[]).await?;
                let create =
                    "CREATE TABLE IF NOT EXISTS kv (key text PRIMARY KEY, value bytea NOT NULL)";
                transaction.execute(create, &[]).await?;
                transaction.commit().await?;
            }
        }
        self.everywhere(&created).await;
        Ok(())
    }

    /// Waits until every replica that serves has what was written in this context, or for a few
    /// seconds: requests without a token go to any of them.
    async fn everywhere(&self, written: &CausalContext) {
        let position = written.position();
        let behind = || {
            let mut nodes = self.status().nodes.into_iter();
            nodes.any(|node| node.state == NodeState::Replica && node.position < position)
        };
        let waiting = async {
            while behind() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let _too_slow = tokio::time::timeout(Duration::from_secs(5), waiting).await;
    }

    async fn put(&self, context: &CausalContext, key: String, value: Vec<u8>) -> Result<(), Error> {
        match self {
            Self::Files(pool) => {
                let put = "INSERT INTO kv VALUES (?1, ?2)
                           ON CONFLICT (key) DO UPDATE SET value = excluded.value";
                let write = pool.write().context(context);
                write.call(move |t| t.prepare_cached(put)?.execute(params![key, value])).await?;
            }
            Self::Servers(pool) => {
                let put = "INSERT INTO kv VALUES ($1, $2)
                           ON CONFLICT (key) DO UPDATE SET value = excluded.value";
                pool.write().context(context).execute(put, &[&key, &value]).await?;
            }
        }
        Ok(())
    }

    /// On a connection, which knows whose it is; so it looks for another node by itself where one
    /// fails.
    async fn get(&self, context: &CausalContext, key: &str) -> Result<Found, Error> {
        let mut attempt = 1;
        loop {
            match self.get_once(context, key).await {
                Err(error) if error.is_retryable() && attempt < ATTEMPTS => attempt += 1,
                done => return done,
            }
        }
    }

    async fn get_once(&self, context: &CausalContext, key: &str) -> Result<Found, Error> {
        match self {
            Self::Files(pool) => {
                let mut connection = pool.read().context(context).await?;
                let key = key.to_owned();
                let value = connection.call(move |c| {
                    let mut get = c.prepare_cached("SELECT value FROM kv WHERE key = ?1")?;
                    get.query_row([&key], |row| row.get(0)).optional()
                });
                Ok(Found { value: value.await?, by: who(&connection) })
            }
            Self::Servers(pool) => {
                let mut connection = pool.read().context(context).await?;
                let get = "SELECT value FROM kv WHERE key = $1";
                let row = connection.query_opt(get, &[&key]).await?;
                Ok(Found { value: row.map(|row| row.get(0)), by: who(&connection) })
            }
        }
    }

    fn status(&self) -> Status {
        match self {
            Self::Files(pool) => pool.status(),
            Self::Servers(pool) => pool.status(),
        }
    }
}

/// Of the node at this place on the command line.
fn name(number: u8) -> String {
    if number == 0 { "primary".to_owned() } else { format!("replica-{number}") }
}

/// What the node is now, which may be something else than it was called at first.
fn who<B: Backend>(connection: &ReadConnection<B>) -> String {
    match (connection.role(), connection.served_by()) {
        (Role::Primary, _) => "primary".to_owned(),
        (Role::Replica, "primary") => "replica-0".to_owned(),
        (Role::Replica, name) => name.to_owned(),
    }
}

async fn read(
    State(store): State<Store>,
    Extension(context): Extension<CausalContext>,
    extract::Path(key): extract::Path<String>,
) -> Response {
    if !is_key(&key) {
        return no_key();
    }
    let Found { value, by } = match store.get(&context, &key).await {
        Ok(found) => found,
        Err(error) => return failed(&error),
    };
    let served_by = [("x-served-by", by)];
    match value {
        Some(value) => (served_by, value).into_response(),
        None => (StatusCode::NOT_FOUND, served_by, "no such key\n").into_response(),
    }
}

async fn write(
    State(store): State<Store>,
    Extension(context): Extension<CausalContext>,
    extract::Path(key): extract::Path<String>,
    value: Bytes,
) -> Response {
    if !is_key(&key) {
        return no_key();
    }
    match store.put(&context, key, value.into()).await {
        Ok(()) => (StatusCode::NO_CONTENT, [("x-served-by", "primary")]).into_response(),
        Err(error) => failed(&error),
    }
}

fn is_key(key: &str) -> bool {
    key.len() <= 512 && !key.contains('\0')
}

fn no_key() -> Response {
    (StatusCode::BAD_REQUEST, "a key has at most 512 bytes, and no NUL among them\n")
        .into_response()
}

async fn status(State(store): State<Store>) -> Response {
    ([(CONTENT_TYPE, "application/json")], json!(store.status()).to_string()).into_response()
}

/// What became of the request, and whether to come back.
fn failed(error: &Error) -> Response {
    let outcome = match error.outcome() {
        Outcome::NotExecuted => "not_executed",
        Outcome::Unknown => "unknown",
        Outcome::Refused => "refused",
    };
    let status = match error.kind() {
        ErrorKind::ForeignToken => StatusCode::BAD_REQUEST,
        ErrorKind::Statement | ErrorKind::ReadOnly | ErrorKind::Config | ErrorKind::Denied => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    let body = json!({
        "error": chain(error),
        "kind": error.kind().as_str(),
        "outcome": outcome,
    });
    let mut response =
        (status, [(CONTENT_TYPE, "application/json")], format!("{body}\n")).into_response();
    if error.is_retryable() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}
