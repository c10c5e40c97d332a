//! The stage from outside: an edge, a balancer, app servers, and what is left when some of them are
//! dead.

#[path = "../../radiodeck/tests/support/client.rs"]
mod client;

use std::process::Command;
use std::time::Duration;

use client::{Answer, PATIENCE, Stage, ask, children, refused, refuses_bad_options};
use tempfile::TempDir;
use tokio::task::JoinHandle;

const STAGE: &str = env!("CARGO_BIN_EXE_stage-06-edge");

const PAGE: &str = "accept: text/html\r\n";

/// What a page needs besides itself.
const FILES: [&str; 3] = ["/covers/12.svg?v=1", "/assets/site.css?v=1", "/assets/icon.svg"];

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

    /// Asks past the edge.
    async fn past(&self, path: &str, headers: &str) -> Answer {
        ask(&self.origin, "GET", path, headers).await.unwrap()
    }

    /// Asks past the edge until the answer is as wanted.
    async fn past_until(&self, path: &str, wanted: impl Fn(&Answer) -> bool) -> Answer {
        let answer = async {
            loop {
                match ask(&self.origin, "GET", path, PAGE).await {
                    Ok(answer) if wanted(&answer) => return answer,
                    _ => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, answer).await.expect("the answer never came")
    }

    /// How often the one app server was asked for such a file, as it counts itself.
    async fn asked_for(&self, route: &str) -> u64 {
        let metrics = self.past("/metrics", "").await.text;
        let counts = metrics.lines().filter(|line| {
            line.starts_with("http_server_request_duration_count{") && line.contains(route)
        });
        counts.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    }

    fn purge(&self, url: &str) -> (Option<i32>, String) {
        let data = self.data.path().to_str().unwrap();
        let output = Command::new(STAGE).args(["purge", url, "--data", data]).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }

    /// Kills the children of this role as soon as they are there, until the answer is dropped.
    fn no_more(&self, role: &'static str) -> Outage {
        let parent = self.stage.process.pid();
        Outage(tokio::spawn(async move {
            loop {
                for child in children(parent) {
                    let options = std::fs::read(format!("/proc/{child}/cmdline"));
                    let options = options.unwrap_or_default();
                    let mut words = options.split(|byte| *byte == 0);
                    if words.any(|word| word == b"--role") && words.next() == Some(role.as_bytes())
                    {
                        kill(child);
                    }
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }))
    }
}

struct Outage(JoinHandle<()>);

impl Drop for Outage {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn kill(pid: u32) {
    // The shell's own `kill`: a small Debian has no program of that name. Who is gone already is fine.
    let _ = Command::new("sh").args(["-c", &format!("kill -9 {pid} 2>/dev/null")]).status();
}

fn is_hit(answer: &Answer) -> bool {
    answer.header("cache-status").is_some_and(|status| status.starts_with("terrace; hit"))
}

/// The attribute of the first picture of a station in this page.
fn of_picture<'a>(page: &'a Answer, attribute: &str) -> &'a str {
    let picture = page.text.split("<img class=\"cover\"").nth(1).expect("a picture");
    let value = picture.split(&format!(" {attribute}=\"")).nth(1).expect("the attribute");
    value.split('"').next().unwrap()
}

/// The host and the path of a URL.
fn parts(url: &str) -> (&str, &str) {
    let url = url.strip_prefix("http://").unwrap_or_else(|| panic!("{url} has no host"));
    url.split_at(url.find('/').unwrap())
}

#[tokio::test]
async fn the_site_is_up_behind_its_edge_and_says_what_that_saves() {
    let site = Site::start(&[]).await;
    site.stage.walk().await;
    for _ in 0..20 {
        site.stage.get("/assets/site.css").await;
    }
    let status = site.stage.get("/status").await;
    let number = |name| status.number(name);
    assert!(status.text.contains("\"answering\":true"), "{}", status.text);
    assert!(number("hits") >= 20 && number("hits_per_mille") > 400, "{}", status.text);
    assert!(number("objects") > 5 && number("saved_bytes") > 20 * 1000, "{}", status.text);
    let page = site.stage.get("/status?format=html").await;
    assert!(page.text.contains("% hits") && page.text.contains("db-3"), "{}", page.text);
    site.stage.stop().await;
    let printed = site.stage.process.log().lines();
    let last = printed.iter().rev().find(|line| line.starts_with("edge: ")).unwrap();
    assert!(last.contains(" without the site: "), "{last}");
}

#[tokio::test]
async fn a_file_that_was_asked_for_before_does_not_reach_the_app_servers() {
    let site = Site::start(&["--servers", "1"]).await;
    let (covers, assets) = ("/covers/{file}", "/assets/{file}");
    for path in FILES {
        site.stage.get(path).await;
    }
    // Two of them, and the icon that the app server asks the edge for now and then, by another host.
    while site.asked_for(assets).await < 3 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let before = (site.asked_for(covers).await, site.asked_for(assets).await);
    for path in FILES {
        for _ in 0..50 {
            let answer = site.stage.get(path).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.text);
            assert!(is_hit(&answer), "{path}: {}", answer.text);
        }
    }
    assert_eq!((site.asked_for(covers).await, site.asked_for(assets).await), before);

    // The control: what goes past the edge is counted.
    for path in FILES {
        site.past(path, "").await;
    }
    let after = (site.asked_for(covers).await, site.asked_for(assets).await);
    assert_eq!(after, (before.0 + 1, before.1 + 2));
    site.stage.stop().await;
}

#[tokio::test]
async fn each_version_of_a_cover_is_kept_for_itself_and_a_purge_takes_them_all() {
    let site = Site::start(&["--servers", "1"]).await;
    let route = "/covers/{file}";
    let versions = ["/covers/7.svg?v=1", "/covers/7.svg?v=2"];
    let other = "/covers/8.svg?v=1";
    let first = [site.stage.get(versions[0]).await, site.stage.get(versions[1]).await];
    let body = |answer: &Answer| answer.text.split("\r\n\r\n").nth(1).unwrap().to_owned();
    assert_ne!(body(&first[0]), body(&first[1]));
    site.stage.get(other).await;
    for (path, first) in versions.iter().zip(&first) {
        let again = site.stage.get(path).await;
        assert!(is_hit(&again) && body(&again) == body(first), "{path}: {}", again.text);
    }
    assert_eq!(site.asked_for(route).await, 3);

    // The tests' client calls the site so.
    assert_eq!(site.purge("http://localhost/covers/7.svg"), (Some(0), String::new()));
    for _ in 0..3 {
        for path in versions {
            assert_eq!(site.stage.get(path).await.status, 200);
        }
        assert!(is_hit(&site.stage.get(other).await), "another cover stays");
    }
    assert_eq!(site.asked_for(route).await, 5, "each version once more");
    site.stage.stop().await;
}

#[tokio::test]
async fn a_page_for_nobody_in_particular_is_shared_and_no_other() {
    let site = Site::start(&["--servers", "1"]).await;
    let mine = ["cookie: listener=3\r\n", "x-listener: 3\r\n", "cookie: anything=1\r\n"];
    for badge in mine {
        // First, so that nothing of it is kept for the next.
        let page = site.stage.ask("GET", "/", &format!("{PAGE}{badge}")).await;
        assert_eq!((page.status, is_hit(&page)), (200, false), "{badge}: {}", page.text);
        assert_eq!(page.header("cache-control"), Some("private, no-store"), "{badge}");
    }
    site.stage.ask("GET", "/", PAGE).await;
    let shared = site.stage.ask("GET", "/", PAGE).await;
    assert!(is_hit(&shared) && shared.text.contains("Sign in"), "{}", shared.text);
    for badge in mine {
        let page = site.stage.ask("GET", "/", &format!("{PAGE}{badge}")).await;
        assert!(!is_hit(&page), "{badge}: {}", page.text);
        assert_eq!(page.text.contains(">Sign out<"), badge.contains("listener"), "{badge}");
    }
    let client = site.stage.get("/whoami").await;
    assert!(client.text.contains("\"client\":\"127.0.0.1\""), "{}", client.text);
    let from = client::ask_from([127, 0, 0, 9], &site.stage.address, "/whoami", "").await;
    let told = from.unwrap().text;
    assert!(told.contains("\"client\":\"127.0.0.9\""), "the edge says who asks: {told}");
    site.stage.stop().await;
}

#[tokio::test]
async fn without_any_app_server_the_pages_and_their_files_are_still_there() {
    let site = Site::start(&[]).await;
    site.stage.ask("GET", "/", PAGE).await;
    for path in FILES {
        site.stage.get(path).await;
    }
    let outage = site.no_more("app");
    // The control: past the edge there is nothing.
    let gone = |answer: &Answer| matches!(answer.status, 502 | 503);
    site.past_until("/", gone).await;
    let mut is_old = false;
    while !is_old {
        // Until it would have been asked for again.
        let page = site.stage.ask("GET", "/", PAGE).await;
        assert!(page.status == 200 && is_hit(&page), "{}", page.text);
        assert!(page.text.contains("2,400 small stations"), "{}", page.text);
        is_old = page.header("cache-status").unwrap().contains("stale");
        for path in FILES {
            assert_eq!(site.stage.get(path).await.status, 200, "{path}");
            assert!(gone(&site.past(path, "").await), "{path}");
        }
    }
    // What nobody has asked for before, and what changes something, cannot be had.
    assert!(gone(&site.stage.ask("GET", "/stations/9", PAGE).await));
    let refused = site.stage.ask("PUT", "/favourites/9", "x-listener: 3\r\n").await;
    assert!(gone(&refused) && refused.header("retry-after").is_some(), "{}", refused.text);

    drop(outage);
    site.past_until("/", |answer| answer.status == 200).await;
    let fresh = |answer: &Answer| answer.status == 200 && !answer.text.contains("detail=stale");
    site.stage.ask_until("/stations/9", fresh).await;
    site.stage.stop().await;
}

#[tokio::test]
async fn without_the_edge_a_page_shows_its_pictures_from_the_site() {
    let site = Site::start(&[]).await;
    let page = site.past("/", PAGE).await;
    let cover = parts(of_picture(&page, "src"));
    assert_eq!(cover.0, site.stage.address, "a picture is at the edge");
    assert_eq!(site.stage.get(cover.1).await.status, 200);
    let policy = page.header("content-security-policy").unwrap();
    let pictures = format!("img-src 'self' http://{} http://{};", cover.0, site.origin);
    assert!(policy.contains(&pictures) && !policy.contains("unsafe-inline"), "{policy}");

    let outage = site.no_more("edge");
    let refused = async { while ask(&site.stage.address, "GET", "/", "").await.is_ok() {} };
    tokio::time::timeout(PATIENCE, refused).await.expect("the edge is gone");
    // The page that was out already: what the browser takes instead.
    let second = parts(of_picture(&page, "data-fallback"));
    assert_eq!(second, (site.origin.as_str(), cover.1));
    assert!(page.text.contains(" onerror=\"this.onerror=null;"), "{}", page.text);
    let picture = site.past(second.1, "").await;
    assert_eq!((picture.status, picture.header("content-type")), (200, Some("image/svg+xml")));
    // And soon pages do not name the edge any more.
    let at_the_site =
        |page: &Answer| page.status == 200 && parts(of_picture(page, "src")).0 == site.origin;
    site.past_until("/", at_the_site).await;
    // Its styles come from where it comes from.
    let style = page.text.split("rel=\"stylesheet\" href=\"").nth(1).unwrap();
    assert_eq!(site.past(style.split('"').next().unwrap(), "").await.status, 200);
    let status = site.past("/status", "").await;
    assert!(status.text.contains("\"edge\":{\"answering\":false}"), "{}", status.text);

    drop(outage);
    let at_the_edge = |page: &Answer| {
        page.status == 200 && parts(of_picture(page, "src")).0 == site.stage.address
    };
    site.past_until("/", at_the_edge).await;
    // At the same address as before.
    site.stage.ask_until(cover.1, |picture| picture.status == 200).await;
    site.stage.stop().await;
}

#[tokio::test]
async fn only_who_may_read_the_data_directory_may_purge() {
    let site = Site::start(&["--servers", "1"]).await;
    let key = site.data.path().join("edge.key");
    let path = "/covers/7.svg?v=1";
    site.stage.get(path).await;
    let (code, said) = site.purge("covers/7.svg");
    assert!(code == Some(1) && said.contains("refuses"), "{code:?} {said}");

    let right = std::fs::read(&key).unwrap();
    std::fs::write(&key, [7; 32]).unwrap();
    let (code, said) = site.purge("http://localhost/covers/7.svg");
    assert!(code == Some(1) && said.lines().count() == 1, "{code:?} {said}");
    assert!(is_hit(&site.stage.get(path).await), "nothing was purged");
    std::fs::write(&key, right).unwrap();
    assert_eq!(site.purge("http://localhost/covers/7.svg").0, Some(0));
    assert!(!is_hit(&site.stage.get(path).await));
    site.stage.stop().await;
    let (code, said) = site.purge("http://localhost/covers/7.svg");
    assert!(code == Some(1) && said.contains("no edge answers"), "{code:?} {said}");
}

#[tokio::test]
async fn an_address_of_all_interfaces_is_in_no_page() {
    let data = tempfile::tempdir().unwrap();
    let everywhere = ["--listen", "0.0.0.0:0", "--data", data.path().to_str().unwrap()];
    let stage = Stage::start(STAGE, &everywhere).await;
    let port = stage.address.rsplit(':').next().unwrap();
    let page = ask(&format!("127.0.0.1:{port}"), "GET", "/", PAGE).await.unwrap();
    assert!(of_picture(&page, "src").starts_with("/covers/"), "{}", page.text);
    assert!(!page.text.contains("0.0.0.0"), "{}", page.text);
    stage.stop().await;
}

#[tokio::test]
async fn a_request_under_way_is_finished_before_the_end() {
    let site = Site::start(&[]).await;
    site.stage.stop_in_the_middle_of_a_request().await;
}

#[tokio::test]
async fn bad_options_are_refused_in_one_line() {
    refuses_bad_options(STAGE, &[]).await;
    for options in [
        &["--role", "edge"][..],
        &["--role", "app"],
        &["--role", "other"],
        &["--origin"],
        &["--origin", "nowhere"],
        &["purge"],
        &["purge", "http://localhost/"],
    ] {
        let (code, said) = refused(STAGE, options);
        assert_eq!((code, said.lines().count()), (Some(2), 1), "{options:?}: {said}");
    }
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let (code, said) = refused(STAGE, &["--listen", "127.0.0.1:0", "--origin", &taken]);
    assert_eq!((code, said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.contains(&taken) && said.contains("--origin"), "{said}");
    // As nobody would do by hand: without the site's address.
    let socket = ["--role", "edge", "--socket", "/nowhere/socket", "--listen", "127.0.0.1:0"];
    let (code, said) = refused(STAGE, &socket);
    assert_eq!((code, said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.contains("--origin"), "{said}");
}
