//! Stage 3: a balancer in front of two app servers. See README.md.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn;
use clap::Parser;
use radiodeck::servers::{self, AppServers, Role};
use radiodeck::{App, Peer, launch, storage};
use terrace_lb::health::HealthConfig;
use terrace_lb::proxy::{HttpCheck, HttpRetry, ReverseProxy, UnixConnector, Upstream};
use terrace_lb::{Balance, Endpoint, serve};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::csrf::CsrfLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;

/// Radiodeck, stage 3: a balancer in front of two app servers.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// Where to listen.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where to keep the database [default: a fresh directory, removed at the end]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The database: postgres://USER:PASSWORD@HOST:PORT/NAME [default: one file for all]
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// How many app servers
    #[arg(long, value_name = "N", default_value = "2")]
    servers: servers::Count,
    #[command(flatten)]
    role: Role,
}

fn main() -> ExitCode {
    launch::main(run)
}

async fn run(options: Options) -> Result<(), launch::Error> {
    if let Some(socket) = options.role.app_socket() {
        return app(&socket, &options.database.unwrap_or_default()).await;
    }
    let stop = launch::Stop::on_signal()?;
    let listener = launch::bind(options.listen).await?;
    let data = launch::DataDir::new(options.data)?;
    let database = options.database.unwrap_or_else(|| data.sqlite_url());
    storage::open(&database, 1).await?;

    let servers = AppServers::start(options.servers, &database).await?;
    let mut endpoints = Vec::new();
    for server in servers.iter() {
        let socket = UnixConnector::new(server.socket());
        let upstream = Upstream::builder(server.name()).connector(socket).build()?;
        endpoints.push(Endpoint::new(server.name(), upstream)?);
    }
    let health = HealthConfig::default().interval(Duration::from_millis(500));
    let balance = Balance::builder()
        .endpoints(endpoints)
        .health(HttpCheck::new("/healthz")?, health)
        .http()
        .retry(HttpRetry)
        .spawn()?;

    launch::on_air(listener.local_addr()?, &servers.parts(), &servers.tries());
    serve::serve(listener, ReverseProxy::new(balance), stop.wanted()).await;
    servers.stop().await;
    Ok(())
}

/// An app server, reachable for the balancer only.
async fn app(socket: &Path, database: &str) -> Result<(), launch::Error> {
    let stop = launch::Stop::on_signal_or_orphaned()?;
    let store = storage::open(database, 8).await?;
    let listener = servers::listen(socket)?;
    let app = App::shared(store).named(&servers::name(socket));
    let site = site(app).into_make_service_with_connect_info::<Peer>();
    let server = axum::serve(listener, site).with_graceful_shutdown(stop.clone().wanted());
    launch::drained(server, stop).await
}

/// The site and the layers around it, outermost first.
fn site(app: App) -> Router {
    radiodeck::router(app).layer(
        ServiceBuilder::new()
            .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
            .layer(TraceLayer::new_for_http())
            .layer(PropagateRequestIdLayer::x_request_id())
            .layer(CompressionLayer::new())
            .layer(from_fn(radiodeck::error_pages))
            .layer(CatchPanicLayer::custom(radiodeck::panic_response))
            .layer(TimeoutLayer::with_status_code(
                StatusCode::SERVICE_UNAVAILABLE,
                Duration::from_secs(10),
            ))
            .layer(CsrfLayer::new())
            .layer(RequestBodyLimitLayer::new(16 * 1024)),
    )
}
