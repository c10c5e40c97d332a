use http::header::HeaderName;

use crate::field::vary::Normaliser;

/// Which of two sets of rules is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// What a site wants in front of strangers.
    #[default]
    Secure,
    /// Whatever RFC 9111 allows a shared cache.
    Rfc,
}

/// What happens to a response with `Set-Cookie`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetCookie {
    /// It is passed on and not stored: one user's session must not reach the next.
    Refuse,
    /// It is stored without the field.
    Strip,
    /// It is stored as it is, as RFC 9111 (7.3) allows.
    Store,
}

/// How long a response without a lifetime counts as fresh (4.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heuristic {
    /// Share of the time since `Last-Modified`, in percent. The RFC's own suggestion is 10.
    pub percent: u32,
    /// Upper bound in seconds.
    pub at_most: u32,
}

/// The rules that decisions follow beyond the letter of the RFC, where it leaves a choice.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Rules {
    /// Whether a client's `Cache-Control` and `Pragma` count. Off by default: every public CDN ignores
    /// them, because `no-cache` in a loop is load on the origin at no cost to the sender.
    pub client_directives: bool,
    /// Freshness of responses that name none. Off by default.
    pub heuristic: Option<Heuristic>,
    /// Responses with `Set-Cookie`. Refused by default.
    pub set_cookie: SetCookie,
    /// Whether the response to a request with a cookie needs explicit leave (`public`, `s-maxage` or a
    /// targeted field) to be stored, as one with `Authorization` does. On by default.
    pub cookies_need_leave: bool,
    /// Longest lifetime of a status of 400 and above, in seconds, whatever the response says: 10 by
    /// default, so that an error that somebody provoked is not everybody's for long.
    pub error_lifetime: Option<u32>,
    /// Fields that stand in for `Cache-Control` (RFC 9213), the most specific first.
    pub targeted: Vec<HeaderName>,
    /// `stale-while-revalidate` of responses that have none, in seconds. 0 by default.
    pub stale_while_revalidate: u32,
    /// `stale-if-error` of responses that have none, in seconds. 0 by default.
    pub stale_if_error: u32,
    /// How long after its end a response may stand in for an origin that cannot be reached at all (4.2.4),
    /// in seconds. A day by default: what is older than that is news to nobody.
    pub stale_when_disconnected: u32,
    /// Fields that a response may not vary on if it is to be stored. `User-Agent`, `Cookie`, `Referer` and
    /// the like by default: as many values as clients.
    pub unbounded: Vec<HeaderName>,
    /// The only fields that a response may vary on if it is to be stored. Not bounded by default; a site that knows
    /// what its origin reads names it here, and a field that was forgotten shows as `vary-unbounded`.
    pub vary_only: Option<Vec<HeaderName>>,
    /// Whether a response whose `Content-Language` is the one language that a request wants most answers it, even
    /// if it was made for another `Accept-Language`. Off by default: an origin may know better.
    pub by_language: bool,
    /// Whether the answer to a POST that names its own URL in `Content-Location` and has an explicit lifetime
    /// answers later GETs (RFC 9110, 9.3.3). Off by default: few origins mean it.
    pub store_posts: bool,
    /// How request fields that a response varies on are compared.
    pub normaliser: Normaliser,
}

impl Rules {
    /// The rules of a profile.
    #[must_use]
    pub fn of(profile: Profile) -> Self {
        let secure = Self {
            client_directives: false,
            heuristic: None,
            set_cookie: SetCookie::Refuse,
            cookies_need_leave: true,
            error_lifetime: Some(10),
            targeted: vec![HeaderName::from_static("cdn-cache-control")],
            stale_while_revalidate: 0,
            stale_if_error: 0,
            stale_when_disconnected: 86_400,
            unbounded: [
                http::header::USER_AGENT,
                http::header::COOKIE,
                http::header::REFERER,
                http::header::AUTHORIZATION,
                HeaderName::from_static("x-forwarded-for"),
            ]
            .to_vec(),
            vary_only: None,
            by_language: false,
            store_posts: false,
            normaliser: Normaliser::new(),
        };
        match profile {
            Profile::Secure => secure,
            Profile::Rfc => Self {
                client_directives: true,
                heuristic: Some(Heuristic { percent: 10, at_most: 86_400 }),
                set_cookie: SetCookie::Store,
                cookies_need_leave: false,
                error_lifetime: None,
                unbounded: Vec::new(),
                by_language: true,
                store_posts: true,
                ..secure
            },
        }
    }

    /// Whether a response that varies on this field may be stored.
    pub(super) fn may_vary_on(&self, name: &HeaderName) -> bool {
        let listed = self.vary_only.as_ref().is_none_or(|only| only.contains(name));
        listed && !self.unbounded.contains(name)
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self::of(Profile::Secure)
    }
}
