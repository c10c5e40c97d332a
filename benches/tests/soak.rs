//! The kill storm of `cargo xtask soak lb` in miniature.

use terrace_benches::soak::{Aftermath, Storm, Target, raise};
use terrace_testkit::process::cargo_example;
use terrace_testkit::tools;

fn miniature() -> Storm {
    Storm {
        requests: 4_000,
        rate: 1_000,
        backends: 3,
        kill_every: 1_000,
        down_for: 200,
        think_ms: 2,
        backend: env!("CARGO_BIN_EXE_soak-lb").into(),
    }
}

fn print(aftermath: &Aftermath) {
    println!("{}\n{:?}", aftermath.load, aftermath.findings());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_lost_when_backends_are_killed_behind_the_proxy() {
    let proxy = match cargo_example("proxy") {
        Ok(proxy) => proxy,
        Err(error) if tools::services_required() => panic!("{error}"),
        Err(error) => {
            use std::io::Write;
            // Past the harness's capture: a skip is seen.
            let _ = writeln!(std::io::stderr(), "SKIPPED the kill storm: {error}");
            return;
        }
    };
    let aftermath = raise(&miniature(), Target::Proxy(&proxy)).await.unwrap();
    print(&aftermath);
    assert_eq!(aftermath.kills.len(), 3);
    assert_eq!(aftermath.findings(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_proxy_the_same_storm_loses_requests() {
    // The control: the load client sees what the proxy hides.
    let storm = Storm { backends: 1, requests: 2_000, ..miniature() };
    let aftermath = raise(&storm, Target::Bare).await.unwrap();
    print(&aftermath);
    assert!(aftermath.failed_before_head() > 0);
    assert!(!aftermath.findings().is_empty());
}
