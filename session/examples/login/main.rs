//! A site with a login from the command line: everything of this crate in one process, or in several.
//!
//! ```sh
//! cargo run --release -p terrace-session --example login -- --listen 127.0.0.1:8080
//! ```
//!
//! Then open it in a browser, or:
//!
//! ```sh
//! curl -c jar -b jar -X POST 'localhost:8080/login?user=ann'
//! curl -c jar -b jar -X POST 'localhost:8080/incr?key=visits'
//! curl -c jar -b jar localhost:8080/me
//! ```
//!
//! Several processes are one site if they share a store and a key file. Cookies do not care about ports, so a browser
//! that has logged in at one of these is logged in at the other:
//!
//! ```sh
//! login='cargo run --release -p terrace-session --example login --'
//! $login --listen 127.0.0.1:8081 --store sqlite:sessions.db --key-file session.keys &
//! $login --listen 127.0.0.1:8082 --store sqlite:sessions.db --key-file session.keys
//! ```
//!
//! | request | does |
//! |---|---|
//! | `POST /login?user=U[&device=NAME]` | logs in; there is no password |
//! | `POST /logout` | logs out, at once |
//! | `GET /me` | `{"user":"U"}`, or `null` for a stranger |
//! | `POST /set?key=K&value=V` | sets a value; without `value` it is the body |
//! | `GET /get?key=K` | the value, or 404 |
//! | `POST /incr?key=K[&id=ID]` | adds one, and gives the number |
//! | `GET /applied?key=K&id=ID` | `{"applied":true,"times":1}` if an increment with this id was applied |
//! | `GET /devices` | the sessions of whoever is logged in |
//! | `POST /revoke-others` | ends all of them but this one |
//!
//! A client that got no answer to an increment does not know whether it was applied. With an `id` of its own it can ask:
//! see `kept.rs` beside this file for how number and ids are kept together.
//!
//! It prints `listening on http://ADDR` when it is ready, and drains on SIGTERM or Ctrl-C: the listener closes,
//! requests in flight get ten seconds. A bad flag is a line on stderr and exit code 2; a store that cannot be reached, one
//! and exit code 1.

mod kept;
mod page;
mod routes;
mod store;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use clap::Parser;
use terrace_session::store::{Sweeper, Sweeping};
use terrace_session::{Cookie, Keys, SessionLayer};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::csrf::CsrfLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// How long requests in flight may take after the signal.
const DRAIN: Duration = Duration::from_secs(10);
/// What a request may take: less than the drain, so that it is answered before it is cut.
const REQUEST: Duration = Duration::from_secs(8);

/// A site with a login, whose sessions are in a store of your choice.
#[derive(Debug, Parser)]
#[command(bin_name = "login")]
struct Args {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDR")]
    listen: SocketAddr,
    /// Where sessions are: memory, sqlite:PATH, redis://HOST:PORT or postgres://USER:PASSWORD@HOST:PORT/NAME.
    #[arg(long, value_name = "STORE", default_value = "memory")]
    store: String,
    /// The keys that sign cookies, created if absent. Processes that share the file accept each other's cookies. Without
    /// it they are new with each start, and nobody is logged in any more after a restart.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// How long each question to the store may take, in milliseconds.
    #[arg(long, value_name = "N", default_value = "250", value_parser = clap::value_parser!(u64).range(1..=60_000))]
    store_timeout_ms: u64,
    /// Sends the cookie over https only, and under a name that no other host can set: for a site behind TLS.
    #[arg(long)]
    secure: bool,
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
        .and_then(|on| on.block_on(run(&args)))
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

/// An error and its causes. What a cause only says again is left out.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).fold(String::new(), |said, cause| match &*said {
        "" => cause,
        _ if said.ends_with(&cause) => said,
        _ => format!("{said}: {cause}"),
    })
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

fn bad(flag: &str, error: &(dyn std::error::Error + 'static)) -> AnyError {
    BadFlag(format!("{flag}: {}", chain(error))).into()
}

async fn run(args: &Args) -> Result<(), AnyError> {
    let listener = TcpListener::bind(args.listen).await;
    let listener = listener
        .map_err(|error| BadFlag(format!("--listen: cannot listen on {}: {error}", args.listen)))?;
    let address = listener.local_addr()?;
    let limit = Duration::from_millis(args.store_timeout_ms);
    let store = store::open(&args.store, limit).await?;
    let keys = keys(args)?;
    // Does nothing where the store cleans up by itself.
    let seldom = Sweeping::default().seed(std::process::id().into());
    let _sweeper = Sweeper::spawn(Arc::clone(&store), seldom);

    let cookie = if args.secure { Cookie::lax() } else { Cookie::dev() };
    let sessions =
        SessionLayer::builder(store, keys).cookie(cookie).store_timeout(limit).build()?;
    let app = site(sessions, HeaderValue::try_from(address.to_string())?);

    let stop = stop_signal()?;
    println!("listening on http://{address}");
    std::io::stdout().flush()?;
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

fn keys(args: &Args) -> Result<Keys, AnyError> {
    if let Some(file) = &args.key_file {
        return Keys::from_file(file).map_err(|error| bad("--key-file", &error));
    }
    eprintln!("keys are new, and for this process alone: --key-file FILE keeps them");
    Ok(Keys::generate()?)
}

/// The routes and the layers around them, outermost first.
fn site(sessions: SessionLayer, name: HeaderValue) -> Router {
    let served_by = HeaderName::from_static("x-served-by");
    routes::router().layer(
        ServiceBuilder::new()
            .layer(SetResponseHeaderLayer::overriding(served_by, name))
            .layer(sessions)
            .layer(CatchPanicLayer::new())
            .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, REQUEST))
            .layer(CsrfLayer::new()),
    )
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
