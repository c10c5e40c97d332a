//! Requests that are dropped at each of their awaits, on each store that needs no server: what was begun is done or is not, nothing is
//! in between, nothing waits for ever, and the next request works.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use terrace_session::store::{Memory, Sqlite};
use terrace_session::{Expiry, Keys, ManualClock, Session, SessionLayer, Store, UnixMillis};
use tokio::sync::Notify;
use tower::ServiceExt;

use crate::support::{Browser, Fault, MINUTE, Scripted, service};
use crate::{number, who};

/// A store, and what it needs to live.
struct Ground {
    name: &'static str,
    layer: SessionLayer,
    store: Arc<Scripted>,
    clock: ManualClock,
    _directory: Option<tempfile::TempDir>,
}

async fn grounds() -> [Ground; 2] {
    let clock = || ManualClock::at(UnixMillis(1_000_000_000));
    let ground = |name, store: Arc<dyn Store>, clock, directory| {
        let store = Arc::new(Scripted::around(store));
        let keys = Keys::new(1, &[7; 32]).unwrap();
        let layer = SessionLayer::builder(Arc::clone(&store), keys)
            .expiry(Expiry::default().renewal(5 * MINUTE))
            // What is slow here is the machine.
            .store_timeout(Duration::from_secs(60))
            .build()
            .unwrap();
        Ground { name, layer, store, clock, _directory: directory }
    };
    let (of_memory, of_sqlite) = (clock(), clock());
    let memory = Memory::builder().clock(of_memory.clone()).build();
    let directory = tempfile::tempdir().unwrap();
    let sqlite = Sqlite::builder(directory.path().join("sessions")).clock(of_sqlite.clone());
    let sqlite = sqlite.open().await.unwrap();
    [
        ground("memory", Arc::new(memory), of_memory, None),
        ground("SQLite", Arc::new(sqlite), of_sqlite, Some(directory)),
    ]
}

/// Tells that a future wants to be polled again.
struct Woken(Notify);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}

/// Polls a future so many times, each time when it asked for it, and drops it. Gives what it came to, if it did.
async fn polled<T>(times: usize, future: impl Future<Output = T>) -> Option<T> {
    let woken = Arc::new(Woken(Notify::new()));
    let waker = Waker::from(Arc::clone(&woken));
    let mut future = pin!(future);
    for _ in 0..times {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(value);
        }
        woken.0.notified().await;
    }
    None
}

type Page = fn(
    Session,
) -> std::pin::Pin<
    Box<dyn Future<Output = Result<u16, terrace_session::SessionError>> + Send>,
>;

/// A request of a browser with a session, dropped after so many polls. Gives the browser from before, the one after, and whether the
/// request came to its end.
async fn dropped(ground: &Ground, page: Page, times: usize) -> (Browser, Browser, bool) {
    let mut before = Browser::new();
    let begin = async |session: Session| {
        session.login("ada").await?;
        session.set("n", &1).await?;
        session.set("m", &1).await?;
        Ok(200)
    };
    assert_eq!(before.visit(&ground.layer, begin).await.status(), 200);
    ground.clock.advance(5 * MINUTE);
    let (mut after, kept) = (before.clone(), Arc::new(Mutex::new(None)));
    ground.store.always(Fault::Slow);
    let keep = Arc::clone(&kept);
    let visit = service(&ground.layer, move |session: Session| {
        *keep.lock().unwrap() = Some(session.clone());
        page(session)
    });
    let response = polled(times, visit.oneshot(before.request())).await;
    ground.store.always(None);
    let ended = response.is_some();
    if let Some(response) = response {
        after.keep(&response.unwrap());
    }
    let session = kept.lock().unwrap().take();
    if let Some(session) = session {
        // Whoever is still at it has the turn; this waits for it.
        let _ = session.devices().await;
    }
    // A store with a queue has done all of it when it has done the last.
    let _ = ground.layer.sessions().revoke("nobody").await.unwrap();
    (before, after, ended)
}

/// Drops a request after each number of polls, until it comes to its end; looks at what is there each time.
async fn at_each_await(page: Page, look: impl AsyncFn(&Ground, Browser, Browser, bool)) {
    for ground in grounds().await {
        let mut longest = 0;
        for times in 0..500 {
            let (before, after, ended) = dropped(&ground, page, times).await;
            look(&ground, before, after, ended).await;
            longest = times;
            ground.layer.sessions().revoke("ada").await.unwrap();
            ground.layer.sessions().revoke("eve").await.unwrap();
            if ended {
                break;
            }
        }
        assert!((2..499).contains(&longest), "{}: {longest} polls", ground.name);
    }
}

#[tokio::test]
async fn a_login_is_done_or_was_not_begun() {
    let page: Page = |session| Box::pin(async move { session.login("eve").await.map(|()| 200) });
    let outcomes = Mutex::new([0, 0]);
    at_each_await(
        page,
        async |ground: &Ground, mut before: Browser, mut after: Browser, ended: bool| {
            let listed = |user: &'static str| async move {
                ground.layer.sessions().list(user).await.unwrap().len()
            };
            let (ada, eve) = (listed("ada").await, listed("eve").await);
            assert_eq!(ada + eve, 1, "{}: ended {ended}, ada {ada}, eve {eve}", ground.name);
            assert_eq!(
                who(&ground.layer, &mut before).await.is_some(),
                ada == 1,
                "{}",
                ground.name
            );
            if ended {
                assert_eq!(who(&ground.layer, &mut after).await.as_deref(), Some("eve"));
                assert_eq!(number(&ground.layer, &mut after, "n").await, None);
            } else {
                outcomes.lock().unwrap()[eve] += 1;
            }
        },
    )
    .await;
    let [not_begun, done] = outcomes.into_inner().unwrap();
    assert!(
        not_begun > 0 && done > 0,
        "control: dropped {not_begun} times before and {done} after"
    );
}

/// A read of a session whose id is old. The old id works on, whatever became of the answer.
#[tokio::test]
async fn a_renewal_loses_nobody() {
    let page: Page = |session| Box::pin(async move { session.set("n", &2).await.map(|()| 200) });
    at_each_await(
        page,
        async |ground: &Ground, mut before: Browser, mut after: Browser, ended: bool| {
            let n = number(&ground.layer, &mut before.clone(), "n").await;
            assert!(
                n == Some(2) || (n == Some(1) && !ended),
                "{}: ended {ended}, {n:?}",
                ground.name
            );
            assert_eq!(who(&ground.layer, &mut before).await.as_deref(), Some("ada"));
            assert_eq!(who(&ground.layer, &mut after).await.as_deref(), Some("ada"));
            assert_eq!(ground.layer.sessions().list("ada").await.unwrap().len(), 1);
            // And past the time that requests take, when the answer is known to be lost.
            ground.clock.advance(Duration::from_secs(11));
            let mut late = if ended { after } else { before };
            for _ in 0..2 {
                assert_eq!(who(&ground.layer, &mut late).await.as_deref(), Some("ada"));
            }
        },
    )
    .await;
}

#[tokio::test]
async fn an_update_is_done_once_or_not_at_all() {
    let page: Page = |session| {
        Box::pin(async move {
            session.update("n", |n: Option<u64>| n.unwrap_or(0) + 1).await?;
            session.update("n", |n: Option<u64>| n.unwrap_or(0) + 1).await.map(|_| 200)
        })
    };
    at_each_await(page, async |ground: &Ground, mut before: Browser, _: Browser, ended: bool| {
        let n = number(&ground.layer, &mut before, "n").await.unwrap();
        assert!((1..=3).contains(&n) && (!ended || n == 3), "{}: ended {ended}, {n}", ground.name);
    })
    .await;
}

/// Both values of a session, after two requests that were dropped at each await. Gives whether they were ever different.
async fn apart(page: Page) -> bool {
    let apart = Mutex::new(false);
    at_each_await(page, async |ground: &Ground, before: Browser, _: Browser, ended: bool| {
        let n = number(&ground.layer, &mut before.clone(), "n").await;
        let m = number(&ground.layer, &mut before.clone(), "m").await;
        *apart.lock().unwrap() |= n != m;
        assert!(!ended || (n, m) == (Some(3), Some(3)), "{}: {n:?} {m:?}", ground.name);
    })
    .await;
    apart.into_inner().unwrap()
}

#[tokio::test]
async fn a_commit_is_whole_or_not_at_all() {
    let page: Page = |session| {
        Box::pin(async move {
            session.set("n", &2).await?;
            session.set("m", &2).await?;
            session.commit().await?;
            session.set_blind("n", &3)?;
            session.set_blind("m", &3)?;
            Ok(200)
        })
    };
    assert!(!apart(page).await);
}

#[tokio::test]
async fn control_two_commits_are_seen_apart() {
    let page: Page = |session| {
        Box::pin(async move {
            session.set("n", &3).await?;
            session.commit().await?;
            session.set("m", &3).await?;
            Ok(200)
        })
    };
    assert!(apart(page).await);
}

#[tokio::test]
async fn a_logout_is_done_or_was_not_begun() {
    let page: Page = |session| Box::pin(async move { session.logout().await.map(|()| 200) });
    at_each_await(
        page,
        async |ground: &Ground, mut before: Browser, after: Browser, ended: bool| {
            let there = who(&ground.layer, &mut before).await.is_some();
            assert_eq!(
                ground.layer.sessions().list("ada").await.unwrap().len(),
                usize::from(there)
            );
            assert!(!(ended && there), "{}", ground.name);
            assert_eq!(after.cookie.is_none(), ended, "{}", ground.name);
        },
    )
    .await;
}
