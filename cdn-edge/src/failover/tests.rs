use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use proptest::prelude::*;
use tokio::time::{Instant, sleep};
use tower::service_fn;

use super::{AssetUrls, CdnHost, IMG_ONERROR, IMG_ONERROR_CSP, Outcome, ProbeSettings, probe};

const CDN: &str = "https://cdn.example.com/assets";

fn urls(rise: u32, fall: u32) -> AssetUrls {
    let cdn = CdnHost::new(CDN).unwrap().thresholds(rise, fall).unwrap();
    AssetUrls::same_host(cdn)
}

/// How often the host comes or goes on this trace of `+` and `-`.
fn changes(rise: u32, fall: u32, trace: &str) -> Vec<bool> {
    let urls = urls(rise, fall);
    let outcomes = trace.chars().map(|c| if c == '+' { Outcome::Good } else { Outcome::Bad });
    outcomes.filter_map(|outcome| urls.observe(Instant::now(), outcome)).collect()
}

#[test]
fn a_host_that_flaps_does_not_move_the_traffic_to_and_fro() {
    let flaps = "---+-+-+-+-+-+-++";
    assert_eq!(changes(2, 1, flaps), [false, true]);
    assert_eq!(changes(2, 3, "+--+-+--++--"), [false; 0]);
    // The controls: without the thresholds, the same hosts do.
    assert_eq!(changes(1, 1, flaps).len(), 14);
    assert_eq!(changes(2, 2, "+--+-+--++--").len(), 3);
}

#[test]
fn a_host_says_since_when_it_is_what_it_is() {
    let mut host = CdnHost::new(CDN).unwrap().thresholds(1, 1).unwrap();
    assert_eq!((host.is_up(), host.since()), (true, None));
    let now = Instant::now();
    assert_eq!(host.observe(now, Outcome::Bad), Some(false));
    host.observe(now + Duration::from_secs(1), Outcome::Bad);
    assert_eq!(host.since(), Some(now));
}

#[test]
fn what_is_wrong_is_refused_by_name() {
    let error = CdnHost::new("cdn.example.com").unwrap_err();
    assert!(error.to_string().contains("\"cdn.example.com\""), "{error}");
    let host = CdnHost::new(CDN).unwrap();
    assert_eq!(host.clone().thresholds(0, 1).unwrap_err().setting(), "rise");
    assert_eq!(host.clone().thresholds(1, 0).unwrap_err().setting(), "fall");
    assert!(AssetUrls::new(host, "www.example.com").is_err());
}

#[test]
fn an_asset_is_the_cdns_while_it_is_up_and_the_origins_while_it_is_not() {
    let cdn = CdnHost::new(CDN).unwrap().thresholds(1, 1).unwrap();
    let urls = AssetUrls::new(cdn, "https://www.example.com/").unwrap();
    let seen = |outcome| {
        urls.observe(Instant::now(), outcome);
        urls.clone().url("/app.css?v=3")
    };
    assert_eq!(urls.url("/app.css?v=3"), "https://cdn.example.com/assets/app.css?v=3");
    assert_eq!(seen(Outcome::Bad), "https://www.example.com/app.css?v=3");
    assert_eq!(seen(Outcome::Good), "https://cdn.example.com/assets/app.css?v=3");
    assert_eq!(urls.origin_url("app.css"), "https://www.example.com/app.css");
}

#[test]
fn what_an_image_does_needs_no_escaping() {
    assert!(!IMG_ONERROR.contains(['"', '&', '<', '>', '\n']));
}

#[cfg(feature = "admin")]
#[test]
fn a_policy_allows_what_an_image_does() {
    use sha2::{Digest, Sha256};

    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut base64 = String::new();
    for three in Sha256::digest(IMG_ONERROR).chunks(3) {
        let bits = (0..3).fold(0, |bits, n| bits << 8 | u32::from(*three.get(n).unwrap_or(&0)));
        for n in 0..=three.len() {
            base64.push(char::from(DIGITS[(bits >> (18 - 6 * n) & 63) as usize]));
        }
    }
    assert_eq!(IMG_ONERROR_CSP, format!("'unsafe-hashes' 'sha256-{base64}='"));
}

#[test]
fn an_image_that_fails_takes_the_origins_once() {
    let html = urls(1, 1).img_fallback_attr("/a.png?x=1&y=\"><script>");
    let expected =
        format!("data-fallback=\"/a.png?x=1&amp;y=%22%3E%3Cscript%3E\" onerror=\"{IMG_ONERROR}\"");
    assert_eq!(html, expected);
    assert!(IMG_ONERROR.starts_with("this.onerror=null;"));
}

proptest! {
    #[test]
    fn no_path_gets_out_of_its_attribute(path in any::<String>()) {
        let html = urls(1, 1).img_fallback_attr(&path);
        // Two attributes with two quotes each, and no tag.
        prop_assert_eq!(html.matches('"').count(), 4);
        prop_assert!(!html.contains(['<', '>']));
        let value = html.strip_prefix("data-fallback=\"").unwrap().split('"').next().unwrap();
        prop_assert!(value.starts_with('/') && !value.starts_with("//"));
        prop_assert!(!value.contains(['\'', ' ', '\n', '\t', '\\']));
        let end = format!("\" onerror=\"{IMG_ONERROR}\"");
        prop_assert!(html.ends_with(&end));
    }
}

/// What the CDN does with a probe.
#[derive(Clone, Copy)]
enum Does {
    Serve,
    Status(u16),
    Hang,
    BreakOff,
    Stall,
}

type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, std::io::Error>;

async fn answer(does: Does) -> std::io::Result<Response<Body>> {
    let full = || Full::new(Bytes::from_static(b"alive")).map_err(|never| match never {});
    match does {
        Does::Serve => Ok(Response::new(full().boxed_unsync())),
        Does::Status(code) => {
            let mut response = Response::new(full().boxed_unsync());
            *response.status_mut() = StatusCode::from_u16(code).unwrap();
            Ok(response)
        }
        Does::Hang => std::future::pending().await,
        Does::BreakOff => {
            let frames =
                [Ok(Frame::data(Bytes::from_static(b"al"))), Err(std::io::Error::other("cut"))];
            Ok(Response::new(StreamBody::new(stream::iter(frames)).boxed_unsync()))
        }
        Does::Stall => Ok(Response::new(StreamBody::new(stream::pending()).boxed_unsync())),
    }
}

/// Runs probes against a CDN that the test switches.
fn probed(settings: ProbeSettings) -> (AssetUrls, Arc<Mutex<Does>>, tokio::task::JoinHandle<()>) {
    let cdn = Arc::new(Mutex::new(Does::Serve));
    let switch = Arc::clone(&cdn);
    let service = service_fn(move |request: Request<Empty<Bytes>>| {
        assert_eq!(request.uri(), "https://cdn.example.com/assets/alive.txt");
        let does = *cdn.lock().unwrap();
        answer(does)
    });
    let urls = urls(2, 3);
    let task = tokio::spawn(probe(service, "alive.txt", &urls, settings).unwrap());
    (urls, switch, task)
}

#[tokio::test(start_paused = true)]
async fn whatever_keeps_an_asset_from_arriving_takes_the_host_out_and_a_recovery_brings_it_back() {
    for does in [Does::Status(503), Does::Status(404), Does::Hang, Does::BreakOff, Does::Stall] {
        let (urls, cdn, _task) = probed(ProbeSettings::default());
        sleep(Duration::from_secs(60)).await;
        assert!(urls.is_up());
        *cdn.lock().unwrap() = does;
        sleep(Duration::from_secs(30)).await;
        assert!(!urls.is_up());
        *cdn.lock().unwrap() = Does::Serve;
        sleep(Duration::from_secs(15)).await;
        assert!(urls.is_up());
    }
}

#[tokio::test(start_paused = true)]
async fn one_lost_probe_changes_nothing() {
    let (urls, cdn, _task) = probed(ProbeSettings::default().jitter(0.0));
    sleep(Duration::from_secs(7)).await;
    *cdn.lock().unwrap() = Does::Hang;
    sleep(Duration::from_secs(5)).await;
    *cdn.lock().unwrap() = Does::Serve;
    sleep(Duration::from_secs(60)).await;
    assert!(urls.is_up());
    assert_eq!(urls.cdn().since(), None);
}

#[tokio::test(start_paused = true)]
async fn probes_end_with_those_who_want_to_know() {
    let (urls, _cdn, task) = probed(ProbeSettings::default());
    sleep(Duration::from_secs(1)).await;
    drop(urls.clone());
    sleep(Duration::from_secs(60)).await;
    assert!(!task.is_finished());
    drop(urls);
    task.await.unwrap();
}
