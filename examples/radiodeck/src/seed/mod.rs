//! The same believable data on every machine.
//!
//! A site with ten rows hides every slow query, and random rows hide every lost one. So the seed is
//! of realistic size and follows from one number: the same number gives the same rows, byte for
//! byte, on every database ([`Rows::checksum`] says so in one line).
//!
//! The generator is written out here and not taken from a crate, because a crate may change its
//! stream of numbers between versions.

mod progress;
mod random;
mod words;

use std::collections::HashSet;

pub use progress::Progress;

use crate::model::{Favourite, Genre, Listener, ListenerId, Station, StationId, Track, TrackId};
use random::Random;

/// 2024-01-01, the day before which no favourite is older: seconds since the Unix epoch.
const OPENING_DAY: i64 = 1_704_067_200;

/// How much data to make, and from which number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed {
    /// The number everything follows from.
    pub number: u64,
    /// How many stations: at most 2,400, the number of different names.
    pub stations: u32,
    /// The fewest tracks a station's programme has.
    pub min_tracks: u32,
    /// The most tracks a station's programme has.
    pub max_tracks: u32,
    /// How many listeners.
    pub listeners: u32,
    /// The most favourites a listener has; a listener has half of that on average.
    pub max_favourites: u32,
}

impl Default for Seed {
    /// 2,400 stations, some 60,000 tracks, 12,000 listeners with some 60,000 favourites: enough
    /// that a missing index or one query a row is felt, and still made within seconds.
    fn default() -> Self {
        Self {
            number: 1,
            stations: 2_400,
            min_tracks: 20,
            max_tracks: 30,
            listeners: 12_000,
            max_favourites: 12,
        }
    }
}

impl Seed {
    /// 120 stations and 60 listeners, for tests that look at every row.
    #[must_use]
    pub fn small() -> Self {
        Self { stations: 120, min_tracks: 4, max_tracks: 8, listeners: 60, ..Self::default() }
    }

    /// Makes the rows.
    #[must_use]
    pub fn rows(&self) -> Rows {
        let mut rows = Rows::default();
        let names = i64::try_from(words::MOODS.len() * words::PLACES.len()).unwrap_or(i64::MAX);
        for id in 1..=i64::from(self.stations).min(names) {
            self.push_station(&mut rows, id);
        }
        for id in 1..=i64::from(self.listeners) {
            self.push_listener(&mut rows, id);
        }
        rows
    }

    fn push_station(&self, rows: &mut Rows, id: i64) {
        let (Ok(station), mut random) = (StationId::try_from(id), self.random("station", id))
        else {
            return;
        };
        let genre = genre_of(&mut random);
        let (city, country) = *random.one_of(&words::CITIES);
        let tagline = random
            .one_of(&words::TAGLINES)
            .replace("{genre}", genre.name())
            .replace("{city}", city);
        let frequency = 875 + random.below(206).cast_signed();
        let loop_offset = i64::from(random.below(86_400));

        let mut loop_seconds = 0;
        let count = random.between(self.min_tracks, self.max_tracks);
        for position in 0..count {
            let seconds = 140 + i64::from(random.below(240));
            let Ok(id) = TrackId::try_from(rows.tracks.len() as i64 + 1) else {
                return;
            };
            rows.tracks.push(Track {
                id,
                station,
                position: position.cast_signed(),
                title: random.pair(&words::TITLE_HEADS, &words::TITLE_TAILS),
                artist: random.pair(&words::ARTIST_HEADS, &words::ARTIST_TAILS),
                album: random.pair(&words::TITLE_HEADS, &words::TITLE_TAILS),
                seconds,
                starts_at: loop_seconds,
            });
            loop_seconds += seconds;
        }
        rows.stations.push(Station {
            id: station,
            name: station_name(id),
            tagline,
            genre,
            city: city.to_owned(),
            country: country.to_owned(),
            frequency,
            cover_version: 1,
            favourites: 0,
            loop_seconds,
            loop_offset,
        });
    }

    fn push_listener(&self, rows: &mut Rows, id: i64) {
        let (Ok(listener), mut random) = (ListenerId::try_from(id), self.random("listener", id))
        else {
            return;
        };
        let first = *random.one_of(&words::FIRST_NAMES);
        let last = *random.one_of(&words::LAST_NAMES);
        let joined = OPENING_DAY + i64::from(random.below(600 * 86_400));
        rows.listeners.push(Listener {
            id: listener,
            handle: format!("{}{id}", first.to_lowercase()),
            name: format!("{first} {last}"),
            joined,
        });
        if rows.stations.is_empty() {
            return;
        }
        let mut kept = HashSet::new();
        for _ in 0..random.between(0, self.max_favourites) {
            let index = popular(&mut random, rows.stations.len());
            if kept.insert(index) {
                let station = &mut rows.stations[index];
                station.favourites += 1;
                let since = joined + i64::from(random.below(100 * 86_400));
                rows.favourites.push(Favourite { listener, station: station.id, since });
            }
        }
    }

    fn random(&self, kind: &str, id: i64) -> Random {
        Random::new(self.number, kind, id)
    }
}

/// 2,400 different names in an order that does not look like a table.
fn station_name(id: i64) -> String {
    let names = words::MOODS.len() * words::PLACES.len();
    // 1,009 is prime and no factor of 2,400, so every name comes up once.
    let index = usize::try_from(id).unwrap_or(0) * 1_009 % names;
    let (mood, place) = (words::MOODS[index % 48], words::PLACES[index / 48]);
    format!("{mood} {place}")
}

/// Some genres have more stations than others.
fn genre_of(random: &mut Random) -> Genre {
    let index = random.below(16).min(random.below(16)) as usize;
    Genre::all().nth(index).unwrap_or_else(|| unreachable!("there are 16 genres"))
}

/// A station drawn so that few have many listeners: the square of a uniform number, spread over ids.
fn popular(random: &mut Random, stations: usize) -> usize {
    let unit = random.below(1 << 20) as usize;
    let rank = (((unit * unit) >> 20) * stations) >> 20;
    (rank * 7 + 11) % stations
}

/// A number that changes when the text does (FNV-1a).
pub(crate) fn sum(text: &str) -> u64 {
    let mut sum = random::Fnv::default();
    sum.add(text);
    sum.finish()
}

/// All rows of a seed, in the order of their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// The stations.
    pub stations: Vec<Station>,
    /// The tracks, station by station, in programme order.
    pub tracks: Vec<Track>,
    /// The listeners.
    pub listeners: Vec<Listener>,
    /// The favourites, listener by listener.
    pub favourites: Vec<Favourite>,
}

impl Rows {
    /// The programme of one station.
    #[must_use]
    pub fn tracks_of(&self, station: StationId) -> &[Track] {
        let from = self.tracks.partition_point(|track| track.station < station);
        let to = self.tracks.partition_point(|track| track.station <= station);
        &self.tracks[from..to]
    }

    /// One number over every field of every row (FNV-1a).
    ///
    /// Equal for equal rows; not a defence against anybody who wants it to collide.
    #[must_use]
    pub fn checksum(&self) -> u64 {
        let mut sum = random::Fnv::default();
        for row in &self.stations {
            sum.add(&format!("{row:?}"));
        }
        for row in &self.tracks {
            sum.add(&format!("{row:?}"));
        }
        for row in &self.listeners {
            sum.add(&format!("{row:?}"));
        }
        for row in &self.favourites {
            sum.add(&format!("{row:?}"));
        }
        sum.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_seed_is_of_realistic_size() {
        let rows = Seed::default().rows();
        assert!(rows.stations.len() >= 2_000);
        assert!(rows.tracks.len() >= 50_000, "{}", rows.tracks.len());
        assert!(rows.listeners.len() >= 10_000);
        assert!(rows.favourites.len() >= 50_000, "{}", rows.favourites.len());
        let names: HashSet<_> = rows.stations.iter().map(|station| &station.name).collect();
        assert_eq!(names.len(), rows.stations.len());
    }

    #[test]
    fn the_same_number_gives_the_same_rows() {
        let rows = Seed::default().rows();
        assert_eq!(rows.checksum(), Seed::default().rows().checksum());
        let other = Seed { number: 2, ..Seed::default() }.rows();
        assert_ne!(rows.checksum(), other.checksum());
    }

    /// If this fails, the generator has changed: databases out there hold the rows of the old one.
    #[test]
    fn the_rows_are_those_of_every_other_machine() {
        assert_eq!(format!("{:016x}", Seed::default().rows().checksum()), "fe5a921245956c77");
    }

    #[test]
    fn the_checksum_sees_a_single_changed_field() {
        let rows = Seed::small().rows();
        let mut changed = rows.clone();
        changed.tracks[17].seconds += 1;
        assert_ne!(rows.checksum(), changed.checksum());
    }

    #[test]
    fn few_stations_hold_many_favourites() {
        let mut stations = Seed::default().rows().stations;
        stations.sort_by_key(|station| -station.favourites);
        let total: i64 = stations.iter().map(|station| station.favourites).sum();
        let tenth: i64 = stations[..240].iter().map(|station| station.favourites).sum();
        assert!(tenth * 10 > total * 3, "the top tenth holds {tenth} of {total}");
    }

    #[test]
    fn a_seed_of_nothing_makes_nothing() {
        let none = Seed { stations: 0, listeners: 3, ..Seed::default() }.rows();
        assert!(none.stations.is_empty() && none.favourites.is_empty());
        assert_eq!(none.listeners.len(), 3);
    }
}
