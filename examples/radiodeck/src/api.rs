//! The answers, as documents: serialised as they stand for JSON and XML, dressed for HTML in
//! [`crate::view`].

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use terrace_session::UnixMillis;
use terrace_session::session::SignedIn;

use crate::cover;
use crate::edge::EdgeState;
use crate::model::{
    Genre, Listener, ListenerId, NowPlaying, Page, Station, StationId, Track, TrackId,
};
use crate::servers::Roll;
use crate::storage::{Nodes, Saved};

#[derive(Debug, Serialize)]
pub(crate) struct TrackView {
    pub(crate) id: TrackId,
    pub(crate) station: StationId,
    pub(crate) title: String,
    pub(crate) artist: String,
    pub(crate) album: String,
    pub(crate) seconds: i64,
}

impl From<Track> for TrackView {
    fn from(track: Track) -> Self {
        let Track { id, station, title, artist, album, seconds, .. } = track;
        Self { id, station, title, artist, album, seconds }
    }
}

/// Times are seconds since the Unix epoch.
#[derive(Debug, Serialize)]
pub(crate) struct AirView {
    pub(crate) started: i64,
    pub(crate) ends: i64,
    pub(crate) track: TrackView,
}

impl From<NowPlaying> for AirView {
    fn from(playing: NowPlaying) -> Self {
        Self { started: playing.started, ends: playing.ends, track: playing.track.into() }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct StationView {
    pub(crate) id: StationId,
    pub(crate) name: String,
    pub(crate) tagline: String,
    pub(crate) genre: Genre,
    pub(crate) city: String,
    pub(crate) country: String,
    /// In MHz, with one digit: `98.7`.
    pub(crate) frequency: String,
    pub(crate) favourites: i64,
    /// The address of its cover. Another cover has another address.
    pub(crate) cover: String,
    /// Whether the listener who asks keeps it; absent for a stranger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) favourite: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) now: Option<AirView>,
}

impl StationView {
    pub(crate) fn new(station: Station, favourite: Option<bool>, now: Option<AirView>) -> Self {
        Self {
            id: station.id,
            frequency: format!("{}.{}", station.frequency / 10, station.frequency % 10),
            cover: cover::address(station.id, station.cover_version),
            name: station.name,
            tagline: station.tagline,
            genre: station.genre,
            city: station.city,
            country: station.country,
            favourites: station.favourites,
            favourite,
            now,
        }
    }

    /// Joins a page of stations with what they play and with what the listener keeps.
    pub(crate) fn list(
        stations: Vec<Station>,
        playing: Vec<NowPlaying>,
        kept: Option<&HashSet<StationId>>,
    ) -> Vec<Self> {
        let mut playing: HashMap<_, _> =
            playing.into_iter().map(|playing| (playing.track.station, playing)).collect();
        stations
            .into_iter()
            .map(|station| {
                let now = playing.remove(&station.id).map(AirView::from);
                let favourite = kept.map(|kept| kept.contains(&station.id));
                Self::new(station, favourite, now)
            })
            .collect()
    }
}

/// `/`
#[derive(Debug, Serialize)]
pub(crate) struct Home {
    pub(crate) total: i64,
    pub(crate) genres: Vec<Genre>,
    pub(crate) stations: Vec<StationView>,
}

/// `/stations`
#[derive(Debug, Serialize)]
pub(crate) struct StationList {
    pub(crate) total: i64,
    pub(crate) page: u32,
    pub(crate) pages: u32,
    pub(crate) stations: Vec<StationView>,
    #[serde(skip)]
    pub(crate) filter: Filter,
}

/// What a list was narrowed to, for its page.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    pub(crate) search: Option<String>,
    pub(crate) genre: Option<Genre>,
    pub(crate) by_name: bool,
}

impl StationList {
    pub(crate) fn new(
        page: u32,
        per_page: u32,
        found: &Page<Station>,
        stations: Vec<StationView>,
        filter: Filter,
    ) -> Self {
        let pages = u32::try_from(found.total).unwrap_or(0).div_ceil(per_page.max(1));
        Self { total: found.total, page, pages, stations, filter }
    }
}

/// `/stations/{id}`
#[derive(Debug, Serialize)]
pub(crate) struct StationDetail {
    #[serde(flatten)]
    pub(crate) station: StationView,
    /// What follows, in order, once around the programme.
    pub(crate) next: Vec<AirView>,
}

/// `/stations/{id}/tracks`
#[derive(Debug, Serialize)]
pub(crate) struct Programme {
    pub(crate) station: StationView,
    pub(crate) tracks: Vec<TrackView>,
}

/// `/stations/{id}/now`
#[derive(Debug, Serialize)]
pub(crate) struct OnAir {
    pub(crate) station: StationId,
    #[serde(flatten)]
    pub(crate) now: AirView,
}

/// `/tracks/{id}`
#[derive(Debug, Serialize)]
pub(crate) struct TrackDetail {
    #[serde(flatten)]
    pub(crate) track: TrackView,
}

/// `/favourites`
#[derive(Debug, Serialize)]
pub(crate) struct Favourites {
    pub(crate) total: i64,
    pub(crate) page: u32,
    pub(crate) pages: u32,
    pub(crate) stations: Vec<StationView>,
    /// Whether they are a stranger's, for their page.
    #[serde(skip)]
    pub(crate) on_shelf: bool,
}

/// `PUT` and `DELETE /favourites/{id}`
#[derive(Debug, Serialize)]
pub(crate) struct FavouriteState {
    pub(crate) station: StationId,
    pub(crate) favourite: bool,
    pub(crate) favourites: i64,
}

/// `/listeners/{id}`
#[derive(Debug, Serialize)]
pub(crate) struct ListenerView {
    pub(crate) id: ListenerId,
    pub(crate) handle: String,
    pub(crate) name: String,
    /// In seconds since the Unix epoch.
    pub(crate) joined: i64,
}

impl From<Listener> for ListenerView {
    fn from(listener: Listener) -> Self {
        let Listener { id, handle, name, joined } = listener;
        Self { id, handle, name, joined }
    }
}

/// `/devices`
#[derive(Debug, Serialize)]
pub(crate) struct Devices {
    pub(crate) devices: Vec<DeviceView>,
}

/// One sign-in of a listener. Times are seconds since the Unix epoch.
#[derive(Debug, Serialize)]
pub(crate) struct DeviceView {
    pub(crate) id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) agent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) network: Option<String>,
    pub(crate) signed_in: i64,
    /// Not to the second: a use is noted now and then.
    pub(crate) last_seen: i64,
    /// Whether it is the one that asks.
    pub(crate) current: bool,
}

impl From<SignedIn> for DeviceView {
    fn from(session: SignedIn) -> Self {
        let SignedIn { id, device, created, last_seen, current, .. } = session;
        let seconds = |at: UnixMillis| i64::try_from(at.0 / 1000).unwrap_or(i64::MAX);
        Self {
            id: id.to_string(),
            agent: device.label.or(device.agent),
            network: device.network,
            signed_in: seconds(created),
            last_seen: seconds(last_seen),
            current,
        }
    }
}

/// `/sign-in`
#[derive(Debug, Serialize)]
pub(crate) struct SignIn {
    pub(crate) next: String,
}

/// `/status`
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    /// The app server that answers.
    pub(crate) app: Option<String>,
    #[serde(flatten)]
    pub(crate) database: Nodes,
    /// Which app servers there are; absent if their number does not change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) servers: Option<Roll>,
    /// What this app server's cache has saved; absent if it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cache: Option<Saved>,
    /// What the edge in front has saved; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) edge: Option<EdgeState>,
}
