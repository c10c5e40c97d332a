//! What happens in a sequence: requests, the origin's answers, time that passes, purges.

use fastrand::Rng;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Head,
    Post,
}

/// `Cache-Control` of a response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Control {
    pub(crate) max_age: Option<u64>,
    pub(crate) s_maxage: Option<u64>,
    pub(crate) while_revalidate: Option<u64>,
    pub(crate) if_error: Option<u64>,
    pub(crate) no_store: bool,
    pub(crate) no_cache: bool,
    pub(crate) private: bool,
    pub(crate) public: bool,
    pub(crate) must_revalidate: bool,
}

impl Control {
    pub(crate) fn text(&self) -> String {
        let numbers = [
            ("max-age", self.max_age),
            ("s-maxage", self.s_maxage),
            ("stale-while-revalidate", self.while_revalidate),
            ("stale-if-error", self.if_error),
        ];
        let flags = [
            ("no-store", self.no_store),
            ("no-cache", self.no_cache),
            ("private", self.private),
            ("public", self.public),
            ("must-revalidate", self.must_revalidate),
        ];
        let numbers = numbers.iter().filter_map(|(name, n)| Some(format!("{name}={}", (*n)?)));
        let flags = flags.iter().filter(|(_, is_said)| *is_said).map(|(name, _)| name.to_string());
        numbers.chain(flags).collect::<Vec<_>>().join(", ")
    }
}

/// `Cache-Control` of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    None,
    NoCache,
    NoStore,
    OnlyIfCached,
    MaxAge(u64),
    MinFresh(u64),
    MaxStale(Option<u64>),
}

impl Wish {
    pub(crate) fn text(self) -> Option<String> {
        match self {
            Self::None => None,
            Self::NoCache => Some("no-cache".to_owned()),
            Self::NoStore => Some("no-store".to_owned()),
            Self::OnlyIfCached => Some("only-if-cached".to_owned()),
            Self::MaxAge(n) => Some(format!("max-age={n}")),
            Self::MinFresh(n) => Some(format!("min-fresh={n}")),
            Self::MaxStale(None) => Some("max-stale".to_owned()),
            Self::MaxStale(Some(n)) => Some(format!("max-stale={n}")),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) url: usize,
    pub(crate) wish: Wish,
    /// The value of `X-A`, which responses may vary on.
    pub(crate) chosen: Option<u8>,
    pub(crate) authorization: bool,
    pub(crate) cookie: bool,
    pub(crate) if_none_match: Option<String>,
    /// The first two bytes are wanted.
    pub(crate) range: bool,
}

/// What the origin says if it is asked in this step.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// None: it cannot be reached.
    pub(crate) status: Option<u16>,
    pub(crate) version: u8,
    pub(crate) has_etag: bool,
    pub(crate) control: Control,
    pub(crate) vary: bool,
    pub(crate) age: Option<u64>,
    /// How many seconds ago `Date` lies, if there is one.
    pub(crate) made: Option<u64>,
    pub(crate) sets_cookie: bool,
}

/// The origin's answer to one request.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) etag: Option<String>,
    pub(crate) control: Control,
    pub(crate) vary: bool,
    pub(crate) age: Option<u64>,
    pub(crate) date: Option<u64>,
    pub(crate) sets_cookie: bool,
    pub(crate) body: String,
}

/// What the origin sees of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) url: usize,
    pub(crate) chosen: Option<u8>,
    pub(crate) if_none_match: Option<String>,
}

impl Plan {
    pub(crate) fn answer(&self, seen: &Seen, now: u64) -> Option<Told> {
        let status = self.status?;
        let etag = self.has_etag.then(|| format!("\"{}-{status}\"", self.version));
        let holds = status == 200 && etag.is_some() && etag == seen.if_none_match;
        let is_empty = holds || seen.method == Method::Head;
        let chosen = seen.chosen.filter(|_| self.vary);
        let body = format!("{} {} {status} {chosen:?}", seen.url, self.version);
        Some(Told {
            status: if holds && seen.method != Method::Post { 304 } else { status },
            etag,
            control: self.control.clone(),
            vary: self.vary,
            age: self.age,
            date: self.made.map(|ago| now.saturating_sub(ago)),
            sets_cookie: self.sets_cookie,
            body: if is_empty { String::new() } else { body },
        })
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Purge {
    Url(usize, bool),
    /// Everything; hard if so said.
    All(bool),
}

#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) wait: u64,
    pub(crate) purge: Option<Purge>,
    pub(crate) plan: Plan,
    pub(crate) asked: Asked,
}

pub(crate) const URLS: usize = 2;

pub(crate) fn sequence(chance: &mut Rng) -> Vec<Step> {
    std::iter::repeat_with(|| step(chance)).take(12).collect()
}

fn step(chance: &mut Rng) -> Step {
    let purge = match chance.u8(..20) {
        0 => Some(Purge::Url(chance.usize(..URLS), true)),
        1 => Some(Purge::Url(chance.usize(..URLS), false)),
        2 => Some(Purge::All(chance.bool())),
        _ => None,
    };
    let wait = if chance.bool() { 0 } else { chance.u64(..8) };
    Step { wait, purge, plan: plan(chance), asked: asked(chance) }
}

fn asked(chance: &mut Rng) -> Asked {
    let wish = match chance.u8(..20) {
        0 => Wish::NoCache,
        1 => Wish::NoStore,
        2 => Wish::OnlyIfCached,
        3 | 4 => Wish::MaxAge(chance.u64(..5)),
        5 => Wish::MinFresh(chance.u64(..5)),
        6 => Wish::MaxStale(None),
        7 => Wish::MaxStale(Some(chance.u64(..5))),
        _ => Wish::None,
    };
    let method = match chance.u8(..20) {
        0 => Method::Post,
        1 | 2 => Method::Head,
        _ => Method::Get,
    };
    Asked {
        method,
        url: chance.usize(..URLS),
        wish,
        chosen: [None, Some(1), Some(2)][chance.usize(..3)],
        authorization: chance.u8(..10) == 0,
        cookie: chance.u8(..10) == 0,
        if_none_match: (chance.u8(..8) == 0).then(|| format!("\"{}-200\"", chance.u8(..2))),
        range: chance.u8(..8) == 0,
    }
}

fn plan(chance: &mut Rng) -> Plan {
    let mut seconds = |of: u8, most: u64| (chance.u8(..of) == 0).then(|| chance.u64(..most));
    let (max_age, s_maxage) = (seconds(1, 12), seconds(10, 12));
    let (while_revalidate, if_error) = (seconds(4, 8), seconds(4, 8));
    let (age, made) = (seconds(4, 6), seconds(2, 6));
    let mut rarely = || chance.u8(..14) == 0;
    let control = Control {
        max_age: max_age.filter(|_| !rarely()),
        s_maxage,
        while_revalidate,
        if_error,
        no_store: rarely(),
        no_cache: rarely(),
        private: rarely(),
        public: rarely(),
        must_revalidate: rarely(),
    };
    let (vary, sets_cookie) = (rarely() || rarely() || rarely(), rarely());
    let status = match chance.u8(..12) {
        0 => None,
        1 | 2 => Some(503),
        3 => Some(404),
        _ => Some(200),
    };
    let (version, has_etag) = (chance.u8(..2), chance.u8(..3) > 0);
    Plan { status, version, has_etag, control, vary, age, made, sets_cookie }
}
