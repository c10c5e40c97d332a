//! What an attacker, an accident or an impatient browser can do to a session, through the whole layer. `tests/README.md` has the list.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod cookies;
mod drops;
mod handles;
mod keys;
mod limits;
mod responses;
mod secrets;
#[allow(dead_code, unused_imports, reason = "others need more of it")]
#[path = "../session/support/mod.rs"]
mod support;
mod tabs;
mod time;

use std::sync::{Arc, Mutex};

use terrace_session::{Session, SessionLayer};

use crate::support::{Browser, Site};

/// Logs a browser in, and has nothing of it counted.
async fn log_in(site: &Site, browser: &mut Browser, user: &'static str) {
    let page = async |session: Session| session.login(user).await.map(|()| 200);
    assert_eq!(browser.visit(&site.layer, page).await.status(), 200);
    site.store.asked();
}

async fn logged_in(site: &Site, user: &'static str) -> Browser {
    let mut browser = Browser::new();
    log_in(site, &mut browser, user).await;
    browser
}

/// Who a browser is to a process. It reads, and keeps what it is told about its cookie.
async fn who(layer: &SessionLayer, browser: &mut Browser) -> Option<Arc<str>> {
    let seen = Mutex::new(None);
    let page = async |session: Session| {
        *seen.lock().unwrap() = session.subject().await?;
        Ok(200)
    };
    assert_eq!(browser.visit(layer, page).await.status(), 200);
    seen.into_inner().unwrap()
}

async fn is(layer: &SessionLayer, browser: &mut Browser, user: &str) -> bool {
    who(layer, browser).await.as_deref() == Some(user)
}

async fn number(layer: &SessionLayer, browser: &mut Browser, name: &str) -> Option<u64> {
    let seen = Mutex::new(None);
    let page = async |session: Session| {
        *seen.lock().unwrap() = session.get(name).await?;
        Ok(200)
    };
    assert_eq!(browser.visit(layer, page).await.status(), 200);
    seen.into_inner().unwrap()
}

/// Sets a number.
async fn put(layer: &SessionLayer, browser: &mut Browser, name: &'static str, number: u64) {
    let page = async |session: Session| session.set(name, &number).await.map(|()| 200);
    assert_eq!(browser.visit(layer, page).await.status(), 200);
}

/// The token in a browser's cookie.
fn token(browser: &Browser) -> String {
    let cookie = browser.cookie.clone().unwrap();
    cookie.split_once('=').unwrap().1.to_owned()
}
