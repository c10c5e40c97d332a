//! The pool: one deadpool a node and access, a monitor a node, and guards around what they lend.

mod acquire;
mod builder;
mod config;
mod lease;
mod monitor;
mod node;
mod patience;
mod read;
mod reading;
mod shared;
mod status;
#[cfg(test)]
mod tests;
mod transaction;
mod verdict;
mod write;

use std::fmt;
use std::sync::Arc;

use tokio::time::Instant;

pub use self::builder::Builder;
pub use self::config::PoolConfig;
use self::node::Member;
pub use self::node::Node;
pub use self::read::Read;
pub use self::reading::ReadConnection;
use self::shared::Shared;
pub use self::status::{NodeStatus, Status};
pub use self::transaction::{Begin, Transaction};
pub(crate) use self::verdict::Effect;
pub use self::write::{Write, WriteConnection};
use crate::backend::Backend;
use crate::cluster::{NodeId, Standing};
use crate::error::{Error, ErrorKind};
use crate::token::Token;

/// A pool of connections to a primary and its replicas.
///
/// Each node has two pools of connections, for reading and for writing, and one connection more,
/// on which it is asked what it is. The first two open connections as they are needed.
///
/// # Clone
///
/// Clones are the same pool. Its tasks end, and its connections close, with the last clone;
/// connections on loan close as they are given back.
pub struct RwPool<B: Backend> {
    inner: Arc<Inner<B>>,
}

struct Inner<B: Backend> {
    shared: Arc<Shared<B>>,
}

impl<B: Backend> RwPool<B> {
    /// Describes a pool over this kind of database.
    #[must_use]
    pub fn builder(backend: B) -> Builder<B> {
        Builder::new(backend)
    }

    fn new(shared: Arc<Shared<B>>) -> Self {
        Self { inner: Arc::new(Inner { shared }) }
    }

    /// Reads, on a replica if one will do.
    pub fn read(&self) -> Read<'_, B> {
        Read::new(self.shared())
    }

    /// Reads on the primary: the latest there is.
    pub fn read_primary(&self) -> Read<'_, B> {
        self.read().primary()
    }

    /// Writes, on the primary, statements that each commit by themselves.
    pub fn write(&self) -> Write<'_, B> {
        Write::new(self.shared())
    }

    /// Begins a transaction on the primary.
    pub fn transaction(&self) -> Begin<'_, B> {
        Begin::new(self.shared())
    }

    /// Adds a node. It serves reads once it has answered and caught up.
    ///
    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config): its name is taken, empty or too long.
    pub fn add(&self, node: Node<B>) -> Result<(), Error> {
        node.check()?;
        let shared = self.shared();
        let name = Arc::clone(&node.name);
        let mut taken = false;
        let mut failed = None;
        shared.learn(|belief| {
            taken = belief.members.iter().any(|member| *member.name() == name);
            if taken {
                return;
            }
            let id = NodeId(belief.next_id);
            match Member::new(
                id,
                node,
                &shared.backend,
                &shared.config,
                &shared.draws(),
                &shared.ticks,
            ) {
                Err(error) => failed = Some(error),
                Ok(member) => {
                    belief.next_id += 1;
                    let member = Arc::new(member);
                    belief.cluster.add(id, member.traits(shared.zone.as_deref()));
                    belief.members.push(Arc::clone(&member));
                    let watching = tokio::spawn(monitor::watch(Arc::clone(shared), member));
                    belief.monitors.push((id, watching.abort_handle()));
                }
            }
        });
        match failed {
            Some(error) => Err(error),
            None if taken => Err(Error::before(ErrorKind::Config)
                .message(format!("there is a node named {name:?} already"))),
            None => Ok(()),
        }
    }

    /// Removes a node. Connections on loan from it may be used to their end.
    ///
    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config): no node has this name.
    pub fn remove(&self, name: &str) -> Result<(), Error> {
        let mut removed = None;
        self.shared().learn(|belief| {
            let place = belief.members.iter().position(|member| &**member.name() == name);
            let Some(place) = place else { return };
            let member = belief.members.remove(place);
            belief.cluster.remove(member.id);
            if let Some(watching) = belief.monitors.iter().position(|(id, _)| *id == member.id) {
                belief.monitors.swap_remove(watching).1.abort();
            }
            removed = Some(member);
        });
        match removed {
            Some(member) => {
                member.close();
                Ok(())
            }
            None => Err(Error::before(ErrorKind::Config)
                .message(format!("there is no node named {name:?}"))),
        }
    }

    /// What the pool believes, and how busy it is.
    #[must_use]
    pub fn status(&self) -> Status {
        Status::of(&self.shared().snapshot(), Instant::now())
    }

    /// Whether what a token speaks of is still there, as far as the pool knows now.
    ///
    /// After a promotion with asynchronous replication, acknowledged writes may be gone. Those that
    /// are have a token that is [`Lost`](Standing::Lost), or [`Uncertain`](Standing::Uncertain) if
    /// no node says where the old timeline ended.
    ///
    /// # Errors
    ///
    /// [`ForeignToken`](ErrorKind::ForeignToken): the token is another cluster's.
    pub fn standing(&self, token: &Token) -> Result<Standing, Error> {
        let snapshot = self.shared().snapshot();
        if snapshot.view.system.is_some_and(|ours| ours != token.system) {
            return Err(Error::before(ErrorKind::ForeignToken)
                .message(format!("it speaks of system {}", token.system)));
        }
        Ok(snapshot.view.standing(token.position))
    }

    pub(crate) fn shared(&self) -> &Arc<Shared<B>> {
        &self.inner.shared
    }
}

impl<B: Backend> Clone for RwPool<B> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<B: Backend> Drop for Inner<B> {
    fn drop(&mut self) {
        let mut belief = self.shared.belief();
        for (_, watching) in belief.monitors.drain(..) {
            watching.abort();
        }
        for member in belief.members.drain(..) {
            member.close();
        }
    }
}

impl<B: Backend> fmt::Debug for RwPool<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let snapshot = self.shared().snapshot();
        let names: Vec<&str> = snapshot.view.nodes.iter().map(|node| &*node.name).collect();
        f.debug_struct("RwPool").field("nodes", &names).finish_non_exhaustive()
    }
}
