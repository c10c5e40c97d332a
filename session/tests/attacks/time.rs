//! Deadlines to the millisecond, and clocks that go the wrong way.

use std::time::Duration;

use terrace_session::{Expiry, Session, UnixMillis};

use crate::support::{MINUTE, Op, Site};
use crate::{is, logged_in, put, who};

const MS: Duration = Duration::from_millis(1);

#[tokio::test]
async fn an_unused_session_ends_to_the_millisecond() {
    let idle = 30 * MINUTE;
    for (unused, lives) in [(idle - MS, true), (idle, false), (idle + MS, false)] {
        let site = Site::with(|builder| builder.expiry(Expiry::new(idle, 12 * idle)));
        let mut browser = logged_in(&site, "ada").await;
        site.clock.advance(unused);
        assert_eq!(is(&site.layer, &mut browser, "ada").await, lives, "{unused:?}");
        assert!(browser.cookie.is_some(), "not found is no reason to remove a cookie");
    }
}

#[tokio::test]
async fn a_session_in_use_ends_at_its_absolute_deadline_to_the_millisecond() {
    let (idle, absolute) = (10 * MINUTE, 60 * MINUTE);
    for (last, lives) in [(MS, true), (Duration::ZERO, false)] {
        let site = Site::with(|builder| builder.expiry(Expiry::new(idle, absolute)));
        let mut browser = logged_in(&site, "ada").await;
        for _ in 0..11 {
            site.clock.advance(5 * MINUTE);
            assert!(is(&site.layer, &mut browser, "ada").await, "in use");
        }
        site.clock.advance(5 * MINUTE - last);
        assert_eq!(is(&site.layer, &mut browser, "ada").await, lives, "{last:?} before");
    }
}

#[tokio::test]
async fn a_clock_that_goes_back_an_hour_ends_nobody_and_revives_nobody() {
    let site = Site::new();
    let (mut browser, mut gone) = (logged_in(&site, "ada").await, logged_in(&site, "eve").await);
    gone.clone().visit(&site.layer, async |session| session.logout().await.map(|()| 200)).await;
    let now = UnixMillis(1_000_000_000);
    site.clock.set(UnixMillis(now.0 - 60 * 60 * 1000));
    let page = async |session: Session| {
        assert!(session.authenticated_within(MINUTE).await?);
        session.set("n", &1).await?;
        session.subject().await.map(|who| if who.is_some() { 200 } else { 404 })
    };
    let visit = browser.visit(&site.layer, page).await;
    assert_eq!((visit.status(), visit.set_cookie()), (200, None), "a use of the past is none");
    assert_eq!(who(&site.layer, &mut gone).await, None);
    site.clock.set(now);
    site.clock.advance(29 * MINUTE);
    assert!(is(&site.layer, &mut browser, "ada").await, "it ends when it would have");
}

/// So many requests, so many cookies, and so many uses that were noted.
async fn visits(many: u64, every: Duration) -> (usize, usize) {
    let site = Site::new();
    let mut browser = logged_in(&site, "ada").await;
    let (mut cookies, mut noted, mut last) = (0, 0, site.clock_now());
    for _ in 0..many {
        site.clock.advance(every);
        let read = async |session: Session| session.subject().await.map(|_| 200);
        let visit = browser.visit(&site.layer, read).await;
        cookies += usize::from(visit.set_cookie().is_some());
        assert_eq!(site.store.asked(), [Op::Load], "a use is noted on the way");
        let seen = site.layer.sessions().list("ada").await.unwrap()[0].last_seen;
        noted += usize::from(seen != last);
        last = seen;
        site.store.asked();
    }
    (cookies, noted)
}

impl Site {
    fn clock_now(&self) -> UnixMillis {
        terrace_session::Clock::now(&self.clock)
    }
}

#[tokio::test]
async fn ten_thousand_requests_within_an_eighth_of_the_idle_time_are_one_use() {
    // 225 seconds are an eighth of half an hour.
    let (cookies, noted) = visits(10_000, Duration::from_millis(22)).await;
    assert!(cookies <= 1 && noted <= 1, "{cookies} cookies, {noted} uses");
    let (cookies, noted) = visits(16, 225_000 * MS).await;
    assert_eq!((cookies, noted), (16, 16), "control: an eighth apart, each is");
}

#[tokio::test]
async fn a_request_that_changes_nothing_writes_nothing_and_says_nothing() {
    let site = Site::new();
    let mut browser = logged_in(&site, "ada").await;
    put(&site.layer, &mut browser, "n", 1).await;
    site.store.asked();
    for _ in 0..100 {
        let page = async |session: Session| {
            session.set("n", &1).await?;
            session.remove("m").await?;
            session.commit().await?;
            Ok(200)
        };
        let visit = browser.visit(&site.layer, page).await;
        assert_eq!((visit.status(), visit.set_cookie()), (200, None));
        assert_eq!(site.store.asked(), [Op::Load]);
    }
    put(&site.layer, &mut browser, "n", 2).await;
    assert_eq!(site.store.asked(), [Op::Load, Op::Patch], "control");
}
