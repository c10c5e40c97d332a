//! [`Store`], question by question.

use async_trait::async_trait;
use bytes::Bytes;

use super::super::call::{self, Call};
use super::super::cells::Cells;
use super::super::read;
use super::super::script::Script;
use super::super::shard::Shard;
use super::{Leases, Space, hex, text};
use crate::key::WireKey;
use crate::store::owed::Debt;
use crate::store::{
    Capabilities, Fetched, Filled, KEEP_AT_MOST, Lease, Leased, Store, StoreError, TagId, Want,
    tail,
};

#[async_trait]
impl Store for Space {
    async fn fetch(&self, keys: &[WireKey]) -> Vec<Result<Fetched, StoreError>> {
        let places = self.spread(keys, |key| key.as_str().as_bytes());
        let questions = places.iter().zip(self.shards.iter()).map(|(places, shard)| {
            if places.is_empty() {
                return Vec::new();
            }
            let mut names: Vec<Bytes> = places.iter().map(|index| text(&keys[*index])).collect();
            names.push(shard.cells.epoch());
            vec![Call::Plain("MGET", names), Call::Time]
        });
        let answers = self.ask(questions.collect()).await;
        let mut fetched: Vec<Option<Result<Fetched, StoreError>>> = vec![None; keys.len()];
        for ((answers, places), shard) in answers.into_iter().zip(places).zip(self.shards.iter()) {
            if places.is_empty() {
                continue;
            }
            let read = answers
                .and_then(|answers| read::fetched(answers).map_err(|reason| shard.refused(reason)));
            match read {
                Ok((values, now)) => {
                    for (place, value) in places.into_iter().zip(values) {
                        fetched[place] = Some(Ok(Fetched { value, now }));
                    }
                }
                Err(error) => {
                    places.into_iter().for_each(|place| fetched[place] = Some(Err(error.clone())));
                }
            }
        }
        self.complete(fetched)
    }

    async fn lease(&self, wants: &[Want]) -> Vec<Result<Leased, StoreError>> {
        let places = self.spread(wants, |want| want.key.as_str().as_bytes());
        let tokens: Vec<u64> = wants.iter().map(|_| self.token()).collect();
        let ask = |index: usize, shard: &Shard| {
            let Want { key, seen } = &wants[index];
            let mut end = Vec::new();
            if let Some(seen) = seen {
                end.push(b's');
                end.extend_from_slice(tail(seen));
            }
            let keys = vec![text(key), Cells::lease(key.as_str()), shard.cells.epoch()];
            let args = vec![hex(tokens[index]), self.lease_millis(), shard.epoch(), end.into()];
            Call::Script(Script::Lease, keys, args)
        };
        let calls = places.iter().zip(self.shards.iter());
        let calls = calls.map(|(places, shard)| places.iter().map(|i| ask(*i, shard)).collect());
        let leases = self.with_sequences(calls.collect()).await;
        let mut leased: Vec<Option<Result<Leased, StoreError>>> = vec![None; wants.len()];
        for ((node, places), shard) in leases.nodes.into_iter().zip(places).zip(self.shards.iter())
        {
            match node {
                Ok((now, answers)) => {
                    for (place, answer) in places.into_iter().zip(answers) {
                        let read = read::leased(answer, tokens[place], now, &leases.sequences);
                        leased[place] = Some(read.map_err(|reason| shard.refused(reason)));
                    }
                }
                Err(error) => {
                    places.into_iter().for_each(|place| leased[place] = Some(Err(error.clone())));
                }
            }
        }
        self.complete(leased)
    }

    async fn lease_for_write(&self, key: &WireKey) -> Result<Lease, StoreError> {
        let node = self.node(key.as_str().as_bytes());
        let (token, shard) = (self.token(), &self.shards[node]);
        let keys = vec![Cells::lease(key.as_str()), shard.cells.epoch()];
        let args = vec![hex(token), self.lease_millis(), shard.epoch()];
        let mut calls = vec![Vec::new(); self.shards.len()];
        calls[node].push(Call::Script(Script::LeaseForWrite, keys, args));
        let Leases { sequences, mut nodes } = self.with_sequences(calls).await;
        let (now, answers) = nodes.swap_remove(node)?;
        let epoch = answers.into_iter().next().ok_or_else(call::missing).and_then(read::epoch);
        let epoch = epoch.map_err(|reason| shard.refused(reason))?;
        Ok(Lease { token, now, epoch, sequences })
    }

    async fn hold_tags(
        &self,
        lease: &Lease,
        tags: &[TagId],
    ) -> Result<Option<Vec<u64>>, StoreError> {
        let places = self.spread(tags, |tag| &tag[..]);
        let mut calls = Vec::new();
        for ((index, places), shard) in places.iter().enumerate().zip(self.shards.iter()) {
            if places.is_empty() {
                calls.push(Vec::new());
                continue;
            }
            let Some(captured) = lease.sequences.get(index).copied().flatten() else {
                return Ok(None);
            };
            let own: Vec<TagId> = places.iter().map(|place| tags[*place]).collect();
            let args = vec![captured.to_string().into(), Cells::tag_keep()];
            calls.push(vec![Call::Script(Script::Hold, shard.cells.of_tags(&own), args)]);
        }
        let mut held = vec![None; tags.len()];
        let answers = self.ask(calls).await;
        for ((answers, places), shard) in answers.into_iter().zip(places).zip(self.shards.iter()) {
            let Some(answer) = answers?.into_iter().next() else { continue };
            let versions = call::list(answer).map_err(|reason| shard.refused(reason))?;
            for (place, version) in places.into_iter().zip(versions.unwrap_or_default()) {
                held[place] = call::number(version).map_err(|reason| shard.refused(reason))?;
            }
        }
        Ok(held.into_iter().collect())
    }

    async fn fill(
        &self,
        key: &WireKey,
        lease: &Lease,
        value: Bytes,
        keep_millis: u64,
    ) -> Result<Filled, StoreError> {
        let node = self.node(key.as_str().as_bytes());
        let shard = &self.shards[node];
        if value.len() > self.largest {
            let (size, most) = (value.len(), self.largest);
            return Err(shard.refused(format!("a value of {size} bytes, and {most} are allowed")));
        }
        let epoch = lease.epoch.to_be_bytes();
        let whole = [&epoch[..], &value[..]].concat();
        let keys = vec![text(key), Cells::lease(key.as_str()), shard.cells.epoch()];
        let keep = keep_millis.clamp(1, KEEP_AT_MOST).to_string().into();
        let args = vec![hex(lease.token), Bytes::copy_from_slice(&epoch), whole.into(), keep];
        let answers = self.ask_one(node, vec![Call::Script(Script::Fill, keys, args)]).await?;
        let kept = answers.into_iter().next().ok_or_else(call::missing).and_then(call::integer);
        match kept.map_err(|reason| shard.refused(reason))? {
            1 => Ok(Filled::Kept),
            _ => Ok(Filled::Refused),
        }
    }

    async fn release(&self, key: &WireKey, lease: &Lease) -> Result<(), StoreError> {
        let node = self.node(key.as_str().as_bytes());
        let epoch = Bytes::copy_from_slice(&lease.epoch.to_be_bytes());
        let keys = vec![Cells::lease(key.as_str())];
        let call = Call::Script(Script::Release, keys, vec![hex(lease.token), epoch]);
        let answers = self.ask_one(node, vec![call]).await?;
        let done = answers.into_iter().try_for_each(|value| call::answer(value).map(drop));
        done.map_err(|reason| self.shards[node].refused(reason))
    }

    async fn remove(&self, keys: &[WireKey]) -> Result<(), StoreError> {
        let places = self.spread(keys, |key| key.as_str().as_bytes());
        let work = places.into_iter().zip(self.shards.iter()).map(|(places, shard)| {
            let own: Vec<Box<str>> = places.iter().map(|at| keys[*at].as_str().into()).collect();
            (!own.is_empty()).then(|| (shard.remove(&own), Debt::Keys(own)))
        });
        self.invalidate(work.collect()).await
    }

    async fn tag_versions(&self, tags: &[TagId]) -> Result<Vec<Option<u64>>, StoreError> {
        let places = self.spread(tags, |tag| &tag[..]);
        let questions = places.iter().zip(self.shards.iter()).map(|(places, shard)| {
            let own: Vec<TagId> = places.iter().map(|at| tags[*at]).collect();
            if own.is_empty() {
                return Vec::new();
            }
            vec![Call::Plain("MGET", shard.cells.of_tags(&own))]
        });
        let answers = self.ask(questions.collect()).await;
        let mut versions = vec![None; tags.len()];
        let (mut failed, mut answered) = (None, tags.is_empty());
        for ((answers, places), shard) in answers.into_iter().zip(places).zip(self.shards.iter()) {
            if places.is_empty() {
                continue;
            }
            let read = answers.and_then(|answers| {
                read::versions(answers).map_err(|reason| shard.refused(reason))
            });
            match read {
                Ok(numbers) => {
                    answered = true;
                    places.into_iter().zip(numbers).for_each(|(at, number)| versions[at] = number);
                }
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        // A node that fails costs the entries whose tags it has, and no others.
        match failed {
            Some(error) if !answered => Err(error),
            _ => Ok(versions),
        }
    }

    async fn bump_tags(&self, tags: &[TagId]) -> Result<(), StoreError> {
        let places = self.spread(tags, |tag| &tag[..]);
        let work = places.into_iter().zip(self.shards.iter()).map(|(places, shard)| {
            let own: Vec<TagId> = places.iter().map(|at| tags[*at]).collect();
            (!own.is_empty()).then(|| (shard.bump(&own), Debt::Tags(own)))
        });
        self.invalidate(work.collect()).await
    }

    async fn clear(&self) -> Result<(), StoreError> {
        let work = self.shards.iter().map(|shard| Some((shard.clear(), Debt::Clear)));
        self.invalidate(work.collect()).await
    }

    fn capabilities(&self) -> Capabilities {
        let reachable = self.shards.iter().filter(|shard| shard.is_usable()).count();
        Capabilities { leases: true, shared: true, nodes: self.shards.len(), reachable }
    }
}
