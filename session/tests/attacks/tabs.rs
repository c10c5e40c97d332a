//! Several requests at once, of one browser or of several devices.

use std::sync::Arc;

use terrace_session::{Expiry, Outage, Session, SessionError};
use tokio::sync::{Barrier, Notify};

use crate::support::{Browser, Fault, MINUTE, Op, Site};
use crate::{is, logged_in, number, put, who};

/// Two tabs of one stranger log in as different users at once. Either may win the browser's cookie; nobody gets both names, and
/// the stranger's values go to one of them.
#[tokio::test]
async fn two_tabs_that_log_in_as_different_users_are_two_sessions() {
    let site = Site::new();
    let mut browser = Browser::new();
    put(&site.layer, &mut browser, "cart", 3).await;
    let barrier = Barrier::new(2);
    let tab = |user: &'static str| {
        let (mut tab, barrier, site) = (browser.clone(), &barrier, &site);
        async move {
            let page = async |session: Session| {
                session.get::<u64>("cart").await?;
                barrier.wait().await;
                session.login(user).await?;
                session.set("mine", &user).await?;
                Ok(200)
            };
            assert_eq!(tab.visit(&site.layer, page).await.status(), 200);
            tab
        }
    };
    let (mut ada, mut eve) = tokio::join!(tab("ada"), tab("eve"));
    assert_ne!(ada.cookie, eve.cookie);
    assert!(is(&site.layer, &mut ada, "ada").await && is(&site.layer, &mut eve, "eve").await);
    let carts =
        [number(&site.layer, &mut ada, "cart").await, number(&site.layer, &mut eve, "cart").await];
    assert_eq!(carts.iter().flatten().count(), 1, "{carts:?}");
    for user in ["ada", "eve"] {
        assert_eq!(site.layer.sessions().list(user).await.unwrap().len(), 1, "{user}");
    }
    assert_eq!(who(&site.layer, &mut browser).await, None, "the stranger is no more");
}

/// A user ends their other devices while one of these is in the middle of a request.
#[tokio::test]
async fn a_device_that_writes_while_it_is_revoked_writes_nothing_and_stays_out() {
    for writes in ["set", "blind", "update", "elevate", "renew"] {
        let site = Site::new();
        let (mut phone, mut desk) = (logged_in(&site, "ada").await, logged_in(&site, "ada").await);
        let lost = phone.clone();
        let page = async |session: Session| {
            session.subject().await?;
            let revoke = async |session: Session| {
                assert_eq!(session.revoke_others().await?, 1);
                Ok(200)
            };
            assert_eq!(desk.visit(&site.layer, revoke).await.status(), 200);
            let done = match writes {
                "set" => session.set("n", &1).await,
                "blind" => session.set_blind("n", &1),
                "update" => session.update("n", |_: Option<u64>| 1).await.map(drop),
                "elevate" => session.elevate().await,
                _ => session.renew().await,
            };
            assert!(matches!(done, Ok(()) | Err(SessionError::Gone)), "{writes}: {done:?}");
            Ok(200)
        };
        let visit = phone.visit(&site.layer, page).await;
        assert_eq!((visit.status(), visit.set_cookie()), (200, None), "{writes}");
        assert_eq!(who(&site.layer, &mut lost.clone()).await, None, "{writes}");
        assert_eq!(site.layer.sessions().list("ada").await.unwrap().len(), 1);
        assert!(is(&site.layer, &mut desk, "ada").await);
    }
}

/// A login that is on its way while all of the user's sessions are ended, and knows from when its proof is.
#[tokio::test]
async fn a_login_in_flight_does_not_outlive_a_revocation() {
    let site = Site::new();
    let (sessions, go) = (site.layer.sessions(), Arc::new(Notify::new()));
    let mut browser = Browser::new();
    put(&site.layer, &mut browser, "n", 1).await;
    site.store.next(Op::Rotate, Fault::Wait(Arc::clone(&go)));
    let page = async |session: Session| {
        let login = terrace_session::Login::new("ada").epoch(sessions.epoch("ada").await?);
        session.login(login).await.map(|()| 200)
    };
    let revoke = async {
        tokio::task::yield_now().await;
        sessions.revoke("ada").await.unwrap();
        go.notify_one();
    };
    let (visit, ()) = tokio::join!(biased; browser.visit(&site.layer, page), revoke);
    assert_eq!((visit.status(), visit.set_cookie()), (409, None));
    assert_eq!(sessions.list("ada").await.unwrap(), []);
    assert_eq!(number(&site.layer, &mut browser, "n").await, Some(1), "the stranger is as before");
}

/// Four requests of one page, each of which finds the id old.
#[tokio::test]
async fn requests_that_renew_at_once_all_keep_their_values_and_one_sends_a_cookie() {
    let site = Site::with(|builder| builder.expiry(Expiry::default().renewal(5 * MINUTE)));
    let browser = logged_in(&site, "ada").await;
    site.clock.advance(5 * MINUTE);
    let barrier = Barrier::new(4);
    let request = |name: &'static str| {
        let (mut tab, barrier, site) = (browser.clone(), &barrier, &site);
        async move {
            let page = async |session: Session| {
                session.subject().await?;
                barrier.wait().await;
                session.set(name, &1).await.map(|()| 200)
            };
            let visit = tab.visit(&site.layer, page).await;
            assert_eq!(visit.status(), 200);
            visit.set_cookie().is_some().then_some(tab)
        }
    };
    let tabs = tokio::join!(request("a"), request("b"), request("c"), request("d"));
    let mut sent: Vec<_> = [tabs.0, tabs.1, tabs.2, tabs.3].into_iter().flatten().collect();
    assert_eq!(sent.len(), 1, "two would be a guess for the browser");
    let new = &mut sent[0];
    for name in ["a", "b", "c", "d"] {
        assert_eq!(number(&site.layer, new, name).await, Some(1), "{name}");
    }
}

/// A renewal in one request, a logout in another: whichever is first, nobody is logged in afterwards.
#[tokio::test]
async fn a_logout_beside_a_renewal_is_a_logout() {
    for logout_first in [false, true] {
        let site = Site::with(|builder| builder.expiry(Expiry::default().renewal(5 * MINUTE)));
        let browser = logged_in(&site, "ada").await;
        site.clock.advance(5 * MINUTE);
        let go = Arc::new(Notify::new());
        let waits = if logout_first { Op::Rotate } else { Op::Delete };
        site.store.next(waits, Fault::Wait(Arc::clone(&go)));
        let (mut renews, mut leaves) = (browser.clone(), browser.clone());
        let renew = async {
            let page = async |session: Session| session.subject().await.map(|_| 200);
            renews.visit(&site.layer, page).await;
            go.notify_one();
        };
        let leave = async {
            let page = async |session: Session| session.logout().await.map(|()| 200);
            leaves.visit(&site.layer, page).await;
            go.notify_one();
        };
        tokio::join!(renew, leave);
        for mut known in [browser.clone(), renews] {
            assert_eq!(who(&site.layer, &mut known).await, None, "logout first: {logout_first}");
        }
        assert_eq!(site.layer.sessions().list("ada").await.unwrap(), []);
    }
}

/// A load whose answer is on its way while its session ends, with a process that answers from copies when the store is away.
#[tokio::test(start_paused = true)]
async fn a_load_that_is_overtaken_by_a_logout_leaves_no_copy() {
    for ends in ["nothing", "a logout", "a revocation"] {
        for later in 0..16 {
            let site = Site::with(|builder| builder.outage(Outage::StaleOk(MINUTE)));
            let browser = logged_in(&site, "ada").await;
            site.store.next(Op::Load, Fault::Slow);
            let (mut reads, mut leaves) = (browser.clone(), browser.clone());
            let leave = async {
                for _ in 0..later {
                    tokio::task::yield_now().await;
                }
                let logout = async |session: Session| session.logout().await.map(|()| 200);
                match ends {
                    "a logout" => drop(leaves.visit(&site.layer, logout).await),
                    "a revocation" => drop(site.layer.sessions().revoke("ada").await.unwrap()),
                    _ => {}
                }
            };
            tokio::join!(biased; who(&site.layer, &mut reads), leave);
            site.store.always(Fault::Refuse);
            let read = async |session: Session| session.subject().await.map(|_| 200);
            let status = browser.clone().visit(&site.layer, read).await.status();
            let control = if ends == "nothing" { 200 } else { 503 };
            assert_eq!(status, control, "{ends}, {later} later");
        }
    }
}
