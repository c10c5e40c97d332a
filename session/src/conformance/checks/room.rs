//! How much a session may hold.

use super::super::ground::{Ground, Verdict, applied, at_once, holds, removing, same, setting};
use super::super::report::Failure;
use crate::record::{Limits, Name, Patch};
use crate::store::{Guard, Patched};
use crate::token::SessionKey;

super::checks![
    a_session_holds_as_many_bytes_as_it_may,
    a_session_holds_as_many_values_as_it_may,
    a_value_has_as_many_bytes_as_it_may,
    what_is_replaced_and_removed_makes_room,
    removing_needs_no_room,
    patches_at_once_stay_within_the_limits,
];

/// With this limit there is room, and with one less there is not and nothing changes.
async fn just_fits(
    ground: &Ground,
    key: &SessionKey,
    patch: &Patch,
    limits: Limits,
    one_less: Limits,
) -> Verdict {
    let before = ground.found(key).await?.record;
    for guard in [Guard::Exists, Guard::Version(before.version)] {
        let patched = ground.store.patch(key, patch, guard, one_less).await?;
        same("a patch with one too many", &Patched::Full, &patched)?;
        same("what is there", &before, &ground.found(key).await?.record)?;
    }
    applied(&ground.store.patch(key, patch, Guard::Exists, limits).await?)
}

async fn a_session_holds_as_many_bytes_as_it_may(ground: Ground) -> Verdict {
    // Bytes and not letters: 2 and 2, and 4 and 8.
    let key = ground.stranger(&[("aa", "10")]).await?;
    let limits = |bytes| Limits { bytes, ..Limits::default() };
    let patch = setting(&[("\u{1F600}", "\"\u{e9}\u{e9}\u{e9}\"")]);
    just_fits(&ground, &key, &patch, limits(4 + 4 + 8), limits(4 + 4 + 8 - 1)).await?;
    ground.holds(&key, &[("aa", "10"), ("\u{1F600}", "\"\u{e9}\u{e9}\u{e9}\"")]).await
}

async fn a_session_holds_as_many_values_as_it_may(ground: Ground) -> Verdict {
    let key = ground.stranger(&[("a", "1")]).await?;
    let limits = |values| Limits { values, ..Limits::default() };
    let patch = setting(&[("b", "2"), ("c", "3")]);
    just_fits(&ground, &key, &patch, limits(3), limits(2)).await?;
    ground.holds(&key, &[("a", "1"), ("b", "2"), ("c", "3")]).await
}

async fn a_value_has_as_many_bytes_as_it_may(ground: Ground) -> Verdict {
    let key = ground.stranger(&[("a", "1")]).await?;
    let limits = |value| Limits { value, ..Limits::default() };
    let patch = setting(&[("b", "\"\u{e9}\"")]);
    just_fits(&ground, &key, &patch, limits(4), limits(3)).await?;
    ground.holds(&key, &[("a", "1"), ("b", "\"\u{e9}\"")]).await
}

async fn what_is_replaced_and_removed_makes_room(ground: Ground) -> Verdict {
    let key = ground.stranger(&[("a", "1111"), ("b", "2222")]).await?;
    let limits = Limits { bytes: 10, values: 2, value: 4 };
    let mut patch = setting(&[("a", "3333"), ("c", "4444")]);
    patch.remove = removing(&["b"]).remove;
    applied(&ground.store.patch(&key, &patch, Guard::Exists, limits).await?)?;
    ground.holds(&key, &[("a", "3333"), ("c", "4444")]).await
}

async fn removing_needs_no_room(ground: Ground) -> Verdict {
    let key = ground.stranger(&[("a", "1111"), ("b", "2222"), ("c", "3333")]).await?;
    let limits = Limits { bytes: 1, values: 1, value: 1 };
    let patch = removing(&["a"]);
    applied(&ground.store.patch(&key, &patch, Guard::Exists, limits).await?)?;
    ground.holds(&key, &[("b", "2222"), ("c", "3333")]).await?;
    let mut both = setting(&[("b", "2")]);
    both.remove = removing(&["c"]).remove;
    let limits = Limits { bytes: 1, ..Limits::default() };
    let patched = ground.store.patch(&key, &both, Guard::Exists, limits).await?;
    same("a patch that also sets", &Patched::Full, &patched)?;
    ground.holds(&key, &[("b", "2222"), ("c", "3333")]).await
}

async fn patches_at_once_stay_within_the_limits(ground: Ground) -> Verdict {
    let by_count = Limits { values: 10, ..Limits::default() };
    let by_bytes = Limits { bytes: 10 * 6, ..Limits::default() };
    for limits in [by_count, by_bytes] {
        let key = ground.stranger(&[]).await?;
        let patch = |turn: usize| {
            let ground = ground.clone();
            async move {
                let patch = setting(&[(&format!("n{turn:03}"), "10")]);
                let patched = ground.store.patch(&key, &patch, Guard::Exists, limits).await?;
                Ok::<Patched, Failure>(patched)
            }
        };
        let mut there = Vec::new();
        for (turn, patched) in at_once((0..40).map(patch)).await?.into_iter().enumerate() {
            match patched? {
                Patched::Applied { .. } => there.extend(Name::new(&format!("n{turn:03}"))),
                other => same("the patch", &Patched::Full, &other)?,
            }
        }
        same("patches that were applied", &10, &there.len())?;
        let values = &ground.found(&key).await?.record.values;
        let kept = values.keys().eq(&there);
        holds("the values of those that were applied", kept, values.keys())?;
    }
    Ok(())
}
