//! One request whose handler does several things to its session, one after the other or at once.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use terrace_session::{Outage, Session, SessionError};
use tokio::sync::Notify;
use tower::ServiceExt;

use crate::support::{Browser, Fault, Op, Site, service};
use crate::{is, log_in, logged_in, number, put, who};

async fn with_a_number(site: &Site) -> Browser {
    let mut browser = Browser::new();
    put(&site.layer, &mut browser, "n", 0).await;
    site.store.asked();
    browser
}

#[tokio::test]
async fn setting_back_what_a_lost_answer_may_have_changed_is_a_change() {
    let site = Site::new();
    let mut browser = with_a_number(&site).await;
    site.store.next(Op::Patch, Fault::LoseAnswer);
    let page = async |session: Session| {
        session.set("n", &1).await?;
        assert!(matches!(session.commit().await, Err(SessionError::Unknown(_))));
        session.set("n", &0).await?;
        session.commit().await?;
        Ok(200)
    };
    assert_eq!(browser.visit(&site.layer, page).await.status(), 200);
    assert_eq!(number(&site.layer, &mut browser, "n").await, Some(0));
}

#[tokio::test]
async fn setting_back_what_is_just_being_committed_is_a_change() {
    let site = Site::new();
    let mut browser = with_a_number(&site).await;
    let go = Arc::new(Notify::new());
    site.store.next(Op::Patch, Fault::Wait(Arc::clone(&go)));
    let page = async |session: Session| {
        session.set("n", &1).await?;
        let back = async {
            session.set("n", &0).await.unwrap();
            go.notify_one();
        };
        let (committed, ()) = tokio::join!(biased; session.commit(), back);
        committed.map(|()| 200)
    };
    assert_eq!(browser.visit(&site.layer, page).await.status(), 200);
    assert_eq!(number(&site.layer, &mut browser, "n").await, Some(0));
}

#[tokio::test]
async fn a_value_that_is_set_while_an_update_is_under_way_is_not_lost() {
    let site = Site::new();
    let mut browser = with_a_number(&site).await;
    let go = Arc::new(Notify::new());
    site.store.next(Op::Patch, Fault::Wait(Arc::clone(&go)));
    let page = async |session: Session| {
        let set = async {
            session.set("n", &7).await.unwrap();
            go.notify_one();
        };
        let update = session.update("n", |n: Option<u64>| n.unwrap_or(0) + 1);
        let (updated, ()) = tokio::join!(biased; update, set);
        assert_eq!(updated?, 1);
        assert_eq!(session.get::<u64>("n").await?, Some(7));
        Ok(200)
    };
    assert_eq!(browser.visit(&site.layer, page).await.status(), 200);
    assert_eq!(number(&site.layer, &mut browser, "n").await, Some(7));
}

/// The handler has answered, and something that it started goes on.
#[tokio::test]
async fn what_is_set_while_the_response_is_being_committed_is_kept_or_refused() {
    let site = Site::new();
    let mut browser = with_a_number(&site).await;
    let (go, kept) = (Arc::new(Notify::new()), Mutex::new(None));
    site.store.next(Op::Patch, Fault::Wait(Arc::clone(&go)));
    let page = async |session: Session| {
        *kept.lock().unwrap() = Some(session.clone());
        session.set("a", &1).await.map(|()| 200)
    };
    let late = async {
        let session = kept.lock().unwrap().clone().unwrap();
        let set = session.set_blind("late", &1);
        go.notify_one();
        set
    };
    let mut visitor = browser.clone();
    let (visit, set) = tokio::join!(biased; visitor.visit(&site.layer, page), late);
    assert_eq!(visit.status(), 200);
    let there = number(&site.layer, &mut browser, "late").await.is_some();
    assert_eq!(set.is_ok(), there, "{set:?}");
    assert!(matches!(set, Err(SessionError::Committed)), "{set:?}");
}

#[tokio::test]
async fn a_commit_with_nothing_to_send_makes_nothing_good() {
    let stale = Outage::StaleOk(Duration::from_secs(30));
    let site = Site::with(|builder| builder.outage(stale));
    let mut browser = logged_in(&site, "ada").await;
    assert!(is(&site.layer, &mut browser, "ada").await);
    site.store.always(Fault::Refuse);
    let page = async |session: Session| {
        assert!(session.set("n", &1).await.is_err());
        session.commit().await.map(|()| 200)
    };
    let visit = browser.visit(&site.layer, page).await;
    assert_eq!((visit.status(), visit.set_cookie()), (503, None));
    site.store.always(None);
}

#[tokio::test]
async fn committing_twice_writes_once_and_keeps_all() {
    let site = Site::new();
    let mut browser = with_a_number(&site).await;
    let page = async |session: Session| {
        session.set("n", &1).await?;
        session.commit().await?;
        session.commit().await?;
        assert_eq!(site.store.asked(), [Op::Load, Op::Patch]);
        session.set("m", &2).await?;
        Ok(200)
    };
    assert_eq!(browser.visit(&site.layer, page).await.status(), 200);
    assert_eq!(site.store.asked(), [Op::Patch]);
    assert_eq!(number(&site.layer, &mut browser, "n").await, Some(1));
    assert_eq!(number(&site.layer, &mut browser, "m").await, Some(2));
}

#[tokio::test]
async fn two_commits_at_once_create_one_session() {
    let (site, mut browser) = (Site::new(), Browser::new());
    site.store.always(Fault::Slow);
    let page = async |session: Session| {
        session.set("n", &1).await?;
        let other = session.clone();
        let (one, two) = tokio::join!(session.commit(), other.commit());
        one.and(two).map(|()| 200)
    };
    assert_eq!(browser.visit(&site.layer, page).await.status(), 200);
    assert_eq!(site.store.asked(), [Op::Create]);
    assert_eq!(number(&site.layer, &mut browser, "n").await, Some(1));
}

#[tokio::test]
async fn of_two_logins_in_one_request_the_last_one_counts() {
    for at_once in [false, true] {
        let (site, mut browser) = (Site::new(), Browser::new());
        put(&site.layer, &mut browser, "cart", 1).await;
        let before = browser.clone();
        let page = async |session: Session| {
            match at_once {
                true => {
                    let (ada, eve) =
                        tokio::join!(biased; session.login("ada"), session.login("eve"));
                    ada.and(eve)?;
                }
                false => {
                    session.login("ada").await?;
                    session.login("eve").await?;
                }
            }
            Ok(200)
        };
        assert_eq!(browser.visit(&site.layer, page).await.status(), 200);
        assert!(is(&site.layer, &mut browser, "eve").await);
        assert_eq!(number(&site.layer, &mut browser, "cart").await, None, "it was ada's by then");
        assert_eq!(site.layer.sessions().list("ada").await.unwrap(), []);
        assert_eq!(site.layer.sessions().list("eve").await.unwrap().len(), 1);
        assert_eq!(who(&site.layer, &mut before.clone()).await, None);
    }
}

#[tokio::test]
async fn what_was_set_before_a_logout_is_gone_with_it() {
    let site = Site::new();
    let mut browser = logged_in(&site, "ada").await;
    let before = browser.clone();
    let page = async |session: Session| {
        session.set("n", &1).await?;
        session.set_blind("m", &1)?;
        session.logout().await?;
        assert_eq!(session.get::<u64>("n").await?, None);
        assert_eq!(session.subject().await?, None);
        session.logout().await?;
        Ok(200)
    };
    let visit = browser.visit(&site.layer, page).await;
    assert!(visit.set_cookie().unwrap().contains("Max-Age=0"));
    assert_eq!(site.store.asked(), [Op::Load, Op::Delete], "and nothing is created for it");
    assert_eq!(number(&site.layer, &mut before.clone(), "n").await, None);
}

#[tokio::test]
async fn a_login_after_a_logout_is_a_new_session_and_its_cookie_is_sent() {
    let site = Site::new();
    let mut browser = logged_in(&site, "ada").await;
    put(&site.layer, &mut browser, "n", 1).await;
    let before = browser.clone();
    let page = async |session: Session| {
        session.logout().await?;
        session.login("ada").await.map(|()| 200)
    };
    browser.visit(&site.layer, page).await;
    assert!(is(&site.layer, &mut browser, "ada").await);
    assert_eq!(number(&site.layer, &mut browser, "n").await, None);
    assert_eq!(who(&site.layer, &mut before.clone()).await, None);
}

/// Many tasks of one handler, which share its session and the machine's cores.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_that_share_a_session_lose_nothing_of_each_other() {
    const TASKS: u64 = 32;
    let site = Site::new();
    let mut browser = with_a_number(&site).await;
    let page = async |session: Session| {
        let task = |number: u64| {
            let session = session.clone();
            async move {
                session.set(&format!("of {number}"), &number).await?;
                session.update("n", |n: Option<u64>| n.unwrap_or(0) + 1).await?;
                session.set_blind(&format!("blind {number}"), &number)?;
                session.commit().await
            }
        };
        let tasks: Vec<_> = (0..TASKS).map(|number| tokio::spawn(task(number))).collect();
        for task in tasks {
            task.await.unwrap()?;
        }
        Ok(200)
    };
    assert_eq!(browser.visit(&site.layer, page).await.status(), 200);
    let loads = site.store.asked().iter().filter(|op| **op == Op::Load).count();
    assert_eq!(loads, 1, "the first one loads for all");
    assert_eq!(number(&site.layer, &mut browser, "n").await, Some(TASKS));
    for of in 0..TASKS {
        for name in [format!("of {of}"), format!("blind {of}")] {
            assert_eq!(number(&site.layer, &mut browser, &name).await, Some(of), "{name}");
        }
    }
}

/// The session has moved, whatever becomes of the rest: without the cookie its user would be out.
#[tokio::test]
async fn a_login_whose_values_cannot_be_written_has_its_cookie_all_the_same() {
    for fault in [Fault::Refuse, Fault::LoseRequest, Fault::LoseAnswer, Fault::Invalid] {
        let (site, mut browser) = (Site::new(), Browser::new());
        put(&site.layer, &mut browser, "cart", 1).await;
        site.store.next(Op::Patch, fault.clone());
        let page = async |session: Session| {
            session.login("ada").await?;
            session.set("n", &1).await.map(|()| 200)
        };
        let visit = browser.visit(&site.layer, page).await;
        let status = if matches!(fault, Fault::Invalid) { 500 } else { 503 };
        assert_eq!((visit.status(), visit.set_cookie().is_some()), (status, true), "{fault:?}");
        assert!(is(&site.layer, &mut browser, "ada").await, "{fault:?}");
        assert_eq!(number(&site.layer, &mut browser, "cart").await, Some(1));
    }
}

/// A task that outlives its request, whose browser has hung up. Nobody would get the new cookie, and the old one would be dead.
#[tokio::test]
async fn a_login_that_begins_after_its_request_was_dropped_is_refused() {
    for dropped in [true, false] {
        let (site, mut browser) = (Site::new(), Browser::new());
        put(&site.layer, &mut browser, "cart", 1).await;
        let kept = Mutex::new(None);
        let page = async |session: Session| {
            *kept.lock().unwrap() = Some(session);
            std::future::pending().await
        };
        let request = Box::pin(service(&site.layer, page).oneshot(browser.request()));
        let (request, _) = match futures_util::future::select(request, std::future::ready(())).await
        {
            futures_util::future::Either::Right(((), request)) => (request, ()),
            futures_util::future::Either::Left(_) => panic!("it never answers"),
        };
        let request = (!dropped).then_some(request);
        let session = kept.lock().unwrap().take().unwrap();
        let login = session.login("ada").await;
        assert_eq!(matches!(login, Err(SessionError::Committed)), dropped, "{login:?}");
        let cart = number(&site.layer, &mut browser, "cart").await;
        assert_eq!(cart.is_some(), dropped, "control: while it is there, it may log in");
        drop(request);
    }
}

/// A service that fails has no response, and nobody takes its changes.
#[tokio::test]
async fn an_error_of_the_service_keeps_no_values_and_ends_nothing() {
    use tower::{Layer, service_fn};
    let site = Site::new();
    let mut browser = logged_in(&site, "ada").await;
    let broken = service_fn(async |request: http::Request<()>| {
        let session = request.extensions().get::<Session>().unwrap();
        session.set("n", &1).await.unwrap();
        Err::<http::Response<String>, _>("broken")
    });
    let response = site.layer.layer(broken).oneshot(browser.request()).await;
    assert_eq!(response.unwrap_err(), "broken");
    assert_eq!(number(&site.layer, &mut browser, "n").await, None);
    assert!(is(&site.layer, &mut browser, "ada").await);
}

#[tokio::test]
async fn a_handler_that_never_touches_its_session_costs_and_says_nothing() {
    let site = Site::new();
    let mut browser = Browser::new();
    log_in(&site, &mut browser, "ada").await;
    for status in [200, 204, 301, 404, 500] {
        let visit = browser.visit(&site.layer, async |_| Ok(status)).await;
        assert!(visit.response.headers().is_empty(), "{:?}", visit.response.headers());
    }
    assert_eq!(site.store.asked(), []);
}
