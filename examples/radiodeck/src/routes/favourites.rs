use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, REFERER};
use axum::response::{IntoResponse, Redirect, Response};
use bytes::Bytes;

use super::stations::{dress, paging};
use crate::api::{FavouriteState, Favourites, StationView};
use crate::http::error::Error;
use crate::http::negotiate::Format;
use crate::http::params::{BadParam, Params};
use crate::http::visit::{Id, Visit};
use crate::http::xml;
use crate::model::{ListenerId, StationId};
use crate::sessions::Shelf;
use crate::storage::{Store, Window};

pub(super) async fn list(visit: Visit) -> Result<Response, Error> {
    let listener = match keeper(&visit) {
        Ok(Keeper::Listener(listener)) => listener,
        Ok(Keeper::Stranger(shelf)) => return list_shelf(&visit, shelf).await,
        Err(_) if visit.format == Format::Html => {
            return Ok(Redirect::to("/sign-in?next=%2Ffavourites").into_response());
        }
        Err(error) => return Err(error),
    };
    let (page, per_page) = paging(&visit)?;
    let store = &visit.app.store;
    if let Some(shelf) = &visit.shelf {
        // What a sign-in left there that was cut short.
        bring_along(&**store, shelf, listener, visit.now).await?;
    }
    let found = store.favourites(listener, Window::page(page, per_page)).await?;
    let ids: Vec<_> = found.items.iter().map(|station| station.id).collect();
    let playing =
        if ids.is_empty() { Vec::new() } else { store.now_playing(&ids, visit.now).await? };
    let pages = u32::try_from(found.total).unwrap_or(0).div_ceil(per_page);
    let kept = ids.into_iter().collect();
    let stations = StationView::list(found.items, playing, Some(&kept));
    visit.show(&Favourites { total: found.total, page, pages, stations, on_shelf: false }).await
}

async fn list_shelf(visit: &Visit, shelf: &Shelf) -> Result<Response, Error> {
    let ids = shelf.stations().await?;
    let mut stations =
        if ids.is_empty() { Vec::new() } else { visit.app.store.these(&ids).await? };
    stations.sort_by_key(|station| ids.iter().position(|id| *id == station.id));
    let total = i64::try_from(stations.len()).unwrap_or(i64::MAX);
    let stations = dress(visit, stations).await?;
    let pages = u32::from(total > 0);
    visit.show(&Favourites { total, page: 1, pages, stations, on_shelf: true }).await
}

/// Makes a stranger's stations a listener's. Done twice, it is done once.
pub(super) async fn bring_along(
    store: &dyn Store,
    shelf: &Shelf,
    listener: ListenerId,
    now: i64,
) -> Result<(), Error> {
    let stations = shelf.stations().await?;
    if stations.is_empty() {
        return Ok(());
    }
    // A second apart, so that the newest stays the first.
    for (since, station) in (0..).map(|ago| now - ago).zip(stations) {
        // A station that is gone meanwhile is nobody's.
        store.keep(listener, station, since).await?;
    }
    Ok(shelf.take_down().await?)
}

/// Whose favourites a request is about.
enum Keeper<'a> {
    Listener(ListenerId),
    Stranger(&'a Shelf),
}

fn keeper(visit: &Visit) -> Result<Keeper<'_>, Error> {
    match (visit.listener, &visit.shelf) {
        (Some(listener), _) => Ok(Keeper::Listener(listener)),
        (None, Some(shelf)) => Ok(Keeper::Stranger(shelf)),
        (None, None) => Err(Error::SignInFirst),
    }
}

pub(super) async fn keep(visit: Visit, Id(id): Id<StationId>) -> Result<Response, Error> {
    let favourites = change(&visit, id, true).await?;
    Ok(state(&visit, id, true, favourites))
}

pub(super) async fn drop_favourite(visit: Visit, Id(id): Id<StationId>) -> Result<Response, Error> {
    let favourites = change(&visit, id, false).await?;
    Ok(state(&visit, id, false, favourites))
}

/// The form behind the heart, for browsers without scripts: changes, then goes back.
pub(super) async fn form(
    visit: Visit,
    Id(id): Id<StationId>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Error> {
    let sign_in = || Redirect::to(&format!("/sign-in?next=%2Fstations%2F{id}")).into_response();
    if keeper(&visit).is_err() {
        return Ok(sign_in());
    }
    let form = read_form(&body)?;
    let keep = match form.one("keep")? {
        Some("yes") => true,
        Some("no") => false,
        _ => return Err(BadParam::new("keep", "is yes or no").into()),
    };
    match change(&visit, id, keep).await {
        Err(Error::SignInForMore) => return Ok(sign_in()),
        changed => changed?,
    };
    let back = headers.get(REFERER).and_then(|value| value.to_str().ok()).and_then(local_path);
    Ok(Redirect::to(back.unwrap_or(&format!("/stations/{id}"))).into_response())
}

/// Keeps or drops a station, and says how many listeners keep it now.
async fn change(visit: &Visit, station: StationId, keep: bool) -> Result<i64, Error> {
    let store = &visit.app.store;
    let listener = match keeper(visit)? {
        Keeper::Listener(listener) => listener,
        Keeper::Stranger(shelf) => {
            let found = store.station(station).await?.ok_or(Error::NotFound("station"))?;
            if !keep {
                shelf.drop_station(station).await?;
            } else if !shelf.keep(station).await? {
                return Err(Error::SignInForMore);
            }
            // Strangers are not counted.
            return Ok(found.favourites);
        }
    };
    let kept = if keep {
        store.keep(listener, station, visit.now).await?
    } else {
        store.drop_favourite(listener, station).await?
    };
    match kept {
        Some(kept) => Ok(kept.favourites),
        // The rare case pays for the question which of the two is missing.
        None if store.listener(listener).await?.is_none() => Err(Error::UnknownListener),
        None => Err(Error::NotFound("station")),
    }
}

fn state(visit: &Visit, station: StationId, favourite: bool, favourites: i64) -> Response {
    let document = serde_json::json!(FavouriteState { station, favourite, favourites });
    let (format, body) = match visit.format {
        Format::Xml => (Format::Xml, xml::document("favourite", &document)),
        _ => (Format::Json, document.to_string()),
    };
    ([(CONTENT_TYPE, format.content_type()), (CACHE_CONTROL, "no-store")], body).into_response()
}

pub(super) fn read_form(body: &[u8]) -> Result<Params, Error> {
    let text = std::str::from_utf8(body).map_err(|_| BadParam::new("the form", "is not UTF-8"))?;
    Ok(Params::parse(text)?)
}

/// The path of an address on some host. Without the host, so that nobody is sent to another site.
fn local_path(address: &str) -> Option<&str> {
    let (_, rest) = address.split_once("://")?;
    let path = &rest[rest.find('/')?..];
    is_local(path).then_some(path)
}

/// Whether an address stays on this site. `//host` and `/\host` are addresses of another.
pub(super) fn is_local(path: &str) -> bool {
    path.starts_with('/')
        && !path.starts_with("//")
        && !path.starts_with("/\\")
        && path.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_site() {
        assert_eq!(local_path("http://localhost:1/stations?page=2"), Some("/stations?page=2"));
        for address in
            ["", "/x", "http://a", "http://a//evil.test", "http://a/\\evil", "http://a/ b"]
        {
            assert_eq!(local_path(address), None, "{address}");
        }
        assert!(!is_local("//evil.test"));
        assert!(!is_local("https://evil.test"));
        assert!(!is_local("/x\r\nset-cookie: a=b"));
    }
}
