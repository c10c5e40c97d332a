//! The cookie that a token travels in, to the browser and back.
//!
//! [`Cookie`] is what it looks like. It starts from a profile, and the secure ones have the `__Host-` prefix: a
//! browser takes such a cookie only from this host, over TLS, so that neither another host of the same domain
//! nor somebody on the wire can put one there. Where that cannot be, several cookies of the same name may
//! arrive, and which of them is ours is not to be seen: one token that the keys have signed is taken, and of
//! two different ones neither.
//!
//! A response that has touched a session is for one user. The layer says so in its headers, whatever the
//! application has said: `Cache-Control: private` or `no-store`, `Vary: Cookie`, and none of the fields by which
//! some shared caches overrule them.

mod error;
mod format;
mod profile;
mod scan;
pub(crate) mod shared_caches;

#[cfg(test)]
mod tests;

pub use error::InvalidCookie;
pub(crate) use format::Checked;
#[cfg(test)]
pub(crate) use scan::find;
pub(crate) use scan::{Found, all_in, find_in};

use std::borrow::Cow;

use profile::Profile;

/// What the session's cookie looks like.
///
/// A profile, and what is different from it. All profiles are `HttpOnly`: scripts do not see the token.
///
/// | profile | `SameSite` | `Secure` | prefix | for |
/// |---|---|---|---|---|
/// | [`lax`](Self::lax), the default | `Lax` | yes | `__Host-` | sites; links and redirects from elsewhere find the user logged in |
/// | [`strict`](Self::strict) | `Strict` | yes | `__Host-` | sites that nobody comes to from elsewhere while logged in |
/// | [`cross_site`](Self::cross_site) | `None`, `Partitioned` | yes | `__Host-` | what other sites embed in a frame |
/// | [`dev`](Self::dev) | `Lax` | no | none | `http://localhost` |
///
/// What contradicts itself, such as a domain together with the `__Host-` prefix, is refused when the layer is
/// built.
///
/// Whoever changes the profile, the path or the domain of a service in use changes the name as well: browsers
/// would keep the old cookie beside the new one, and of two tokens under one name neither is taken.
///
/// # Examples
///
/// ```
/// use terrace_session::Cookie;
///
/// // `__Host-id=…; Max-Age=…; Path=/; SameSite=Lax; Secure; HttpOnly`
/// let cookie = Cookie::lax();
///
/// // One login for several hosts.
/// let cookie = Cookie::lax().name("login").without_host_prefix().domain("example.com");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookie {
    profile: Profile,
    name: Cow<'static, str>,
    path: Cow<'static, str>,
    domain: Option<Cow<'static, str>>,
    host_prefix: bool,
    kept: Kept,
}

/// How long browsers keep it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    /// Until the session ends unused: so it is sent again with each use that is noted.
    WhileUsed,
    /// Until the session ends in any case.
    ToTheEnd,
    /// Until the browser is closed.
    UntilClosed,
}

impl Cookie {
    const fn of(profile: Profile) -> Self {
        Self {
            profile,
            name: Cow::Borrowed("id"),
            path: Cow::Borrowed("/"),
            domain: None,
            host_prefix: true,
            kept: Kept::WhileUsed,
        }
    }

    /// `SameSite=Lax`: sent with what the user does on the site, and when they come to it by a link. The default,
    /// since a login at another site ends with a redirect from there.
    #[must_use]
    pub const fn lax() -> Self {
        Self::of(Profile::Lax)
    }

    /// `SameSite=Strict`: not sent with the first request of who comes by a link or a redirect from elsewhere.
    /// After a login at another site (OAuth, OpenID Connect) that first request is the one that needs it.
    #[must_use]
    pub const fn strict() -> Self {
        Self::of(Profile::Strict)
    }

    /// `SameSite=None; Partitioned`: sent as well when another site embeds this one, and then a cookie for that other site
    /// alone. Needs protection against forged requests (CSRF).
    #[must_use]
    pub const fn cross_site() -> Self {
        Self::of(Profile::CrossSite)
    }

    /// Without `Secure` and without a prefix: for `http://localhost`, and nowhere else.
    #[must_use]
    pub const fn dev() -> Self {
        Self::of(Profile::Dev)
    }

    /// Its name without a prefix: letters, digits, and ``!#$%&'*+-.^_`|~``. `id` by default, which says nothing
    /// about the software behind it.
    #[must_use]
    pub fn name(self, name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// Sends it only with requests below this path, `/` by default. Any other contradicts the `__Host-` prefix,
    /// and protects from nothing: pages of one host see each other.
    #[must_use]
    pub fn path(self, path: impl Into<Cow<'static, str>>) -> Self {
        Self { path: path.into(), ..self }
    }

    /// Sends it to every host of this domain. By default it goes back to the host that it came from, and only
    /// there. Contradicts the `__Host-` prefix.
    #[must_use]
    pub fn domain(self, domain: impl Into<Cow<'static, str>>) -> Self {
        Self { domain: Some(domain.into()), ..self }
    }

    /// Has the `__Secure-` prefix instead of `__Host-`, which allows for a domain and a path. Every host of the
    /// domain, and who takes one of them over, can then put a cookie of this name into a user's browser. No
    /// token can be made up that way, but the user can be kept from being logged in.
    #[must_use]
    pub fn without_host_prefix(self) -> Self {
        Self { host_prefix: false, ..self }
    }

    /// Without `Max-Age`: the browser forgets it when it is closed, if it does not restore its tabs. By default
    /// it lasts as long as the session may be unused.
    #[must_use]
    pub fn browser_session(self) -> Self {
        Self { kept: Kept::UntilClosed, ..self }
    }

    /// With a `Max-Age` up to the session's absolute end, and sent with a new token only.
    ///
    /// By default a response sends the cookie again if it is the one that noted a use, one in an eighth of the idle
    /// time. Should it belong to a slow request from before a login, and arrive after the login's response, then
    /// the browser has the old token back, which is worth nothing any more, and the user logs in once more. Nothing
    /// that is sent once can come late. The price: a browser keeps the token of a session that ended unused, and
    /// brings it along, until the absolute end. The server ends idle sessions either way.
    #[must_use]
    pub fn sent_once(self) -> Self {
        Self { kept: Kept::ToTheEnd, ..self }
    }
}

impl Default for Cookie {
    fn default() -> Self {
        Self::lax()
    }
}
