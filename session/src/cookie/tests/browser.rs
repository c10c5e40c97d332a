//! What a browser does with `Set-Cookie`: RFC 6265bis, sections 5.6 and 5.7, and `Partitioned` (CHIPS).
//!
//! The page is one of `host`, over TLS.

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) name: String,
    pub(super) value: String,
    /// Nothing for that of the request.
    pub(super) path: Option<String>,
    /// Nothing for the host alone.
    pub(super) domain: Option<String>,
    pub(super) max_age: Option<i64>,
    pub(super) secure: bool,
    pub(super) http_only: bool,
    pub(super) same_site: Option<String>,
    pub(super) partitioned: bool,
}

impl Stored {
    pub(super) fn is_over(&self) -> bool {
        self.max_age.is_some_and(|age| age <= 0)
    }

    /// What another cookie has to have in common with it to take its place.
    pub(super) fn identity(&self) -> (&str, Option<&str>, Option<&str>, bool) {
        (&self.name, self.path.as_deref(), self.domain.as_deref(), self.partitioned)
    }
}

/// The cookie, unless it is ignored.
pub(super) fn receive(host: &str, line: &str) -> Option<Stored> {
    if line.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
        return None;
    }
    let mut parts = line.split(';').map(str::trim);
    let pair = parts.next()?;
    let (name, value) = pair.split_once('=').unwrap_or(("", pair));
    let (name, value) = (name.trim(), value.trim());
    if name.len() + value.len() > 4096 || pair.is_empty() {
        return None;
    }
    let mut stored = Stored { name: name.into(), value: value.into(), ..Stored::default() };
    for part in parts {
        let (attribute, value) = part.split_once('=').unwrap_or((part, ""));
        let (attribute, value) = (attribute.trim().to_ascii_lowercase(), value.trim());
        if value.len() > 1024 {
            continue;
        }
        match attribute.as_str() {
            "max-age" => stored.max_age = value.parse().ok().or(stored.max_age),
            "domain" => {
                stored.domain = Some(value.strip_prefix('.').unwrap_or(value).to_ascii_lowercase());
            }
            "path" => stored.path = value.starts_with('/').then(|| value.to_owned()),
            "secure" => stored.secure = true,
            "httponly" => stored.http_only = true,
            "samesite" => stored.same_site = Some(value.to_ascii_lowercase()),
            "partitioned" => stored.partitioned = true,
            _ => {}
        }
    }
    let stored = Stored { domain: stored.domain.filter(|domain| !domain.is_empty()), ..stored };
    is_taken(host, &stored).then_some(stored)
}

fn is_taken(host: &str, stored: &Stored) -> bool {
    let matches = |domain: &String| host == domain || host.ends_with(&format!(".{domain}"));
    let lower =
        if stored.name.is_empty() { &stored.value } else { &stored.name }.to_ascii_lowercase();
    let host_prefix = lower.starts_with("__host-");
    let secure_prefix = host_prefix || lower.starts_with("__secure-");
    let cross_site = stored.same_site.as_deref() == Some("none") || stored.partitioned;
    stored.domain.as_ref().is_none_or(matches)
        && (stored.secure || !(secure_prefix || cross_site))
        && (!host_prefix || (stored.domain.is_none() && stored.path.as_deref() == Some("/")))
        && !(stored.name.is_empty() && secure_prefix)
}
