use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use terrace_session::{Session, SessionError};
use tokio::sync::Notify;

use crate::basics::value;
use crate::support::{Browser, Fault, Op, Site};

const TASKS: u64 = 8;
const EACH: u64 = 25;

/// Many requests at once, each of which adds one to a number, and is sent again if it is told that it may be.
async fn many<F, Fut>(site: &Arc<Site>, browser: &Browser, add: F)
where
    F: Fn(Session) -> Fut + Copy + Send + Sync + 'static,
    Fut: Future<Output = Result<u16, SessionError>> + Send,
{
    let task = |_| {
        let (site, mut browser) = (Arc::clone(site), browser.clone());
        tokio::spawn(async move {
            for _ in 0..EACH {
                while browser.visit(&site.layer, add).await.status() == 409 {}
            }
        })
    };
    for task in (0..TASKS).map(task).collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

async fn with_a_session() -> (Arc<Site>, Browser) {
    let (site, mut browser) = (Arc::new(Site::new()), Browser::new());
    browser.visit(&site.layer, async |session| session.set("n", &0).await.map(|()| 200)).await;
    (site, browser)
}

#[tokio::test(start_paused = true)]
async fn no_update_of_many_at_once_is_lost() {
    let (site, mut browser) = with_a_session().await;
    site.store.always(Fault::Slow);
    many(&site, &browser, async |session| {
        session.update("n", |n: Option<u64>| n.unwrap_or(0) + 1).await.map(|_| 200)
    })
    .await;
    assert_eq!(value(&site, &mut browser, "n").await, Some(TASKS * EACH));
}

#[tokio::test(start_paused = true)]
async fn control_reading_and_setting_loses_some() {
    let (site, mut browser) = with_a_session().await;
    site.store.always(Fault::Slow);
    many(&site, &browser, async |session| {
        let n: u64 = session.get("n").await?.unwrap_or(0);
        session.set("n", &(n + 1)).await.map(|()| 200)
    })
    .await;
    assert!(value(&site, &mut browser, "n").await < Some(TASKS * EACH));
}

#[tokio::test]
async fn an_update_starts_from_what_the_request_has_set() {
    let (site, mut browser) = (Site::new(), Browser::new());
    let add = async |session: &Session| session.update("n", |n| n.unwrap_or(0) + 1u64).await;
    let page = async |session: Session| {
        session.set("n", &5).await?;
        session.set("other", &7).await?;
        assert_eq!(add(&session).await?, 6, "a session is created");
        session.set("n", &10).await?;
        assert_eq!(add(&session).await?, 11);
        assert_eq!(session.get::<u64>("n").await?, Some(11));
        Ok(200)
    };
    assert_eq!(browser.visit(&site.layer, page).await.status(), 200);
    assert_eq!(value(&site, &mut browser, "n").await, Some(11));
    assert_eq!(value(&site, &mut browser, "other").await, Some(7));
}

#[tokio::test]
async fn an_update_is_kept_whatever_the_answer_is() {
    let (site, mut browser) = with_a_session().await;
    let page = async |session: Session| {
        session.update("n", |n: Option<u64>| n.unwrap_or(0) + 1).await?;
        Ok(500)
    };
    browser.visit(&site.layer, page).await;
    assert_eq!(value(&site, &mut browser, "n").await, Some(1));
}

#[tokio::test(start_paused = true)]
async fn who_is_never_the_fastest_is_told_after_four_tries() {
    let (site, mut browser) = with_a_session().await;
    let (tries, mut other) = (AtomicU64::new(0), browser.clone());
    let page = async |session: Session| {
        let begun = Arc::new(Notify::new());
        let update = session.update("n", |n: Option<u64>| {
            tries.fetch_add(1, Ordering::SeqCst);
            site.store.next(Op::Patch, Fault::Wait(Arc::clone(&begun)));
            n.unwrap_or(0) + 100
        });
        let others = async {
            for number in 1..=4u64 {
                // Paused time: it goes on when nothing else does.
                while tries.load(Ordering::SeqCst) < number {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                let faster = async |session: Session| {
                    session.set_blind("m", &number)?;
                    Ok(200)
                };
                assert_eq!(other.visit(&site.layer, faster).await.status(), 200);
                begun.notify_one();
            }
        };
        let (updated, ()) = tokio::join!(update, others);
        assert!(matches!(updated, Err(SessionError::Conflict)), "{updated:?}");
        assert!(updated.is_err_and(|error| error.is_retry_safe()));
        Ok(200)
    };
    assert_eq!(browser.visit(&site.layer, page).await.status(), 200);
    assert_eq!(tries.into_inner(), 4);
    assert_eq!(value(&site, &mut browser, "n").await, Some(0));
}

/// The version that a patch of ours leads to is not ours to compare with if somebody else's came between.
#[tokio::test]
async fn an_update_after_a_commit_sees_what_others_did_between() {
    let (site, mut browser) = with_a_session().await;
    let mut other = browser.clone();
    let page = async |session: Session| {
        assert_eq!(session.get::<u64>("n").await?, Some(0));
        let add = async |session: Session| {
            session.update("n", |n: Option<u64>| n.unwrap_or(0) + 1).await.map(|_| 200)
        };
        other.visit(&site.layer, add).await;
        session.set("m", &1).await?;
        session.commit().await?;
        assert_eq!(session.update("n", |n: Option<u64>| n.unwrap_or(0) + 1).await?, 2);
        Ok(200)
    };
    assert_eq!(browser.visit(&site.layer, page).await.status(), 200);
    assert_eq!(value(&site, &mut browser, "n").await, Some(2));
}
