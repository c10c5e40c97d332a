//! The stage from outside: sessions that every app server knows, and app servers that come and go.

#[path = "../../../radiodeck/tests/support/client.rs"]
mod client;

mod browser;
mod devices;
mod load;
mod outage;
mod sign_in;

use client::{Answer, PATIENCE, Stage, ask, refused, refuses_bad_options};
use tempfile::TempDir;

use crate::browser::Browser;

const STAGE: &str = env!("CARGO_BIN_EXE_stage-07-stateless");

const PAGE: &str = "accept: text/html\r\n";

/// A stage, the directory it is in, and its address past the edge.
struct Site {
    stage: Stage,
    origin: String,
    data: TempDir,
}

impl Site {
    async fn start(options: &[&str]) -> Self {
        let data = tempfile::tempdir().unwrap();
        let directory = ["--data", data.path().to_str().unwrap()];
        let stage = Stage::start(STAGE, &[&directory, options].concat()).await;
        let past = stage.process.wait_for_line("  curl http://", PATIENCE).await.unwrap();
        let origin = past.trim_start_matches("  curl http://");
        let origin = origin.split('/').next().unwrap().to_owned();
        Self { stage, origin, data }
    }

    fn address(&self) -> &str {
        &self.stage.address
    }
}

fn is_hit(answer: &Answer) -> bool {
    answer.header("cache-status").is_some_and(|status| status.starts_with("terrace; hit"))
}

#[tokio::test]
async fn the_site_is_up_for_who_has_signed_in() {
    let site = Site::start(&[]).await;
    let mut browser = Browser::default();
    browser.sign_in(site.address(), 1).await;
    site.stage.walk_as(&browser.headers()).await;
    let status = site.stage.get("/status").await;
    assert_eq!((status.number("serving"), status.number("at_most")), (2, 6), "{}", status.text);
    let page = site.stage.get("/status?format=html").await;
    assert!(page.text.contains("App servers") && page.text.contains("app-2"), "{}", page.text);
    site.stage.stop().await;
}

#[tokio::test]
async fn a_page_for_a_stranger_is_shared_and_a_listener_s_is_nobody_else_s() {
    let site = Site::start(&["--servers", "1"]).await;
    let mut listener = Browser::default();
    listener.sign_in(site.address(), 3).await;
    // First, so that nothing of it is kept for the next.
    let own = listener.ask(site.address(), "GET", "/", PAGE).await.unwrap();
    assert!(!is_hit(&own) && own.text.contains(">Sign out<"), "{}", own.text);
    assert_eq!(own.header("cdn-cache-control"), None);

    let past = ask(&site.origin, "GET", "/", PAGE).await.unwrap();
    assert!(past.header("cdn-cache-control").unwrap().contains("public"), "{}", past.text);
    site.stage.ask("GET", "/", PAGE).await;
    let shared = site.stage.ask("GET", "/", PAGE).await;
    assert!(is_hit(&shared) && shared.text.contains(">Sign in<"), "{}", shared.text);
    assert_eq!(shared.cookies().count(), 0);
    for _ in 0..3 {
        let own = listener.ask(site.address(), "GET", "/", PAGE).await.unwrap();
        assert!(!is_hit(&own) && own.text.contains(">Sign out<"), "{}", own.text);
        assert!(own.header("cache-control").unwrap().contains("private"), "{}", own.text);
    }
    site.stage.stop().await;
}

#[tokio::test]
async fn a_sign_in_under_way_is_finished_before_the_end() {
    let site = Site::start(&[]).await;
    site.stage.stop_while_signing_in("set-cookie: id=").await;
}

#[tokio::test]
async fn bad_options_are_refused_in_one_line() {
    refuses_bad_options(STAGE, &[]).await;
    for options in [
        &["--sessions", "nowhere"][..],
        &["--sessions", "mysql://localhost"],
        &["--servers", "6..2"],
        &["--servers", "0"],
        &["scale", "4"],
        &["scale", "many", "--data", "/nowhere"],
    ] {
        let (code, said) = refused(STAGE, options);
        assert_eq!((code, said.lines().count()), (Some(2), 1), "{options:?}: {said}");
    }
    let (code, said) = refused(STAGE, &["scale", "4", "--data", "/nowhere"]);
    assert_eq!((code, said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.contains("/nowhere"), "{said}");
    let nobody = ["--listen", "127.0.0.1:0", "--origin", "127.0.0.1:0"];
    let (code, said) =
        refused(STAGE, &[&nobody[..], &["--sessions", "redis://127.0.0.1:1"]].concat());
    assert_eq!((code, said.lines().count()), (Some(1), 1), "{said}");
}
