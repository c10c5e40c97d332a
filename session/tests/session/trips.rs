//! What a request asks the store for, exactly.

use std::time::Duration;

use terrace_session::{Expiry, Session};

use crate::support::{Browser, MINUTE, Op, Site};

async fn logged_in(site: &Site) -> Browser {
    let mut browser = Browser::new();
    let page = async |session: Session| {
        session.login("ada").await?;
        session.set("n", &1).await?;
        Ok(200)
    };
    browser.visit(&site.layer, page).await;
    site.store.asked();
    browser
}

macro_rules! asks {
    ($($name:ident: $before:expr, $page:expr => $asked:expr;)+) => {$(
        #[tokio::test]
        async fn $name() {
            let site = Site::new();
            let mut browser = logged_in(&site).await;
            #[allow(clippy::redundant_closure_call)]
            $before(&site, &mut browser);
            let visit = browser.visit(&site.layer, $page).await;
            assert_eq!(visit.status(), 200);
            assert_eq!(site.store.asked(), $asked);
        }
    )+};
}

const NOTHING: [Op; 0] = [];
fn as_it_is(_: &Site, _: &mut Browser) {}
fn stranger(_: &Site, browser: &mut Browser) {
    browser.cookie = None;
}
fn later(site: &Site, _: &mut Browser) {
    site.clock.advance(10 * MINUTE);
}

asks! {
    an_untouched_session_asks_for_nothing: as_it_is, async |_| Ok(200) => NOTHING;
    a_read_asks_once: as_it_is, async |session: Session| {
        session.get::<u64>("n").await?;
        session.subject().await?;
        session.get::<u64>("m").await?;
        Ok(200)
    } => [Op::Load];
    a_read_that_counts_as_use_asks_once: later, async |session: Session| {
        session.get::<u64>("n").await.map(|_| 200)
    } => [Op::Load];
    a_stranger_s_read_asks_for_nothing: stranger, async |session: Session| {
        session.get::<u64>("n").await.map(|_| 200)
    } => NOTHING;
    a_read_and_a_write_ask_twice: as_it_is, async |session: Session| {
        let n: u64 = session.get("n").await?.unwrap_or(0);
        session.set("n", &(n + 1)).await?;
        session.set("m", &1).await?;
        Ok(200)
    } => [Op::Load, Op::Patch];
    writing_what_is_there_is_a_read: as_it_is, async |session: Session| {
        session.set("n", &1).await?;
        session.remove("m").await?;
        Ok(200)
    } => [Op::Load];
    a_blind_write_asks_once: as_it_is, async |session: Session| {
        session.set_blind("n", &2)?;
        session.remove_blind("m")?;
        Ok(200)
    } => [Op::Patch];
    a_stranger_s_first_write_asks_once: stranger, async |session: Session| {
        session.set("n", &2).await.map(|()| 200)
    } => [Op::Create];
    a_stranger_s_removal_asks_for_nothing: stranger, async |session: Session| {
        session.remove("n").await.map(|()| 200)
    } => NOTHING;
    an_update_asks_twice: as_it_is, async |session: Session| {
        session.update("n", |n: Option<u64>| n.unwrap_or(0) + 1).await.map(|_| 200)
    } => [Op::Load, Op::Patch];
    a_login_over_a_session_asks_twice: as_it_is, async |session: Session| {
        session.login("ada").await.map(|()| 200)
    } => [Op::Load, Op::Rotate];
    a_login_without_a_session_asks_once: stranger, async |session: Session| {
        session.login("ada").await.map(|()| 200)
    } => [Op::Create];
    a_logout_asks_once: as_it_is, async |session: Session| {
        session.logout().await.map(|()| 200)
    } => [Op::Delete];
}

#[tokio::test]
async fn a_renewal_takes_the_changes_along() {
    let expiry = Expiry::default().renewal(5 * MINUTE);
    let site = Site::with(|builder| builder.expiry(expiry));
    let mut browser = logged_in(&site).await;
    site.clock.advance(5 * MINUTE);
    let page = async |session: Session| session.set("n", &9).await.map(|()| 200);
    assert!(browser.visit(&site.layer, page).await.set_cookie().is_some());
    assert_eq!(site.store.asked(), [Op::Load, Op::Rotate]);
    assert_eq!(crate::basics::value(&site, &mut browser, "n").await, Some(9));
}

#[tokio::test]
async fn a_use_is_noted_once_in_an_eighth_of_the_idle_time() {
    let site = Site::new();
    let mut browser = logged_in(&site).await;
    let mut cookies = 0;
    for _ in 0..60 {
        site.clock.advance(Duration::from_secs(15));
        let page = async |session: Session| session.get::<u64>("n").await.map(|_| 200);
        let visit = browser.visit(&site.layer, page).await;
        cookies += usize::from(visit.set_cookie().is_some());
        assert_eq!(site.store.asked(), [Op::Load]);
    }
    assert_eq!(cookies, 4, "15 minutes of uses, of 30 idle ones");
}
