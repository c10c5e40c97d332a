use std::time::Duration;

use terrace_session::{Outage, OutageLayer, Session, SessionError};
use tower::{Layer, ServiceExt};

use crate::basics::subject;
use crate::support::{Browser, Fault, Op, Site, Visit};

async fn logged_in(site: &Site) -> Browser {
    let mut browser = Browser::new();
    browser.visit(&site.layer, async |session| session.login("ada").await.map(|()| 200)).await;
    browser
}

const AWAY: [fn() -> Fault; 3] = [|| Fault::Refuse, || Fault::LoseRequest, || Fault::Hang];

/// A visit while the store is away in one way, and one after it is back.
async fn while_away<F, Fut>(outage: Outage, away: Fault, page: F) -> Visit
where
    F: FnOnce(Session) -> Fut,
    Fut: Future<Output = Result<u16, SessionError>>,
{
    let site = Site::with(|builder| builder.outage(outage));
    let mut browser = logged_in(&site).await;
    site.store.always(away);
    let visit = browser.visit(&site.layer, page).await;
    assert_eq!(visit.set_cookie(), None, "an outage says nothing about a cookie");
    site.store.always(None);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(subject(&site, &mut browser).await.as_deref(), Some("ada"));
    visit
}

#[tokio::test(start_paused = true)]
async fn fail_closed_whatever_the_handler_makes_of_it() {
    for away in AWAY {
        let visit = while_away(Outage::FailClosed, away(), async |session| {
            assert!(session.subject().await.is_err());
            assert!(session.get::<u64>("n").await.is_err());
            Ok(200)
        });
        let visit = visit.await;
        assert_eq!(visit.status(), 503);
        assert_eq!(visit.response.headers()["retry-after"], "1");
        assert!(visit.error().is_some());
        assert_eq!(visit.response.body(), "");
    }
}

#[tokio::test(start_paused = true)]
async fn fail_closed_leaves_the_handler_s_own_error_alone() {
    let page = async |session: Session| session.subject().await.map_or(Ok(502), |_| Ok(200));
    let visit = while_away(Outage::FailClosed, Fault::Refuse, page).await;
    assert_eq!((visit.status(), visit.response.body().as_str()), (502, "the page"));
}

#[tokio::test(start_paused = true)]
async fn who_does_not_ask_for_the_session_does_not_see_the_outage() {
    let visit = while_away(Outage::FailClosed, Fault::Hang, async |_| Ok(200)).await;
    assert_eq!(visit.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn anonymous_reads_find_nobody_and_changes_are_errors() {
    for away in AWAY {
        let visit = while_away(Outage::Anonymous, away(), async |session| {
            assert_eq!(session.subject().await?, None);
            assert_eq!(session.get::<u64>("n").await?, None);
            assert!(session.set("n", &1).await.is_err());
            assert!(session.login("eve").await.is_err());
            assert!(session.update("n", |_: Option<u64>| 1).await.is_err());
            Ok(200)
        });
        let visit = visit.await;
        assert_eq!((visit.status(), visit.response.body().as_str()), (200, "the page"));
    }
}

#[tokio::test(start_paused = true)]
async fn stale_reads_are_of_a_copy_that_is_young_enough() {
    for away in AWAY {
        let site = Site::with(|builder| builder.outage(Outage::StaleOk(Duration::from_secs(30))));
        let mut browser = logged_in(&site).await;
        let read = async |session: Session| {
            assert_eq!(session.subject().await?.as_deref(), Some("ada"));
            Ok(200)
        };
        assert_eq!(browser.visit(&site.layer, read).await.status(), 200);
        site.store.always(away());
        assert_eq!(browser.visit(&site.layer, read).await.status(), 200);
        let write = async |session: Session| {
            assert!(session.set("n", &1).await.is_err_and(|error| error.status() == 503));
            Ok(200)
        };
        assert_eq!(browser.visit(&site.layer, write).await.status(), 503);
        tokio::time::sleep(Duration::from_secs(31)).await;
        assert_eq!(browser.visit(&site.layer, read).await.status(), 503, "too old");
        assert!(browser.cookie.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn a_copy_does_not_outlive_a_logout_here() {
    let site = Site::with(|builder| builder.outage(Outage::StaleOk(Duration::from_secs(30))));
    let mut browser = logged_in(&site).await;
    let mut other = browser.clone();
    let read = async |session: Session| session.subject().await.map(|_| 200);
    assert_eq!(browser.visit(&site.layer, read).await.status(), 200);
    browser.visit(&site.layer, async |session| session.logout().await.map(|()| 200)).await;
    site.store.always(Fault::Refuse);
    assert_eq!(other.visit(&site.layer, read).await.status(), 503);
}

#[tokio::test(start_paused = true)]
async fn a_route_has_a_policy_of_its_own() {
    let site = Site::new();
    let browser = logged_in(&site).await;
    site.store.always(Fault::Refuse);
    for (outage, status) in [(Outage::Anonymous, 200), (Outage::FailClosed, 503)] {
        let page = tower::service_fn(async |request: http::Request<()>| {
            let session = request.extensions().get::<Session>().unwrap();
            let _ = session.subject().await;
            Ok::<_, std::convert::Infallible>(http::Response::new(String::new()))
        });
        let service = site.layer.layer(OutageLayer::new(outage).layer(page));
        let response = service.oneshot(browser.request()).await.unwrap();
        assert_eq!(response.status(), status, "{outage:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_that_fails_is_not_answered_as_if_it_had_not() {
    let site = Site::new();
    let mut browser = Browser::new();
    site.store.next(Op::Create, Fault::Refuse);
    let page = async |session: Session| {
        let _ = session.login("ada").await;
        Ok(200)
    };
    assert_eq!(browser.visit(&site.layer, page).await.status(), 503);
    site.store.next(Op::Create, Fault::Refuse);
    let page = async |session: Session| {
        assert!(session.login("ada").await.is_err_and(|error| error.is_retry_safe()));
        session.login("ada").await?;
        Ok(200)
    };
    assert_eq!(browser.visit(&site.layer, page).await.status(), 200, "tried again, and done");
    assert_eq!(subject(&site, &mut browser).await.as_deref(), Some("ada"));
}

#[tokio::test(start_paused = true)]
async fn a_logout_that_fails_leaves_the_cookie() {
    let site = Site::new();
    let mut browser = logged_in(&site).await;
    site.store.next(Op::Delete, Fault::Refuse);
    let page = async |session: Session| {
        let _ = session.logout().await;
        Ok(200)
    };
    let visit = browser.visit(&site.layer, page).await;
    assert_eq!((visit.status(), visit.set_cookie()), (503, None));
    assert_eq!(subject(&site, &mut browser).await.as_deref(), Some("ada"));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_lost_logs_nobody_out() {
    for change in [0, 1] {
        let site = Site::new();
        let mut browser = logged_in(&site).await;
        site.store.next(Op::Rotate, Fault::LoseAnswer);
        let page = async |session: Session| {
            match change {
                0 => session.elevate().await?,
                _ => session.login("ada").await?,
            }
            Ok(200)
        };
        let visit = browser.visit(&site.layer, page).await;
        assert_eq!((visit.status(), visit.set_cookie().is_some()), (200, true));
        assert_eq!(subject(&site, &mut browser).await.as_deref(), Some("ada"));
    }
}

/// A replica that is behind, a store that was emptied: the next request may find it again.
#[tokio::test]
async fn a_session_that_is_not_found_keeps_its_cookie() {
    let site = Site::new();
    let mut browser = Browser::new();
    let elsewhere = Site::new();
    browser.visit(&elsewhere.layer, async |session| session.login("ada").await.map(|()| 200)).await;
    let page = async |session: Session| {
        assert_eq!(session.subject().await?, None);
        Ok(200)
    };
    let visit = browser.visit(&site.layer, page).await;
    assert_eq!((visit.status(), visit.set_cookie()), (200, None));
    assert_eq!(subject(&elsewhere, &mut browser).await.as_deref(), Some("ada"));
}

#[tokio::test]
async fn what_is_no_session_is_the_store_s_fault() {
    for outage in [Outage::FailClosed, Outage::Anonymous] {
        let site = Site::with(|builder| builder.outage(outage));
        let mut browser = logged_in(&site).await;
        site.store.next(Op::Load, Fault::Invalid);
        let page = async |session: Session| {
            assert!(matches!(session.subject().await, Err(SessionError::Invalid(_))));
            Ok(200)
        };
        assert_eq!(browser.visit(&site.layer, page).await.status(), 500);
    }
}
