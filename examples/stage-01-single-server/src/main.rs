//! Stage 1: one process is the whole site. See README.md.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

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
    let data = launch::DataDir::new(options.data)?;
    let listener = launch::bind(options.listen).await?;
    let store = SqliteStore::open(&data.file("radiodeck.db"), 4).await?;
    store.fill(&Seed::default()).await?;

    let site = radiodeck::router(App::new(store)).layer(
        // Outermost first.
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
    );

    println!("listening on http://{}", listener.local_addr()?);
    launch::drained(
        axum::serve(listener, site.into_make_service_with_connect_info::<Peer>())
            .with_graceful_shutdown(launch::stop_signal()),
    )
    .await
}
