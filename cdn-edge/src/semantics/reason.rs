use std::fmt;

/// Why a decision fell as it did.
///
/// [`as_str`](Self::as_str) is a fixed token: the `detail` of Cache-Status (RFC 9211), the label of the metrics and
/// the word in the admin report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Reason {
    /// Stored and fresh.
    Fresh,
    /// Stale, and `stale-while-revalidate` allows it while it is asked for again.
    StaleWhileRevalidate,
    /// Stale, and the origin failed.
    StaleIfError,
    /// Stale, and the origin cannot be reached.
    StaleDisconnected,
    /// Stale, and the request's `max-stale` takes it.
    MaxStale,
    /// Nothing is stored under this key.
    Miss,
    /// Something is stored, but for other values of the fields in `Vary`.
    VaryMiss,
    /// Only a part is stored, and another is wanted.
    PartMiss,
    /// Stored, but no longer fresh.
    Stale,
    /// Purged softly: to be asked for again.
    Purged,
    /// The response says `no-cache`.
    NoCache,
    /// The request's directives want more than what is stored.
    RequestDirective,
    /// The request is not a GET or HEAD.
    Method,
    /// The request has `If-Match` or `If-Unmodified-Since`, which only the origin may judge.
    Precondition,
    /// Credentials in the request, and no leave to share the response (3.5).
    Authorization,
    /// A cookie in the request, and no leave to share the response.
    Cookie,
    /// The response sets a cookie.
    SetCookie,
    /// The request says `no-store`.
    RequestNoStore,
    /// The request says `only-if-cached`, and nothing fits.
    OnlyIfCached,
    /// The response says `no-store`.
    NoStore,
    /// The response says `private`.
    Private,
    /// `must-understand`, and the status code is unknown here.
    MustUnderstand,
    /// `Vary: *`.
    VaryAny,
    /// `Vary` names a field with as many values as there are clients.
    VaryUnbounded,
    /// More variants than are kept for one key.
    VariantCap,
    /// No lifetime and nothing to validate with.
    NoLifetime,
    /// The status code is not one that is stored without an explicit lifetime.
    Status,
    /// A part of a response whose place cannot be told.
    BadPart,
    /// A header field is malformed or too large.
    BadHeader,
    /// The body is larger than one object may be.
    TooLarge,
    /// A marker says that this key was not storable a moment ago.
    HitForMiss,
    /// The origin failed.
    OriginFailed,
    /// The request has been here before (RFC 8586).
    Loop,
}

impl Reason {
    /// The token.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::StaleWhileRevalidate => "stale-while-revalidate",
            Self::StaleIfError => "stale-if-error",
            Self::StaleDisconnected => "stale-disconnected",
            Self::MaxStale => "max-stale",
            Self::Miss => "miss",
            Self::VaryMiss => "vary-miss",
            Self::PartMiss => "part-miss",
            Self::Stale => "stale",
            Self::Purged => "purged",
            Self::NoCache => "no-cache",
            Self::RequestDirective => "request-directive",
            Self::Method => "method",
            Self::Precondition => "precondition",
            Self::Authorization => "authorization",
            Self::Cookie => "cookie",
            Self::SetCookie => "set-cookie",
            Self::RequestNoStore => "request-no-store",
            Self::OnlyIfCached => "only-if-cached",
            Self::NoStore => "no-store",
            Self::Private => "private",
            Self::MustUnderstand => "must-understand",
            Self::VaryAny => "vary-any",
            Self::VaryUnbounded => "vary-unbounded",
            Self::VariantCap => "variant-cap",
            Self::NoLifetime => "no-lifetime",
            Self::Status => "status",
            Self::BadPart => "bad-part",
            Self::BadHeader => "bad-header",
            Self::TooLarge => "too-large",
            Self::HitForMiss => "hit-for-miss",
            Self::OriginFailed => "origin-failed",
            Self::Loop => "loop",
        }
    }

    /// Whether it lies in who asked, and not in the response.
    pub(crate) const fn is_personal(self) -> bool {
        matches!(self, Self::Authorization | Self::Cookie | Self::RequestNoStore)
    }

    /// Every reason, for tables and metrics.
    pub const ALL: [Self; 33] = [
        Self::Fresh,
        Self::StaleWhileRevalidate,
        Self::StaleIfError,
        Self::StaleDisconnected,
        Self::MaxStale,
        Self::Miss,
        Self::VaryMiss,
        Self::PartMiss,
        Self::Stale,
        Self::Purged,
        Self::NoCache,
        Self::RequestDirective,
        Self::Method,
        Self::Precondition,
        Self::Authorization,
        Self::Cookie,
        Self::SetCookie,
        Self::RequestNoStore,
        Self::OnlyIfCached,
        Self::NoStore,
        Self::Private,
        Self::MustUnderstand,
        Self::VaryAny,
        Self::VaryUnbounded,
        Self::VariantCap,
        Self::NoLifetime,
        Self::Status,
        Self::BadPart,
        Self::BadHeader,
        Self::TooLarge,
        Self::HitForMiss,
        Self::OriginFailed,
        Self::Loop,
    ];
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
