//! Things that never change at their address.

use axum::extract::Path;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use crate::assets;
use crate::cover;
use crate::http::error::Error;
use crate::http::params::{BadParam, Params};
use crate::model::StationId;

/// For an address with a version: a year, and no question in between.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// For an address without one: the content behind it may change with the next release. What is old
/// is better than nothing, for a day.
const FOR_A_WHILE: &str = "public, max-age=300, stale-if-error=86400";

pub(super) async fn asset(
    Path(name): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let (asset, version) = assets::find(&name).ok_or(Error::NotFound("file"))?;
    let asked = Params::parse(uri.query().unwrap_or(""))?;
    let cache = if asked.one("v")? == Some(version) { FOR_EVER } else { FOR_A_WHILE };
    Ok(file(&headers, asset.content_type, cache, version, || asset.content.to_owned()))
}

pub(super) async fn icon(headers: HeaderMap) -> Result<Response, Error> {
    let (asset, version) = assets::find(assets::ICON).ok_or(Error::NotFound("file"))?;
    Ok(file(&headers, asset.content_type, FOR_A_WHILE, version, || asset.content.to_owned()))
}

pub(super) async fn cover(
    Path(name): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let station: StationId =
        name.strip_suffix(".svg").and_then(|id| id.parse().ok()).ok_or(Error::NotFound("cover"))?;
    let (version, cache) = match Params::parse(uri.query().unwrap_or(""))?.one("v")? {
        None => (1, FOR_A_WHILE),
        Some(text) => {
            let version = text.parse().ok().filter(|version| *version > 0);
            (version.ok_or(BadParam::new("v", "is a number from 1 upwards"))?, FOR_EVER)
        }
    };
    let tag = format!("{station}-{version}");
    Ok(file(&headers, "image/svg+xml", cache, &tag, || cover::svg(station, version)))
}

fn file(
    headers: &HeaderMap,
    content_type: &'static str,
    cache: &'static str,
    version: &str,
    content: impl FnOnce() -> String,
) -> Response {
    // Weak: compression changes the bytes and keeps the meaning.
    let tag = format!("W/\"{version}\"");
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(
        |value| {
            value.split(',').map(str::trim).any(|candidate| candidate == tag || candidate == "*")
        },
    );
    let headers = [
        (CONTENT_TYPE, content_type.to_owned()),
        (CACHE_CONTROL, cache.to_owned()),
        (ETAG, tag),
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    if known {
        (StatusCode::NOT_MODIFIED, headers).into_response()
    } else {
        (headers, content()).into_response()
    }
}
