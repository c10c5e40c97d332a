use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use terrace_session::{Limits, Session, SessionData, SessionError, SessionValue};
use tokio::sync::Barrier;

use crate::support::{Browser, Op, Site};

#[tokio::test]
async fn what_one_request_sets_the_next_one_gets() {
    let (site, mut browser) = (Site::new(), Browser::new());
    let first = browser.visit(&site.layer, async |session| {
        session.set("color", "red").await?;
        assert_eq!(session.get::<String>("color").await?.as_deref(), Some("red"));
        Ok(200)
    });
    let first = first.await;
    assert_eq!(first.status(), 200);
    assert!(first.set_cookie().is_some());
    let another = site.another();
    let second = browser.visit(&another, async |session| {
        assert_eq!(session.get::<String>("color").await?.as_deref(), Some("red"));
        session.remove("color").await?;
        assert_eq!(session.get::<String>("color").await?, None);
        Ok(200)
    });
    assert_eq!(second.await.set_cookie(), None);
    let third = browser.visit(&site.layer, async |session| {
        assert_eq!(session.get::<String>("color").await?, None);
        Ok(200)
    });
    third.await;
}

#[tokio::test]
async fn who_logs_in_is_known_until_they_log_out() {
    let (site, mut browser) = (Site::new(), Browser::new());
    browser.visit(&site.layer, async |session| session.login("ada").await.map(|()| 200)).await;
    assert_eq!(subject(&site, &mut browser).await.as_deref(), Some("ada"));
    let mut before = browser.clone();
    browser.visit(&site.layer, async |session| session.logout().await.map(|()| 200)).await;
    assert_eq!(browser.cookie, None);
    assert_eq!(subject(&site, &mut browser).await, None);
    assert_eq!(subject(&site, &mut before).await, None, "with the cookie from before");
}

pub(crate) async fn subject(site: &Site, browser: &mut Browser) -> Option<Arc<str>> {
    let seen = Mutex::new(None);
    let page = async |session: Session| {
        *seen.lock().unwrap() = session.subject().await?;
        Ok(200)
    };
    assert_eq!(browser.visit(&site.another(), page).await.status(), 200);
    seen.into_inner().unwrap()
}

pub(crate) async fn value(site: &Site, browser: &mut Browser, name: &str) -> Option<u64> {
    let seen = Mutex::new(None);
    let page = async |session: Session| {
        *seen.lock().unwrap() = session.get(name).await?;
        Ok(200)
    };
    assert_eq!(browser.visit(&site.another(), page).await.status(), 200);
    seen.into_inner().unwrap()
}

/// Two requests at once, each with what it does to the session after both have read it.
async fn both(site: &Site, browser: &Browser, names: [&'static str; 2]) {
    let barrier = Barrier::new(2);
    let page = |name: &'static str, number: u64| {
        let (mut browser, barrier) = (browser.clone(), &barrier);
        async move {
            let page = async |session: Session| {
                session.subject().await?;
                barrier.wait().await;
                session.set(name, &number).await?;
                barrier.wait().await;
                Ok(200)
            };
            assert_eq!(browser.visit(&site.layer, page).await.status(), 200);
        }
    };
    tokio::join!(page(names[0], 1), page(names[1], 2));
}

#[tokio::test]
async fn two_requests_at_once_keep_both_their_values() {
    let (site, mut browser) = (Site::new(), Browser::new());
    browser.visit(&site.layer, async |session| session.login("ada").await.map(|()| 200)).await;
    both(&site, &browser, ["a", "b"]).await;
    let (a, b) = (value(&site, &mut browser, "a").await, value(&site, &mut browser, "b").await);
    assert_eq!((a, b), (Some(1), Some(2)));
}

/// One value for everything is what a session is that is written back whole.
#[tokio::test]
async fn control_two_requests_that_set_one_value_lose_one() {
    let (site, mut browser) = (Site::new(), Browser::new());
    browser.visit(&site.layer, async |session| session.login("ada").await.map(|()| 200)).await;
    both(&site, &browser, ["all", "all"]).await;
    assert!(matches!(value(&site, &mut browser, "all").await, Some(1 | 2)));
}

#[tokio::test]
async fn a_value_of_another_type_is_an_error_that_names_it() {
    let (site, mut browser) = (Site::new(), Browser::new());
    let page = async |session: Session| {
        session.set("number", &1).await?;
        let error = session.get::<String>("number").await.unwrap_err();
        assert!(matches!(&error, SessionError::Value { name, .. } if &**name == "number"));
        assert!(matches!(session.set("", &1).await, Err(SessionError::Name(_))));
        Ok(200)
    };
    browser.visit(&site.layer, page).await;
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_the_rest_is_kept() {
    let limits = Limits { bytes: 20, values: 2, value: 10 };
    let (site, mut browser) = (Site::with(|builder| builder.limits(limits)), Browser::new());
    let page = async |session: Session| {
        session.set("a", &1).await?;
        for (name, value) in [("b", "far too long for one"), ("c", "")] {
            let _ = session.set(name, value).await;
        }
        assert!(matches!(session.set("d", &1).await, Err(SessionError::Full)), "a third one");
        assert!(matches!(session.set_blind("d", &1), Err(SessionError::Full)));
        Ok(200)
    };
    assert_eq!(browser.visit(&site.layer, page).await.status(), 200);
    assert_eq!(value(&site, &mut browser, "a").await, Some(1));
    assert_eq!(value(&site, &mut browser, "b").await, None);
    assert_eq!(value(&site, &mut browser, "d").await, None);
}

#[tokio::test]
async fn two_reads_at_once_ask_once() {
    let (site, mut browser) = (Site::new(), Browser::new());
    browser.visit(&site.layer, async |session| session.set("a", &1).await.map(|()| 200)).await;
    site.store.asked();
    let page = async |session: Session| {
        let other = session.clone();
        let (a, b) = tokio::join!(session.get::<u64>("a"), other.get::<u64>("b"));
        assert_eq!((a?, b?), (Some(1), None));
        Ok(200)
    };
    browser.visit(&site.layer, page).await;
    assert_eq!(site.store.asked(), [Op::Load]);
}

#[tokio::test]
async fn after_the_head_has_left_a_session_is_read_and_updated_and_nothing_else() {
    let (site, mut browser) = (Site::new(), Browser::new());
    browser.visit(&site.layer, async |session| session.login("ada").await.map(|()| 200)).await;
    let kept = Mutex::new(None);
    let page = async |session: Session| {
        *kept.lock().unwrap() = Some(session);
        Ok(200)
    };
    browser.visit(&site.layer, page).await;
    let session = kept.into_inner().unwrap().unwrap();
    assert_eq!(session.subject().await.unwrap().as_deref(), Some("ada"));
    assert_eq!(session.update("n", |n| n.unwrap_or(0) + 1).await.unwrap(), 1);
    session.commit().await.unwrap();
    assert!(matches!(session.set("n", &5).await, Err(SessionError::Committed)));
    assert!(matches!(session.set_blind("n", &5), Err(SessionError::Committed)));
    assert!(matches!(session.login("eve").await, Err(SessionError::Committed)));
    assert!(matches!(session.elevate().await, Err(SessionError::Committed)));
    assert!(matches!(session.renew().await, Err(SessionError::Committed)));
    assert!(matches!(session.logout().await, Err(SessionError::Committed)));
    assert_eq!(session.revoke_others().await.unwrap(), 0);
    assert_eq!(value(&site, &mut browser, "n").await, Some(1));
    assert_eq!(subject(&site, &mut browser).await.as_deref(), Some("ada"));
}

#[tokio::test]
async fn after_the_head_has_left_no_session_begins() {
    let (site, mut browser) = (Site::new(), Browser::new());
    let kept = Mutex::new(None);
    let page = async |session: Session| {
        *kept.lock().unwrap() = Some(session);
        Ok(200)
    };
    browser.visit(&site.layer, page).await;
    let session = kept.into_inner().unwrap().unwrap();
    let update = session.update("n", |n: Option<u64>| n.unwrap_or(0) + 1).await;
    assert!(matches!(update, Err(SessionError::Committed)));
    assert_eq!(site.store.asked(), []);
}

#[tokio::test]
async fn nothing_that_is_printed_shows_the_token_or_a_value() {
    let (site, mut browser) = (Site::new(), Browser::new());
    let page = async |session: Session| {
        session.login("ada").await?;
        session.set("secret", "the value").await?;
        Ok(200)
    };
    browser.visit(&site.layer, page).await;
    site.store.asked();
    let page = async |session: Session| {
        let fingerprint = session.fingerprint().unwrap();
        assert_eq!(site.store.asked(), [], "to know its fingerprint is to ask nobody");
        session.subject().await?;
        let shown = format!("{session:?} {:?} {fingerprint}", site.layer);
        let cookie = browser.cookie.clone().unwrap();
        let token = cookie.split('=').nth(1).unwrap().to_owned();
        assert!(shown.contains(&fingerprint), "{shown}");
        for end in [&token[..12], &token[34..], "the value"] {
            assert!(!shown.contains(end), "{shown}");
        }
        Ok(200)
    };
    browser.clone().visit(&site.layer, page).await;
}

#[derive(Default, Deserialize, Serialize)]
struct Cart {
    items: Vec<u64>,
}

impl SessionValue for Cart {
    const NAME: &'static str = "cart";
}

#[tokio::test]
async fn typed_data_is_a_value_of_its_own() {
    let (site, mut browser) = (Site::new(), Browser::new());
    for item in 0..3 {
        let page = async |session: Session| {
            let mut cart = SessionData::<Cart>::of(&session).await?;
            assert_eq!(cart.items.len() as u64, item);
            cart.update(|cart| cart.items.push(item)).await?;
            assert_eq!(cart.items.last(), Some(&item));
            Ok(200)
        };
        assert_eq!(browser.visit(&site.layer, page).await.status(), 200);
    }
}
