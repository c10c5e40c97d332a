//! A request that is dropped, at each of its awaits.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use terrace_session::expiry::Touch;
use terrace_session::record::Patch;
use terrace_session::store::{Authentication, Change, Rotation};
use terrace_session::token::SessionKey;
use terrace_session::{Expiry, Limits, Session, Store};
use tower::ServiceExt;

use crate::basics::{subject, value};
use crate::support::{Browser, Fault, Site, keys, service};

/// Polls a future so many times, letting tasks run in between, and drops it. Gives what it came to, if it did.
async fn polled<T>(times: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    for _ in 0..times {
        let mut cx = Context::from_waker(Waker::noop());
        if let Poll::Ready(value) = future.as_mut().poll(&mut cx) {
            return Some(value);
        }
        tokio::task::yield_now().await;
    }
    None
}

async fn settle() {
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
}

async fn with_a_cart(site: &Site) -> Browser {
    let mut browser = Browser::new();
    browser.visit(&site.layer, async |session| session.set("cart", &3).await.map(|()| 200)).await;
    browser
}

#[tokio::test(start_paused = true)]
async fn a_login_that_is_dropped_is_done_or_was_not_begun() {
    let (mut before, mut after) = (0, 0);
    for times in 0.. {
        let site = Site::new();
        let mut browser = with_a_cart(&site).await;
        site.store.always(Fault::Slow);
        let page = async |session: Session| session.login("ada").await.map(|()| 200);
        let done = polled(times, service(&site.layer, page).oneshot(browser.request())).await;
        settle().await;
        site.store.always(None);
        let logged_in = site.layer.sessions().list("ada").await.unwrap().len();
        let old = value(&site, &mut browser, "cart").await.is_some();
        assert!(old != (logged_in == 1), "after {times} polls: old {old}, new {logged_in}");
        before += usize::from(old);
        after += logged_in;
        if let Some(response) = done {
            browser.keep(&response.unwrap());
            assert_eq!(subject(&site, &mut browser).await.as_deref(), Some("ada"));
            break;
        }
    }
    assert!(before > 2 && after > 2, "dropped {before} times before, {after} times after");
}

#[tokio::test(start_paused = true)]
async fn a_logout_that_is_dropped_is_done_or_was_not_begun() {
    for times in 0.. {
        let site = Site::new();
        let browser = with_a_cart(&site).await;
        site.store.always(Fault::Slow);
        let page = async |session: Session| session.logout().await.map(|()| 200);
        let done = polled(times, service(&site.layer, page).oneshot(browser.request())).await;
        settle().await;
        site.store.always(None);
        let there = value(&site, &mut browser.clone(), "cart").await.is_some();
        assert_eq!(there, times == 0, "once begun it is finished");
        if done.is_some() {
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_is_dropped_has_sent_all_or_nothing() {
    for times in 0.. {
        let site = Site::new();
        let browser = with_a_cart(&site).await;
        site.store.always(Fault::Slow);
        let page = async |session: Session| {
            session.set("a", &1).await?;
            session.set("b", &2).await?;
            Ok(200)
        };
        let done = polled(times, service(&site.layer, page).oneshot(browser.request())).await;
        settle().await;
        site.store.always(None);
        let a = value(&site, &mut browser.clone(), "a").await;
        let b = value(&site, &mut browser.clone(), "b").await;
        assert!(matches!((a, b), (None, None) | (Some(1), Some(2))), "{a:?} {b:?}");
        if done.is_some() {
            assert_eq!(b, Some(2));
            break;
        }
    }
}

/// A handler that is given up on after so many polls, as by a timeout, and a response all the same. Says whether the browser
/// still has a session after it.
async fn given_up<F, Fut>(times: usize, site: &Site, login: F) -> bool
where
    F: FnOnce(Session) -> Fut,
    Fut: Future<Output = ()>,
{
    let mut browser = with_a_cart(site).await;
    site.store.always(Fault::Slow);
    let page = async |session: Session| {
        polled(times, login(session)).await;
        Ok(504)
    };
    browser.visit(&site.layer, page).await;
    settle().await;
    site.store.always(None);
    value(site, &mut browser, "cart").await.is_some()
}

const ENOUGH: usize = 40;

#[tokio::test(start_paused = true)]
async fn nobody_loses_their_session_to_a_timeout_in_the_middle_of_a_login() {
    for times in 0..ENOUGH {
        let site = Site::new();
        let login = async |session: Session| session.login("ada").await.unwrap();
        assert!(given_up(times, &site, login).await, "after {times} polls");
    }
}

/// The same by hand, without a task of its own: moved in the store, and dropped before the cookie is set.
#[tokio::test(start_paused = true)]
async fn control_a_rotation_that_ends_with_its_handler_loses_a_session() {
    let mut lost = 0;
    for times in 0..ENOUGH {
        let site = Site::new();
        let cookie = Arc::new(Mutex::new(false));
        let sent = Arc::clone(&cookie);
        let by_hand = async |session: Session| {
            let listed = session.fingerprint().unwrap();
            let old = site.store.created();
            assert!(listed == old.to_string());
            let authentication = Authentication {
                subject: keys().subject("ada"),
                device: Default::default(),
                epoch: None,
                limit: None,
            };
            let rotation = Rotation {
                change: Change::Login { authentication, keep_values: true },
                patch: Patch::default(),
                limits: Limits::default(),
                lifetime: Expiry::default().lifetime(),
            };
            let new = SessionKey::new(keys().subject("ada").tag, [9; 32]);
            site.store.load(&old, Touch::Never).await.unwrap();
            site.store.rotate(&old, &new, &rotation).await.unwrap();
            *sent.lock().unwrap() = true;
        };
        let old_lives = given_up(times, &site, by_hand).await;
        lost += usize::from(!old_lives && !*cookie.lock().unwrap());
    }
    assert!(lost > 0);
}
