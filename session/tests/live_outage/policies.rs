//! What a process does while its store is away, and what each policy says that it does.

use std::sync::Mutex;

use http::header;
use terrace_session::{Outage, Session, SessionError, SessionLayer};

use crate::support::{Browser, Visit};
use crate::{OLD, YOUNG};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    FailClosed,
    Anonymous,
    /// `StaleOk` with a copy that is young enough.
    StaleYoung,
    /// `StaleOk` with a copy that is too old.
    StaleOld,
}

/// What a handler found, that makes 200 of everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Ada,
    Nobody,
    Done,
    Refused,
}

/// A request, and what its visitor was told.
#[derive(Debug)]
pub(crate) struct Seen {
    found: Found,
    status: u16,
    retry_after: Option<String>,
    body: String,
    cookie: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Observed {
    untouched: Seen,
    read: Seen,
    write: Seen,
    update: Seen,
    elevate: Seen,
    login: Seen,
    blind: Seen,
    logout: Seen,
}

impl Seen {
    fn of(visit: &Visit, found: Found) -> Self {
        let headers = visit.response.headers();
        let text = |name| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        Self {
            found,
            status: visit.status(),
            retry_after: text(header::RETRY_AFTER),
            body: visit.response.body().clone(),
            cookie: text(header::SET_COOKIE),
        }
    }

    fn is_page(&self, found: Found) -> bool {
        self.found == found
            && self.status == 200
            && self.body == "the page"
            && self.retry_after.is_none()
    }

    fn is_503(&self, found: Found) -> bool {
        let comes_again = self.retry_after.as_deref() == Some("1");
        self.found == found && self.status == 503 && self.body.is_empty() && comes_again
    }
}

async fn ask<F>(layer: &SessionLayer, browser: &Browser, page: F) -> Seen
where
    F: AsyncFnOnce(Session) -> Found,
{
    let found = Mutex::new(Found::Refused);
    let visit = async |session: Session| {
        let it = page(session).await;
        *found.lock().unwrap() = it;
        Ok(200)
    };
    let visit = browser.clone().visit(layer, visit).await;
    Seen::of(&visit, found.into_inner().unwrap())
}

fn done<T>(result: Result<T, SessionError>) -> Found {
    result.map_or(Found::Refused, |_| Found::Done)
}

/// One request of each kind, whose handlers make nothing of errors. `spare` writes and leaves without a look at what is there.
pub(crate) async fn observe(layer: &SessionLayer, browser: &Browser, spare: &Browser) -> Observed {
    Observed {
        untouched: ask(layer, browser, async |_| Found::Done).await,
        read: ask(layer, browser, async |session: Session| match session.subject().await {
            Ok(Some(_)) => Found::Ada,
            Ok(None) => Found::Nobody,
            Err(_) => Found::Refused,
        })
        .await,
        write: ask(layer, browser, async |session: Session| done(session.set("n", &1).await)).await,
        update: ask(layer, browser, async |session: Session| {
            done(session.update("n", |n: Option<u64>| n.unwrap_or(0) + 1).await)
        })
        .await,
        elevate: ask(layer, browser, async |session: Session| done(session.elevate().await)).await,
        login: ask(layer, browser, async |session: Session| done(session.login("eve").await)).await,
        blind: ask(layer, spare, async |session: Session| done(session.set_blind("n", &1))).await,
        logout: ask(layer, spare, async |session: Session| done(session.logout().await)).await,
    }
}

impl Policy {
    pub(crate) const ALL: [Self; 4] =
        [Self::FailClosed, Self::Anonymous, Self::StaleYoung, Self::StaleOld];

    pub(crate) fn outage(self) -> Outage {
        match self {
            Self::FailClosed => Outage::FailClosed,
            Self::Anonymous => Outage::Anonymous,
            Self::StaleYoung => YOUNG,
            Self::StaleOld => OLD,
        }
    }

    /// A copy that is too old is none.
    pub(crate) fn looks_like(self, other: Self) -> bool {
        let closed = |policy| matches!(policy, Self::FailClosed | Self::StaleOld);
        self == other || (closed(self) && closed(other))
    }

    /// Where what was seen is not what this policy says.
    pub(crate) fn fails(self, seen: &Observed) -> Option<&'static str> {
        let Observed { untouched, read, write, update, elevate, login, blind, logout } = seen;
        let all = [untouched, read, write, update, elevate, login, blind, logout];
        let changes = [write, update, elevate, login, logout];
        let is_read = match self {
            Self::FailClosed | Self::StaleOld => read.is_503(Found::Refused),
            Self::Anonymous => read.is_page(Found::Nobody),
            Self::StaleYoung => read.is_page(Found::Ada),
        };
        let is_refused = |seen: &&Seen| match self {
            Self::Anonymous => seen.is_page(Found::Refused),
            _ => seen.is_503(Found::Refused),
        };
        let rules = [
            (all.iter().all(|seen| seen.cookie.is_none()), "a cookie was set or removed"),
            (untouched.is_page(Found::Done), "a request noticed that did not ask"),
            (is_read, "a read"),
            (changes.iter().all(is_refused), "a change"),
            (blind.is_503(Found::Done), "a change that was promised"),
        ];
        rules.into_iter().find(|(holds, _)| !holds).map(|(_, rule)| rule)
    }
}
