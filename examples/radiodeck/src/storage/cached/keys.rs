//! What values are looked up by.

use terrace_cache::key::{CacheKey, KeyBuf};

use crate::model::{Genre, StationId, TrackId};
use crate::storage::{Order, StationQuery};

impl CacheKey for StationId {
    fn encode(&self, key: &mut KeyBuf) {
        self.get().encode(key);
    }
}

impl CacheKey for TrackId {
    fn encode(&self, key: &mut KeyBuf) {
        self.get().encode(key);
    }
}

/// Two queries that ask for the same rows are one key: a search does not tell `Lisbon` from `lisbon`.
impl CacheKey for StationQuery {
    fn encode(&self, key: &mut KeyBuf) {
        let order: u8 = match self.order {
            Order::Popular => 0,
            Order::Name => 1,
        };
        key.part(&self.search.as_deref().map(str::to_lowercase))
            .part(&self.genre.map(Genre::slug))
            .part(&order)
            .part(&self.window.limit)
            .part(&self.window.offset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Window;

    fn key(query: &StationQuery) -> Vec<u8> {
        KeyBuf::of(query).bytes().to_vec()
    }

    #[test]
    fn queries_have_one_key_if_they_ask_for_the_same() {
        let all = StationQuery::all(Window::page(1, 24));
        let lisbon = StationQuery { search: Some("Lisbon".into()), ..all.clone() };
        let loud = StationQuery { search: Some("LISBON".into()), ..all.clone() };
        assert_eq!(key(&lisbon), key(&loud));
        let others = [
            all.clone(),
            StationQuery { search: Some(String::new()), ..all.clone() },
            StationQuery { search: Some("jazz".into()), ..all.clone() },
            StationQuery { genre: Genre::from_slug("jazz"), ..all.clone() },
            StationQuery { order: Order::Name, ..all.clone() },
            StationQuery::all(Window::page(2, 24)),
            StationQuery::all(Window::page(1, 23)),
        ];
        for (at, one) in others.iter().enumerate() {
            assert_ne!(key(one), key(&lisbon));
            assert!(others[..at].iter().all(|other| key(one) != key(other)), "{one:?}");
        }
    }
}
