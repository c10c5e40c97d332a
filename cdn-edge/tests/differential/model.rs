//! A shared cache in the plainest way: a list of responses, walked by the sentences of RFC 9111, 5861 and 9110. It
//! shares no line with the crate.

use super::script::{Asked, Control, Method, Plan, Purge, Seen, Told, URLS, Wish};

/// A sentence that the model can be made to forget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    NoStore,
    Private,
    NoCache,
    MustRevalidate,
    SharedLifetime,
    WhileRevalidate,
    IfError,
    Disconnected,
    Vary,
    Credentials,
    Cookies,
    SetCookie,
    ErrorLifetime,
    Age,
    Date,
    Hard,
    Soft,
    Write,
    Head,
    NotModified,
    Range,
    Validate,
    Wishes,
}

impl Rule {
    pub(crate) const ALL: [Self; 23] = [
        Self::NoStore,
        Self::Private,
        Self::NoCache,
        Self::MustRevalidate,
        Self::SharedLifetime,
        Self::WhileRevalidate,
        Self::IfError,
        Self::Disconnected,
        Self::Vary,
        Self::Credentials,
        Self::Cookies,
        Self::SetCookie,
        Self::ErrorLifetime,
        Self::Age,
        Self::Date,
        Self::Hard,
        Self::Soft,
        Self::Write,
        Self::Head,
        Self::NotModified,
        Self::Range,
        Self::Validate,
        Self::Wishes,
    ];
}

/// What a client gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    Response {
        hit: bool,
        status: u16,
        body: String,
        age: Option<u64>,
    },
    /// The origin's own error.
    Error,
}

#[derive(Clone, Debug)]
struct Kept {
    url: usize,
    status: u16,
    body: String,
    etag: Option<String>,
    control: Control,
    /// The value it was chosen by, if it varies.
    chosen: Option<Option<u8>>,
    date: u64,
    /// When it had age 0, in seconds; before the beginning perhaps.
    born: i64,
    /// The number of the last purge when it was asked for.
    since: u64,
}

pub(crate) struct Model {
    pub(crate) is_secure: bool,
    pub(crate) without: Option<Rule>,
    pub(crate) seen: Vec<Seen>,
    kept: Vec<Kept>,
    purges: u64,
    hard: [u64; URLS],
    soft: [u64; URLS],
}

enum Refusal {
    /// Nobody may store it.
    Forbidden,
    /// Not for this request.
    Personal,
}

impl Model {
    pub(crate) fn new(is_secure: bool, without: Option<Rule>) -> Self {
        let (seen, kept) = (Vec::new(), Vec::new());
        Self { is_secure, without, seen, kept, purges: 0, hard: [0; URLS], soft: [0; URLS] }
    }

    fn on(&self, rule: Rule) -> bool {
        self.without != Some(rule)
    }

    pub(crate) fn purge(&mut self, purge: &Purge) {
        self.purges += 1;
        let (urls, is_hard) = match *purge {
            Purge::Url(url, is_hard) => (url..url + 1, is_hard),
            Purge::All(is_hard) => (0..URLS, is_hard),
        };
        for url in urls {
            let numbers = if is_hard { &mut self.hard } else { &mut self.soft };
            numbers[url] = self.purges;
        }
    }

    fn is_gone(&self, kept: &Kept) -> bool {
        self.on(Rule::Hard) && self.hard[kept.url] > kept.since
    }

    fn is_purged(&self, kept: &Kept) -> bool {
        self.on(Rule::Soft) && self.soft[kept.url] > kept.since
    }

    /// 4.2: lifetime, and what RFC 5861 adds to it.
    fn seconds(&self, kept: &Kept) -> (i64, i64, i64) {
        let control = &kept.control;
        let shared = control.s_maxage.filter(|_| self.on(Rule::SharedLifetime));
        let capped = self.is_secure && kept.status >= 400 && self.on(Rule::ErrorLifetime);
        let cap = |seconds: Option<u64>| {
            let seconds = seconds.unwrap_or(0);
            i64::try_from(if capped { seconds.min(10) } else { seconds }).unwrap()
        };
        let behind = control.while_revalidate.filter(|_| self.on(Rule::WhileRevalidate));
        let on_error = control.if_error.filter(|_| self.on(Rule::IfError));
        (cap(shared.or(control.max_age)), cap(behind), cap(on_error))
    }

    fn age(kept: &Kept, now: u64) -> u64 {
        u64::try_from(i64::try_from(now).unwrap() - kept.born).unwrap()
    }

    /// By how much it is past its lifetime; negative while it is fresh.
    fn past(&self, kept: &Kept, now: u64) -> i64 {
        i64::try_from(Self::age(kept, now)).unwrap() - self.seconds(kept).0
    }

    /// 4.2.4
    fn never_stale(&self, kept: &Kept) -> bool {
        self.on(Rule::MustRevalidate)
            && (kept.control.must_revalidate || kept.control.s_maxage.is_some())
    }

    fn matches(&self, kept: &Kept, asked: &Asked) -> bool {
        kept.chosen.is_none_or(|chosen| chosen == asked.chosen || !self.on(Rule::Vary))
    }

    pub(crate) fn ask(&mut self, asked: &Asked, plan: &Plan, now: u64) -> Got {
        if asked.method == Method::Post {
            return self.pass(asked, plan, now);
        }
        let wish = match asked.wish {
            Wish::None => Wish::None,
            _ if self.is_secure || !self.on(Rule::Wishes) => Wish::None,
            wish => wish,
        };
        // 4.1: of those that match, the one with the latest date.
        let chosen = self
            .kept
            .iter()
            .filter(|kept| kept.url == asked.url && self.matches(kept, asked))
            .filter(|kept| !self.is_gone(kept))
            .max_by_key(|kept| kept.date)
            .cloned();
        if let Some(kept) = &chosen {
            if asked.authorization && !self.has_leave(&kept.control) {
                if wish == Wish::OnlyIfCached {
                    return refused(504);
                }
                return self.pass(asked, plan, now);
            }
            let past = self.past(kept, now);
            let is_fresh = past < 0 && !self.is_purged(kept);
            let age = Self::age(kept, now);
            let refuses = match wish {
                Wish::NoCache => true,
                Wish::MaxAge(most) => most == 0 || age > most,
                Wish::MinFresh(least) => -past < i64::try_from(least).unwrap(),
                _ => false,
            };
            let takes_stale = match wish {
                Wish::MaxStale(None) => true,
                Wish::MaxStale(Some(most)) => past <= i64::try_from(most).unwrap(),
                _ => false,
            };
            let may_stale = !self.never_stale(kept);
            let no_cache = kept.control.no_cache && self.on(Rule::NoCache);
            let takes_stale = takes_stale && may_stale && !self.is_purged(kept);
            let behind =
                !is_fresh && !takes_stale && may_stale && past.max(0) < self.seconds(kept).1;
            if !refuses && !no_cache && (is_fresh || takes_stale || behind) {
                let got = self.serve(kept, asked, now, true);
                if behind && wish != Wish::OnlyIfCached {
                    let asked = Asked { method: Method::Get, range: false, ..asked.clone() };
                    self.fill(&asked, Some(kept), plan, now);
                }
                return got;
            }
        }
        match wish {
            Wish::OnlyIfCached => refused(504),
            Wish::NoStore => self.pass(asked, plan, now),
            _ if asked.method == Method::Head => self.pass(asked, plan, now),
            _ => self.fill(asked, chosen.as_ref(), plan, now),
        }
    }

    /// RFC 9110, 13 and 14, and the Age of 5.1.
    fn serve(&self, kept: &Kept, asked: &Asked, now: u64, hit: bool) -> Got {
        let age = Some(Self::age(kept, now));
        self.answer(kept, asked, hit, age)
    }

    fn answer(&self, kept: &Kept, asked: &Asked, hit: bool, age: Option<u64>) -> Got {
        let has_it = asked.if_none_match.is_some() && asked.if_none_match == kept.etag;
        let (status, body) = if kept.status == 200 && has_it && self.on(Rule::NotModified) {
            (304, "")
        } else if asked.method == Method::Head {
            (kept.status, "")
        } else if kept.status == 200 && asked.range && self.on(Rule::Range) {
            (206, &kept.body[..2])
        } else {
            (kept.status, kept.body.as_str())
        };
        Got::Response { hit, status, body: body.to_owned(), age }
    }

    fn origin(&mut self, plan: &Plan, seen: Seen, now: u64) -> Option<Told> {
        let told = plan.answer(&seen, now);
        self.seen.push(seen);
        told
    }

    fn pass(&mut self, asked: &Asked, plan: &Plan, now: u64) -> Got {
        let Asked { method, url, chosen, .. } = *asked;
        let seen = Seen { method, url, chosen, if_none_match: asked.if_none_match.clone() };
        let Some(told) = self.origin(plan, seen, now) else { return Got::Error };
        match method {
            // 4.4
            Method::Post if told.status < 400 && self.on(Rule::Write) => {
                self.kept.retain(|kept| kept.url != url);
            }
            Method::Head if told.status == 200 && self.on(Rule::Head) => {
                self.headed(asked, &told, now);
            }
            _ => {}
        }
        Got::Response { hit: false, status: told.status, body: told.body, age: told.age }
    }

    /// 4.3.5
    fn headed(&mut self, asked: &Asked, told: &Told, now: u64) {
        for kept in self.kept.clone() {
            let concerns = kept.url == asked.url && kept.status == 200;
            if !concerns || !self.matches(&kept, asked) || self.is_gone(&kept) {
                continue;
            }
            let differs = told.etag.is_some() && kept.etag.is_some() && told.etag != kept.etag;
            let fresh = self.updated(&kept, asked, told, now);
            match self.may_store(&fresh, asked, told, now) {
                _ if differs => self.kept.retain(|other| !same(other, &kept)),
                Ok(()) => {
                    self.kept.retain(|other| !same(other, &kept));
                    self.kept.push(fresh);
                }
                Err(Refusal::Personal) => {}
                Err(Refusal::Forbidden) => self.kept.retain(|other| !same(other, &kept)),
            }
        }
    }

    fn fill(&mut self, asked: &Asked, stored: Option<&Kept>, plan: &Plan, now: u64) -> Got {
        let since = self.purges;
        let etag = stored.and_then(|kept| kept.etag.clone()).filter(|_| self.on(Rule::Validate));
        let Asked { url, chosen, .. } = *asked;
        let seen = Seen { method: Method::Get, url, chosen, if_none_match: etag };
        let told = self.origin(plan, seen, now);
        // RFC 5861, 4, and 4.2.4.
        let has_failed = told.as_ref().is_none_or(|told| told.status == 503);
        if let Some(kept) = stored.filter(|_| has_failed)
            && self.stands_in(kept, asked, told.is_some(), now)
        {
            return self.serve(kept, asked, now, true);
        }
        let Some(told) = told else {
            return refused(if stored.is_some() { 504 } else { 502 });
        };
        // 4.3.4
        if let (304, Some(kept)) = (told.status, stored) {
            let mut fresh = self.updated(kept, asked, &told, now);
            fresh.since = since;
            let at = self.kept.iter().position(|other| same(other, kept));
            return match self.may_store(&fresh, asked, &told, now) {
                Ok(()) => {
                    at.map(|at| self.kept.remove(at));
                    self.kept.push(fresh.clone());
                    self.serve(&fresh, asked, now, false)
                }
                Err(refusal) => {
                    if let (Some(at), Refusal::Forbidden) = (at, refusal) {
                        self.kept.remove(at);
                    }
                    self.answer(kept, asked, false, told.age)
                }
            };
        }
        let fresh = Kept {
            url,
            status: told.status,
            body: told.body.clone(),
            etag: told.etag.clone(),
            control: told.control.clone(),
            chosen: told.vary.then_some(asked.chosen),
            date: told.date.unwrap_or(now),
            born: self.born(&told, now),
            since,
        };
        if self.may_store(&fresh, asked, &told, now).is_err() {
            let Told { status, body, age, .. } = told;
            return Got::Response { hit: false, status, body, age };
        }
        self.kept.retain(|kept| kept.url != url || kept.chosen != fresh.chosen);
        self.kept.push(fresh.clone());
        self.answer(&fresh, asked, false, told.age)
    }

    /// 4.2.3
    fn born(&self, told: &Told, now: u64) -> i64 {
        let apparent = told.date.filter(|_| self.on(Rule::Date)).map_or(0, |date| now - date);
        let age = told.age.filter(|_| self.on(Rule::Age)).unwrap_or(0);
        i64::try_from(now).unwrap() - i64::try_from(apparent.max(age)).unwrap()
    }

    /// 3.2: the fields of the update take the place of the stored ones.
    fn updated(&self, kept: &Kept, asked: &Asked, told: &Told, now: u64) -> Kept {
        let mut fresh = kept.clone();
        if told.control != Control::default() {
            fresh.control.clone_from(&told.control);
        }
        if told.vary {
            fresh.chosen = Some(asked.chosen);
        }
        fresh.date = told.date.unwrap_or(now);
        fresh.born = self.born(told, now);
        fresh
    }

    /// 3.5
    fn has_leave(&self, control: &Control) -> bool {
        let named = control.public || control.must_revalidate || control.s_maxage.is_some();
        named || !self.on(Rule::Credentials)
    }

    /// 3, and what the secure profile adds.
    fn may_store(&self, kept: &Kept, asked: &Asked, told: &Told, now: u64) -> Result<(), Refusal> {
        let control = &kept.control;
        let forbids = control.no_store && self.on(Rule::NoStore)
            || control.private && self.on(Rule::Private)
            || told.sets_cookie && self.is_secure && self.on(Rule::SetCookie);
        let named = control.max_age.is_some() || control.s_maxage.is_some() || control.public;
        let no_cache = control.no_cache && self.on(Rule::NoCache);
        let (_, behind, on_error) = self.seconds(kept);
        let is_of_use = kept.etag.is_some()
            || !no_cache && (self.past(kept, now) < 0 || behind > 0 || on_error > 0);
        let cookie = asked.cookie && self.is_secure && self.on(Rule::Cookies);
        let wishes = asked.wish == Wish::NoStore && !self.is_secure && self.on(Rule::Wishes);
        if wishes {
            return Err(Refusal::Personal);
        }
        if forbids && (control.no_store || control.private) {
            return Err(Refusal::Forbidden);
        }
        if (asked.authorization || cookie) && !self.has_leave(control) {
            return Err(Refusal::Personal);
        }
        let is_known = matches!(kept.status, 200 | 404) || named;
        if forbids || !is_known || !is_of_use { Err(Refusal::Forbidden) } else { Ok(()) }
    }

    fn stands_in(&self, kept: &Kept, asked: &Asked, has_answered: bool, now: u64) -> bool {
        let no_cache = kept.control.no_cache && self.on(Rule::NoCache);
        let credentials = asked.authorization && !self.has_leave(&kept.control);
        if self.is_gone(kept) || self.never_stale(kept) || no_cache || credentials {
            return false;
        }
        let past = self.past(kept, now);
        let is_fresh = past < 0 && !self.is_purged(kept);
        let is_away = !has_answered && past < 86_400 && self.on(Rule::Disconnected);
        is_fresh || past.max(0) < self.seconds(kept).2 || is_away
    }
}

/// Whether two are one and the same: nothing is ever stored twice at one moment for one choice.
fn same(one: &Kept, other: &Kept) -> bool {
    (one.url, one.born, one.since, one.date, &one.body, one.chosen, &one.etag)
        == (other.url, other.born, other.since, other.date, &other.body, other.chosen, &other.etag)
}

/// The edge's own answer.
fn refused(status: u16) -> Got {
    Got::Response { hit: false, status, body: String::new(), age: None }
}
