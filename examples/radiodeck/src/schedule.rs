//! What a station plays, and when.
//!
//! A programme is a list of tracks that repeats for ever. Nothing runs in the background: the track
//! of any second follows from the list and the time, on every app server alike.

use crate::model::{NowPlaying, Station, Track};

/// The second of the station's programme at a wall-clock second.
///
/// A station without a programme stands at 0.
#[must_use]
pub fn position(station: &Station, now: i64) -> i64 {
    match station.loop_seconds {
        length if length > 0 => {
            (now.rem_euclid(length) + station.loop_offset.rem_euclid(length)) % length
        }
        _ => 0,
    }
}

/// When a track that covers `position` began and will end, in wall-clock seconds.
#[must_use]
pub fn airing(track: Track, position: i64, now: i64) -> NowPlaying {
    let started = now - (position - track.starts_at);
    NowPlaying { started, ends: started + track.seconds, track }
}

/// What a station plays.
///
/// `tracks` is the whole programme in order.
#[must_use]
pub fn on_air(station: &Station, tracks: &[Track], now: i64) -> Option<NowPlaying> {
    let position = position(station, now);
    let track = tracks.get(index(tracks, position)?)?;
    Some(airing(track.clone(), position, now))
}

/// The place in the programme of the track that covers a position.
fn index(tracks: &[Track], position: i64) -> Option<usize> {
    let covers =
        |track: &Track| (track.starts_at..track.starts_at + track.seconds).contains(&position);
    tracks.iter().position(covers)
}

/// The tracks from the one on air onwards, once around the programme, with their times.
///
/// `tracks` is the whole programme in order.
#[must_use]
pub fn coming_up(station: &Station, tracks: &[Track], now: i64) -> Vec<NowPlaying> {
    let position = position(station, now);
    let Some(on_air) = index(tracks, position) else { return Vec::new() };
    let mut started = now - (position - tracks[on_air].starts_at);
    let (before, after) = tracks.split_at(on_air);
    after
        .iter()
        .chain(before)
        .map(|track| {
            let playing =
                NowPlaying { track: track.clone(), started, ends: started + track.seconds };
            started = playing.ends;
            playing
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    #[test]
    fn the_programme_repeats_without_a_gap() {
        let rows = Seed::small().rows();
        let station = &rows.stations[3];
        let tracks = rows.tracks_of(station.id);
        let start = 1_700_000_000;
        let mut now = start;
        for _ in 0..tracks.len() * 2 {
            let playing = &coming_up(station, tracks, now)[0];
            assert!((playing.started..playing.ends).contains(&now));
            assert_eq!(on_air(station, tracks, now).as_ref(), Some(playing));
            let next = &coming_up(station, tracks, playing.ends)[0];
            assert_eq!(next.started, playing.ends);
            now = playing.ends;
        }
        let one_loop_later = &coming_up(station, tracks, start + station.loop_seconds)[0];
        assert_eq!(one_loop_later.track, coming_up(station, tracks, start)[0].track);
    }

    #[test]
    fn a_clock_before_the_epoch_still_finds_a_track() {
        let rows = Seed::small().rows();
        let station = &rows.stations[0];
        assert!(!coming_up(station, rows.tracks_of(station.id), -12_345).is_empty());
    }

    #[test]
    fn a_station_without_a_programme_plays_nothing() {
        let mut station = Seed::small().rows().stations[0].clone();
        station.loop_seconds = 0;
        assert!(coming_up(&station, &[], 1_700_000_000).is_empty());
    }
}
