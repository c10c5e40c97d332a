use std::time::Duration;

use terrace_session::record::Device;
use terrace_session::store::{SubjectLimit, WhenFull};
use terrace_session::{Login, Session, SessionError};

use crate::basics::{subject, value};
use crate::support::{Browser, MINUTE, Op, Site};

async fn login(site: &Site, browser: &mut Browser, user: &'static str) -> u16 {
    let page = async |session: Session| session.login(user).await.map(|()| 200);
    browser.visit(&site.layer, page).await.status()
}

async fn logged_in(site: &Site, user: &'static str) -> Browser {
    let mut browser = Browser::new();
    assert_eq!(login(site, &mut browser, user).await, 200);
    site.store.asked();
    browser
}

#[tokio::test]
async fn a_stranger_keeps_their_values_and_not_their_token() {
    let (site, mut browser) = (Site::new(), Browser::new());
    browser.visit(&site.layer, async |session| session.set("cart", &3).await.map(|()| 200)).await;
    // What an attacker has planted, or has seen.
    let mut known = browser.clone();
    login(&site, &mut browser, "ada").await;
    assert_ne!(browser.cookie, known.cookie);
    assert_eq!(value(&site, &mut browser, "cart").await, Some(3));
    assert_eq!(subject(&site, &mut known).await, None);
    assert_eq!(value(&site, &mut known, "cart").await, None, "dead at once");
}

#[tokio::test]
async fn another_user_finds_nothing_of_the_one_before() {
    let site = Site::new();
    let mut browser = logged_in(&site, "ada").await;
    browser.visit(&site.layer, async |session| session.set("cart", &3).await.map(|()| 200)).await;
    let mut before = browser.clone();
    let page = async |session: Session| {
        session.set("set before", &1).await?;
        session.login("eve").await?;
        session.set("set after", &2).await?;
        Ok(200)
    };
    browser.visit(&site.layer, page).await;
    assert_eq!(subject(&site, &mut browser).await.as_deref(), Some("eve"));
    assert_eq!(value(&site, &mut browser, "cart").await, None);
    assert_eq!(value(&site, &mut browser, "set before").await, None);
    assert_eq!(value(&site, &mut browser, "set after").await, Some(2));
    assert_eq!(subject(&site, &mut before).await, None);
}

#[tokio::test]
async fn the_same_user_keeps_their_values_under_a_new_token() {
    let site = Site::new();
    let mut browser = logged_in(&site, "ada").await;
    browser.visit(&site.layer, async |session| session.set("cart", &3).await.map(|()| 200)).await;
    let mut before = browser.clone();
    login(&site, &mut browser, "ada").await;
    assert_eq!(value(&site, &mut browser, "cart").await, Some(3));
    assert_eq!(subject(&site, &mut before).await, None);
    assert_eq!(site.layer.sessions().list("ada").await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_token_that_is_not_found_is_never_used_again() {
    let site = Site::new();
    let mut browser = logged_in(&site, "ada").await;
    let before = browser.cookie.clone();
    site.layer.sessions().revoke("ada").await.unwrap();
    browser.visit(&site.layer, async |session| session.set("n", &3).await.map(|()| 200)).await;
    assert!(browser.cookie.is_some() && browser.cookie != before);
}

#[tokio::test]
async fn any_bit_that_is_wrong_costs_no_question_to_the_store() {
    let site = Site::new();
    let browser = logged_in(&site, "ada").await;
    let cookie = browser.cookie.clone().unwrap();
    let token = cookie.find('=').unwrap() + 1;
    let read = async |session: Session| session.subject().await.map(|_| 200);
    for at in token..cookie.len() {
        for bit in 0..7 {
            let mut bytes = cookie.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            if bytes[at].is_ascii_control() {
                continue;
            }
            let mut forger = Browser { cookie: String::from_utf8(bytes).ok() };
            assert_eq!(forger.visit(&site.layer, read).await.status(), 200);
            assert_eq!(site.store.asked(), [], "byte {at}, bit {bit}");
        }
    }
    browser.clone().visit(&site.layer, read).await;
    assert_eq!(site.store.asked(), [Op::Load], "control: as it was");
}

#[tokio::test]
async fn of_two_sessions_in_one_request_neither_is_taken() {
    let site = Site::new();
    let (ada, eve) = (logged_in(&site, "ada").await, logged_in(&site, "eve").await);
    let both = format!("{}; {}", ada.cookie.clone().unwrap(), eve.cookie.unwrap());
    let mut tossed = Browser { cookie: Some(both) };
    assert_eq!(subject(&site, &mut tossed).await, None);
    assert_eq!(site.store.asked(), []);
    let twice = format!("{0}; other=1; {0}", ada.cookie.unwrap());
    let mut twice = Browser { cookie: Some(twice) };
    assert_eq!(subject(&site, &mut twice).await.as_deref(), Some("ada"), "one and the same");
}

#[tokio::test]
async fn proof_grows_old_and_is_renewed() {
    let site = Site::new();
    let mut browser = logged_in(&site, "ada").await;
    let mut before = browser.clone();
    site.clock.advance(10 * MINUTE);
    let page = async |session: Session| {
        assert!(session.authenticated_within(10 * MINUTE).await?);
        assert!(!session.authenticated_within(9 * MINUTE).await?);
        session.elevate().await?;
        assert!(session.authenticated_within(Duration::ZERO).await?);
        Ok(200)
    };
    assert_eq!(browser.visit(&site.layer, page).await.status(), 200);
    assert_eq!(subject(&site, &mut browser).await.as_deref(), Some("ada"));
    assert_eq!(subject(&site, &mut before).await, None, "dead at once");
}

#[tokio::test]
async fn nobody_is_not_elevated_and_has_no_devices() {
    let (site, mut browser) = (Site::new(), Browser::new());
    let page = async |session: Session| {
        assert!(matches!(session.elevate().await, Err(SessionError::NotLoggedIn)));
        assert!(matches!(session.devices().await, Err(SessionError::NotLoggedIn)));
        assert!(matches!(session.revoke_others().await, Err(SessionError::NotLoggedIn)));
        session.renew().await?;
        Ok(200)
    };
    let visit = browser.visit(&site.layer, page).await;
    assert_eq!((visit.status(), visit.set_cookie()), (200, None));
}

#[tokio::test]
async fn a_renewed_token_works_and_the_old_one_for_a_while() {
    let site = Site::new();
    let old = logged_in(&site, "ada").await;
    let mut new = old.clone();
    new.visit(&site.layer, async |session| session.renew().await.map(|()| 200)).await;
    assert_ne!(new.cookie, old.cookie);
    assert_eq!(subject(&site, &mut new).await.as_deref(), Some("ada"));
    assert_eq!(subject(&site, &mut old.clone()).await.as_deref(), Some("ada"));
    // A logout by either ends both.
    let visit = old.clone();
    visit.clone().visit(&site.layer, async |session| session.logout().await.map(|()| 200)).await;
    assert_eq!(subject(&site, &mut new).await, None);
}

#[tokio::test]
async fn a_user_sees_their_devices_and_ends_them() {
    let site = Site::new();
    let mut phone = Browser::new();
    let page = async |session: Session| {
        let device = Device::default().label("phone").network("192.0.2.7".parse().unwrap());
        session.login(Login::new("ada").device(device)).await.map(|()| 200)
    };
    phone.visit(&site.layer, page).await;
    let mut desk = logged_in(&site, "ada").await;
    let mut third = logged_in(&site, "ada").await;
    let mut eve = logged_in(&site, "eve").await;
    let page = async |session: Session| {
        let devices = session.devices().await?;
        assert_eq!(devices.len(), 3);
        assert_eq!(devices.iter().filter(|device| device.current).count(), 1);
        let of_phone =
            |of: &&terrace_session::SignedIn| of.device.label.as_deref() == Some("phone");
        let phone = devices.iter().find(of_phone).unwrap();
        assert_eq!(phone.device.network.as_deref(), Some("192.0.2.0/24"));
        let id = phone.id.to_string().parse().unwrap();
        assert!(session.revoke_device(&id).await?);
        assert!(!session.revoke_device(&id).await?, "it is gone");
        Ok(200)
    };
    assert_eq!(desk.visit(&site.layer, page).await.status(), 200);
    assert_eq!(subject(&site, &mut phone).await, None);
    let page = async |session: Session| {
        assert_eq!(session.revoke_others().await?, 1);
        Ok(200)
    };
    assert_eq!(desk.visit(&site.layer, page).await.status(), 200);
    assert_eq!(subject(&site, &mut third).await, None);
    assert_eq!(subject(&site, &mut desk).await.as_deref(), Some("ada"));
    assert_eq!(subject(&site, &mut eve).await.as_deref(), Some("eve"));
}

#[tokio::test]
async fn nobody_ends_another_user_s_session_by_its_name() {
    let site = Site::new();
    let mut ada = logged_in(&site, "ada").await;
    let mut eve = logged_in(&site, "eve").await;
    let key = site.layer.sessions().list("ada").await.unwrap()[0].key;
    let page = async |session: Session| {
        assert!(!session.revoke_device(&terrace_session::DeviceId::of(&key)).await?);
        Ok(200)
    };
    assert_eq!(eve.visit(&site.layer, page).await.status(), 200);
    assert_eq!(subject(&site, &mut ada).await.as_deref(), Some("ada"));
}

#[tokio::test]
async fn ending_the_own_session_by_its_name_is_a_logout() {
    let site = Site::new();
    let mut ada = logged_in(&site, "ada").await;
    let page = async |session: Session| {
        let id = session.devices().await?[0].id;
        assert!(session.revoke_device(&id).await?);
        Ok(200)
    };
    ada.visit(&site.layer, page).await;
    assert_eq!(ada.cookie, None);
}

#[tokio::test]
async fn a_login_that_was_begun_before_a_revocation_is_of_the_past() {
    let (site, mut browser) = (Site::new(), Browser::new());
    let sessions = site.layer.sessions();
    let page = async |session: Session| {
        let epoch = sessions.epoch("ada").await?;
        sessions.revoke("ada").await?;
        let login = session.login(Login::new("ada").epoch(epoch)).await;
        assert!(matches!(login, Err(SessionError::Revoked)));
        Ok(409)
    };
    let visit = browser.visit(&site.layer, page).await;
    assert_eq!((visit.status(), visit.set_cookie()), (409, None));
    assert_eq!(login(&site, &mut browser, "ada").await, 200, "control: without an epoch");
}

#[tokio::test]
async fn a_user_has_as_many_sessions_as_they_may() {
    let limit = |when_full| SubjectLimit { sessions: 1, when_full };
    let site = Site::with(|builder| builder.subject_limit(limit(WhenFull::Reject)));
    let mut first = logged_in(&site, "ada").await;
    assert_eq!(login(&site, &mut Browser::new(), "ada").await, 409);
    assert_eq!(subject(&site, &mut first).await.as_deref(), Some("ada"));
    let site = Site::with(|builder| builder.subject_limit(limit(WhenFull::EvictOldest)));
    let mut first = logged_in(&site, "ada").await;
    assert_eq!(login(&site, &mut Browser::new(), "ada").await, 200);
    assert_eq!(subject(&site, &mut first).await, None);
}

#[tokio::test]
async fn a_session_that_has_ended_meanwhile_is_logged_in_anew() {
    let site = Site::new();
    let mut browser = logged_in(&site, "ada").await;
    let sessions = site.layer.sessions();
    let page = async |session: Session| {
        session.set("n", &1).await?;
        sessions.revoke("ada").await?;
        session.login("ada").await.map(|()| 200)
    };
    assert_eq!(browser.visit(&site.layer, page).await.status(), 200);
    assert_eq!(subject(&site, &mut browser).await.as_deref(), Some("ada"));
    assert_eq!(value(&site, &mut browser, "n").await, None);
}
