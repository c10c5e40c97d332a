use std::error::Error;
use std::fmt;
use std::time::Duration;

/// How long values are served, and how the cache bridges the time until it has a new one.
///
/// The defaults are for a web service whose values change now and then, whose writes invalidate what
/// they change, and whose users wait a few seconds at most. [`check`](Self::check) refuses what
/// cannot mean anything; building a cache calls it.
///
/// ```
/// use std::time::Duration;
/// use terrace_cache::freshness::Freshness;
///
/// let freshness = Freshness::default().ttl(Duration::from_secs(60)).jitter(0.2);
/// assert!(freshness.check().is_ok());
/// let refused = freshness.ttl(Duration::ZERO).check().unwrap_err();
/// assert_eq!(refused.to_string(), "ttl must be longer than 0 s, not 0ns");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Freshness {
    pub(super) ttl: Ttl,
    pub(super) jitter: f64,
    pub(super) stale_while_revalidate: Duration,
    pub(super) beta: f64,
    pub(super) stale_if_error: Duration,
    pub(super) soft_timeout: Option<Duration>,
    pub(crate) hard_timeout: Duration,
    pub(super) negative_ttl: Option<Duration>,
    pub(super) first_backoff: Duration,
    pub(super) longest_backoff: Duration,
    pub(super) l1_max_age: Option<Duration>,
}

/// How long a value is fresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ttl {
    /// For this long.
    For(Duration),
    /// Until it is invalidated.
    ForEver,
}

impl From<Duration> for Ttl {
    fn from(ttl: Duration) -> Self {
        Self::For(ttl)
    }
}

impl Default for Freshness {
    fn default() -> Self {
        Self {
            ttl: Ttl::For(Duration::from_secs(5 * 60)),
            jitter: 0.1,
            stale_while_revalidate: Duration::from_secs(30),
            beta: 1.0,
            stale_if_error: Duration::from_secs(10 * 60),
            soft_timeout: Some(Duration::from_millis(100)),
            hard_timeout: Duration::from_secs(5),
            negative_ttl: Some(Duration::from_secs(5)),
            first_backoff: Duration::from_millis(100),
            longest_backoff: Duration::from_secs(10),
            l1_max_age: Some(Duration::from_secs(10)),
        }
    }
}

impl Freshness {
    /// How long a value is fresh, if it does not say so itself, from when its load ended.
    /// [`Ttl::ForEver`] is for values whose every write invalidates.
    ///
    /// Default 5 min: hot values are loaded rarely, and a write that forgot to invalidate is
    /// repaired before anybody reports it.
    #[must_use]
    pub fn ttl(self, ttl: impl Into<Ttl>) -> Self {
        Self { ttl: ttl.into(), ..self }
    }

    /// Up to which fraction of its ttl a value's time is shortened, by chance: 0 to 0.5. It is never
    /// made longer, so the ttl stays a bound.
    ///
    /// Default 0.1: what was loaded together, after a start or a clear, is spread over half a minute
    /// when it ends.
    #[must_use]
    pub fn jitter(self, jitter: f64) -> Self {
        Self { jitter, ..self }
    }

    /// For how long after its ttl a value is served at once while one load replaces it. 0 turns it
    /// off.
    ///
    /// Default 30 s: nobody waits for a value that somebody asks for twice a minute, and nobody sees
    /// one much older than its ttl. Invalidated values are not served, stale or not.
    #[must_use]
    pub fn stale_while_revalidate(self, time: Duration) -> Self {
        Self { stale_while_revalidate: time, ..self }
    }

    /// How eagerly a value is refreshed before its ttl ends, 0 to 100. 0 turns it off.
    ///
    /// Readers decide by chance, each alone, the likelier the closer the end is and the longer the
    /// value took to load (XFetch). Default 1, which its authors show to be the best choice: rarely
    /// read values are not refreshed at all, hot ones once, shortly before their end.
    #[must_use]
    pub fn early_refresh(self, beta: f64) -> Self {
        Self { beta, ..self }
    }

    /// For how long after its ttl a value is served if loads fail or take too long. 0 turns it off;
    /// what is shorter than [`stale_while_revalidate`](Self::stale_while_revalidate) counts as that.
    ///
    /// Default 10 min: long enough to restart a database. In a cache that is shared with other
    /// processes, [`l1_max_age`](Self::l1_max_age) ends it earlier in each.
    #[must_use]
    pub fn stale_if_error(self, time: Duration) -> Self {
        Self { stale_if_error: time, ..self }
    }

    /// How long a reader waits for a load while there is a stale value that it may get instead.
    /// `None`: up to the hard timeout. It does nothing where there is no stale value.
    ///
    /// Default 100 ms: a page stays quick. The load goes on, and the next reader has its value.
    #[must_use]
    pub fn soft_timeout(self, timeout: impl Into<Option<Duration>>) -> Self {
        Self { soft_timeout: timeout.into(), ..self }
    }

    /// How long a reader waits for a load at all.
    ///
    /// Default 5 s: users leave after that, and a queue of waiting requests is a fault of its own.
    #[must_use]
    pub fn hard_timeout(self, timeout: Duration) -> Self {
        Self { hard_timeout: timeout, ..self }
    }

    /// How long it is remembered that there is no value. `None`: not at all.
    ///
    /// Default 5 s: a flood of one unknown key costs a load per 5 s, and what is created without
    /// invalidating is seen soon. An absence is never served stale.
    #[must_use]
    pub fn negative_ttl(self, ttl: impl Into<Option<Duration>>) -> Self {
        Self { negative_ttl: ttl.into(), ..self }
    }

    /// How long nobody loads a key again after its load has failed: `first` after one failure, twice
    /// as long after each further one in a row, at most `longest`.
    ///
    /// Default 100 ms and 10 s: a hiccup is over at the next request, and a dead database gets a few
    /// loads a minute for each key.
    #[must_use]
    pub fn error_backoff(self, first: Duration, longest: Duration) -> Self {
        Self { first_backoff: first, longest_backoff: longest, ..self }
    }

    /// How old a value may grow in the memory of this process, since it was read, before the shared
    /// store or the source is asked again. This is the bound on what is served here after *another*
    /// process has invalidated, if the message about it is lost. `None`: no bound, for a cache that
    /// no other process writes to.
    ///
    /// Default 10 s: shorter than what a user who saw the change elsewhere takes for a fault, and
    /// one read of the shared store per value in 10 s is next to nothing.
    #[must_use]
    pub fn l1_max_age(self, age: impl Into<Option<Duration>>) -> Self {
        Self { l1_max_age: age.into(), ..self }
    }

    pub(crate) fn beta(&self) -> f64 {
        self.beta
    }

    /// Whether these settings mean something.
    ///
    /// # Errors
    ///
    /// [`Invalid`], which names the first setting that does not, and its value: a duration of 0
    /// where 0 does not turn anything off (`ttl`, `soft_timeout`, `hard_timeout`, `negative_ttl`,
    /// `error_backoff`, `l1_max_age`), a soft timeout longer than the hard one, a first backoff
    /// longer than the longest, `jitter` outside 0 to 0.5, `early_refresh` outside 0 to 100.
    pub fn check(&self) -> Result<(), Invalid> {
        let ttl = match self.ttl {
            Ttl::For(ttl) => Some(ttl),
            Ttl::ForEver => None,
        };
        let durations = [
            ("ttl", ttl),
            ("soft_timeout", self.soft_timeout),
            ("hard_timeout", Some(self.hard_timeout)),
            ("negative_ttl", self.negative_ttl),
            ("error_backoff", Some(self.first_backoff)),
            ("l1_max_age", self.l1_max_age),
        ];
        for (setting, value) in durations {
            if let Some(value) = value.filter(Duration::is_zero) {
                return Err(Invalid::new(setting, "be longer than 0 s", value));
            }
        }
        let fractions = [("jitter", self.jitter, 0.5), ("early_refresh", self.beta, 100.0)];
        for (setting, value, most) in fractions {
            // Not a number is in no range.
            if !(0.0..=most).contains(&value) {
                return Err(Invalid::new(setting, &format!("be 0 to {most}"), value));
            }
        }
        if let Some(soft) = self.soft_timeout.filter(|soft| *soft > self.hard_timeout) {
            let rule = format!("not be longer than hard_timeout ({:?})", self.hard_timeout);
            return Err(Invalid::new("soft_timeout", &rule, soft));
        }
        if self.first_backoff > self.longest_backoff {
            let rule = format!("not begin longer than its longest ({:?})", self.longest_backoff);
            return Err(Invalid::new("error_backoff", &rule, self.first_backoff));
        }
        Ok(())
    }
}

/// A setting that cannot mean anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    setting: &'static str,
    rule: String,
    value: String,
}

impl Invalid {
    fn new(setting: &'static str, rule: &str, value: impl fmt::Debug) -> Self {
        Self { setting, rule: rule.to_owned(), value: format!("{value:?}") }
    }

    /// The setter's name.
    #[must_use]
    pub fn setting(&self) -> &'static str {
        self.setting
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} must {}, not {}", self.setting, self.rule, self.value)
    }
}

impl Error for Invalid {}
