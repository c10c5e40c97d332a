//! Key rings that change under sessions, and processes of two versions.

use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use terrace_session::{Keys, Session, SessionData, SessionLayer, SessionValue};

use crate::support::{Browser, Op, Site};
use crate::{is, log_in, number, put, token, who};

fn ring(versions: &[u8]) -> Keys {
    let key =
        |version: &u8| Keys::new(*version, &[*version; 32]).unwrap().tagged_by(&[9; 32]).unwrap();
    versions.iter().map(key).reduce(|keys, older| keys.also(older).unwrap()).unwrap()
}

fn process(site: &Site, versions: &[u8]) -> SessionLayer {
    SessionLayer::builder(Arc::clone(&site.store), ring(versions)).build().unwrap()
}

/// The version that signed a browser's token: its first byte.
fn version(browser: &Browser) -> u8 {
    BASE64URL_NOPAD.decode(token(browser).as_bytes()).unwrap()[0]
}

async fn enters(layer: &SessionLayer) -> Browser {
    let mut browser = Browser::new();
    let page = async |session: Session| session.login("ada").await.map(|()| 200);
    assert_eq!(browser.visit(layer, page).await.status(), 200);
    browser
}

#[tokio::test]
async fn the_newest_key_signs_and_older_ones_are_believed_until_they_are_removed() {
    let site = Site::new();
    let mut old = enters(&process(&site, &[1])).await;
    let both = process(&site, &[2, 1]);
    let mut new = enters(&both).await;
    assert_eq!((version(&old), version(&new)), (1, 2));
    assert!(is(&both, &mut old, "ada").await && is(&both, &mut new, "ada").await);
    // Whoever gets a new token gets it from the new key.
    let mut elevated = enters(&process(&site, &[1])).await;
    elevated.visit(&both, async |session| session.elevate().await.map(|()| 200)).await;
    assert_eq!(version(&elevated), 2);

    let after = process(&site, &[2]);
    site.store.asked();
    let cookie = old.cookie.clone();
    assert_eq!(who(&after, &mut old).await, None);
    assert_eq!(site.store.asked(), [], "a key that was removed is as good as none");
    assert_eq!(
        old.cookie, cookie,
        "and no reason to remove a cookie: a process before may know it"
    );
    assert!(is(&after, &mut new, "ada").await && is(&after, &mut elevated, "ada").await);
}

#[tokio::test]
async fn a_token_under_another_version_of_the_ring_is_forged() {
    let site = Site::new();
    let layer = process(&site, &[2, 1]);
    let browser = enters(&layer).await;
    let cookie = browser.cookie.clone().unwrap();
    let (name, token) = cookie.split_once('=').unwrap();
    assert!(token.starts_with("Ag"), "version 2, region 0");
    site.store.asked();
    let mut downgraded = Browser { cookie: Some(format!("{name}=AQ{}", &token[2..])) };
    assert_eq!(who(&layer, &mut downgraded).await, None);
    assert_eq!(site.store.asked(), []);
    assert!(is(&layer, &mut browser.clone(), "ada").await, "control");
    assert_eq!(site.store.asked(), [Op::Load]);
}

#[derive(Debug, Default, Deserialize, Serialize)]
struct Before {
    color: String,
}

impl SessionValue for Before {
    const NAME: &'static str = "settings";
}

#[derive(Debug, Default, Deserialize, Serialize)]
struct After {
    color: String,
    #[serde(default)]
    size: u8,
}

impl SessionValue for After {
    const NAME: &'static str = "settings";
}

/// Half of the processes are of the next version, and a browser's requests come to either.
#[tokio::test]
async fn during_an_upgrade_both_versions_keep_what_the_other_one_writes() {
    let site = Site::new();
    let (old, new) = (process(&site, &[1, 2]), process(&site, &[2, 1]));
    let mut browser = Browser::new();
    log_in(&site, &mut browser, "ada").await;
    let mut browser = enters(&old).await;
    let write = async |session: Session| {
        SessionData::<Before>::of(&session).await?.update(|it| it.color = "red".into()).await?;
        Ok(200)
    };
    assert_eq!(browser.visit(&old, write).await.status(), 200);
    let write = async |session: Session| {
        let settings = SessionData::<After>::of(&session).await?;
        assert_eq!((&*settings.color, settings.size), ("red", 0));
        session.set("only the new version knows this", &7).await?;
        Ok(200)
    };
    assert_eq!(browser.visit(&new, write).await.status(), 200);
    put(&old, &mut browser, "n", 1).await;
    browser.visit(&old, async |session| session.elevate().await.map(|()| 200)).await;
    let kept = number(&new, &mut browser, "only the new version knows this").await;
    assert_eq!(kept, Some(7), "the old one has no idea what it carries along");
    assert!(is(&new, &mut browser, "ada").await && is(&old, &mut browser, "ada").await);
}
