use std::collections::HashSet;

use crate::browser::Browser;
use crate::client::{Answer, PATIENCE};
use crate::{PAGE, Site};

/// The ids of a list of stations, in its order.
fn ids(list: &Answer) -> Vec<u32> {
    let ids = list.text.split("\"id\":").skip(1);
    // Each station is followed by what it plays.
    let stations = ids.filter(|rest| rest.contains("\"frequency\":"));
    stations.filter_map(|rest| rest.split(',').next()?.parse().ok()).collect()
}

#[tokio::test]
async fn a_sign_in_holds_on_every_app_server() {
    let site = Site::start(&[]).await;
    let mut browser = Browser::default();
    browser.sign_in(site.address(), 7).await;
    let mut servers = HashSet::new();
    while servers.len() < 2 {
        let (listener, server) = browser.who(site.address()).await.unwrap();
        assert_eq!(listener, Some(7), "on {server}");
        servers.insert(server);
    }
    site.stage.stop().await;
}

#[tokio::test]
async fn a_killed_app_server_signs_nobody_out() {
    let site = Site::start(&["--servers", "1"]).await;
    let mut browser = Browser::default();
    browser.sign_in(site.address(), 7).await;
    let before = browser.get(site.address(), "/whoami").await.number("pid");
    // The shell's own `kill`: a small Debian has no program of that name.
    let kill = format!("kill -9 {before}");
    assert!(std::process::Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    let again = |answer: &Answer| answer.status == 200 && answer.number("pid") != before;
    site.stage.ask_until("/whoami", again).await;
    assert_eq!(browser.who(site.address()).await.unwrap().0, Some(7));
    site.stage.stop().await;
}

#[tokio::test]
async fn what_somebody_says_of_themselves_is_not_believed() {
    let site = Site::start(&["--servers", "1"]).await;
    for badge in ["x-listener: 3\r\n", "cookie: listener=3\r\n", "cookie: id=3\r\n"] {
        let answer = site.stage.ask("GET", "/whoami", badge).await;
        assert!(answer.text.contains("\"listener\":null"), "{badge}: {}", answer.text);
        let page = site.stage.ask("GET", "/", &format!("{PAGE}{badge}")).await;
        assert!(page.text.contains(">Sign in<"), "{badge}: {}", page.text);
    }
    site.stage.stop().await;
}

#[tokio::test]
async fn what_a_stranger_keeps_is_theirs_once_they_sign_in() {
    let site = Site::start(&[]).await;
    let address = site.address();
    let (mut browser, mut other) = (Browser::default(), Browser::default());
    let counted = browser.get(address, "/stations/9").await.number("favourites");
    for path in ["/favourites/5", "/favourites/9", "/favourites/5"] {
        let kept = browser.ask(address, "PUT", path, "").await.unwrap();
        assert!(kept.text.contains("\"favourite\":true"), "{}", kept.text);
    }
    assert_eq!(ids(&browser.get(address, "/favourites").await), [9, 5], "the newest first");
    let station = browser.get(address, "/stations/9").await;
    assert!(station.text.contains("\"favourite\":true"), "{}", station.text);
    assert_eq!(station.number("favourites"), counted, "strangers are not counted");
    let page = browser.ask(address, "GET", "/favourites", PAGE).await.unwrap();
    assert!(page.text.contains("kept in this browser"), "{}", page.text);
    assert_eq!(ids(&other.get(address, "/favourites").await), [0; 0], "nobody else's");
    let nothing = browser.ask(address, "PUT", "/favourites/999999", "").await.unwrap();
    assert_eq!(nothing.status, 404, "{}", nothing.text);

    let before = browser.session().unwrap().to_owned();
    browser.sign_in(address, 11_999).await;
    assert_ne!(browser.session(), Some(before.as_str()), "nobody knows the new token");
    let mine = ids(&browser.get(address, "/favourites").await);
    assert_eq!(mine[..2], [9, 5]);
    let page = browser.ask(address, "GET", "/favourites", PAGE).await.unwrap();
    assert!(!page.text.contains("kept in this browser"), "{}", page.text);
    let station = browser.get(address, "/stations/9").await;
    assert_eq!(station.number("favourites"), counted + 1);

    let out = browser.post(address, "/sign-out", "").await;
    assert_eq!((out.status, browser.session()), (303, None), "{}", out.text);
    assert_eq!(ids(&browser.get(address, "/favourites").await), [0; 0]);
    other.sign_in(address, 11_999).await;
    // This browser has written nothing, so a replica may answer it that is a moment behind.
    let the_same = async { while ids(&other.get(address, "/favourites").await) != mine {} };
    tokio::time::timeout(PATIENCE, the_same).await.expect("they are theirs everywhere");
    site.stage.stop().await;
}

#[tokio::test]
async fn a_stranger_s_heart_works_without_scripts() {
    let site = Site::start(&["--servers", "1"]).await;
    let mut browser = Browser::default();
    let answer = browser.post(site.address(), "/favourites/7", "keep=yes").await;
    assert_eq!((answer.status, answer.header("location")), (303, Some("/stations/7")));
    let page = browser.ask(site.address(), "GET", "/stations/7", PAGE).await.unwrap();
    assert!(page.text.contains("aria-pressed=\"true\""), "{}", page.text);
    browser.post(site.address(), "/favourites/7", "keep=no").await;
    let page = browser.ask(site.address(), "GET", "/stations/7", PAGE).await.unwrap();
    assert!(page.text.contains("aria-pressed=\"false\""), "{}", page.text);
    // Who drops what they never kept is given no session for it.
    let mut nobody = Browser::default();
    let answer = nobody.ask(site.address(), "DELETE", "/favourites/7", "").await.unwrap();
    assert_eq!((answer.status, nobody.session()), (200, None), "{}", answer.text);
    site.stage.stop().await;
}

#[tokio::test]
async fn there_is_room_for_a_page_of_a_stranger_s_stations() {
    let site = Site::start(&["--servers", "1"]).await;
    let mut browser = Browser::default();
    for station in 1..=24 {
        let path = format!("/favourites/{station}");
        assert_eq!(browser.ask(site.address(), "PUT", &path, "").await.unwrap().status, 200);
    }
    let full = browser.ask(site.address(), "PUT", "/favourites/25", "").await.unwrap();
    assert!(full.status == 401 && full.text.contains("more than 24"), "{}", full.text);
    let form = browser.post(site.address(), "/favourites/25", "keep=yes").await;
    assert_eq!(form.header("location"), Some("/sign-in?next=%2Fstations%2F25"));
    assert_eq!(ids(&browser.get(site.address(), "/favourites").await).len(), 24);
    browser.sign_in(site.address(), 11_998).await;
    let all = browser.get(site.address(), "/favourites?per_page=100").await;
    assert_eq!(ids(&all)[..24], (1..=24).rev().collect::<Vec<_>>());
    site.stage.stop().await;
}
