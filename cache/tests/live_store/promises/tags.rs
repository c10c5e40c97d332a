//! What a store promises about tags.

use super::Found;
use crate::world::{World, key, same, tag, win};

pub(crate) async fn a_tag_that_was_bumped_during_a_load_is_not_held(world: &World) -> Found {
    // Whether the tag is known before or not.
    for known in [false, true] {
        let (key, tag) = (key(&known), tag(u8::from(known)));
        if known {
            same("a bump", world.two.bump_tags(&[tag]).await, Ok(()))?;
        }
        let lease = win(&world.one, &key).await?;
        same("a bump", world.two.bump_tags(&[tag]).await, Ok(()))?;
        let held = world.one.hold_tags(&lease, &[tag]).await;
        same("tags held after a bump", held, Ok(None))?;
    }
    Ok(())
}

pub(crate) async fn a_bump_changes_the_version_that_is_held(world: &World) -> Found {
    let tags: Vec<_> = (0..10).map(tag).collect();
    let lease = win(&world.one, &key(&7)).await?;
    let held = world.one.hold_tags(&lease, &tags).await.map_err(|error| error.to_string())?;
    let held: Vec<_> = held.ok_or("no tags held")?.into_iter().map(Some).collect();
    let versions = world.two.tag_versions(&tags).await;
    same("versions", versions, Ok(held.clone()))?;
    same("a bump", world.two.bump_tags(&tags[..5]).await, Ok(()))?;
    let versions = world.one.tag_versions(&tags).await.map_err(|error| error.to_string())?;
    for (n, (version, held)) in versions.into_iter().zip(held).enumerate() {
        same("whether a version changed", version != held, n < 5)?;
    }
    Ok(())
}

pub(crate) async fn a_tag_that_nobody_has_held_or_bumped_has_no_version(world: &World) -> Found {
    same("a bump", world.one.bump_tags(&[tag(1)]).await, Ok(()))?;
    same("versions", world.two.tag_versions(&[tag(2)]).await, Ok(vec![None]))
}

pub(crate) async fn a_tag_that_is_new_is_held_at_the_second_try_at_the_latest(
    world: &World,
) -> Found {
    let tags: Vec<_> = (100..110).map(tag).collect();
    let busy = [tag(1), tag(2), tag(3), tag(4), tag(5)];
    let first = win(&world.one, &key(&7)).await?;
    same("a bump", world.two.bump_tags(&busy).await, Ok(()))?;
    // Whether another tag's bump was on the same node is not known.
    let _ = world.one.hold_tags(&first, &tags).await;
    same("a release", world.one.release(&key(&7), &first).await, Ok(()))?;
    let second = win(&world.one, &key(&7)).await?;
    same("a bump", world.two.bump_tags(&busy).await, Ok(()))?;
    let held = world.one.hold_tags(&second, &tags).await;
    same("whether tags are held", held.map(|held| held.is_some()), Ok(true))
}
