use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::RwPool;
use super::config::PoolConfig;
use super::node::Node;
use super::shared::Shared;
use crate::backend::Backend;
use crate::cluster::{Bounds, Cluster, NodeState};
use crate::error::{Error, ErrorKind};
use crate::memory::{Memory, MemoryError};
use crate::telemetry::Telemetry;

/// Describes a pool.
pub struct Builder<B: Backend> {
    backend: B,
    nodes: Vec<Node<B>>,
    config: PoolConfig,
    zone: Option<Arc<str>>,
    memory: Option<PathBuf>,
    seed: Option<u64>,
}

impl<B: Backend> Builder<B> {
    pub(crate) fn new(backend: B) -> Self {
        Self {
            backend,
            nodes: Vec::new(),
            config: PoolConfig::default(),
            zone: None,
            memory: None,
            seed: None,
        }
    }

    /// Adds a node. Which one is the primary, the nodes say themselves.
    #[must_use]
    pub fn node(mut self, node: Node<B>) -> Self {
        self.nodes.push(node);
        self
    }

    /// Adds nodes.
    #[must_use]
    pub fn nodes(mut self, nodes: impl IntoIterator<Item = Node<B>>) -> Self {
        self.nodes.extend(nodes);
        self
    }

    /// How long to wait, how much to keep, how stale is too stale.
    #[must_use]
    pub fn config(self, config: PoolConfig) -> Self {
        Self { config, ..self }
    }

    /// The zone this process runs in: replicas of the same zone are read first, and others only
    /// while none of them serves.
    #[must_use]
    pub fn zone(self, zone: impl Into<Arc<str>>) -> Self {
        Self { zone: Some(zone.into()), ..self }
    }

    /// Remembers in this file whose nodes they are, and the highest timeline seen, so that a
    /// restarted process does not believe an old primary that is the only one to answer.
    ///
    /// Processes of one machine may share it. Keep it where it survives a restart.
    #[must_use]
    pub fn remember(self, path: impl Into<PathBuf>) -> Self {
        Self { memory: Some(path.into()), ..self }
    }

    /// Makes the choice among replicas, and the lifetimes of connections, a function of this number.
    /// Default: chance of the operating system.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { seed: Some(seed), ..self }
    }

    /// Looks at all nodes once, and returns the pool.
    ///
    /// Nodes that do not answer are looked for again in the background, as long as the pool lives;
    /// without a primary, reads flow already.
    ///
    /// # Errors
    ///
    /// - [`Config`](ErrorKind::Config): no node, a name that stands twice, a setting out of its
    ///   range, a file that cannot be used.
    /// - [`Denied`](ErrorKind::Denied), [`ForeignCluster`](ErrorKind::ForeignCluster): a node does
    ///   not let this user in, or belongs to another cluster. It would never serve.
    /// - [`NoNode`](ErrorKind::NoNode): no node answers.
    ///
    /// # Cancel safety
    ///
    /// Dropped midway, nothing stays.
    pub async fn connect(self) -> Result<RwPool<B>, Error> {
        let pool = self.build().await?;
        let looked = pool.looked_at_all();
        let deadline = Instant::now() + pool.shared().config.connect * 2;
        // A node that hangs is no reason not to begin.
        let _ = timeout_at(deadline, looked).await;
        pool.refuse_useless()?;
        Ok(pool)
    }

    async fn build(self) -> Result<RwPool<B>, Error> {
        let refuse = |message: String| Err(Error::before(ErrorKind::Config).message(message));
        self.config.check()?;
        if self.nodes.is_empty() {
            return refuse("a pool needs at least one node".to_owned());
        }
        let (memory, remembered) = match self.memory {
            None => (None, None),
            Some(path) => {
                let opening = tokio::task::spawn_blocking(move || {
                    let memory = Memory::open(&path)?;
                    let remembered = memory.load()?;
                    Ok::<_, MemoryError>((Some(Arc::new(memory)), remembered))
                });
                let refused = || Error::before(ErrorKind::Config);
                match opening.await {
                    Ok(opened) => opened
                        .map_err(|error| refused().message(error.to_string()).source_of(error))?,
                    Err(ended) => return Err(refused().source_of(ended)),
                }
            }
        };
        let bounds =
            Bounds { max_lag: self.config.max_lag, max_lag_bytes: self.config.max_lag_bytes };
        let telemetry = Telemetry::new(self.backend.system_name());
        let shared = Arc::new(Shared::new(
            Arc::new(self.backend),
            self.config,
            self.zone,
            Cluster::new(bounds, remembered),
            memory,
            self.seed.unwrap_or_else(chance),
            telemetry,
        ));
        let pool = RwPool::new(shared);
        for node in self.nodes {
            pool.add(node)?;
        }
        Ok(pool)
    }
}

/// A seed that nobody chose.
fn chance() -> u64 {
    getrandom::u64().unwrap_or(0x5EED)
}

impl<B: Backend> RwPool<B> {
    /// Returns when every node has answered, or failed to.
    async fn looked_at_all(&self) {
        let shared = self.shared();
        let mut published = shared.published();
        while !shared.snapshot().view.settled() {
            if published.changed().await.is_err() {
                return;
            }
        }
    }

    fn refuse_useless(&self) -> Result<(), Error> {
        let snapshot = self.shared().snapshot();
        let mut answers = false;
        for (node, member) in snapshot.view.nodes.iter().zip(&snapshot.members) {
            let cause = || member.last_error().map(|line| line.to_string()).unwrap_or_default();
            match node.state {
                NodeState::Denied => {
                    return Err(Error::before(ErrorKind::Denied)
                        .node(member.name())
                        .message(cause()));
                }
                NodeState::Foreign => {
                    let error = Error::before(ErrorKind::ForeignCluster).node(member.name());
                    return Err(match snapshot.view.system {
                        Some(ours) => error.message(format!("this pool's is system {ours}")),
                        None => error,
                    });
                }
                NodeState::Down | NodeState::Unknown => {}
                _ => answers = true,
            }
        }
        if answers {
            return Ok(());
        }
        let causes: Vec<String> = snapshot
            .members
            .iter()
            .map(|member| match member.last_error() {
                Some(line) => format!("{}: {line}", member.name()),
                None => format!("{}: no answer", member.name()),
            })
            .collect();
        Err(Error::before(ErrorKind::NoNode).message(causes.join("; ")))
    }
}

impl<B: Backend> fmt::Debug for Builder<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("nodes", &self.nodes)
            .field("config", &self.config)
            .field("zone", &self.zone)
            .field("memory", &self.memory)
            .finish_non_exhaustive()
    }
}
