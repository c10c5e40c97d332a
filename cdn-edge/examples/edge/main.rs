//! An edge cache from the command line, in front of one origin.
//!
//! ```sh
//! cargo run --release -p terrace-cdn-edge --example edge -- \
//!     --listen 127.0.0.1:8080 --origin http://127.0.0.1:3000 --admin 127.0.0.1:8081
//! ```
//!
//! It prints `listening on http://ADDR` when it is ready, and drains on SIGTERM or Ctrl-C: the
//! listener closes, requests in flight get ten seconds. A bad flag is a line on stderr and exit
//! code 2.
//!
//! With `--admin`, `curl http://127.0.0.1:8081/status` shows hit ratio, bytes and what is missed most.
//! Purging and preloading are signed with `TERRACE_ADMIN_KEY` (32 characters or more), or with the key
//! that is printed on stderr; see `admin.rs` beside this file.

mod admin;
mod serve;
mod service;

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use serve::{Stop, serve};

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// Caches what an HTTP origin answers.
#[derive(Debug, Parser)]
struct Args {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDR")]
    listen: SocketAddr,
    /// The origin, as a URL: http://host:port.
    #[arg(long, value_name = "URL")]
    origin: String,
    /// What is stored and whom it obeys.
    #[arg(long, value_name = "NAME", default_value = "default")]
    profile: Profile,
    /// Memory for stored responses, in MiB.
    #[arg(long, value_name = "N", default_value = "256", value_parser = clap::value_parser!(u32).range(1..))]
    memory_mib: u32,
    /// Address of a second listener, for purging and the state of the cache.
    #[arg(long, value_name = "ADDR")]
    admin: Option<SocketAddr>,
    /// Threads that serve; one per processor if left out.
    #[arg(long, value_name = "N", value_parser = threads)]
    threads: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Profile {
    /// For strangers: clients cause no load at the origin, cookies are not stored.
    Default,
    /// Whatever RFC 9111 allows a shared cache.
    Rfc,
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
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(&error.to_string()),
    }
}

fn refuse(message: &str) -> ExitCode {
    let words: Vec<&str> = message.split_whitespace().collect();
    eprintln!("error: {}", words.join(" "));
    ExitCode::from(2)
}

fn threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("it must be at least 1".to_owned()),
        Ok(threads) => Ok(threads),
        Err(_) => Err("it is not a number".to_owned()),
    }
}

fn run(args: &Args) -> Result<(), AnyError> {
    // One thread needs no queue that others could steal from.
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
        let (edge, control) = service::service(args)?;
        if let Some(listener) = admin {
            let address = listener.local_addr()?;
            let (key, new) = admin::key()?;
            let admin = admin::service(control, key, address)?;
            if let Some(new) = new {
                eprintln!("admin key: {new}");
            }
            println!("admin on http://{address}");
            tokio::spawn(serve(listener, admin, stop.clone()));
        }
        println!("listening on http://{}", listener.local_addr()?);
        std::io::stdout().flush()?;

        let cut = serve(listener, edge, stop).await;
        println!("ended, cut {cut} connections");
        Ok(())
    })
}

async fn listen(flag: &str, address: SocketAddr) -> Result<TcpListener, AnyError> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|error| format!("{flag}: cannot listen on {address}: {error}").into())
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
