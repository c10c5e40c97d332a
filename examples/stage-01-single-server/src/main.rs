//! Stage 1: one process is the whole site. See README.md.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn;
use clap::Parser;
use radiodeck::{App, Peer, Seed, SqliteStore, launch};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::csrf::CsrfLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;

/// Radiodeck, stage 1: one server with its database inside.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// Where to listen.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where to keep the database [default: a fresh directory, removed at the end]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

fn main() -> ExitCode {
    launch::main(run)
}

async fn run(options: Options) -> Result<(), launch::Error> {
    let stop = launch::Stop::on_signal()?;
    let listener = launch::bind(options.listen).await?;
    let data = launch::DataDir::new(options.data)?;
    let file = data.file("radiodeck.db");
    let store = SqliteStore::open(&file, 4).await?;
    store.fill(&Seed::default()).await?;

    let parts = [("database".to_owned(), file.display().to_string())];
    launch::on_air(listener.local_addr()?, &parts, &[]);
    let site = site(App::new(store)).into_make_service_with_connect_info::<Peer>();
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
