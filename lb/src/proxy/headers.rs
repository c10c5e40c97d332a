//! Which header fields cross the proxy, as pure functions on a [`HeaderMap`].
//!
//! A field that describes one connection must not describe the next one (RFC 9110 §7.6.1).
//! Everything else passes as it came: in order, repeated lines kept, bytes untouched.
//!
//! One pass over the names decides what there is to do, because most messages need nothing done
//! and a lookup per rule would cost more than the forwarding itself.

use http::header::{self, Entry, HeaderMap, HeaderName, HeaderValue};

pub(crate) const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
pub(crate) const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
pub(crate) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(crate) const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub(crate) const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub(crate) const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// Why a request head cannot be forwarded as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderRejection {
    /// A transfer coding other than `chunked`: its bytes would reach the backend unmarked.
    TransferCoding,
    /// `Max-Forwards` is not a number.
    MaxForwards,
}

/// What the end-to-end part of the proxy still needs to know about the connection fields that
/// were removed.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Removed {
    /// The `Upgrade` field, present only if `Connection` named it.
    pub(crate) upgrade: Option<HeaderValue>,
    /// The sender accepts trailer fields (`TE: trailers`).
    pub(crate) te_trailers: bool,
    /// A forwarding field came in: `Forwarded`, `X-Forwarded-*` or `X-Real-IP`.
    pub(crate) forwarding: bool,
    /// A `Max-Forwards` field came in.
    pub(crate) max_forwards: bool,
}

/// Removes the fields that belong to the client's connection from a request.
///
/// # Errors
///
/// A transfer coding other than `chunked`, which cannot be forwarded once its marker is gone.
pub(crate) fn clean_request(headers: &mut HeaderMap) -> Result<Removed, HeaderRejection> {
    let seen = Seen::scan(headers);
    let mut removed = Removed {
        forwarding: seen.forwarding,
        max_forwards: seen.max_forwards,
        ..Removed::default()
    };
    if !seen.any_connection_field() {
        return Ok(removed);
    }
    if seen.transfer_encoding != Lines::None {
        if seen.transfer_encoding != Lines::Plain && !only_chunked(headers) {
            return Err(HeaderRejection::TransferCoding);
        }
        headers.remove(header::TRANSFER_ENCODING);
        // The two together are the classic disagreement: the coding wins and the length goes.
        headers.remove(header::CONTENT_LENGTH);
    }
    let names_upgrade = seen.remove_connection(headers);
    if seen.te {
        removed.te_trailers = accepts_trailers(headers);
        headers.remove(header::TE);
        if removed.te_trailers {
            headers.insert(header::TE, HeaderValue::from_static("trailers"));
        }
    }
    if seen.upgrade {
        let upgrade = headers.remove(header::UPGRADE);
        removed.upgrade = upgrade.filter(|_| names_upgrade);
    }
    seen.remove_rare(headers);
    Ok(removed)
}

/// Removes the fields that belong to the upstream's connection from a response and returns its
/// `Upgrade` field, if `Connection` named it.
///
/// # Errors
///
/// A transfer coding other than `chunked`.
pub(crate) fn clean_response(
    headers: &mut HeaderMap,
) -> Result<Option<HeaderValue>, HeaderRejection> {
    let seen = Seen::scan(headers);
    if seen.content_length == Lines::Other {
        // Equal lengths on several lines are one length; the body knows it and it is written anew.
        headers.remove(header::CONTENT_LENGTH);
    }
    if !seen.any_connection_field() {
        return Ok(None);
    }
    if seen.transfer_encoding != Lines::None {
        if seen.transfer_encoding != Lines::Plain && !only_chunked(headers) {
            return Err(HeaderRejection::TransferCoding);
        }
        headers.remove(header::TRANSFER_ENCODING);
        headers.remove(header::CONTENT_LENGTH);
    }
    let names_upgrade = seen.remove_connection(headers);
    if seen.te {
        headers.remove(header::TE);
    }
    let mut upgrade = None;
    if seen.upgrade {
        upgrade = headers.remove(header::UPGRADE).filter(|_| names_upgrade);
    }
    seen.remove_rare(headers);
    Ok(upgrade)
}

/// Counts down `Max-Forwards` (RFC 9110 §7.6.2). `Ok(false)` means that it has reached zero and the
/// request must not be forwarded.
pub(crate) fn count_down_max_forwards(headers: &mut HeaderMap) -> Result<bool, HeaderRejection> {
    let Entry::Occupied(mut entry) = headers.entry(header::MAX_FORWARDS) else {
        return Ok(true);
    };
    let value = entry.get().as_bytes();
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) || entry.iter().count() > 1 {
        return Err(HeaderRejection::MaxForwards);
    }
    // A number too large to read is still larger than any chain of proxies.
    let left = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
    let left: u32 = left.unwrap_or(u32::MAX);
    let Some(left) = left.checked_sub(1) else {
        return Ok(false);
    };
    entry.insert(HeaderValue::from(left));
    Ok(true)
}

/// The comma-separated members of every line of a field, trimmed; empty members are skipped.
pub(crate) fn members<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'a [u8]> {
    headers
        .get_all(name)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
}

/// How the lines of one field came.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Lines {
    /// Not at all.
    #[default]
    None,
    /// As a single line with the value that nearly all messages have.
    Plain,
    /// As anything else, to be looked at again.
    Other,
}

impl Lines {
    fn see(&mut self, plain: bool) {
        *self = if *self == Self::None && plain { Self::Plain } else { Self::Other };
    }
}

/// The fields with a rule of their own, found in one pass.
#[derive(Debug, Default)]
#[allow(clippy::struct_excessive_bools)]
struct Seen {
    /// Plain is one that names no field.
    connection: Lines,
    /// Plain is `chunked`.
    transfer_encoding: Lines,
    /// Plain is a number.
    content_length: Lines,
    te: bool,
    upgrade: bool,
    /// Keep-Alive, Proxy-*, HTTP2-Settings: rarely seen, removed without asking which it was.
    rare: bool,
    forwarding: bool,
    max_forwards: bool,
}

impl Seen {
    fn scan(headers: &HeaderMap) -> Self {
        let mut seen = Self::default();
        for (name, value) in headers {
            match *name {
                header::CONNECTION => seen.connection.see(is_persistence(value.as_bytes())),
                header::TRANSFER_ENCODING => {
                    seen.transfer_encoding.see(value.as_bytes() == b"chunked");
                }
                header::CONTENT_LENGTH => {
                    let digits = value.as_bytes();
                    seen.content_length
                        .see(!digits.is_empty() && digits.iter().all(u8::is_ascii_digit));
                }
                header::TE => seen.te = true,
                header::UPGRADE => seen.upgrade = true,
                header::FORWARDED => seen.forwarding = true,
                header::MAX_FORWARDS => seen.max_forwards = true,
                header::PROXY_AUTHENTICATE | header::PROXY_AUTHORIZATION => seen.rare = true,
                _ => match name.as_str().as_bytes() {
                    [b'x', b'-', rest @ ..] => {
                        seen.forwarding |= rest.starts_with(b"forwarded-") || rest == b"real-ip";
                    }
                    b"keep-alive"
                    | b"proxy-connection"
                    | b"http2-settings"
                    | b"proxy-authentication-info" => seen.rare = true,
                    _ => {}
                },
            }
        }
        seen
    }

    fn any_connection_field(&self) -> bool {
        self.connection != Lines::None
            || self.transfer_encoding != Lines::None
            || self.te
            || self.upgrade
            || self.rare
    }

    /// Removes `Connection` and what it names; tells whether it named `Upgrade`.
    fn remove_connection(&self, headers: &mut HeaderMap) -> bool {
        match self.connection {
            Lines::None => false,
            Lines::Plain => {
                headers.remove(header::CONNECTION);
                false
            }
            Lines::Other => remove_named(headers),
        }
    }

    fn remove_rare(&self, headers: &mut HeaderMap) {
        if self.rare {
            headers.remove(KEEP_ALIVE);
            headers.remove(PROXY_CONNECTION);
            headers.remove(header::PROXY_AUTHENTICATE);
            headers.remove(header::PROXY_AUTHORIZATION);
            headers.remove("proxy-authentication-info");
            headers.remove(HTTP2_SETTINGS);
        }
    }
}

/// Removes `Connection` and the fields that it names; tells whether it named `Upgrade`.
fn remove_named(headers: &mut HeaderMap) -> bool {
    let mut names_upgrade = false;
    let mut named = Vec::new();
    for member in members(headers, &header::CONNECTION) {
        if is_persistence(member) {
            continue;
        }
        let Ok(name) = HeaderName::from_bytes(member) else {
            continue;
        };
        if name == header::UPGRADE {
            names_upgrade = true;
        } else if !is_protected(&name) {
            named.push(name);
        }
    }
    headers.remove(header::CONNECTION);
    for name in named {
        headers.remove(name);
    }
    names_upgrade
}

/// Fields that `Connection` may not remove: a client that could name them would strip what the
/// backend relies on, the caller's identity among it. `TE` and `Trailer` have rules of their own.
fn is_protected(name: &HeaderName) -> bool {
    matches!(
        *name,
        header::HOST
            | header::AUTHORIZATION
            | header::COOKIE
            | header::SET_COOKIE
            | header::CONTENT_LENGTH
            | header::CONTENT_TYPE
            | header::CONTENT_ENCODING
            | header::CONTENT_RANGE
            | header::CACHE_CONTROL
            | header::VARY
            | header::ORIGIN
            | header::REFERER
            | header::FORWARDED
            | header::VIA
            | header::TE
            | header::TRAILER
            | header::TRANSFER_ENCODING
            | header::MAX_FORWARDS
            | header::STRICT_TRANSPORT_SECURITY
            | header::CONTENT_SECURITY_POLICY
    ) || name.as_str().starts_with("x-")
        || name.as_str().starts_with("sec-")
        || name.as_str().starts_with("access-control-")
}

fn only_chunked(headers: &HeaderMap) -> bool {
    let mut codings = members(headers, &header::TRANSFER_ENCODING);
    let first_is_chunked =
        codings.next().is_some_and(|coding| coding.eq_ignore_ascii_case(b"chunked"));
    first_is_chunked && codings.next().is_none()
}

/// The two words of `Connection` that are about itself.
fn is_persistence(word: &[u8]) -> bool {
    word.eq_ignore_ascii_case(b"close") || word.eq_ignore_ascii_case(b"keep-alive")
}

fn accepts_trailers(headers: &HeaderMap) -> bool {
    members(headers, &header::TE).any(|member| {
        let coding = member.split(|byte| *byte == b';').next();
        coding.is_some_and(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
    })
}

#[cfg(test)]
#[path = "headers_tests.rs"]
mod tests;
