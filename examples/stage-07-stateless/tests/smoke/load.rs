//! A wave of requests comes and goes, and so do app servers; listeners do not.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;

use crate::browser::Browser;
use crate::client::{HalfSent, PATIENCE};
use crate::{STAGE, Site};

/// Listeners who look around all the time.
const LISTENERS: u32 = 12;

/// So few at once that they are no load to speak of.
const AT_ONCE: u32 = 4;

/// Requests that app servers are at work on, all the time while the wave lasts. A request that waits for its body takes as
/// long as the test says, however fast or slow the machine is.
const WAVE: usize = 28;
const EACH: Duration = Duration::from_millis(700);

/// What came of it.
#[derive(Debug, Default)]
struct Seen {
    answered: AtomicU32,
    failed: AtomicU32,
    logged_out: AtomicU32,
    enough: AtomicBool,
}

impl Seen {
    fn is_over(&self) -> bool {
        self.enough.load(Ordering::Relaxed)
    }

    fn count(&self, of: &AtomicU32) -> u32 {
        of.load(Ordering::Relaxed)
    }
}

/// Some listeners, by turns, until it is over.
async fn look_around(address: String, mut listeners: Vec<(u32, Browser)>, seen: Arc<Seen>) {
    while !seen.is_over() {
        for (listener, browser) in &mut listeners {
            match browser.who(&address).await {
                Ok((Some(who), _)) if who == *listener => &seen.answered,
                Ok(_) => &seen.logged_out,
                Err(error) => {
                    eprintln!("failed: {error}");
                    &seen.failed
                }
            }
            .fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Requests that take a while, one after the other, until the wave is over.
async fn wave(address: String, over: Arc<AtomicBool>, seen: Arc<Seen>) {
    while !over.load(Ordering::Relaxed) && !seen.is_over() {
        let request = HalfSent::sign_in(&address).await;
        tokio::time::sleep(EACH).await;
        let answer = request.finish().await;
        if !answer.starts_with("HTTP/1.1 303 ") {
            eprintln!("failed: {answer}");
            seen.failed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Two app servers become three, or as many as it takes, and two again. Ends early when somebody was logged out.
async fn up_and_down(sessions: &str) -> Arc<Seen> {
    let site = Site::start(&["--servers", "2..4", "--sessions", sessions]).await;
    let address = site.address().to_owned();
    let seen = Arc::new(Seen::default());
    let mut all = Vec::new();
    for listener in 1..=LISTENERS {
        let mut browser = Browser::default();
        browser.sign_in(&address, listener).await;
        all.push((listener, browser));
    }
    let mut tasks = JoinSet::new();
    for first in 0..AT_ONCE {
        let theirs = all.iter().filter(|(listener, _)| listener % AT_ONCE == first);
        tasks.spawn(look_around(address.clone(), theirs.cloned().collect(), Arc::clone(&seen)));
    }
    let over = Arc::new(AtomicBool::new(false));
    let mut waves = JoinSet::new();
    for _ in 0..WAVE {
        waves.spawn(wave(address.clone(), Arc::clone(&over), Arc::clone(&seen)));
    }
    let in_time = async {
        site.stage.ask_until("/status", |status| status.text.contains("\"serving\":3")).await;
        over.store(true, Ordering::Relaxed);
        while let Some(wave) = waves.join_next().await {
            wave.unwrap();
        }
        let is_calm =
            |text: &str| text.contains("\"serving\":2") && !text.contains("\"leaving\":true");
        site.stage.ask_until("/status", |status| is_calm(&status.text)).await;
    };
    let somebody_is_out = async {
        while seen.count(&seen.logged_out) == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = in_time => {}
        () = somebody_is_out => {}
        () = tokio::time::sleep(PATIENCE) => panic!("it takes too long: {seen:?}"),
    }
    seen.enough.store(true, Ordering::Relaxed);
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    waves.join_all().await;
    if seen.count(&seen.logged_out) == 0 {
        // Everybody once more.
        look_once(&address, all, &seen).await;
    }
    site.stage.stop().await;
    seen
}

async fn look_once(address: &str, listeners: Vec<(u32, Browser)>, seen: &Seen) {
    for (listener, mut browser) in listeners {
        if browser.who(address).await.unwrap().0 != Some(listener) {
            seen.logged_out.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[tokio::test]
async fn app_servers_come_and_go_and_nobody_is_logged_out() {
    let seen = up_and_down("file").await;
    assert_eq!(seen.count(&seen.failed), 0, "{seen:?}");
    assert_eq!(seen.count(&seen.logged_out), 0, "{seen:?}");
    assert!(seen.count(&seen.answered) > 100, "{seen:?}");
}

/// The control: the same with sessions that each app server keeps for itself.
#[tokio::test]
async fn with_sessions_in_the_app_servers_listeners_are_logged_out() {
    let seen = up_and_down("memory").await;
    assert!(seen.count(&seen.logged_out) > 0, "{seen:?}");
}

#[tokio::test]
async fn an_operator_says_how_many_app_servers_there_are() {
    let site = Site::start(&["--servers", "1..2"]).await;
    let scale = |to: &str| {
        let data = site.data.path().to_str().unwrap();
        let output = Command::new(STAGE).args(["scale", to, "--data", data]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let mut browser = Browser::default();
    browser.sign_in(site.address(), 7).await;
    for (to, serving) in [("3", "\"serving\":3"), ("1", "\"serving\":1")] {
        scale(to);
        let said = format!("\"fixed\":{to}");
        let done = |text: &str| text.contains(serving) && text.contains(&said);
        site.stage.ask_until("/status", |status| done(&status.text)).await;
        assert_eq!(browser.who(site.address()).await.unwrap().0, Some(7));
    }
    scale("auto");
    site.stage.ask_until("/status", |status| !status.text.contains("\"fixed\"")).await;
    site.stage.stop().await;
}
