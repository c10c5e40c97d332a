//! The stage from outside, with a PostgreSQL server of its own.

#[path = "../../radiodeck/tests/support/client.rs"]
mod client;

use client::{Stage, refused, refuses_bad_options};
use terrace_testkit::{Postgres, tools};

const STAGE: &str = env!("CARGO_BIN_EXE_stage-02-data-tier");

#[tokio::test]
async fn the_site_is_up_on_a_real_database_server() {
    let Some(_) = tools::require_or_skip("postgres") else {
        return;
    };
    let postgres = Postgres::start().await.unwrap();
    let url = postgres.url();
    let options = ["--database", url.as_str()];
    // Two at once on an empty database: one fills it, the other waits.
    let (one, two) = tokio::join!(Stage::start(STAGE, &options), Stage::start(STAGE, &options));
    one.walk().await;
    let seen = two.ask("GET", "/favourites", "x-listener: 1\r\n").await;
    assert!(seen.text.contains("\"id\":7,"), "both serve the same data: {}", seen.text);
    two.stop_in_the_middle_of_a_request().await;

    postgres.kill().await.unwrap();
    let ready = one.get("/readyz").await;
    assert_eq!(ready.status, 503, "{}", ready.text);
    let list = one.get("/stations").await;
    assert_eq!((list.status, list.header("retry-after")), (503, Some("1")), "{}", list.text);
    assert_eq!(one.get("/healthz").await.status, 200, "the process itself is fine");
    assert_eq!(one.get("/covers/7.svg?v=1").await.status, 200, "and so is what needs no database");
    postgres.restart().await.unwrap();
    one.ask_until("/readyz", |answer| answer.status == 200).await;
    one.walk().await;
    one.stop().await;
}

#[tokio::test]
async fn bad_options_are_refused_in_one_line() {
    let (code, said) = refused(STAGE, &[]);
    assert_eq!(code, Some(1));
    assert!(said.contains("--database postgres://") && said.lines().count() == 1, "{said}");
    let nowhere = ["--listen", "127.0.0.1:0", "--database", "postgres://me:geheim@127.0.0.1:1/x"];
    let (code, said) = refused(STAGE, &nowhere);
    assert_eq!(code, Some(1));
    assert!(said.contains("127.0.0.1:1/x") && said.lines().count() == 1, "{said}");
    assert!(!said.contains("geheim"), "{said}");
    refuses_bad_options(STAGE, &["--database", "postgres://127.0.0.1:1/x"]).await;
}
