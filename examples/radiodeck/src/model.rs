//! The things Radiodeck is about.
//!
//! Values that exist are valid: an id is positive, a genre is one of the list. Parsing is the only
//! way in from a request, so no handler and no query checks again.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a piece of text is not an id.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidId;

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id is a whole number from 1 upwards")
    }
}

impl std::error::Error for InvalidId {}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(try_from = "i64", into = "i64")]
        pub struct $name(i64);

        impl $name {
            /// The number, as the database stores it.
            #[must_use]
            pub fn get(self) -> i64 {
                self.0
            }
        }

        impl TryFrom<i64> for $name {
            type Error = InvalidId;

            fn try_from(number: i64) -> Result<Self, InvalidId> {
                if number > 0 { Ok(Self(number)) } else { Err(InvalidId) }
            }
        }

        impl From<$name> for i64 {
            fn from(id: $name) -> i64 {
                id.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            /// Plain digits only: `+7` and `007` name the same row as `7`, and one row behind
            /// several addresses is cached several times.
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                if text.starts_with(['+', '0']) {
                    return Err(InvalidId);
                }
                text.parse::<i64>().map_err(|_| InvalidId)?.try_into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// Names a station.
    StationId
);
id!(
    /// Names a track.
    TrackId
);
id!(
    /// Names a listener.
    ListenerId
);

/// What a station plays. A closed list, so it can label a metric or a cache tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub struct Genre(u8);

/// Slug and display name, in the order the site shows them.
const GENRES: [(&str, &str); 16] = [
    ("ambient", "Ambient"),
    ("jazz", "Jazz"),
    ("electronic", "Electronic"),
    ("soul", "Soul & Funk"),
    ("indie", "Indie"),
    ("classical", "Classical"),
    ("hip-hop", "Hip-Hop"),
    ("folk", "Folk"),
    ("house", "House"),
    ("rock", "Rock"),
    ("latin", "Latin"),
    ("dub", "Dub & Reggae"),
    ("country", "Country"),
    ("pop", "Pop"),
    ("global", "Global"),
    ("talk", "Talk"),
];

impl Genre {
    /// All genres, in the order the site shows them.
    pub fn all() -> impl ExactSizeIterator<Item = Self> {
        (0..16u8).map(Self)
    }

    /// The genre with this slug.
    #[must_use]
    pub fn from_slug(slug: &str) -> Option<Self> {
        Self::all().find(|genre| genre.slug() == slug)
    }

    /// The form in addresses and in the database: `hip-hop`.
    #[must_use]
    pub fn slug(self) -> &'static str {
        GENRES[usize::from(self.0)].0
    }

    /// The form people read: `Hip-Hop`.
    #[must_use]
    pub fn name(self) -> &'static str {
        GENRES[usize::from(self.0)].1
    }
}

impl From<Genre> for &'static str {
    fn from(genre: Genre) -> &'static str {
        genre.slug()
    }
}

impl TryFrom<String> for Genre {
    type Error = String;

    fn try_from(slug: String) -> Result<Self, String> {
        Self::from_slug(&slug).ok_or_else(|| format!("no genre is called {slug:?}"))
    }
}

/// A station and the shape of its programme.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Station {
    /// Names the station.
    pub id: StationId,
    /// What it is called.
    pub name: String,
    /// One line about it.
    pub tagline: String,
    /// What it plays.
    pub genre: Genre,
    /// Where it sits.
    pub city: String,
    /// The country of that city.
    pub country: String,
    /// Where it would be on a dial, in units of 100 kHz: 987 is 98.7 MHz.
    pub frequency: i32,
    /// Grows when the cover changes, so that an old cover may be cached for ever.
    pub cover_version: i32,
    /// How many listeners keep it as a favourite.
    pub favourites: i64,
    /// Length of its programme in seconds, after which it starts again.
    pub loop_seconds: i64,
    /// Seconds by which its programme runs ahead of the Unix epoch.
    pub loop_offset: i64,
}

/// One entry of a station's programme.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Track {
    /// Names the track.
    pub id: TrackId,
    /// The station that plays it.
    pub station: StationId,
    /// Its place in the programme, from 0.
    pub position: i32,
    /// What it is called.
    pub title: String,
    /// Who made it.
    pub artist: String,
    /// Where it appeared.
    pub album: String,
    /// How long it is.
    pub seconds: i64,
    /// Seconds from the start of the programme to the start of the track.
    pub starts_at: i64,
}

/// The track a station plays at a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NowPlaying {
    /// The track.
    pub track: Track,
    /// When it began, in seconds since the Unix epoch.
    pub started: i64,
    /// When the next one begins, in seconds since the Unix epoch.
    pub ends: i64,
}

/// Somebody who listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// Names the listener.
    pub id: ListenerId,
    /// The short public name, unique.
    pub handle: String,
    /// The name others see.
    pub name: String,
    /// When they joined, in seconds since the Unix epoch.
    pub joined: i64,
}

/// A listener keeps a station.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Favourite {
    /// Who.
    pub listener: ListenerId,
    /// What.
    pub station: StationId,
    /// Since when, in seconds since the Unix epoch.
    pub since: i64,
}

/// One page of a longer list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The entries of this page.
    pub items: Vec<T>,
    /// How many there are on all pages.
    pub total: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_positive_numbers_are_ids() {
        assert_eq!("42".parse(), Ok(StationId(42)));
        for text in ["", "0", "-1", "+7", "007", "7 ", "x", "9223372036854775808", "٣"] {
            assert_eq!(text.parse::<StationId>(), Err(InvalidId), "{text:?}");
        }
    }

    #[test]
    fn every_genre_is_found_by_its_slug() {
        assert_eq!(Genre::all().len(), GENRES.len());
        for genre in Genre::all() {
            assert_eq!(Genre::from_slug(genre.slug()), Some(genre));
        }
        assert_eq!(Genre::from_slug("Jazz"), None);
    }
}
