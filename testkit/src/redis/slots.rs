//! What makes one node a whole cluster.

use crate::error::Cause;

use super::Redis;

/// The cluster bus listens this far above the port, and only Redis 7 can change that.
pub(super) const BUS_OFFSET: u16 = 10_000;
/// The number of slots, fixed by the protocol.
const SLOTS: u16 = 16_384;

/// Assigns all slots to `server`.
pub(super) async fn own_all(server: &Redis) -> Result<(), Cause> {
    let mut connection = server.connect().await?;
    // One by one, because ADDSLOTSRANGE came with Redis 7.
    let mut add = redis::cmd("CLUSTER");
    add.arg("ADDSLOTS");
    for slot in 0..SLOTS {
        add.arg(slot);
    }
    Ok(add.exec_async(&mut connection).await?)
}

/// Whether the cluster takes writes.
pub(super) async fn whole(server: &Redis) -> Result<(), Cause> {
    let mut connection = server.connect().await?;
    let info: String = redis::cmd("CLUSTER").arg("INFO").query_async(&mut connection).await?;
    match info.contains("cluster_state:ok") {
        true => Ok(()),
        false => Err(info.into()),
    }
}
