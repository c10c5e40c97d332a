//! What every [`Store`] promises, as a test that any of them can be put through.
//!
//! Later stages put caches, replicas and shards behind the same questions. They keep this contract or
//! they are not a store.

use std::collections::HashSet;
use std::sync::Arc;

use crate::counts::counted;
use crate::model::{Genre, ListenerId, Page, Station, StationId, TrackId};
use crate::schedule;
use crate::seed::{Rows, Seed};
use crate::storage::{Kept, Order, StationQuery, Store, Window};

/// Some second on which every station plays something.
const NOW: i64 = 1_800_000_000;

/// Puts a store that was just filled with [`Seed::small`] through everything.
///
/// # Panics
///
/// With the first promise that it breaks.
pub async fn check(store: Arc<dyn Store>) {
    let rows = Seed::small().rows();
    store.ping().await.expect("a filled store answers");
    holds_the_seed(&*store, &rows).await;
    lists_in_order(&*store, &rows).await;
    finds_what_matches(&*store, &rows).await;
    knows_what_is_on_air(&*store, &rows).await;
    keeps_favourites_once(&*store, &rows).await;
    survives_a_crowd_on_one_station(Arc::clone(&store), &rows).await;
    refuses_nobody_and_nothing(&*store).await;
    costs_what_it_says(&*store, &rows).await;
}

async fn holds_the_seed(store: &dyn Store, rows: &Rows) {
    let mut stored = Rows::default();
    for expected in &rows.stations {
        let station = store.station(expected.id).await.unwrap().expect("every station is there");
        stored.tracks.extend(store.tracks(station.id).await.unwrap());
        stored.stations.push(station);
    }
    for expected in &rows.listeners {
        stored.listeners.push(store.listener(expected.id).await.unwrap().expect("every listener"));
    }
    // Favourites come back as stations: compare those, and take the rest from the seed.
    for listener in &rows.listeners {
        let kept: HashSet<_> = rows
            .favourites
            .iter()
            .filter(|row| row.listener == listener.id)
            .map(|row| row.station)
            .collect();
        let found = store.favourites(listener.id, Window::page(1, 100)).await.unwrap();
        assert_eq!(found.total, kept.len() as i64);
        assert_eq!(found.items.iter().map(|station| station.id).collect::<HashSet<_>>(), kept);
    }
    stored.favourites.clone_from(&rows.favourites);
    assert_eq!(stored.checksum(), rows.checksum(), "the same seed gives the same rows");
    let track = &rows.tracks[rows.tracks.len() / 2];
    assert_eq!(store.track(track.id).await.unwrap().as_ref(), Some(track));
}

async fn lists_in_order(store: &dyn Store, rows: &Rows) {
    let mut by_name: Vec<_> = rows.stations.iter().collect();
    by_name.sort_by_key(|station| (&station.name, station.id));
    let mut popular: Vec<_> = rows.stations.iter().collect();
    popular.sort_by_key(|station| (-station.favourites, station.id));
    for (order, expected) in [(Order::Name, by_name), (Order::Popular, popular)] {
        let mut listed = Vec::new();
        for page in 1.. {
            let window = Window::page(page, 7);
            let found = store.stations(&StationQuery { order, ..StationQuery::all(window) }).await;
            let found = found.unwrap();
            assert_eq!(found.total, rows.stations.len() as i64, "page {page}");
            if found.items.is_empty() {
                break;
            }
            listed.extend(found.items);
        }
        assert!(listed.iter().eq(expected), "{order:?}: each station once, in order");
    }
    let far = StationQuery::all(Window::page(u32::MAX, 100));
    let found = store.stations(&far).await.unwrap();
    assert_eq!(found, Page { items: Vec::new(), total: rows.stations.len() as i64 });
}

async fn finds_what_matches(store: &dyn Store, rows: &Rows) {
    let find = async |search: Option<&str>, genre: Option<Genre>| {
        let query = StationQuery {
            search: search.map(str::to_owned),
            genre,
            ..StationQuery::all(Window::page(1, 200))
        };
        let found = store.stations(&query).await.unwrap();
        assert_eq!(found.total, found.items.len() as i64);
        found.items.iter().map(|station| station.id).collect::<HashSet<_>>()
    };
    let expect = |matches: &dyn Fn(&Station) -> bool| -> HashSet<StationId> {
        rows.stations.iter().filter(|row| matches(row)).map(|row| row.id).collect()
    };
    let far = rows.stations.iter().find(|row| !row.city.is_ascii()).expect("a city with an accent");
    let part = far.city.chars().skip(1).collect::<String>();
    for city in [&far.city, &far.city.to_uppercase(), &part, &far.country.to_lowercase()] {
        let needle = city.to_lowercase();
        let expected = expect(&|row| {
            format!("{} {} {}", row.name, row.city, row.country).to_lowercase().contains(&needle)
        });
        assert!(expected.contains(&far.id), "{city}");
        assert_eq!(find(Some(city.as_str()), None).await, expected, "{city}");
    }
    for genre in Genre::all() {
        assert_eq!(find(None, Some(genre)).await, expect(&|row| row.genre == genre), "{genre:?}");
    }
    let jazz = Genre::from_slug("jazz").expect("a genre");
    let expected = expect(&|row| row.genre == jazz && row.name.to_lowercase().contains('e'));
    assert!(find(Some("e"), Some(jazz)).await.is_superset(&expected));
    for nothing in ["%", "_", "\\", "' OR 1=1 --", "100%", "\u{1f4fb}"] {
        assert!(find(Some(nothing), None).await.is_empty(), "{nothing:?} is plain text");
    }
}

async fn knows_what_is_on_air(store: &dyn Store, rows: &Rows) {
    let ids: Vec<_> = rows.stations.iter().map(|station| station.id).collect();
    for now in [0, NOW, NOW + 1, NOW + 86_400] {
        let mut playing = store.now_playing(&ids, now).await.unwrap();
        playing.sort_by_key(|playing| playing.track.station);
        assert_eq!(playing.len(), ids.len(), "every station plays one track at {now}");
        for (station, playing) in rows.stations.iter().zip(playing) {
            let expected = schedule::coming_up(station, rows.tracks_of(station.id), now);
            assert_eq!(playing, expected[0], "station {} at {now}", station.id);
        }
    }
    assert_eq!(store.now_playing(&[], NOW).await.unwrap(), []);
    let some = [ids[9], ids[2], ids[5]];
    let mut these = store.these(&some).await.unwrap();
    these.sort_by_key(|station| station.id);
    assert!(these.iter().eq([&rows.stations[2], &rows.stations[5], &rows.stations[9]]));
    let tracks = store.programmes(&some).await.unwrap();
    assert_eq!(tracks.len(), some.iter().map(|id| rows.tracks_of(*id).len()).sum::<usize>());
    for programme in tracks.chunk_by(|one, next| one.station == next.station) {
        assert_eq!(programme, rows.tracks_of(programme[0].station), "in one piece and in order");
    }
    assert_eq!(store.these(&[]).await.unwrap(), []);
    assert_eq!(store.programmes(&[]).await.unwrap(), []);
}

async fn keeps_favourites_once(store: &dyn Store, rows: &Rows) {
    let listener = rows.listeners[0].id;
    let taken: HashSet<_> = rows
        .favourites
        .iter()
        .filter(|row| row.listener == listener)
        .map(|row| row.station)
        .collect();
    let station = rows.stations.iter().find(|row| !taken.contains(&row.id)).expect("a free one");
    let before = station.favourites;
    let kept = |changed, favourites| Some(Kept { changed, favourites });

    assert_eq!(store.drop_favourite(listener, station.id).await.unwrap(), kept(false, before));
    assert_eq!(store.keep(listener, station.id, NOW).await.unwrap(), kept(true, before + 1));
    assert_eq!(store.keep(listener, station.id, NOW + 5).await.unwrap(), kept(false, before + 1));
    let asked = [station.id, rows.stations[1].id, rows.stations[2].id];
    assert!(store.kept(listener, &asked).await.unwrap().contains(&station.id));
    let newest = store.favourites(listener, Window::page(1, 1)).await.unwrap();
    assert_eq!(newest.items[0].id, station.id, "newest first");
    assert_eq!(newest.items[0].favourites, before + 1);
    assert_eq!(newest.total, taken.len() as i64 + 1);
    assert_eq!(store.drop_favourite(listener, station.id).await.unwrap(), kept(true, before));
    assert_eq!(store.drop_favourite(listener, station.id).await.unwrap(), kept(false, before));
    assert!(!store.kept(listener, &asked).await.unwrap().contains(&station.id));
    let past = store.favourites(listener, Window::page(1_000, 10)).await.unwrap();
    assert_eq!((past.items.len(), past.total), (0, taken.len() as i64));
}

async fn survives_a_crowd_on_one_station(store: Arc<dyn Store>, rows: &Rows) {
    let station = rows.stations[5].id;
    let before = store.station(station).await.unwrap().expect("it is there").favourites;
    let listeners: Vec<_> = rows.listeners[..20].iter().map(|row| row.id).collect();
    let kept: HashSet<_> = rows
        .favourites
        .iter()
        .filter(|row| row.station == station)
        .map(|row| row.listener)
        .collect();
    let fresh = listeners.iter().filter(|listener| !kept.contains(*listener)).count() as i64;
    // Everybody twice and at once: each counts once.
    let tasks: Vec<_> = listeners
        .iter()
        .chain(&listeners)
        .map(|listener| {
            let (store, listener) = (Arc::clone(&store), *listener);
            tokio::spawn(async move { store.keep(listener, station, NOW).await })
        })
        .collect();
    let mut changed = 0;
    for task in tasks {
        let kept = task.await.expect("no panic").unwrap().expect("both exist");
        changed += i64::from(kept.changed);
    }
    let after = store.station(station).await.unwrap().expect("it is there").favourites;
    assert_eq!((changed, after), (fresh, before + fresh));
    for listener in listeners.iter().filter(|listener| !kept.contains(*listener)) {
        store.drop_favourite(*listener, station).await.unwrap();
    }
    let station = store.station(station).await.unwrap().expect("it is there");
    assert_eq!(station.favourites, before);
}

async fn refuses_nobody_and_nothing(store: &dyn Store) {
    let listener = ListenerId::try_from(1).expect("positive");
    let nobody = ListenerId::try_from(i64::MAX).expect("positive");
    let station = StationId::try_from(1).expect("positive");
    let nothing = StationId::try_from(i64::MAX).expect("positive");
    assert_eq!(store.station(nothing).await.unwrap(), None);
    assert_eq!(store.track(TrackId::try_from(i64::MAX).expect("positive")).await.unwrap(), None);
    assert_eq!(store.listener(nobody).await.unwrap(), None);
    assert_eq!(store.tracks(nothing).await.unwrap(), []);
    assert_eq!(store.now_playing(&[nothing], NOW).await.unwrap(), []);
    for (listener, station) in [(nobody, station), (listener, nothing), (nobody, nothing)] {
        assert_eq!(store.keep(listener, station, NOW).await.unwrap(), None);
        assert_eq!(store.drop_favourite(listener, station).await.unwrap(), None);
    }
    assert_eq!(store.favourites(nobody, Window::page(1, 10)).await.unwrap().total, 0);
}

async fn costs_what_it_says(store: &dyn Store, rows: &Rows) {
    let ids: Vec<_> = rows.stations.iter().map(|station| station.id).collect();
    let few = counted(store.now_playing(&ids[..1], NOW)).await.1.queries;
    let many = counted(store.now_playing(&ids, NOW)).await.1.queries;
    let most = few.max(many);
    assert!(most <= 1, "on air costs one query, for one station or for all, and took {most}");
    for rows in [1, 100] {
        let query = StationQuery::all(Window::page(1, rows));
        let queries = counted(store.stations(&query)).await.1.queries;
        // A cache may ask for the list, and for those of its stations that it has not got.
        assert!(queries <= 2, "{rows} rows took {queries} queries");
    }
}
