use http::header::{self, HeaderMap};
use http::{Method, Request};

use super::Rules;
use crate::field::cdn_loop::CDN_LOOP;
use crate::field::directives::RequestDirectives;

/// What a method means to a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Answered from what is stored.
    Get,
    /// Answered from what is stored for GET.
    Head,
    /// Changes nothing at the origin (RFC 9110, 9.2.1), and is passed on.
    Safe,
    /// Passed on, and invalidates when it succeeds; unknown methods count as unsafe (4.4).
    Unsafe,
}

impl Verb {
    /// What a method means.
    #[must_use]
    pub fn of(method: &Method) -> Self {
        match *method {
            Method::GET => Self::Get,
            Method::HEAD => Self::Head,
            Method::OPTIONS | Method::TRACE => Self::Safe,
            // Registered as safe, without constants in `http`.
            _ => match method.as_str() {
                "PROPFIND" | "REPORT" | "SEARCH" | "QUERY" | "PRI" => Self::Safe,
                _ => Self::Unsafe,
            },
        }
    }
}

/// What of a request matters to a cache, read in one pass over its header.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Its method.
    pub verb: Verb,
    /// Its directives, if the rules let a client's count.
    pub directives: Option<RequestDirectives>,
    /// It has `Authorization`.
    pub authorization: bool,
    /// It has `Cookie`.
    pub cookie: bool,
    /// It has `Range`, and is a GET: the field means nothing on others (RFC 9110, 14.2).
    pub range: bool,
    /// It has `If-None-Match` or `If-Modified-Since`.
    pub conditional: bool,
    /// It has `If-Match` or `If-Unmodified-Since`, which a cache does not judge (4.3.2).
    pub precondition: bool,
    /// It has `CDN-Loop`.
    pub(crate) looped: bool,
    /// Bytes of its header as HTTP/1.1 writes it.
    pub(crate) size: usize,
}

impl Facts {
    /// Reads a request.
    #[must_use]
    pub fn read<B>(request: &Request<B>, rules: &Rules) -> Self {
        Self::of(request.method(), request.headers(), rules)
    }

    /// Reads a method and a header.
    #[must_use]
    pub fn of(method: &Method, headers: &HeaderMap, rules: &Rules) -> Self {
        let verb = Verb::of(method);
        let mut facts = Self {
            verb,
            directives: None,
            authorization: false,
            cookie: false,
            range: false,
            conditional: false,
            precondition: false,
            looped: false,
            size: 0,
        };
        let mut controlled = false;
        for (name, value) in headers {
            facts.size += name.as_str().len() + value.len() + 4;
            if name == header::IF_NONE_MATCH || name == header::IF_MODIFIED_SINCE {
                facts.conditional = true;
            } else if name == header::COOKIE {
                facts.cookie = true;
            } else if name == header::RANGE {
                facts.range = verb == Verb::Get;
            } else if name == header::AUTHORIZATION {
                facts.authorization = true;
            } else if name == header::CACHE_CONTROL || name == header::PRAGMA {
                controlled = true;
            } else if name == header::IF_MATCH || name == header::IF_UNMODIFIED_SINCE {
                facts.precondition = true;
            } else if name == CDN_LOOP {
                facts.looped = true;
            }
        }
        if controlled && rules.client_directives {
            facts.directives = Some(directives(headers));
        }
        facts
    }
}

impl Facts {
    /// Whether it tells who asks: the answer may then be stored only with explicit leave.
    #[must_use]
    pub fn is_personal(&self, rules: &Rules) -> bool {
        self.authorization || self.cookie && rules.cookies_need_leave
    }
}

fn directives(headers: &HeaderMap) -> RequestDirectives {
    let mut directives = RequestDirectives::parse(headers.get_all(header::CACHE_CONTROL));
    // HTTP/1.0 clients have no Cache-Control; where there is one, Pragma means nothing (5.4).
    if !headers.contains_key(header::CACHE_CONTROL) {
        directives.no_cache = headers.get_all(header::PRAGMA).iter().any(|value| {
            value
                .as_bytes()
                .split(|byte| *byte == b',')
                .any(|word| word.trim_ascii().eq_ignore_ascii_case(b"no-cache"))
        });
    }
    directives
}
