//! What the bodies of requests say, or which field is wrong. Read by hand and not derived, so that
//! every error names its field.

use http::Uri;
use serde_json::{Map, Value};

use super::control::{Purge, PurgeTarget};
use super::target;
use crate::purge::Mode;

/// How many URLs one request may have fetched. A deployment has more in it; it sends several
/// requests, and sees how they go.
const MAX_URLS: usize = 256;

/// Reads `{"tag": "front page", "mode": "soft"}`: one target, and how.
pub(super) fn purge(body: &[u8]) -> Result<Purge, String> {
    let mut target = None;
    let mut mode = Mode::Hard;
    for (field, value) in &object(body)? {
        let found = match field.as_str() {
            "mode" => {
                mode = read_mode(value).map_err(|reason| named("mode", reason))?;
                continue;
            }
            "url" => checked(value, target::url).map(PurgeTarget::Url),
            "path" => checked(value, target::url).map(PurgeTarget::UrlPath),
            "tag" => checked(value, target::name).map(PurgeTarget::Tag),
            "prefix" => {
                text(value).and_then(target::prefix).map(|it| PurgeTarget::Prefix(it.to_owned()))
            }
            "group" => Ok(group(value)?),
            "all" if *value == Value::Bool(true) => Ok(PurgeTarget::All),
            "all" => Err("must be true"),
            _ => Err("unknown field"),
        };
        let found = found.map_err(|reason| named(field, reason))?;
        if target.replace(found).is_some() {
            return Err(named(field, "one target is enough"));
        }
    }
    let target = target.ok_or("one of url, path, tag, group, prefix and all is needed")?;
    Ok(Purge { target, mode })
}

/// Reads `{"urls": ["https://example.org/"]}`.
pub(super) fn preload(body: &[u8]) -> Result<Vec<Uri>, String> {
    let object = object(body)?;
    if let Some(field) = object.keys().find(|field| *field != "urls") {
        return Err(named(field, "unknown field"));
    }
    let urls = object.get("urls").and_then(Value::as_array);
    let urls = urls.ok_or_else(|| named("urls", "must be a list"))?;
    if urls.is_empty() || urls.len() > MAX_URLS {
        return Err(named("urls", &format!("must be 1 to {MAX_URLS}")));
    }
    let read = |(at, url)| {
        let url = text(url).and_then(target::url);
        url.map_err(|reason| named(&format!("urls[{at}]"), reason))
    };
    urls.iter().enumerate().map(read).collect()
}

fn object(body: &[u8]) -> Result<Map<String, Value>, String> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(named("body", "must be a JSON object")),
        Err(error) => {
            let place = format!("is not JSON at line {} column {}", error.line(), error.column());
            Err(named("body", &place))
        }
    }
}

fn group(value: &Value) -> Result<PurgeTarget, String> {
    let Value::Object(group) = value else {
        return Err(named("group", "must be an object with origin and name"));
    };
    if let Some(field) = group.keys().find(|field| !["origin", "name"].contains(&field.as_str())) {
        return Err(named(&format!("group.{field}"), "unknown field"));
    }
    let part = |field: &str| group.get(field).unwrap_or(&Value::Null);
    let origin = checked(part("origin"), target::origin);
    let name = checked(part("name"), target::name);
    Ok(PurgeTarget::Group {
        origin: origin.map_err(|reason| named("group.origin", reason))?,
        name: name.map_err(|reason| named("group.name", reason))?,
    })
}

fn read_mode(value: &Value) -> Result<Mode, &'static str> {
    match value.as_str() {
        Some("hard") => Ok(Mode::Hard),
        Some("soft") => Ok(Mode::Soft),
        _ => Err("must be \"hard\" or \"soft\""),
    }
}

fn text(value: &Value) -> Result<&str, &'static str> {
    value.as_str().ok_or("must be a string")
}

fn checked<'a, T>(
    value: &'a Value,
    check: impl FnOnce(&'a str) -> Result<T, &'static str>,
) -> Result<String, &'static str> {
    let text = text(value)?;
    check(text).map(|_| text.to_owned())
}

/// Puts the field before the reason. A field that does not exist may have any name.
fn named(field: &str, reason: &str) -> String {
    let field: String = field.chars().take(64).collect();
    format!("{field}: {reason}")
}
