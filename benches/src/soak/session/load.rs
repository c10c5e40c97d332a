//! Users, and the clients that act for them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use super::Writes;
use super::ledger::{Account, Books, Settled};
use super::site::{Answer, Site};
use crate::soak::Error;

/// How often a login, or a last look, is tried before it counts as impossible.
const TRIES: usize = 100;
/// Between two of these: a store that had trouble is asked again after a second.
const PAUSE: Duration = Duration::from_millis(100);

/// Somebody who has logged in.
#[derive(Debug)]
struct User {
    name: String,
    cookie: String,
    // Guards what is known of the increments, a few lines at a time.
    account: Mutex<Account>,
}

impl User {
    fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What clients saw besides increments.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) answered: AtomicU64,
    pub(super) unanswered: AtomicU64,
    pub(super) looks: AtomicU64,
    pub(super) logged_out: AtomicU64,
    pub(super) reads: AtomicU64,
    pub(super) stale: AtomicU64,
    pub(super) cookies: AtomicU64,
}

/// Everybody.
pub(super) struct Crowd {
    site: Site,
    users: Vec<User>,
    pub(super) seen: Seen,
    writes: Writes,
    number: AtomicU64,
    is_over: AtomicBool,
}

impl Crowd {
    /// Logs everybody in.
    pub(super) async fn gather(
        site: Site,
        users: usize,
        clients: usize,
        writes: Writes,
    ) -> Result<Arc<Self>, Error> {
        let mut tasks = JoinSet::new();
        for client in 0..clients {
            let site = site.clone();
            tasks.spawn(async move {
                let mut mine = Vec::new();
                for number in (client..users).step_by(clients) {
                    mine.push(log_in(&site, format!("user-{number}")).await?);
                }
                Ok::<_, Error>(mine)
            });
        }
        let mut users = Vec::new();
        while let Some(mine) = tasks.join_next().await {
            users.extend(mine??);
        }
        // By which client was first is no order that a seed could repeat.
        users.sort_by(|a: &User, b| a.name.cmp(&b.name));
        Ok(Arc::new(Self {
            site,
            users,
            seen: Seen::default(),
            writes,
            number: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        }))
    }

    /// Begins to act, `rate` requests a second by so many clients together.
    pub(super) fn act(self: &Arc<Self>, clients: usize, rate: u32, seed: u64) -> JoinSet<()> {
        let period = Duration::from_secs(1).mul_f64(clients as f64 / f64::from(rate));
        (0..clients as u64).map(|client| Arc::clone(self).client(period, seed ^ client)).collect()
    }

    /// Nobody begins anything new.
    pub(super) fn end(&self) {
        self.is_over.store(true, Relaxed);
    }

    async fn client(self: Arc<Self>, period: Duration, seed: u64) {
        let mut chance = fastrand::Rng::with_seed(seed);
        // Not all at the same moment: a kill would always find them at the same point of what they do.
        let begins = Instant::now() + period.mul_f64(chance.f64());
        let mut tick = tokio::time::interval_at(begins, period);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.is_over.load(Relaxed) {
            tick.tick().await;
            let Some(user) = self.users.get(chance.usize(..self.users.len().max(1))) else {
                return;
            };
            match chance.u8(..10) {
                0..5 => self.increment(user).await,
                5..7 => self.read(user).await,
                _ => {
                    self.look(user).await;
                }
            }
        }
    }

    async fn ask(&self, method: &str, path: &str, user: &User) -> Option<Answer> {
        let answer = self.site.ask(method, path, &user.cookie).await;
        let seen = &self.seen;
        let answered = answer.as_ref().is_some_and(|answer| !answer.status.is_server_error());
        let count = if answered { &seen.answered } else { &seen.unanswered };
        count.fetch_add(1, Relaxed);
        // Only who has no session any more is given another cookie.
        let cookie = answer.as_ref().and_then(|answer| answer.cookie.as_ref());
        seen.cookies.fetch_add(cookie.is_some_and(|cookie| *cookie != user.cookie).into(), Relaxed);
        answer
    }

    async fn increment(&self, user: &User) {
        let id = format!("i{}", self.number.fetch_add(1, Relaxed));
        user.account().begun += 1;
        let answer = match self.writes {
            Writes::Increment => self.ask("POST", &format!("/incr?key=n&id={id}"), user).await,
            Writes::ReadThenSet => self.read_then_set(user).await,
        };
        let mut account = user.account();
        match answer.map(|answer| answer.status) {
            Some(StatusCode::OK) => account.acknowledged += 1,
            Some(StatusCode::CONFLICT) => account.refused.push(id),
            _ => account.unknown.push(id),
        }
    }

    /// What loses updates: two that read the same number both set the next one.
    async fn read_then_set(&self, user: &User) -> Option<Answer> {
        let read = self.ask("GET", "/get?key=n", user).await?;
        let next = number(&read)? + 1;
        self.ask("POST", &format!("/set?key=n&value={next}"), user).await
    }

    async fn read(&self, user: &User) {
        let acknowledged = user.account().acknowledged;
        let Some(answer) = self.ask("GET", "/get?key=n", user).await else { return };
        let Some(number) = number(&answer) else { return };
        let begun = user.account().begun;
        self.seen.reads.fetch_add(1, Relaxed);
        let is_right = (acknowledged..=begun).contains(&number);
        self.seen.stale.fetch_add((!is_right).into(), Relaxed);
    }

    /// Whether it was answered.
    async fn look(&self, user: &User) -> bool {
        let answer = self.ask("GET", "/me", user).await;
        let Some(answer) = answer.filter(|answer| answer.status == StatusCode::OK) else {
            return false;
        };
        self.seen.looks.fetch_add(1, Relaxed);
        let expected = format!("{{\"user\":\"{}\"}}", user.name);
        self.seen.logged_out.fetch_add((answer.body != expected).into(), Relaxed);
        true
    }

    /// Looks at everybody once more, and at every increment whose outcome is open.
    pub(super) async fn settle(self: &Arc<Self>, clients: usize) -> Result<Books, Error> {
        let mut tasks = JoinSet::new();
        for client in 0..clients {
            let crowd = Arc::clone(self);
            tasks.spawn(async move {
                let mut books = Books::default();
                for user in crowd.users.iter().skip(client).step_by(clients) {
                    let settled = crowd.settled(user).await;
                    books.add(&settled.ok_or_else(|| format!("{} gets no answer", user.name))?);
                }
                Ok::<_, Error>(books)
            });
        }
        let mut all = Books::default();
        while let Some(books) = tasks.join_next().await {
            all.append(&books??);
        }
        Ok(all)
    }

    async fn settled(&self, user: &User) -> Option<Settled> {
        let account = user.account().clone();
        for _ in 0..TRIES {
            if self.look(user).await {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        let counter = number(&self.at_last("/get?key=n", user).await?)?;
        let mut times = [Vec::new(), Vec::new()];
        for (ids, times) in [&account.unknown, &account.refused].into_iter().zip(&mut times) {
            for id in ids {
                let applied = self.at_last(&format!("/applied?key=n&id={id}"), user).await?;
                times.push(applied.body.strip_suffix('}')?.rsplit(':').next()?.parse().ok()?);
            }
        }
        let [unknown, refused] = times;
        Some(Settled { acknowledged: account.acknowledged, counter, unknown, refused })
    }

    async fn at_last(&self, path: &str, user: &User) -> Option<Answer> {
        for _ in 0..TRIES {
            let answer = self.ask("GET", path, user).await;
            if let Some(answer) = answer.filter(|answer| !answer.status.is_server_error()) {
                return Some(answer);
            }
            tokio::time::sleep(PAUSE).await;
        }
        None
    }

    pub(super) fn users(&self) -> usize {
        self.users.len()
    }
}

async fn log_in(site: &Site, name: String) -> Result<User, Error> {
    for _ in 0..TRIES {
        let answer = site.ask("POST", &format!("/login?user={name}"), "").await;
        if let Some(cookie) = answer.and_then(|answer| answer.cookie) {
            return Ok(User { name, cookie, account: Mutex::default() });
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(format!("{name} cannot log in").into())
}

/// What a counter says; one that is not there says nothing yet.
fn number(answer: &Answer) -> Option<u64> {
    match answer.status {
        StatusCode::OK => answer.body.parse().ok(),
        StatusCode::NOT_FOUND => Some(0),
        _ => None,
    }
}
