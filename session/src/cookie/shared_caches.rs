//! Keeps what one user was shown from others.
//!
//! Between a browser and the server there may be caches that many share. They have to be told by each response
//! that had to do with a session, whatever the application says about it: `Cache-Control` becomes private,
//! `Vary` names the cookie for caches that ask, and the fields by which some of them overrule `Cache-Control`
//! are removed. What a browser may keep for itself stays the application's to say.

use http::header::{CACHE_CONTROL, VARY};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Fields that some caches believe more than `Cache-Control`: of surrogates, Akamai, nginx and LiteSpeed. Those
/// that [`overrules`] knows by their end are not among them.
const OVERRULING: [&str; 4] =
    ["surrogate-control", "edge-control", "x-accel-expires", "x-litespeed-cache-control"];

const PRIVATE: &[u8] = b"private";

/// Tells shared caches to keep this response to nobody, and changes nothing that says so already.
pub(crate) fn keep_out(headers: &mut HeaderMap) {
    tell_apart(headers);
    if let Some(control) = control(headers) {
        headers.insert(CACHE_CONTROL, control);
    }
    while let Some(name) = headers.keys().find(|name| overrules(name)).cloned() {
        headers.remove(name);
    }
}

/// Tells shared caches that a request with another cookie, or with none, has another answer.
///
/// That is all there is to say of what a visitor without a session is shown: who may keep it stays the application's to
/// say.
pub(crate) fn tell_apart(headers: &mut HeaderMap) {
    if let Some(vary) = vary(headers) {
        headers.insert(VARY, vary);
    }
}

/// RFC 9213 and what vendors put in front of its name.
fn overrules(name: &HeaderName) -> bool {
    let before = name.as_str().strip_suffix("cdn-cache-control");
    before.is_some_and(|before| before.is_empty() || before.ends_with('-'))
        || OVERRULING.contains(&name.as_str())
}

/// What `Vary` has to be, unless it says enough.
fn vary(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut joined = Vec::new();
    for line in headers.get_all(VARY) {
        let mut fields = line.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        if fields.any(|field| field == b"*" || field.eq_ignore_ascii_case(b"cookie")) {
            return None;
        }
        push(&mut joined, line.as_bytes().trim_ascii());
    }
    if joined.is_empty() {
        return Some(const { HeaderValue::from_static("Cookie") });
    }
    push(&mut joined, b"Cookie");
    // Parts of valid values are one; if not, no cache may use it.
    Some(HeaderValue::try_from(joined).unwrap_or(const { HeaderValue::from_static("*") }))
}

/// What `Cache-Control` has to be, unless it says enough.
fn control(headers: &HeaderMap) -> Option<HeaderValue> {
    let lines = headers.get_all(CACHE_CONTROL);
    let mut iter = lines.iter();
    match (iter.next(), iter.next()) {
        (None, _) => return Some(const { HeaderValue::from_static("private") }),
        (Some(line), None) if says_enough(line.as_bytes()) => return None,
        _ => {}
    }
    // In front and in one line, where also a cache finds it that reads one line, or no quotes.
    let mut joined = PRIVATE.to_vec();
    for directive in lines.iter().flat_map(|line| Directives(line.as_bytes())) {
        match directive {
            Some(directive) if directive.is_for_shared_caches() => {}
            Some(directive) => push(&mut joined, directive.whole),
            // Caches do not read it the same way either, so there is no telling what may be kept.
            None => return Some(unreadable()),
        }
    }
    Some(HeaderValue::try_from(joined).unwrap_or(unreadable()))
}

const fn unreadable() -> HeaderValue {
    HeaderValue::from_static("private, no-store")
}

/// Whether a line without quotes keeps shared caches out, and says nothing else to them.
fn says_enough(line: &[u8]) -> bool {
    let (mut private, mut no_store, mut must_understand) = (false, false, false);
    for directive in Directives(line) {
        let Some(directive) = directive else { return false };
        match directive {
            _ if directive.is("private") && !directive.qualified => private = true,
            _ if directive.is_for_shared_caches() => return false,
            _ if directive.is("no-store") && !directive.qualified => no_store = true,
            _ if directive.is("must-understand") => must_understand = true,
            _ => {}
        }
    }
    // Who understands the status may ignore `no-store` beside `must-understand` (RFC 9111, section 5.2.2.3).
    !line.contains(&b'"') && (private || (no_store && !must_understand))
}

/// One of `Cache-Control`.
struct Directive<'a> {
    name: &'a [u8],
    /// Whether an argument says to which fields it applies, or anything else.
    qualified: bool,
    whole: &'a [u8],
}

impl Directive<'_> {
    fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// What only they read. `private` with an argument is among it: it lets them keep all but some fields.
    fn is_for_shared_caches(&self) -> bool {
        ["private", "public", "s-maxage", "proxy-revalidate"].iter().any(|name| self.is(name))
    }
}

/// The directives of a line; `None` for what is none, after which there is nothing more.
struct Directives<'a>(&'a [u8]);

impl<'a> Iterator for Directives<'a> {
    type Item = Option<Directive<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.0.is_empty() {
                return None;
            }
            let Some((member, rest)) = first_member(self.0) else {
                self.0 = &[];
                return Some(None);
            };
            self.0 = rest;
            let whole = member.trim_ascii();
            if !whole.is_empty() {
                return Some(directive(whole));
            }
        }
    }
}

/// Up to the first comma outside of quotes, and what is behind it; nothing if a quote does not end.
fn first_member(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mut quoted, mut escaped) = (false, false);
    let comma = line.iter().position(|byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' => return !quoted,
            _ => {}
        }
        false
    });
    match comma {
        Some(comma) => Some((line.get(..comma)?, line.get(comma + 1..)?)),
        None => (!quoted).then_some((line, &[])),
    }
}

fn directive(whole: &[u8]) -> Option<Directive<'_>> {
    let mut parts = whole.splitn(2, |byte| *byte == b'=');
    let name = parts.next()?;
    let letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let readable = !name.is_empty() && name.iter().all(letter);
    readable.then(|| Directive { name, qualified: parts.next().is_some(), whole })
}

/// Adds a member to a list.
fn push(list: &mut Vec<u8>, member: &[u8]) {
    if !list.is_empty() && !member.is_empty() {
        list.extend_from_slice(b", ");
    }
    list.extend_from_slice(member);
}
