//! URLs, prefixes and origins as requests and scopes name them.

use http::Uri;

/// What one name may take: longer ones are no URL that a server would answer.
const MAX_NAME: usize = 8 * 1024;

/// Reads an absolute URL.
///
/// # Errors
///
/// Says what is wrong with it, to go behind the name of its field.
pub(super) fn url(text: &str) -> Result<Uri, &'static str> {
    bounded(text)?;
    if text.contains('#') {
        // `Uri` would drop it without a word.
        return Err("must not have a fragment");
    }
    let uri: Uri = text.parse().map_err(|_| "must be a URL")?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err("must begin with http:// or https://");
    }
    match uri.authority() {
        Some(authority) if !authority.as_str().contains('@') => Ok(uri),
        _ => Err("must name a host and no user"),
    }
}

/// Reads an origin: a scheme, a host, and a port where it is not the usual one.
pub(super) fn origin(text: &str) -> Result<Uri, &'static str> {
    let uri = url(text)?;
    match place(text).contains(['/', '?']) {
        true => Err("must be an origin, without a path"),
        false => Ok(uri),
    }
}

/// Reads the beginning of an authority and path, with or without a scheme.
pub(super) fn prefix(text: &str) -> Result<&str, &'static str> {
    bounded(text)?;
    let prefix = place(text);
    match () {
        () if prefix.contains("://") => Err("must begin with a host, http:// or https://"),
        () if prefix.is_empty() || prefix.starts_with('/') => Err("must begin with a host"),
        () if prefix.contains(['?', '#', '@']) => {
            Err("must be the beginning of a host and path, without a query")
        }
        () => Ok(prefix),
    }
}

/// Reads a tag or the name of a group.
pub(super) fn name(text: &str) -> Result<&str, &'static str> {
    bounded(text).map(|()| text)
}

/// What is behind the scheme: authority, path and query.
pub(super) fn place(text: &str) -> &str {
    match text.split_once("://") {
        Some((scheme, rest))
            if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") =>
        {
            rest
        }
        _ => text,
    }
}

fn bounded(text: &str) -> Result<(), &'static str> {
    match text.len() {
        0 => Err("must not be empty"),
        // They end up in logs.
        1..=MAX_NAME if text.contains(char::is_control) => Err("must not hold control characters"),
        1..=MAX_NAME => Ok(()),
        _ => Err("is too long"),
    }
}
