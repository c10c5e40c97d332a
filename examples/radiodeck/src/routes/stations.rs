use axum::response::Response;

use crate::api::{
    AirView, Filter, OnAir, Programme, StationDetail, StationList, StationView, TrackDetail,
};
use crate::http::error::Error;
use crate::http::params::BadParam;
use crate::http::visit::{Id, Visit};
use crate::model::{Genre, Station, StationId, TrackId};
use crate::schedule;
use crate::storage::{Order, StationQuery, Window};

/// Full rows of two, three and four cards.
const PER_PAGE: u32 = 24;

pub(super) async fn list(visit: Visit) -> Result<Response, Error> {
    let (page, per_page) = paging(&visit)?;
    let query = StationQuery {
        search: visit.params.search("q")?.map(str::to_owned),
        genre: match visit.params.one("genre")? {
            None | Some("") => None,
            Some(slug) => {
                Some(Genre::from_slug(slug).ok_or(BadParam::new("genre", "is not one we know"))?)
            }
        },
        order: match visit.params.one("sort")? {
            None | Some("" | "popular") => Order::Popular,
            Some("name") => Order::Name,
            Some(_) => return Err(BadParam::new("sort", "is popular or name").into()),
        },
        window: Window::page(page, per_page),
    };
    let mut found = visit.app.store.stations(&query).await?;
    let stations = dress(&visit, std::mem::take(&mut found.items)).await?;
    let filter =
        Filter { search: query.search, genre: query.genre, by_name: query.order == Order::Name };
    visit.show(&StationList::new(page, per_page, &found, stations, filter)).await
}

/// The page asked for and its size. At most 100 rows, so that no answer is larger than a screenful
/// of a patient reader; at most 10,000 pages, since leaving out rows is work for the database too.
pub(super) fn paging(visit: &Visit) -> Result<(u32, u32), BadParam> {
    let page = visit.params.number("page", 1, 1..=10_000, "is a number from 1 to 10000")?;
    let per_page =
        visit.params.number("per_page", PER_PAGE, 1..=100, "is a number from 1 to 100")?;
    Ok((page, per_page))
}

/// Adds what a list of stations plays and what the listener keeps of it: one query each, however long
/// the list is.
pub(super) async fn dress(
    visit: &Visit,
    stations: Vec<Station>,
) -> Result<Vec<StationView>, Error> {
    if stations.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<_> = stations.iter().map(|station| station.id).collect();
    let playing = visit.app.store.now_playing(&ids, visit.now).await?;
    let kept = visit.kept(&ids).await?;
    Ok(StationView::list(stations, playing, kept.as_ref()))
}

pub(super) async fn detail(visit: Visit, Id(id): Id<StationId>) -> Result<Response, Error> {
    let store = &visit.app.store;
    let station = store.station(id).await?.ok_or(Error::NotFound("station"))?;
    let tracks = store.tracks(id).await?;
    let mut programme =
        schedule::coming_up(&station, &tracks, visit.now).into_iter().map(AirView::from);
    let favourite = visit.kept(&[id]).await?.map(|kept| kept.contains(&id));
    let station = StationView::new(station, favourite, programme.next());
    visit.show(&StationDetail { station, next: programme.collect() }).await
}

pub(super) async fn programme(visit: Visit, Id(id): Id<StationId>) -> Result<Response, Error> {
    let store = &visit.app.store;
    let station = store.station(id).await?.ok_or(Error::NotFound("station"))?;
    let tracks = store.tracks(id).await?.into_iter().map(Into::into).collect();
    let station = StationView::new(station, None, None);
    visit.show(&Programme { station, tracks }).await
}

pub(super) async fn on_air(visit: Visit, Id(id): Id<StationId>) -> Result<Response, Error> {
    let playing = visit.app.store.now_playing(&[id], visit.now).await?.pop();
    let now = playing.ok_or(Error::NotFound("station"))?.into();
    visit.show(&OnAir { station: id, now }).await
}

pub(super) async fn track(visit: Visit, Id(id): Id<TrackId>) -> Result<Response, Error> {
    let track = visit.app.store.track(id).await?.ok_or(Error::NotFound("track"))?;
    visit.show(&TrackDetail { track: track.into() }).await
}
