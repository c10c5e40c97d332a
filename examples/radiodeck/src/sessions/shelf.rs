//! What a stranger keeps until they sign in.

use terrace_session::{Session, SessionError};

use crate::model::StationId;

const NAME: &str = "favourites";

/// The stations that a stranger keeps: as many as one page shows, in their session.
///
/// # Clone
///
/// Clones are the same shelf.
#[derive(Clone, Debug)]
pub struct Shelf(Session);

impl Shelf {
    /// How many stations have room on it: a session goes to the store as a whole, so it stays small.
    pub const ROOM: usize = 24;

    pub(super) fn new(session: Session) -> Self {
        Self(session)
    }

    /// What is on it, the newest first.
    ///
    /// # Errors
    ///
    /// When the session cannot be read.
    pub async fn stations(&self) -> Result<Vec<StationId>, SessionError> {
        Ok(self.0.get(NAME).await?.unwrap_or_default())
    }

    /// Keeps a station, at once, whatever other requests put there; says no if there is no room.
    ///
    /// # Errors
    ///
    /// When the session cannot be changed.
    pub async fn keep(&self, station: StationId) -> Result<bool, SessionError> {
        let shelf =
            self.0.update(NAME, |shelf: Option<Vec<_>>| with(shelf.unwrap_or_default(), station));
        Ok(shelf.await?.contains(&station))
    }

    /// Drops a station, at once.
    ///
    /// # Errors
    ///
    /// When the session cannot be changed.
    pub async fn drop_station(&self, station: StationId) -> Result<(), SessionError> {
        // Who keeps nothing needs no session to go on doing so.
        if !self.stations().await?.contains(&station) {
            return Ok(());
        }
        let rest = |shelf: Option<Vec<StationId>>| {
            let mut shelf = shelf.unwrap_or_default();
            shelf.retain(|kept| *kept != station);
            shelf
        };
        self.0.update(NAME, rest).await.map(drop)
    }

    /// Takes it down with the response.
    ///
    /// # Errors
    ///
    /// When the session cannot be changed.
    pub async fn take_down(&self) -> Result<(), SessionError> {
        self.0.remove(NAME).await
    }
}

fn with(mut shelf: Vec<StationId>, station: StationId) -> Vec<StationId> {
    if shelf.len() < Shelf::ROOM && !shelf.contains(&station) {
        shelf.insert(0, station);
    }
    shelf
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shelf_has_each_station_once_and_no_more_than_fit() {
        let id = |number: i64| StationId::try_from(number).unwrap();
        let mut shelf = Vec::new();
        for number in [1, 2, 1] {
            shelf = with(shelf, id(number));
        }
        assert_eq!(shelf, [id(2), id(1)], "the newest first");
        for number in 3..100 {
            shelf = with(shelf, id(number));
        }
        assert_eq!(shelf.len(), Shelf::ROOM);
        assert_eq!(shelf.last(), Some(&id(1)), "nothing is pushed out");
    }
}
