//! Grades any HTTP cache by the public test suite.
//!
//! ```text
//! cargo run -p terrace-testkit --example cachetests -- --cache http://127.0.0.1:8080 --origin-port 3000
//! ```
//!
//! The cache stands at the first address, with the suite's origin at the second one behind it. It
//! prints one line a case, `ID KIND VERDICT`, and then the score.

use std::error::Error;
use std::process::ExitCode;

use terrace_testkit::cachetests::CacheTests;

const USAGE: &str = "usage: cachetests --cache URL --origin-port PORT";

fn parse(mut args: impl Iterator<Item = String>) -> Option<(String, u16)> {
    let (mut cache, mut port) = (None, None);
    while let Some(flag) = args.next() {
        match flag.as_str() {
            "--cache" => cache = args.next().map(|url| url.trim_end_matches('/').to_owned()),
            "--origin-port" => port = args.next()?.parse().ok(),
            _ => return None,
        }
    }
    cache.zip(port)
}

#[tokio::main]
async fn main() -> ExitCode {
    let Some((cache, port)) = parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match grade(&cache, port).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn grade(cache: &str, port: u16) -> Result<(), Box<dyn Error>> {
    let suite = CacheTests::install().await?;
    let _origin = suite.origin_on(port).await?;
    let grades = suite.run(cache).await?;
    print!("{grades}");
    println!("{}", grades.score());
    Ok(())
}
