use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, header};
use terrace_session::{Cookie, Expiry, Limits, Session, SessionError};
use tokio::sync::Notify;
use tower::{Layer, ServiceExt, service_fn};

use crate::basics::{subject, value};
use crate::support::{Browser, Fault, MINUTE, Op, Site};

async fn logged_in(site: &Site) -> Browser {
    let mut browser = Browser::new();
    browser.visit(&site.layer, async |session| session.login("ada").await.map(|()| 200)).await;
    site.store.asked();
    browser
}

#[tokio::test]
async fn values_that_were_set_before_a_server_error_are_dropped() {
    let site = Site::new();
    let mut browser = logged_in(&site).await;
    let page = async |session: Session| session.set("n", &1).await.map(|()| 503);
    assert_eq!(browser.visit(&site.layer, page).await.status(), 503);
    assert_eq!(value(&site, &mut browser, "n").await, None);
}

#[tokio::test]
async fn unless_they_are_to_be_kept() {
    let site = Site::with(|builder| builder.commit_on_server_error(true));
    let mut browser = logged_in(&site).await;
    let page = async |session: Session| session.set("n", &1).await.map(|()| 503);
    assert_eq!(browser.visit(&site.layer, page).await.status(), 503);
    assert_eq!(value(&site, &mut browser, "n").await, Some(1));
}

#[tokio::test]
async fn a_login_stays_whatever_the_answer_is() {
    let (site, mut browser) = (Site::new(), Browser::new());
    let page = async |session: Session| session.login("ada").await.map(|()| 500);
    let visit = browser.visit(&site.layer, page).await;
    assert_eq!((visit.status(), visit.set_cookie().is_some()), (500, true));
    assert_eq!(subject(&site, &mut browser).await.as_deref(), Some("ada"));
}

/// A request that is at work while its user logs out, and writes after that.
async fn a_write_that_comes_after_a_logout(site: &Site) -> (Browser, u16, bool, bool) {
    let browser = logged_in(site).await;
    let (mut writer, mut leaver) = (browser.clone(), browser.clone());
    let page = async |session: Session| {
        session.subject().await?;
        leaver.visit(&site.layer, async |session| session.logout().await.map(|()| 200)).await;
        session.set("n", &1).await?;
        Ok(200)
    };
    let visit = writer.visit(&site.layer, page).await;
    let gone = matches!(visit.error(), Some(SessionError::Gone));
    (browser, visit.status(), gone, visit.set_cookie().is_some())
}

#[tokio::test]
async fn a_logout_stays_a_logout() {
    let site = Site::new();
    let (mut browser, status, gone, cookie) = a_write_that_comes_after_a_logout(&site).await;
    assert_eq!((status, gone, cookie), (200, true, false));
    assert_eq!(value(&site, &mut browser, "n").await, None);
}

#[tokio::test]
async fn control_a_store_that_writes_what_is_gone_undoes_a_logout() {
    let site = Site::new();
    site.store.always(Fault::Recreate);
    let (mut browser, _, gone, _) = a_write_that_comes_after_a_logout(&site).await;
    assert!(!gone);
    assert_eq!(value(&site, &mut browser, "n").await, Some(1), "it is back");
}

#[tokio::test]
async fn what_is_set_after_a_logout_is_a_stranger_s() {
    let site = Site::new();
    let mut browser = logged_in(&site).await;
    let before = browser.cookie.clone();
    let page = async |session: Session| {
        session.set("private", &1).await?;
        session.logout().await?;
        session.set("n", &2).await?;
        Ok(200)
    };
    browser.visit(&site.layer, page).await;
    assert!(browser.cookie.is_some() && browser.cookie != before);
    assert_eq!(subject(&site, &mut browser).await, None);
    assert_eq!(value(&site, &mut browser, "private").await, None);
    assert_eq!(value(&site, &mut browser, "n").await, Some(2));
}

#[tokio::test]
async fn what_cannot_be_committed_is_not_promised() {
    let (refused, lost, full) = (503, 503, 507);
    for (fault, status) in [(Fault::Refuse, refused), (Fault::LoseAnswer, lost)] {
        let site = Site::new();
        let mut browser = logged_in(&site).await;
        site.store.next(Op::Patch, fault);
        let page = async |session: Session| session.set("n", &1).await.map(|()| 200);
        let visit = browser.visit(&site.layer, page).await;
        assert_eq!(visit.status(), status);
        assert_eq!(visit.response.headers()[header::RETRY_AFTER], "1");
        assert_eq!(visit.response.body(), "", "the page says that it was done");
        assert_eq!(visit.set_cookie(), None);
    }
    let limits = Limits { values: 1, ..Limits::default() };
    let site = Site::with(|builder| builder.limits(limits));
    let mut browser = logged_in(&site).await;
    let mut other = browser.clone();
    let page = async |session: Session| {
        session.set("n", &1).await?;
        let page = async |session: Session| session.set("m", &1).await.map(|()| 200);
        assert_eq!(other.visit(&site.layer, page).await.status(), 200);
        Ok(200)
    };
    let visit = browser.visit(&site.layer, page).await;
    assert_eq!(visit.status(), full);
    assert!(matches!(visit.error(), Some(SessionError::Full)));
}

#[tokio::test]
async fn what_other_layers_have_said_is_kept() {
    let site = Site::new();
    let browser = logged_in(&site).await;
    site.store.always(Fault::Refuse);
    let page = service_fn(async |request: Request<()>| {
        let session = request.extensions().get::<Session>().unwrap();
        let _ = session.set("n", &1).await;
        let response = Response::builder()
            .header("access-control-allow-origin", "*")
            .header("content-length", "8")
            .header("etag", "\"1\"");
        Ok::<_, std::convert::Infallible>(response.body("the page".to_owned()).unwrap())
    });
    let response = site.layer.layer(page).oneshot(browser.request()).await.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    assert!(!response.headers().contains_key("content-length"));
    assert!(!response.headers().contains_key("etag"));
}

#[tokio::test]
async fn a_response_that_looked_at_a_session_is_for_nobody_else() {
    let site = Site::new();
    let mut browser = logged_in(&site).await;
    let visit = browser.visit(&site.layer, async |_| Ok(200)).await;
    assert!(visit.response.headers().is_empty(), "untouched: {:?}", visit.response.headers());
    let page = async |session: Session| session.subject().await.map(|_| 200);
    let visit = browser.visit(&site.layer, page).await;
    assert_eq!(said_to_caches(&visit.response), ["Cookie", "private", ""]);
    // Whatever the application says: a login, a logout, and a session that has ended.
    let page = async |session: Session| session.logout().await.map(|()| 200);
    let before = browser.clone();
    let visit = browser.visit(&site.layer, page).await;
    assert_eq!(said_to_caches(&visit.response), ["Cookie", "private", ""]);
    let (mut new, mut ended) = (Browser::new(), before);
    let page = async |session: Session| session.login("ada").await.map(|()| 200);
    let visit = new.visit(&site.layer, page).await;
    assert_eq!(said_to_caches(&visit.response), ["Cookie", "private", ""]);
    let page = async |session: Session| session.subject().await.map(|_| 200);
    let visit = ended.visit(&site.layer, page).await;
    assert_eq!(said_to_caches(&visit.response), ["Cookie", "private", ""]);
}

#[tokio::test]
async fn a_page_for_strangers_may_be_shared_if_the_application_says_so() {
    let site = Site::new();
    let page = |sets: bool| {
        service_fn(move |request: Request<()>| async move {
            let session = request.extensions().get::<Session>().unwrap();
            assert_eq!(session.subject().await.unwrap(), None);
            if sets {
                session.set("n", &1).await.unwrap();
            }
            let response = Response::builder()
                .header(header::CACHE_CONTROL, "public, max-age=60")
                .header("cdn-cache-control", "max-age=60");
            Ok::<_, std::convert::Infallible>(response.body("the page".to_owned()).unwrap())
        })
    };
    let shared = ["Cookie", "public, max-age=60", "max-age=60"];
    let forged = Browser { cookie: Some("__Host-id=forged".to_owned()) };
    for stranger in [Browser::new(), forged] {
        let response = site.layer.layer(page(false)).oneshot(stranger.request()).await.unwrap();
        assert_eq!(said_to_caches(&response), shared);
        // The control: once there is something to remember, the page is somebody's.
        let response = site.layer.layer(page(true)).oneshot(stranger.request()).await.unwrap();
        assert_ne!(said_to_caches(&response), shared);
        assert_eq!(said_to_caches(&response)[2], "");
    }
}

/// `Vary`, `Cache-Control`, and the field that CDNs read before that.
fn said_to_caches(response: &Response<String>) -> [&str; 3] {
    [header::VARY.as_str(), header::CACHE_CONTROL.as_str(), "cdn-cache-control"]
        .map(|name| response.headers().get(name).map_or("", |value| value.to_str().unwrap()))
}

#[tokio::test]
async fn the_cookie_lives_as_long_as_the_session_may() {
    let site = Site::with(|builder| builder.expiry(Expiry::new(30 * MINUTE, 45 * MINUTE)));
    let (mut browser, read) =
        (Browser::new(), async |session: Session| session.subject().await.map(|_| 200));
    let page = async |session: Session| session.login("ada").await.map(|()| 200);
    assert_eq!(browser.visit(&site.layer, page).await.max_age(), Some(30 * 60));
    site.clock.advance(MINUTE);
    assert_eq!(browser.visit(&site.layer, read).await.max_age(), None);
    site.clock.advance(10 * MINUTE);
    assert_eq!(browser.visit(&site.layer, read).await.max_age(), Some(30 * 60));
    site.clock.advance(20 * MINUTE);
    assert_eq!(browser.visit(&site.layer, read).await.max_age(), Some(14 * 60), "all that is left");
    site.clock.advance(14 * MINUTE);
    assert_eq!(subject(&site, &mut browser).await, None);
}

#[tokio::test]
async fn a_cookie_of_a_browser_s_session_is_not_sent_again_for_a_use() {
    let site = Site::with(|builder| builder.cookie(Cookie::lax().browser_session()));
    let mut browser = Browser::new();
    browser.visit(&site.layer, async |session| session.login("ada").await.map(|()| 200)).await;
    site.clock.advance(10 * MINUTE);
    let page = async |session: Session| session.subject().await.map(|_| 200);
    assert_eq!(browser.visit(&site.layer, page).await.set_cookie(), None);
}

/// A page that takes long notes a use, and its answer arrives after that of a login. Who is logged in then.
async fn after_a_late_answer(cookie: Cookie) -> Option<String> {
    let expiry = Expiry::new(30 * MINUTE, 60 * MINUTE);
    let site = Site::with(|builder| builder.expiry(expiry).cookie(cookie));
    let mut browser = Browser::new();
    browser.visit(&site.layer, async |session| session.set("n", &1).await.map(|()| 200)).await;
    site.clock.advance(10 * MINUTE);
    let page = async |session: Session| session.get::<u64>("n").await.map(|_| 200);
    let late = browser.clone().visit(&site.layer, page).await;
    browser.visit(&site.layer, async |session| session.login("ada").await.map(|()| 200)).await;
    browser.keep(&late.response);
    subject(&site, &mut browser).await.map(|id| id.to_string())
}

#[tokio::test]
async fn a_cookie_that_is_sent_once_cannot_come_late() {
    assert_eq!(after_a_late_answer(Cookie::lax().sent_once()).await.as_deref(), Some("ada"));
    let browser_session = Cookie::lax().browser_session();
    assert_eq!(after_a_late_answer(browser_session).await.as_deref(), Some("ada"));
    assert_eq!(after_a_late_answer(Cookie::lax()).await, None, "control: one sent with each use");
}

#[tokio::test]
async fn a_cookie_that_is_sent_once_lasts_until_the_session_s_absolute_end() {
    let site = Site::with(|builder| {
        builder.expiry(Expiry::new(30 * MINUTE, 45 * MINUTE)).cookie(Cookie::lax().sent_once())
    });
    let mut browser = Browser::new();
    let page = async |session: Session| session.login("ada").await.map(|()| 200);
    assert_eq!(browser.visit(&site.layer, page).await.max_age(), Some(45 * 60));
    site.clock.advance(31 * MINUTE);
    assert_eq!(subject(&site, &mut browser).await, None, "the store ends it unused all the same");
}

#[tokio::test]
async fn an_id_that_is_old_is_renewed_and_nobody_is_lost_on_the_way() {
    let expiry = Expiry::default().renewal(5 * MINUTE);
    let site = Site::with(|builder| builder.expiry(expiry));
    let old = logged_in(&site).await;
    let read = async |session: Session| session.subject().await.map(|_| 200);
    site.clock.advance(5 * MINUTE);
    // The answer with the new id is lost.
    let visit = old.clone().visit(&site.layer, read).await;
    assert!(visit.set_cookie().is_some());
    site.clock.advance(Duration::from_secs(5));
    let visit = old.clone().visit(&site.layer, read).await;
    assert_eq!(visit.set_cookie(), None, "another request's answer may be on its way");
    site.clock.advance(Duration::from_secs(6));
    let mut new = old.clone();
    let visit = new.visit(&site.layer, read).await;
    assert!(visit.set_cookie().is_some(), "it did not arrive");
    assert_eq!(subject(&site, &mut new).await.as_deref(), Some("ada"));
    // Now that the new one was used, the old one ends.
    assert_eq!(subject(&site, &mut old.clone()).await.as_deref(), Some("ada"));
    site.clock.advance(Duration::from_secs(11));
    assert_eq!(subject(&site, &mut old.clone()).await, None);
    assert_eq!(subject(&site, &mut new).await.as_deref(), Some("ada"));
}

#[tokio::test]
async fn two_requests_renew_an_id_once() {
    let expiry = Expiry::default().renewal(5 * MINUTE);
    let site = Site::with(|builder| builder.expiry(expiry));
    let browser = logged_in(&site).await;
    site.clock.advance(5 * MINUTE);
    let go = Arc::new(Notify::new());
    site.store.next(Op::Rotate, Fault::Wait(Arc::clone(&go)));
    let (mut slow, mut fast) = (browser.clone(), browser.clone());
    let write = |name: &'static str| {
        async move |session: Session| session.set(name, &1).await.map(|()| 200)
    };
    let fast = async {
        let visit = fast.visit(&site.layer, write("fast")).await;
        go.notify_one();
        (visit, fast)
    };
    let (slow, (fast, mut new)) = tokio::join!(slow.visit(&site.layer, write("slow")), fast);
    assert_eq!((slow.status(), slow.set_cookie()), (200, None));
    assert!(fast.set_cookie().is_some());
    for name in ["slow", "fast"] {
        assert_eq!(value(&site, &mut new, name).await, Some(1), "{name}");
    }
}

#[tokio::test]
async fn a_commit_in_between_is_there_for_others_at_once() {
    let site = Site::new();
    let browser = logged_in(&site).await;
    let page = async |session: Session| {
        session.set("n", &1).await?;
        session.commit().await?;
        assert_eq!(value(&site, &mut browser.clone(), "n").await, Some(1));
        site.store.asked();
        session.set("n", &1).await?;
        session.commit().await?;
        assert_eq!(site.store.asked(), [], "it is there");
        Ok(500)
    };
    assert_eq!(browser.clone().visit(&site.layer, page).await.status(), 500);
}
