//! The shell over databases in memory, in paused time.

mod failover;
mod fake;
mod limits;
mod reading;
mod starting;

use std::time::Duration;

use tokio::time::Instant;

use self::fake::{Fake, World};
use super::{Node, PoolConfig, RwPool};

/// A pool over all nodes of a world, in which the pool has seen every node.
async fn pool(world: &World) -> RwPool<Fake> {
    pool_with(world, PoolConfig::default()).await
}

async fn pool_with(world: &World, config: PoolConfig) -> RwPool<Fake> {
    let nodes = world.names().into_iter().map(|name| Node::new(name, name));
    RwPool::builder(world.backend()).nodes(nodes).config(config).seed(7).connect().await.unwrap()
}

/// Waits, in paused time, until something is so; fails after ten seconds.
async fn until(what: &str, condition: impl Fn() -> bool) -> Duration {
    let begun = Instant::now();
    loop {
        let waited = Instant::now().saturating_duration_since(begun);
        if condition() {
            return waited;
        }
        assert!(waited < Duration::from_secs(10), "{what}: not within ten seconds");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

async fn put(pool: &RwPool<Fake>, key: u32, value: u64) -> Result<(), crate::Error> {
    let mut connection = pool.write().await?;
    connection.run(async |c| c.put(key, value).await).await
}

async fn get(pool: &RwPool<Fake>, key: u32) -> Result<Option<u64>, crate::Error> {
    let mut connection = pool.read().await?;
    connection.run(async |c| c.get(key).await).await
}
