//! Stage 7: app servers that keep nothing of their visitors. See README.md.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn;
use clap::Parser;
use radiodeck::edge;
use radiodeck::servers::{self, AppServer, AppServers, Event, Role};
use radiodeck::sessions::{self, SessionIdentity};
use radiodeck::storage::cached::{CachedStore, Levels};
use radiodeck::storage::replicated;
use radiodeck::{App, Peer, Store, launch};
use terrace_cache::bus::{PubSub, Sockets};
use terrace_cache::store::redis::Redis;
use terrace_cdn_edge::EdgeLayer;
use terrace_cdn_edge::origin::{Client, Guard, OriginError, Phases, TimedLayer};
use terrace_db::backend::postgres::Postgres;
use terrace_db::backend::sqlite::{Sqlite, SqliteCluster};
use terrace_db::{CausalLayer, Node, RwPool, TokenKey};
use terrace_lb::health::HealthConfig;
use terrace_lb::proxy::{HttpCheck, HttpRetry, ReverseProxy, UnixConnector, Upstream};
use terrace_lb::proxy::{ProxyBody, TrustedProxies};
use terrace_lb::{Balance, BalanceError, Endpoint, serve};
use terrace_session::SessionLayer;
use tower::ServiceBuilder;
use tower::util::MapErr;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::csrf::CsrfLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;

/// Radiodeck, stage 7: app servers that keep nothing of their visitors.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// Where to listen.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080", overrides_with = "listen")]
    listen: SocketAddr,
    /// Where the site itself listens, behind the edge [default: here, on the port after that]
    #[arg(long, value_name = "ADDR", overrides_with = "origin")]
    origin: Option<SocketAddr>,
    /// Where to keep the database [default: a fresh directory, removed at the end]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A PostgreSQL primary: postgres://USER:PASSWORD@HOST:PORT/NAME [default: files]
    #[arg(long, value_name = "URL", requires = "replica")]
    primary: Option<String>,
    /// A replica of it, once for each
    #[arg(long, value_name = "URL", requires = "primary")]
    replica: Vec<String>,
    /// A cache server, once for each: redis://HOST:PORT [default: memory alone]
    #[arg(long, value_name = "URL")]
    redis: Vec<String>,
    /// Where sessions live: redis://…, postgres://…, file, or memory: each app server's own
    #[arg(long, value_name = "PLACE", default_value = "file")]
    sessions: sessions::Place,
    /// How many app servers, by their load: at least N, at most M
    #[arg(long, value_name = "N..M", default_value = "2..6")]
    servers: servers::Range,
    #[command(flatten)]
    role: Role,
    #[command(subcommand)]
    event: Option<Event>,
}

fn main() -> ExitCode {
    launch::main(run)
}

async fn run(options: Options) -> Result<(), launch::Error> {
    if let Some(socket) = options.role.app_socket() {
        return app(&socket, options).await;
    }
    if let Some(socket) = options.role.edge_socket() {
        return edge(&socket, options).await;
    }
    if let Some(event) = options.event {
        return event.happen().await;
    }
    let stop = launch::Stop::on_signal()?;
    let listener = edge::behind(options.listen, options.origin).await?;
    let (origin, edge) = (listener.local_addr()?, launch::Place::reserve(options.listen)?);
    let at = [("--listen", edge.address()), ("--origin", origin)];
    let data = launch::DataDir::new(options.data)?;
    sessions::open(&options.sessions, data.path()).await?;
    let urls: Vec<_> = options.primary.into_iter().chain(options.replica).collect();
    store(&urls, data.path()).await?;
    // An address that is none is said here, once, and not by each app server.
    levels(&options.redis, data.path())?;

    let servers = AppServers::start_at(options.servers.least(), &data, &at).await?;
    let endpoints: Vec<_> = servers.iter().map(endpoint).collect::<Result<_, _>>()?;
    let health = HealthConfig::default().interval(Duration::from_millis(500));
    let balance = Balance::builder()
        .endpoints(endpoints)
        .health(HttpCheck::new("/healthz")?, health)
        .http()
        .retry(HttpRetry)
        .spawn()?;

    let front = AppServers::start_edge(&data, &at).await?;
    let parts = [servers.parts(), front.parts()].concat();
    let servers = servers.scale(options.servers, &data, &balance, endpoint);
    launch::on_air(edge.address(), &parts, &Event::tries(&data, edge.address(), origin));
    // What the edge says of its visitors is believed, and it ends before the site that it asks.
    let trusted = TrustedProxies::none().network(origin.ip().into());
    let proxy = ReverseProxy::new(balance).trusted_proxies(trusted);
    serve::serve(listener, proxy, front.stop_on(stop.wanted())).await;
    servers.stop().await;
    Ok(())
}

/// How the balancer reaches an app server.
fn endpoint(server: &AppServer) -> Result<Endpoint<Upstream<UnixConnector>>, launch::Error> {
    let socket = UnixConnector::new(server.socket());
    let upstream = Upstream::builder(server.name()).connector(socket).build()?;
    Ok(Endpoint::new(server.name(), upstream)?)
}

/// The edge: answers what it knows, asks the site for the rest, and goes on when there is no site.
async fn edge(socket: &Path, options: Options) -> Result<(), launch::Error> {
    let stop = launch::Stop::on_signal_or_orphaned()?;
    let data = launch::DataDir::new(options.data)?;
    // Pages vary by cookie, and the site lets nobody keep one that was asked for with a cookie.
    let cache = EdgeLayer::builder().rules(|rules| rules.unbounded.retain(|it| it != "cookie"));
    let edge = ServiceBuilder::new()
        .layer(cache.build()?)
        .layer(Guard::default())
        .layer(TimedLayer::new(Phases::default())?)
        .service(Client::to(&edge::origin_url(options.origin)?)?);
    let listener = launch::bind(options.listen).await?;
    let _orders = edge::take_orders(socket, data.path(), edge.control::<ProxyBody>())?;
    // What only the site can answer, a write say, is a 503 while there is none.
    let edge = MapErr::new(edge, |_: OriginError| BalanceError::<Infallible>::NoEndpoints);
    serve::serve(listener, ReverseProxy::new(edge), stop.wanted()).await;
    Ok(())
}

/// An app server, reachable for the balancer only.
async fn app(socket: &Path, options: Options) -> Result<(), launch::Error> {
    let stop = launch::Stop::on_signal_or_orphaned()?;
    let data = launch::DataDir::new(options.data)?;
    let urls: Vec<_> = options.primary.into_iter().chain(options.replica).collect();
    let store = store(&urls, data.path()).await?;
    let store = CachedStore::new(store, levels(&options.redis, data.path())?)?;
    let _reports = store.reports(Duration::from_secs(10));
    let causal = CausalLayer::cookie(TokenKey::from_file(data.file("token.key"))?).insecure();
    let listener = servers::listen(socket)?;
    let edge = edge::Front::new(options.listen, options.origin, data.path())?;
    let app = App::new(store).named(&servers::name(socket)).behind(edge);
    let app = app.identity(SessionIdentity).among(data.path());
    let sessions = sessions::open(&options.sessions, data.path()).await?;
    let site =
        site(app, sessions.layer()).layer(causal).into_make_service_with_connect_info::<Peer>();
    let server = axum::serve(listener, site).with_graceful_shutdown(stop.clone().wanted());
    launch::drained(server, stop).await
}

/// A store that reads on replicas and writes on their primary.
async fn store(urls: &[String], data: &Path) -> Result<Arc<dyn Store>, launch::Error> {
    let seen = data.join("seen");
    if urls.is_empty() {
        let names = ["db-1", "db-2", "db-3"];
        let cluster = SqliteCluster::open_or_create(data.join("cluster"), &names)?;
        let nodes = names.map(|name| Node::new(name, cluster.target(name)));
        let pool = RwPool::builder(Sqlite::new()).nodes(nodes).remember(seen);
        return Ok(replicated::files(pool.connect().await?).await?);
    }
    let mut pool = RwPool::builder(Postgres::new()).remember(seen);
    for (index, url) in urls.iter().enumerate() {
        pool = pool.node(Node::new(format!("db-{}", index + 1), Postgres::target(url)?));
    }
    Ok(replicated::servers(pool.connect().await?).await?)
}

/// Where the caches keep what they have: in memory, and behind that in Redis if there is one.
fn levels(redis: &[String], data: &Path) -> Result<Levels, launch::Error> {
    if redis.is_empty() {
        return Ok(Levels::memory(Sockets::in_dir(data.join("bus"))?));
    }
    let buses = redis.iter().map(|url| PubSub::new(url, "radiodeck"));
    Ok(Levels::shared(Redis::new(redis)?, buses.collect::<Result<_, _>>()?))
}

/// The site and the layers around it, outermost first.
fn site(app: App, sessions: SessionLayer) -> Router {
    radiodeck::router(app).layer(
        ServiceBuilder::new()
            .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
            .layer(TraceLayer::new_for_http())
            .layer(PropagateRequestIdLayer::x_request_id())
            .layer(CompressionLayer::new())
            .layer(from_fn(radiodeck::error_pages))
            .layer(sessions)
            .layer(CatchPanicLayer::custom(radiodeck::panic_response))
            .layer(TimeoutLayer::with_status_code(
                StatusCode::SERVICE_UNAVAILABLE,
                Duration::from_secs(10),
            ))
            .layer(CsrfLayer::new())
            .layer(RequestBodyLimitLayer::new(16 * 1024)),
    )
}
