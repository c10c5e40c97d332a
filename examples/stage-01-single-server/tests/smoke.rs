//! The stage from outside.

#[path = "../../radiodeck/tests/support/client.rs"]
mod client;

use client::{PATIENCE, Stage, refused, refuses_bad_options};

const STAGE: &str = env!("CARGO_BIN_EXE_stage-01-single-server");

#[tokio::test]
async fn the_site_is_up_and_stops_when_asked() {
    let stage = Stage::start(STAGE, &[]).await;
    stage.walk().await;
    stage.stop().await;
    assert!(client::ask(&stage.address, "GET", "/", "").await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn favourites_survive_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let options = ["--data", data.path().to_str().unwrap()];
    let stage = Stage::start(STAGE, &options).await;
    stage.ask("PUT", "/favourites/2000", "x-listener: 5\r\n").await;
    // Not even asked nicely.
    stage.process.kill();
    stage.process.wait(PATIENCE).await.unwrap();
    let stage = Stage::start(STAGE, &options).await;
    let list = stage.ask("GET", "/favourites", "x-listener: 5\r\n").await;
    assert!(list.text.contains("\"id\":2000,"), "{}", list.text);
    stage.stop().await;
}

#[tokio::test]
async fn a_request_under_way_is_finished_before_the_end() {
    let stage = Stage::start(STAGE, &[]).await;
    stage.stop_in_the_middle_of_a_request().await;
}

#[tokio::test]
async fn bad_options_are_refused_in_one_line() {
    refuses_bad_options(STAGE, &[]).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let (code, said) = refused(STAGE, &["--data", file.path().to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(said.contains("data directory") && said.lines().count() == 1, "{said}");
}

#[tokio::test]
async fn who_asks_is_the_peer_and_not_what_a_header_says() {
    let stage = Stage::start(STAGE, &[]).await;
    let answer = stage.ask("GET", "/whoami", "x-forwarded-for: 203.0.113.6\r\n").await;
    assert!(answer.text.contains("\"client\":\"127.0.0.1\""), "{}", answer.text);
    stage.stop().await;
}
