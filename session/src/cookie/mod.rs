//! Cookies (stand-in).

use std::error::Error;
use std::fmt;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};

use crate::token::{Keys, Token};

/// How the cookie is sent.
#[derive(Clone, Debug)]
pub struct Cookie {
    name: &'static str,
}

impl Cookie {
    /// Lax.
    #[must_use]
    pub fn lax() -> Self {
        Self { name: "__Host-id" }
    }

    pub(crate) fn check(&self) -> Result<Checked, InvalidCookie> {
        Ok(Checked { name: self.name.into() })
    }
}

impl Default for Cookie {
    fn default() -> Self {
        Self::lax()
    }
}

#[derive(Debug)]
pub(crate) struct Checked {
    name: String,
}

impl Default for Checked {
    fn default() -> Self {
        Self { name: "__Host-id".into() }
    }
}

impl Checked {
    pub(crate) fn is_persistent(&self) -> bool {
        true
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn set(&self, token: &Token, lives: Duration) -> HeaderValue {
        let text = format!(
            "{}={}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={}",
            self.name,
            token.text(),
            lives.as_secs()
        );
        HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    pub(crate) fn removal(&self) -> HeaderValue {
        let text = format!("{}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0", self.name);
        HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

/// What is wrong.
#[derive(Debug)]
pub struct InvalidCookie;

impl fmt::Display for InvalidCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid cookie")
    }
}

impl Error for InvalidCookie {}

pub(crate) enum Found {
    None,
    One(Token),
    Ambiguous,
}

pub(crate) fn find(headers: &HeaderMap, name: &str, keys: &Keys) -> Found {
    let mut found = Found::None;
    for line in headers.get_all(header::COOKIE) {
        for pair in line.as_bytes().split(|byte| *byte == b';') {
            let pair = pair.trim_ascii();
            let Some(value) =
                pair.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"="))
            else {
                continue;
            };
            if let Some(token) = keys.verify(value) {
                found = match found {
                    Found::None => Found::One(token),
                    _ => Found::Ambiguous,
                };
            }
        }
    }
    found
}

pub(crate) mod shared_caches {
    use http::{HeaderMap, HeaderValue, header};

    pub(crate) fn keep_out(headers: &mut HeaderMap) {
        headers.append(header::VARY, HeaderValue::from_static("cookie"));
        headers
            .entry(header::CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("private, no-cache=\"set-cookie\""));
    }
}
