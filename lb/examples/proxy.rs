//! A reverse proxy from the command line: everything of this crate in one process.
//!
//! ```sh
//! cargo run --release -p terrace-lb --example proxy -- \
//!     --listen 127.0.0.1:8080 --backend 127.0.0.1:3001@3 --backend 127.0.0.1:3002 \
//!     --health-path /healthz --admin 127.0.0.1:8081
//! ```
//!
//! It prints `listening on http://ADDR` when it is ready, and drains on SIGTERM or Ctrl-C: the
//! listener closes, requests in flight get ten seconds. A bad flag is a line on stderr and exit
//! code 2.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use http::header::{self, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use terrace_lb::completion::AtBodyEnd;
use terrace_lb::health::HealthConfig;
use terrace_lb::policy::{self, Policy};
use terrace_lb::proxy::{
    HttpCheck, HttpRetry, ProxyBody, ReverseProxy, TrustedProxies, Upstream, parse_network,
};
use terrace_lb::serve::{HttpService, Server, serve};
use terrace_lb::{Balance, Driver, Endpoint};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

type AnyError = Box<dyn std::error::Error + Send + Sync>;
type HttpBalance = Balance<Upstream, Request<ProxyBody>, AtBodyEnd, HttpRetry>;
type HttpPolicy = Box<dyn Policy<Request<ProxyBody>>>;

/// Balances HTTP requests over backends.
#[derive(Debug, Parser)]
struct Args {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDR")]
    listen: SocketAddr,
    /// A backend as host:port, with a weight (1 if left out, 0 to drain it). Repeatable.
    #[arg(long, value_name = "ADDR[@WEIGHT]", required = true)]
    backend: Vec<String>,
    /// How a backend is chosen: p2c, round-robin, least-conn.
    #[arg(long, value_name = "NAME", default_value = "p2c")]
    policy: String,
    /// Path that healthy backends answer with 200 to 399; without it all count as healthy.
    #[arg(long, value_name = "PATH")]
    health_path: Option<String>,
    /// Network of proxies whose X-Forwarded-* is believed. Repeatable.
    #[arg(long, value_name = "CIDR")]
    trusted_proxy: Vec<String>,
    /// Address of a second listener that answers GET with the backends' state as JSON.
    #[arg(long, value_name = "ADDR")]
    admin: Option<SocketAddr>,
    /// Threads that serve; one per processor if left out.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
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
            return refuse(message.strip_prefix("error: ").unwrap_or(message));
        }
    };
    match prepare(&args).and_then(|proxy| run(&args, proxy)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(&error.to_string()),
    }
}

fn refuse(message: &str) -> ExitCode {
    let words: Vec<&str> = message.split_whitespace().collect();
    eprintln!("error: {}", words.join(" "));
    ExitCode::from(2)
}

/// Everything that can be wrong with the flags, before anything runs.
fn prepare(args: &Args) -> Result<(HttpBalance, Driver, TrustedProxies), AnyError> {
    let policy: HttpPolicy = policy::by_name(&args.policy)?;
    let endpoints = args.backend.iter().map(|text| backend(text));
    let endpoints: Vec<Endpoint<Upstream>> = endpoints.collect::<Result<_, _>>()?;
    let networks = args.trusted_proxy.iter().map(|text| parse_network(text));
    let trusted: TrustedProxies = networks.collect::<Result<Vec<_>, _>>()?.into_iter().collect();
    if args.threads == Some(0) {
        return Err("--threads must be at least 1".into());
    }
    let mut builder = Balance::builder().name("proxy").policy(policy).endpoints(endpoints);
    if let Some(path) = &args.health_path {
        builder = builder.health(HttpCheck::new(path)?, HealthConfig::default());
    }
    let (balance, driver) = builder.http().retry(HttpRetry).build()?;
    Ok((balance, driver, trusted))
}

fn backend(text: &str) -> Result<Endpoint<Upstream>, AnyError> {
    let (address, weight) = match text.rsplit_once('@') {
        Some((address, weight)) => {
            let weight = weight.parse().map_err(|_| {
                format!("--backend {text:?}: the weight is not a number from 0 to 65535")
            })?;
            (address, weight)
        }
        None => (text, 1),
    };
    let has_port = address.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if !has_port {
        return Err(format!("--backend {text:?} is not an address such as 127.0.0.1:8080").into());
    }
    let upstream = Upstream::new(address).map_err(|error| format!("--backend {error}"))?;
    Ok(Endpoint::new(address, upstream)?.weight(weight))
}

fn run(
    args: &Args,
    (balance, driver, trusted): (HttpBalance, Driver, TrustedProxies),
) -> Result<(), AnyError> {
    let mut runtime = match args.threads {
        Some(1) => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    if let Some(threads) = args.threads {
        runtime.worker_threads(threads);
    }
    let runtime = runtime.enable_all().build()?;
    runtime.block_on(async {
        let listener = listen("--listen", args.listen).await?;
        let admin = match args.admin {
            Some(address) => Some(listen("--admin", address).await?),
            None => None,
        };
        let stop = stop_signal()?;
        tokio::spawn(driver);
        if let Some(listener) = admin {
            println!("admin on http://{}", listener.local_addr()?);
            tokio::spawn(serve(listener, admin_service(balance.clone()), stop.clone().wait()));
        }
        println!("listening on http://{}", listener.local_addr()?);
        std::io::stdout().flush()?;

        let proxy = ReverseProxy::new(balance).trusted_proxies(trusted);
        let each = move |peer: &terrace_lb::proxy::Peer| proxy.clone().for_peer(peer.clone());
        let report = Server::new().serve_each(listener, each, stop.wait()).await;
        println!(
            "served {} requests on {} connections, cut {}",
            report.requests, report.connections, report.cut
        );
        Ok(())
    })
}

async fn listen(flag: &str, address: SocketAddr) -> Result<TcpListener, AnyError> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|error| format!("{flag}: cannot listen on {address}: {error}").into())
}

/// Completes once the process was asked to end.
#[derive(Clone)]
struct Stop(watch::Receiver<bool>);

impl Stop {
    async fn wait(mut self) {
        // An error means that nobody can ask any more, which is as good as being asked.
        let _ = self.0.wait_for(|asked| *asked).await;
    }
}

fn stop_signal() -> Result<Stop, AnyError> {
    let (asked, stop) = watch::channel(false);
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        let _ = asked.send(true);
    });
    Ok(Stop(stop))
}

fn admin_service(balance: HttpBalance) -> impl HttpService {
    tower::service_fn(move |request: Request<Incoming>| {
        let mut response = Response::new(String::new());
        if request.method() == Method::GET {
            *response.body_mut() = status_json(&balance);
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(header::CONTENT_TYPE, json);
        } else {
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        }
        std::future::ready(Ok::<_, Infallible>(response))
    })
}

fn status_json(balance: &HttpBalance) -> String {
    let mut json = String::from("{\"endpoints\":[");
    for (index, endpoint) in balance.status().iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        // Names are addresses, whose Rust spelling is JSON's. Writing to a String cannot fail.
        let _ = write!(
            json,
            "{comma}{{\"id\":\"{}\",\"name\":{:?},\"weight\":{},\"health\":\"{}\",\
             \"available\":{},\"in_flight\":{},\"picked\":{}}}",
            endpoint.id,
            endpoint.name,
            endpoint.weight,
            endpoint.health,
            endpoint.available,
            endpoint.in_flight,
            endpoint.picked,
        );
    }
    json.push_str("]}\n");
    json
}
