//! What a store promises to those who write, and to those who read meanwhile.

use std::sync::Arc;

use terrace_cache::store::{Filled, Store};

use super::{Found, kind, some};
use crate::world::{KEEP, World, key, lease, same, value, want, win};

async fn write(store: &Arc<dyn Store>) -> Result<terrace_cache::store::Lease, String> {
    store.lease_for_write(&key(&7)).await.map_err(|error| error.to_string())
}

pub(crate) async fn of_two_writers_neither_fills(world: &World) -> Found {
    let first = write(&world.one).await?;
    let second = write(&world.two).await?;
    let third = write(&world.two).await?;
    same("a reader", kind(&lease(&world.two, want(&key(&7))).await), "busy")?;
    same("a release", world.one.release(&key(&7), &first).await, Ok(()))?;
    same("a reader", kind(&lease(&world.two, want(&key(&7))).await), "busy")?;
    for lease in [second, third, first] {
        let filled = world.one.fill(&key(&7), &lease, "whose?".into(), KEEP).await;
        same("a fill", filled, Ok(Filled::Refused))?;
    }
    same("a fetch", value(&world.two, &key(&7)).await, Ok(None))
}

pub(crate) async fn a_writer_takes_the_right_from_a_reader(world: &World) -> Found {
    let reader = win(&world.one, &key(&7)).await?;
    let writer = write(&world.two).await?;
    let filled = world.one.fill(&key(&7), &reader, "old".into(), KEEP).await;
    same("the reader's fill", filled, Ok(Filled::Refused))?;
    let filled = world.two.fill(&key(&7), &writer, "new".into(), KEEP).await;
    same("the writer's fill", filled, Ok(Filled::Kept))?;
    same("a fetch", value(&world.one, &key(&7)).await, some("new"))
}

/// The first of two writers ends and takes their mark away; a reader loads before the second has
/// committed. See the module `store::redis`, "Two writers".
pub(crate) async fn a_reader_between_two_writers_keeps_nothing_old(world: &World) -> Found {
    for fills_in_time in [false, true] {
        let first = write(&world.one).await?;
        let second = write(&world.two).await?;
        let filled = world.one.fill(&key(&7), &first, "first".into(), KEEP).await;
        same("the first writer's fill", filled, Ok(Filled::Refused))?;
        same("its removal", world.one.remove(&[key(&7)]).await, Ok(()))?;

        let reader = win(&world.one, &key(&7)).await?;
        if fills_in_time {
            let filled = world.one.fill(&key(&7), &reader, "first".into(), KEEP).await;
            same("the reader's fill", filled, Ok(Filled::Kept))?;
        }
        // The second has committed now.
        let filled = world.two.fill(&key(&7), &second, "second".into(), KEEP).await;
        same("the second writer's fill", filled, Ok(Filled::Refused))?;
        same("its removal", world.two.remove(&[key(&7)]).await, Ok(()))?;
        if !fills_in_time {
            let filled = world.one.fill(&key(&7), &reader, "first".into(), KEEP).await;
            same("the reader's late fill", filled, Ok(Filled::Refused))?;
        }
        same("a fetch", value(&world.one, &key(&7)).await, Ok(None))?;
    }
    Ok(())
}
