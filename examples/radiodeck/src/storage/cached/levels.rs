//! What the caches are made of: memory, a bus, and cache servers if there are some.

use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use serde::Serialize;
use serde::de::DeserializeOwned;
use terrace_cache::bus::{Bus, BusError, Change, PubSub, Sockets, Subscriber};
use terrace_cache::codec::Json;
use terrace_cache::freshness::Freshness;
use terrace_cache::key::CacheKey;
use terrace_cache::store::redis::Redis;
use terrace_cache::{Builder, Cache};

use super::savings::Server;

/// How old memory grows without cache servers. The sockets of one machine tell of what they lose, so
/// this is for what nobody thought of; and what it asks again, it asks the database.
const OLDEST: Duration = Duration::from_secs(60);

/// Where the caches keep what they have, and how the app servers tell each other what is old.
///
/// # Clone
///
/// All clones are the same bus and the same connections.
#[derive(Clone, Debug)]
pub struct Levels {
    bus: Arc<dyn Bus>,
    redis: Option<Redis>,
    freshness: Freshness,
    /// Whose rows these are.
    database: Option<String>,
}

impl Levels {
    /// Each app server's memory, and a directory in which they tell each other what is old.
    #[must_use]
    pub fn memory(sockets: Sockets) -> Self {
        let freshness = Freshness::default().l1_max_age(OLDEST);
        Self { bus: Arc::new(sockets), redis: None, freshness, database: None }
    }

    /// Memory, and behind it cache servers that all app servers share. They tell each other what is
    /// old over every one of these.
    #[must_use]
    pub fn shared(redis: Redis, buses: Vec<PubSub>) -> Self {
        let (bus, freshness) = (Arc::new(Each(buses)), Freshness::default());
        Self { bus, redis: Some(redis), freshness, database: None }
    }

    /// Keeps these rows apart from those of other databases whose caches have the same servers: of the
    /// one, for example, that was there before it was made anew.
    pub(super) fn of(self, database: Option<String>) -> Self {
        Self { database, ..self }
    }

    /// How long values are served: as long as the library thinks right.
    pub(super) fn freshness(&self) -> Freshness {
        self.freshness.clone()
    }

    /// A cache on these levels.
    pub(super) fn cache<K, V>(&self, name: &str) -> Builder<K, V>
    where
        K: CacheKey + Clone + Send + Sync + 'static,
        V: Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        let cache = Cache::builder(name).freshness(self.freshness()).bus(Arc::clone(&self.bus));
        let cache = match &self.database {
            Some(database) => cache.tenant(database),
            None => cache,
        };
        match &self.redis {
            Some(redis) => cache.store(redis.clone(), Json),
            None => cache,
        }
    }

    /// The cache servers.
    pub(super) fn servers(&self) -> Vec<Server> {
        let nodes = self.redis.iter().flat_map(Redis::nodes);
        nodes.map(|node| Server { name: node.name, answering: node.answering }).collect()
    }
}

/// Says everything on each of several servers, so that the death of one is no silence. Who hears a
/// thing twice makes the same value old twice.
#[derive(Debug)]
struct Each(Vec<PubSub>);

#[async_trait]
impl Bus for Each {
    async fn publish(&self, space: &str, changes: &[Change]) -> Result<(), BusError> {
        let said = join_all(self.0.iter().map(|bus| bus.publish(space, changes))).await;
        let heard = said.iter().any(Result::is_ok);
        match said.into_iter().find_map(Result::err) {
            Some(error) if !heard => Err(error),
            _ => Ok(()),
        }
    }

    fn subscribe(&self, space: &str, subscriber: Weak<dyn Subscriber>) {
        for bus in &self.0 {
            bus.subscribe(space, Weak::clone(&subscriber));
        }
    }
}
