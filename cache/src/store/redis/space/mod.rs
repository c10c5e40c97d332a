//! [`Store`](crate::store::Store) for one cache: which nodes are asked what, all at the same time.

mod store;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ::redis::Value;
use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::call::{self, Call};
use super::script::Script;
use super::shard::Shard;
use crate::key::WireKey;
use crate::store::StoreError;
use crate::store::nodes::Pick;
use crate::store::owed::{Debt, Reach};
use crate::store::random::Random;

type Asked = Result<Vec<Value>, StoreError>;

#[derive(Debug)]
pub(super) struct Space {
    pub(super) names: Vec<String>,
    pub(super) shards: Arc<[Arc<Shard>]>,
    pub(super) pick: Arc<dyn Pick>,
    pub(super) random: Arc<Random>,
    pub(super) budget: Duration,
    pub(super) largest: usize,
    pub(super) lease_millis: u64,
}

impl Space {
    fn node(&self, key: &[u8]) -> usize {
        self.pick.node(key, &self.names) % self.names.len().max(1)
    }

    /// For each node, which of the items are its own.
    fn spread<'a, T: 'a>(
        &self,
        items: &'a [T],
        key: impl Fn(&'a T) -> &'a [u8],
    ) -> Vec<Vec<usize>> {
        let mut places = vec![Vec::new(); self.shards.len()];
        for (index, item) in items.iter().enumerate() {
            places[self.node(key(item))].push(index);
        }
        places
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.budget
    }

    /// Asks each node for which there is something, and returns what they say.
    ///
    /// Each by a task of its own: they wait at the same time, and a caller who goes away neither
    /// hides from the breaker what became of the node nor stops an invalidation half-way.
    async fn ask(&self, calls: Vec<Vec<Call>>) -> Vec<Asked> {
        let deadline = self.deadline();
        let ask = |(shard, calls): (&Arc<Shard>, Vec<Call>)| {
            if calls.is_empty() {
                return None;
            }
            let shard = Arc::clone(shard);
            Some(start(async move { shard.ask(calls, deadline).await }))
        };
        let asked: Vec<_> = self.shards.iter().zip(calls).map(ask).collect();
        let mut answers = Vec::with_capacity(asked.len());
        for (asked, shard) in asked.into_iter().zip(self.shards.iter()) {
            answers.push(match asked {
                Some(asked) => ended(asked, shard).await.and_then(|answer| answer),
                None => Ok(Vec::new()),
            });
        }
        answers
    }

    async fn ask_one(&self, node: usize, calls: Vec<Call>) -> Asked {
        let mut all = vec![Vec::new(); self.shards.len()];
        all[node] = calls;
        self.ask(all).await.swap_remove(node)
    }

    /// Tells each node for which there is something; the first that failed is the error.
    async fn invalidate(&self, work: Vec<Option<(Call, Debt)>>) -> Result<(), StoreError> {
        let deadline = self.deadline();
        let tell = |(index, work): (usize, Option<(Call, Debt)>)| {
            let (call, debt) = work?;
            let shards = Arc::clone(&self.shards);
            Some((
                index,
                start(async move {
                    let told = shards[index].invalidate(vec![call], debt, deadline).await;
                    if told.0 == Reach::Everywhere {
                        for shard in shards.iter() {
                            let _ = shard.owe(Debt::Clear);
                        }
                    }
                    told.1
                }),
            ))
        };
        let told: Vec<_> = work.into_iter().enumerate().filter_map(tell).collect();
        let mut result = Ok(());
        for (index, told) in told {
            let told = ended(told, &self.shards[index]).await.and_then(|told| told);
            result = result.and(told);
        }
        result
    }

    /// Asks the nodes for leases, and all of them for the number of their last bump: before the
    /// answers, so before the source is read.
    async fn with_sequences(&self, calls: Vec<Vec<Call>>) -> Leases {
        let first = |(shard, calls): (&Arc<Shard>, Vec<Call>)| {
            let sequence = Call::Script(Script::Sequence, shard.cells.count(), vec![shard.start()]);
            let mut all = vec![Call::Time, sequence];
            all.extend(calls);
            all
        };
        let calls = self.shards.iter().zip(calls).map(first).collect();
        let mut leases = Leases { sequences: Box::new([]), nodes: Vec::new() };
        let mut sequences = Vec::new();
        for (asked, shard) in self.ask(calls).await.into_iter().zip(self.shards.iter()) {
            let read = asked.and_then(|answers| {
                let mut answers = answers.into_iter();
                let mut next = || answers.next().ok_or_else(call::missing);
                let read = (|| Ok((call::millis(next()?)?, call::number(next()?)?)))();
                let (now, sequence) = read.map_err(|reason| shard.refused(reason))?;
                Ok((now, sequence, answers.collect()))
            });
            sequences.push(read.as_ref().ok().and_then(|(_, sequence, _)| *sequence));
            leases.nodes.push(read.map(|(now, _, answers)| (now, answers)));
        }
        leases.sequences = sequences.into();
        leases
    }

    /// One result for each, also where a node gave fewer answers than it was asked for.
    fn complete<T>(
        &self,
        results: Vec<Option<Result<T, StoreError>>>,
    ) -> Vec<Result<T, StoreError>> {
        let name = self.names.first().cloned().unwrap_or_default();
        let none = || StoreError::Refused { node: name.clone(), reason: call::missing() };
        results.into_iter().map(|result| result.unwrap_or_else(|| Err(none()))).collect()
    }

    fn token(&self) -> u64 {
        self.random.next()
    }

    fn lease_millis(&self) -> Bytes {
        self.lease_millis.to_string().into()
    }
}

/// What the nodes said, each with its clock.
struct Leases {
    sequences: Box<[Option<u64>]>,
    nodes: Vec<Result<(u64, Vec<Value>), StoreError>>,
}

fn text(key: &WireKey) -> Bytes {
    Bytes::copy_from_slice(key.as_str().as_bytes())
}

fn hex(token: u64) -> Bytes {
    format!("{token:016x}").into()
}

fn start<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Option<JoinHandle<T>> {
    Handle::try_current().ok().map(|runtime| runtime.spawn(work))
}

async fn ended<T>(task: Option<JoinHandle<T>>, shard: &Shard) -> Result<T, StoreError> {
    let failed = |reason: &str| StoreError::Unreachable {
        node: shard.name.clone(),
        reason: reason.to_owned(),
    };
    let task = task.ok_or_else(|| failed("there is no tokio runtime"))?;
    task.await.map_err(|_| failed("the task that asked it was ended"))
}
