#![expect(clippy::disallowed_types, reason = "the layer passes the wall time in")]
//! What a response tells its client, and where it stands.

use std::time::{Duration, SystemTime};

use http::header::{CACHE_CONTROL, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Carrier, NAME};
use crate::token::{CausalContext, Token};

/// What the client does not know yet.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    None,
    Token(Token),
    /// What its token speaks of is gone.
    Forget,
}

/// What has happened since `came`, which is what the client sent.
pub(super) fn news(
    came: Option<&Token>,
    context: &CausalContext,
    max_age: Duration,
    now: SystemTime,
) -> News {
    let (came, token) = match (came, context.token(now)) {
        (None, None) => return News::None,
        (Some(_), None) => return News::Forget,
        (None, Some(token)) => return News::Token(token),
        (Some(came), Some(token)) => (came, token),
    };
    // One that lives on by being used must not die of age in between.
    let age = u64::from(token.issued.saturating_sub(came.issued));
    let ageing = context.used() && age > max_age.as_secs() / 2;
    if ageing || !token.asks_the_same(came) { News::Token(token) } else { News::None }
}

/// Writes the token's text, which lives for `age`; an empty text means that there is none any more.
pub(super) fn write(headers: &mut HeaderMap, carrier: Carrier, text: &str, age: Duration) {
    let (header, written) = match carrier {
        Carrier::Header => (HeaderName::from_static(NAME), HeaderValue::from_str(text)),
        Carrier::Cookie { secure } => {
            (SET_COOKIE, HeaderValue::from_str(&cookie(text, age, secure)))
        }
    };
    // Neither can fail with what is written here; and no header at all is the worst they can do.
    let Ok(mut value) = written else { return };
    // Not for logs, nor for the compression tables of HTTP/2.
    value.set_sensitive(true);
    keep_private(headers, &header);
    let _ = match carrier {
        Carrier::Header => headers.try_insert(header, value).map(drop),
        Carrier::Cookie { .. } => headers.try_append(header, value).map(drop),
    };
}

fn cookie(text: &str, age: Duration, secure: bool) -> String {
    let age = age.as_secs();
    let secure = if secure { "; Secure" } else { "" };
    format!("{NAME}={text}; Max-Age={age}; Path=/; HttpOnly; SameSite=Lax{secure}")
}

/// Keeps shared caches from giving one user's token to another.
fn keep_private(headers: &mut HeaderMap, header: &HeaderName) {
    let mut values = headers.get_all(CACHE_CONTROL).iter().peekable();
    let value = if values.peek().is_none() {
        HeaderValue::from_static("private")
    } else if values.any(|value| is_private(value.as_bytes())) {
        return;
    } else if *header == SET_COOKIE {
        HeaderValue::from_static("private=\"set-cookie\"")
    } else {
        HeaderValue::from_static("private=\"terrace-token\"")
    };
    let _ = headers.try_append(CACHE_CONTROL, value);
}

/// Whether a `Cache-Control` keeps the whole response out of shared caches.
pub(super) fn is_private(value: &[u8]) -> bool {
    let mut quoted = false;
    value
        .split(|byte| {
            quoted ^= *byte == b'"';
            *byte == b',' && !quoted
        })
        .map(<[u8]>::trim_ascii)
        .any(|it| it.eq_ignore_ascii_case(b"private") || it.eq_ignore_ascii_case(b"no-store"))
}
