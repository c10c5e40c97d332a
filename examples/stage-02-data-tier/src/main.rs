//! Stage 2: the database has a server of its own. See README.md.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn;
use clap::Parser;
use radiodeck::{App, Peer, PostgresStore, Seed, launch};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::csrf::CsrfLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;

/// Radiodeck, stage 2: an app server and a database server.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// Where to listen.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// The database: postgres://USER:PASSWORD@HOST:PORT/NAME
    #[arg(long, value_name = "URL")]
    database: Option<String>,
}

fn main() -> ExitCode {
    launch::main(run)
}

async fn run(options: Options) -> Result<(), launch::Error> {
    let stop = launch::Stop::on_signal()?;
    let listener = launch::bind(options.listen).await?;
    let url = launch::database_url(options.database)?;
    let store = PostgresStore::connect(&url, 16).await?;
    store.fill(&Seed::default()).await?;

    let parts = [("database".to_owned(), store.place())];
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
