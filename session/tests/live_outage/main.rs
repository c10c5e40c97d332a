//! Real stores that go away under a whole layer, with each outage policy: what visitors are told, that nobody loses a cookie, and
//! that everybody is still logged in when the store is back.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod policies;
mod postgres;
mod redis;
#[allow(dead_code, unused_imports, reason = "others need more of it")]
#[path = "../session/support/mod.rs"]
mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use terrace_session::{Keys, Outage, Session, SessionLayer, Store};
use tokio::time::{Instant, sleep};

use crate::policies::{Policy, observe};
use crate::support::{Browser, Visit};

/// Longer than anything takes on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// Processes that share a store, one for each policy. Each has a circuit and copies of its own.
pub(crate) struct Processes(Vec<(Policy, SessionLayer)>);

impl Processes {
    pub(crate) fn on(store: impl Store) -> Self {
        let store = Arc::new(store);
        let layer = |policy: Policy| {
            let keys = Keys::new(1, &[7; 32]).unwrap();
            let builder = SessionLayer::builder(Arc::clone(&store), keys).outage(policy.outage());
            (policy, builder.build().unwrap())
        };
        Self(Policy::ALL.into_iter().map(layer).collect())
    }

    pub(crate) fn layer(&self, policy: Policy) -> &SessionLayer {
        self.0.iter().find(|(of, _)| *of == policy).map(|(_, layer)| layer).unwrap()
    }

    /// Somebody who is logged in, and was seen by each process.
    pub(crate) async fn visitor(&self) -> Browser {
        let mut browser = Browser::new();
        let login = async |session: Session| session.login("ada").await.map(|()| 200);
        until("a login", async || {
            browser = Browser::new();
            browser.visit(self.layer(Policy::FailClosed), login).await.status() == 200
        })
        .await;
        self.know(&browser).await;
        browser
    }

    /// Waits until each process knows the visitor by this cookie, which is not touched meanwhile.
    pub(crate) async fn know(&self, browser: &Browser) {
        for (policy, layer) in &self.0 {
            until("a visitor who is known", async || {
                let (visit, who) = who(layer, browser).await;
                assert_eq!(visit.set_cookie(), None, "{policy:?}");
                who.as_deref() == Some("ada")
            })
            .await;
        }
    }

    /// What each process does while the store is away is what its policy says, and what no other one does.
    ///
    /// What a frozen server was sent it may do when it thaws: `spare` is a session for that.
    pub(crate) async fn keep_their_policies(
        &self,
        fault: &str,
        browser: &Browser,
        spare: &Browser,
    ) {
        for (policy, layer) in &self.0 {
            let seen = observe(layer, browser, spare).await;
            assert_eq!(policy.fails(&seen), None, "{fault}, {policy:?}: {seen:?}");
            for other in Policy::ALL {
                let told_apart = other.fails(&seen).is_some();
                assert_eq!(
                    told_apart,
                    !policy.looks_like(other),
                    "control: {policy:?} as {other:?}"
                );
            }
        }
    }
}

/// Who a visitor is to a process, if that can be told.
pub(crate) async fn who(layer: &SessionLayer, browser: &Browser) -> (Visit, Option<Arc<str>>) {
    let seen = Mutex::new(None);
    let page = async |session: Session| {
        *seen.lock().unwrap() = session.subject().await?;
        Ok(200)
    };
    let visit = browser.clone().visit(layer, page).await;
    (visit, seen.into_inner().unwrap())
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut is: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !is().await {
        assert!(Instant::now() < deadline, "waited too long for {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Many requests of somebody who is logged in, one after the other, take less than half of what each would wait by itself.
pub(crate) async fn nobody_waits_for_long(layer: &SessionLayer, browser: &Browser) {
    const VISITS: u32 = 60;
    let (limit, began) = (Duration::from_millis(250), Instant::now());
    for _ in 0..VISITS {
        let asked = Instant::now();
        let (visit, _) = who(layer, browser).await;
        assert_eq!(visit.status(), 503);
        let waited = Instant::now().saturating_duration_since(asked);
        // The limit, and what a busy machine adds.
        assert!(waited < limit * 8, "one waited {waited:?}");
    }
    let took = Instant::now().saturating_duration_since(began);
    assert!(took < limit * VISITS / 2, "{VISITS} requests waited {took:?}");
}

pub(crate) const YOUNG: Outage = Outage::StaleOk(SOON.saturating_mul(20));
/// Nothing is this young once a server has been stopped.
pub(crate) const OLD: Outage = Outage::StaleOk(Duration::from_nanos(1));
