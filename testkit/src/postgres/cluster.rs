//! A primary and its streaming replicas.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::{try_join, try_join_all};

use super::{Postgres, PostgresBuilder};
use crate::error::{Cause, FaultError, StartError};

/// A primary with streaming replicas, on one machine.
///
/// Nothing fails over by itself: tests say what an operator's tool would do, step by step.
/// Nodes are numbered from 0, which is the first primary, and keep their number for life.
#[derive(Debug)]
pub struct PostgresCluster {
    nodes: Vec<Postgres>,
    primary: AtomicUsize,
}

impl PostgresCluster {
    /// Starts a primary and `replicas` replicas, and returns when all replicas stream.
    ///
    /// Replication is asynchronous until [`PostgresCluster::quorum`].
    ///
    /// # Errors
    ///
    /// [`StartError`] when PostgreSQL is not installed, a node does not answer, or a replica does
    /// not stream within 30 s.
    pub async fn start(replicas: usize) -> Result<PostgresCluster, StartError> {
        Postgres::builder().start_cluster(replicas).await
    }

    pub(super) async fn start_with(
        builder: &PostgresBuilder,
        replicas: usize,
    ) -> Result<PostgresCluster, StartError> {
        let names: Vec<_> = (0..=replicas).map(|n| format!("node_{n}")).collect();
        let nodes = try_join_all(names.iter().map(|name| builder.prepare(name))).await?;
        let cluster = PostgresCluster { nodes, primary: AtomicUsize::new(0) };
        let primary = cluster.primary();
        // Replicas need no base backup: all nodes are copies of one template, so the primary's log
        // goes on exactly where each replica's copy ends.
        let replicas = cluster.replicas().into_iter().map(|replica| async move {
            let failed = |step: &str, cause: Cause| StartError::new(replica.name(), step, cause);
            replica
                .mark_as_standby_of(primary)
                .map_err(|e| failed("making it a standby", e.into()))?;
            replica.launch().await?;
            let streams = replica.streams_from(primary, "start").await;
            streams.map_err(|e| failed("streaming from its primary", e.into()))
        });
        try_join(primary.launch(), try_join_all(replicas)).await?;
        Ok(cluster)
    }

    /// All nodes, by number.
    #[must_use]
    pub fn nodes(&self) -> &[Postgres] {
        &self.nodes
    }

    /// The current primary: node 0, or the one that [`PostgresCluster::promote_most_advanced`] or
    /// [`PostgresCluster::promote`] chose last. It may be down.
    #[must_use]
    pub fn primary(&self) -> &Postgres {
        &self.nodes[self.primary.load(Ordering::SeqCst)]
    }

    /// All nodes but the primary, by number. A primary that was replaced is among them.
    #[must_use]
    pub fn replicas(&self) -> Vec<&Postgres> {
        let primary = self.primary.load(Ordering::SeqCst);
        let numbered = self.nodes.iter().enumerate();
        numbered.filter_map(|(number, node)| (number != primary).then_some(node)).collect()
    }

    /// Makes every commit wait until `count` replicas have it on disk, whichever they are.
    ///
    /// Holds for whichever node is the primary, so also after a promotion.
    ///
    /// # Errors
    ///
    /// [`FaultError`] when a node does not accept it.
    pub async fn quorum(&self, count: usize) -> Result<(), FaultError> {
        let names: Vec<_> = self.nodes.iter().map(Postgres::name).collect();
        let standbys = format!("ANY {count} ({})", names.join(", "));
        self.synchronous_standbys(&standbys).await
    }

    /// Ends [`PostgresCluster::quorum`]: commits wait for nobody.
    ///
    /// # Errors
    ///
    /// [`FaultError`] when a node does not accept it.
    pub async fn quorum_off(&self) -> Result<(), FaultError> {
        self.synchronous_standbys("").await
    }

    async fn synchronous_standbys(&self, standbys: &str) -> Result<(), FaultError> {
        try_join_all(self.nodes.iter().map(async |node| {
            node.lock_settings().set("synchronous_standby_names", standbys);
            node.reload("set the quorum of").await
        }))
        .await?;
        let primary = self.primary();
        if primary.is_up() {
            // Commits start to wait when the checkpointer has read the setting, which it does
            // before the checkpoint asked of it here.
            primary.tell("set the quorum of", "CHECKPOINT").await?;
        }
        Ok(())
    }

    /// Promotes the replica that has received most of the log among those that are up, and returns
    /// it. The other nodes are left as they are.
    ///
    /// With [`PostgresCluster::quorum`] of k, every acknowledged commit is on it as long as fewer
    /// than k replicas are missing.
    ///
    /// # Errors
    ///
    /// [`FaultError`] when no replica is up, or the promotion fails.
    pub async fn promote_most_advanced(&self) -> Result<&Postgres, FaultError> {
        let primary = self.primary.load(Ordering::SeqCst);
        let mut most_advanced: Option<(i64, usize)> = None;
        for (number, node) in self.nodes.iter().enumerate() {
            if number == primary || !node.is_up() || !node.is_standby().await? {
                continue;
            }
            // What was never received but copied with the data counts as well.
            let received: i64 = node
                .ask(
                    "promote",
                    "SELECT (greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
                     - '0/0'::pg_lsn)::int8",
                )
                .await?;
            // The lowest number wins a tie, so that runs repeat.
            if most_advanced.is_none_or(|(most, _)| received > most) {
                most_advanced = Some((received, number));
            }
        }
        match most_advanced {
            Some((_, number)) => self.promote(number).await,
            None => Err(self.primary().failed("replace", "no replica is up")),
        }
    }

    /// Promotes node `number` and makes it [`PostgresCluster::primary`].
    ///
    /// # Errors
    ///
    /// [`FaultError`] as for [`Postgres::promote`].
    ///
    /// # Panics
    ///
    /// When there is no such node.
    pub async fn promote(&self, number: usize) -> Result<&Postgres, FaultError> {
        let node = &self.nodes[number];
        node.promote().await?;
        self.primary.store(number, Ordering::SeqCst);
        Ok(node)
    }

    /// Returns when every replica that is up has replayed what the primary wrote before the call.
    ///
    /// # Errors
    ///
    /// [`FaultError`] when one does not get there within 30 s.
    pub async fn catch_up(&self) -> Result<(), FaultError> {
        let primary = self.primary();
        let up = self.replicas().into_iter().filter(|node| node.is_up());
        try_join_all(up.map(|replica| replica.catch_up_with(primary))).await?;
        Ok(())
    }
}

impl Drop for PostgresCluster {
    fn drop(&mut self) {
        // All at once; each node's own drop then waits for its end.
        self.nodes.iter().for_each(Postgres::ask_to_quit);
    }
}
