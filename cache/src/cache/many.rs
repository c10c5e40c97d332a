//! Several keys at once: one look each, one trip to the second level, one load for the rest.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::join_all;
use tokio::runtime::Handle;

use super::Cached;
use super::batch::{Batch, Job};
use super::core::{Ask, Core, Look};
use super::level;
use crate::error::LoadError;
use crate::flight::{Boarding, Flight, Node};
use crate::key::CacheKey;

/// What a key waits for.
enum Place<V> {
    Done(Result<Cached<V>, LoadError>),
    Flight(Arc<Flight<V>>, bool, Ask<V>),
    /// The same key stands further ahead.
    Same(usize),
}

impl<K, V> Core<K, V>
where
    K: CacheKey + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    pub(crate) async fn get_many(
        self: &Arc<Self>,
        keys: &[K],
    ) -> Vec<Result<Cached<V>, LoadError>> {
        let node = Node::new();
        let mut jobs = Vec::new();
        let mut first: HashMap<Box<[u8]>, usize> = HashMap::new();
        let mut places = Vec::with_capacity(keys.len());
        for (index, key) in keys.iter().enumerate() {
            let ask = match self.look(key) {
                Look::Hit(cached) => {
                    places.push(Place::Done(Ok(cached)));
                    continue;
                }
                Look::Refresh(cached, ask) => {
                    self.refresh(key.clone(), ask, None);
                    places.push(Place::Done(Ok(cached)));
                    continue;
                }
                Look::Ask(ask) => ask,
            };
            if let Some(ahead) = first.get(&ask.placed.bytes) {
                places.push(Place::Same(*ahead));
                continue;
            }
            first.insert(ask.placed.bytes.clone(), index);
            if let Some(answer) = self.without_a_load(&ask) {
                places.push(Place::Done(answer));
                continue;
            }
            match self.flights.board(&ask.placed, &ask.captured, &self.versions, &node) {
                Boarding::Joined(flight) => places.push(Place::Flight(flight, false, ask)),
                Boarding::Leads(landing) => {
                    let flight = Arc::clone(landing.flight());
                    jobs.push(Job::new(key.clone(), ask.again(), landing, None));
                    places.push(Place::Flight(flight, true, ask));
                }
            }
        }
        if !jobs.is_empty()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(Arc::clone(self).run(Batch::new(node, jobs)));
        }

        let waits = places.iter().zip(keys).map(|(place, key)| self.arrival(place, key));
        let answers = join_all(waits.collect::<Vec<_>>()).await;
        let answers: Vec<_> = answers.into_iter().collect();
        let ahead = |at: usize| answers.get(at).cloned().flatten();
        let all = places.iter().zip(&answers).map(|(place, answer)| match place {
            Place::Same(at) => ahead(*at),
            _ => answer.clone(),
        });
        all.map(|answer| answer.unwrap_or(Err(LoadError::NoRuntime))).collect()
    }

    async fn arrival(
        self: &Arc<Self>,
        place: &Place<V>,
        key: &K,
    ) -> Option<Result<Cached<V>, LoadError>> {
        let (flight, leads, ask) = match place {
            Place::Done(answer) => return Some(answer.clone()),
            Place::Same(_) => return None,
            Place::Flight(flight, leads, ask) => (flight, *leads, ask),
        };
        let deadlines = self.freshness.deadlines(ask.came, level::lifetime(ask.held.as_ref()));
        let answer = match self.wait(flight, leads, false, &deadlines, ask).await {
            Some(answer) => answer,
            // Too old for this reader: it asks again, and what it begins is as of now.
            None => {
                let captured = self.versions.capture(ask.placed.place);
                self.resolve(key.clone(), Ask { captured, ..ask.again() }, None).await
            }
        };
        self.telemetry.resolved(&answer);
        Some(answer)
    }
}
