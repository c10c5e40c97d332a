//! The open-loop load client from a shell.
//!
//! ```text
//! cargo run --release -p terrace-testkit --example load -- [ADDR] [--rate N] [--total N] [--path P] [--fresh]
//! ```
//!
//! Without an address it loads a scripted backend of its own, which shows what client and backend
//! themselves cost. `--fresh` opens a connection for each request.

use std::net::SocketAddr;
use std::process::ExitCode;

use terrace_testkit::backend::{Reply, ScriptedBackend};
use terrace_testkit::load::{Connections, OpenLoop};

struct Arguments {
    target: Option<SocketAddr>,
    rate: u32,
    total: usize,
    path: String,
    fresh: bool,
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut arguments =
        Arguments { target: None, rate: 2_000, total: 10_000, path: "/".into(), fresh: false };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        let bad = |value: &str| format!("{word}: {value:?} is no number");
        match word.as_str() {
            "--rate" => {
                let text = value()?;
                arguments.rate = text.parse().map_err(|_| bad(&text))?;
            }
            "--total" => {
                let text = value()?;
                arguments.total = text.parse().map_err(|_| bad(&text))?;
            }
            "--path" => {
                let text = value()?;
                let is_path = text.starts_with('/') && text.parse::<http::Uri>().is_ok();
                arguments.path = is_path.then_some(text).ok_or("--path: not a path")?;
            }
            "--fresh" => arguments.fresh = true,
            _ => {
                let target =
                    word.parse().map_err(|_| format!("{word:?} is neither flag nor address"))?;
                arguments.target = Some(target);
            }
        }
    }
    Ok(arguments)
}

async fn run(arguments: Arguments) -> std::io::Result<()> {
    let mut own = None;
    let target = match arguments.target {
        Some(target) => target,
        None => {
            let backend = ScriptedBackend::start().await?;
            backend.default_reply(Reply::ok("hello"));
            own.insert(backend).addr()
        }
    };
    let connections =
        if arguments.fresh { Connections::PerRequest } else { Connections::KeepAlive };
    let report = OpenLoop::new(target)
        .rate(arguments.rate)
        .total(arguments.total)
        .path(&arguments.path)
        .connections(connections)
        .run()
        .await?;
    println!("{report}");
    Ok(())
}

fn main() -> ExitCode {
    let arguments = match parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(problem) => {
            eprintln!("load: {problem}");
            return ExitCode::from(2);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.and_then(|runtime| runtime.block_on(run(arguments))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}
