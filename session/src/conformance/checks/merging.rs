//! That two requests at once lose no value, and a logout is the last word.

use std::sync::Arc;

use futures_util::FutureExt;
use tokio::sync::Semaphore;

use super::super::ground::{
    Ground, IDLE, Verdict, applied, at_once, holds, removing, same, setting, subject,
};
use super::super::report::Failure;
use crate::record::Limits;
use crate::store::{Guard, Patched};
use crate::token::SessionKey;

super::checks![
    a_patch_sets_and_removes,
    a_patch_is_no_use,
    the_version_grows_with_each_change,
    a_stale_version_changes_nothing_and_shows_what_is_there,
    two_patches_at_once_keep_both,
    ten_thousand_increments_are_ten_thousand,
    a_logout_is_not_undone_by_a_patch_in_flight,
];

async fn a_patch_sets_and_removes(ground: Ground) -> Verdict {
    let key = ground.stranger(&[("a", "1"), ("b", "2"), ("c", "3")]).await?;
    let mut patch = setting(&[("b", "20"), ("d", "40")]);
    patch.remove = removing(&["a", "never"]).remove;
    let patched = ground.store.patch(&key, &patch, Guard::Exists, Limits::default()).await?;
    applied(&patched)?;
    ground.holds(&key, &[("b", "20"), ("c", "3"), ("d", "40")]).await
}

async fn a_patch_is_no_use(ground: Ground) -> Verdict {
    let key = ground.stranger(&[]).await?;
    let before = ground.found(&key).await?.record;
    ground.clock.advance(IDLE / 2);
    applied(&ground.set(&key, "a", "1").await?)?;
    let after = ground.found(&key).await?.record;
    same("its last use", &before.last_seen, &after.last_seen)?;
    same("when it ends", &before.expires, &after.expires)
}

async fn the_version_grows_with_each_change(ground: Ground) -> Verdict {
    let key = ground.stranger(&[("a", "0")]).await?;
    let mut last = ground.found(&key).await?.record.version;
    for json in ["1", "2", "3"] {
        let patch = setting(&[("a", json)]);
        let guard = Guard::Version(last);
        let patched = ground.store.patch(&key, &patch, guard, Limits::default()).await?;
        let Patched::Applied { version } = patched else {
            return holds("a patch at the version that is there", false, patched);
        };
        holds("a version that is later", version > last, version)?;
        same("the version that is loaded", &version, &ground.found(&key).await?.record.version)?;
        last = version;
    }
    Ok(())
}

async fn a_stale_version_changes_nothing_and_shows_what_is_there(ground: Ground) -> Verdict {
    let key = ground.stranger(&[("a", "1")]).await?;
    let stale = ground.found(&key).await?.record.version;
    applied(&ground.set(&key, "a", "2").await?)?;
    let now = ground.found(&key).await?;
    for guard in [stale, now.record.version + 1] {
        let patch = setting(&[("a", "3"), ("b", "3")]);
        let guard = Guard::Version(guard);
        let patched = ground.store.patch(&key, &patch, guard, Limits::default()).await?;
        let Patched::Conflict(loaded) = patched else {
            return holds("a conflict", false, patched);
        };
        same("what is there", &now.record, &loaded.record)?;
    }
    ground.holds(&key, &[("a", "2")]).await
}

async fn two_patches_at_once_keep_both(ground: Ground) -> Verdict {
    for round in 0..50 {
        let key = ground.stranger(&[("old", "0")]).await?;
        let patch = |name| {
            let ground = ground.clone();
            async move { ground.set(&key, name, "1").await }
        };
        for patched in at_once([patch("a"), patch("b")]).await? {
            applied(&patched?)?;
        }
        let both = ground.holds(&key, &[("a", "1"), ("b", "1"), ("old", "0")]).await;
        both.map_err(|failure| failure.in_round(round))?;
    }
    Ok(())
}

async fn ten_thousand_increments_are_ten_thousand(ground: Ground) -> Verdict {
    let key = ground.stranger(&[("n", "0")]).await?;
    // More at a time find no other fault: they only lose more often.
    let turns = Arc::new(Semaphore::new(3));
    let add = |_| {
        let (ground, turns) = (ground.clone(), Arc::clone(&turns));
        async move {
            for _ in 0..100 {
                let _turn = turns.acquire().await;
                increment(&ground, &key).await?;
            }
            Ok::<(), Failure>(())
        }
    };
    for done in at_once((0..100).map(add)).await? {
        done?;
    }
    ground.holds(&key, &[("n", "10000")]).await
}

/// Adds one, as often as it takes.
async fn increment(ground: &Ground, key: &SessionKey) -> Verdict {
    let mut loaded = ground.found(key).await?;
    loop {
        let n = loaded.record.values.get("n").and_then(|n| n.to::<u64>().ok());
        let Some(n) = n else { return Err(Failure::new("a number", "none")) };
        let patch = setting(&[("n", &(n + 1).to_string())]);
        let guard = Guard::Version(loaded.record.version);
        match ground.store.patch(key, &patch, guard, Limits::default()).await? {
            Patched::Applied { .. } => return Ok(()),
            Patched::Conflict(now) => loaded = now,
            other => return holds("applied or a conflict", false, other),
        }
    }
}

async fn a_logout_is_not_undone_by_a_patch_in_flight(ground: Ground) -> Verdict {
    let alice = subject("alice");
    for round in 0..100 {
        let key = ground.logged_in(&alice).await?;
        let patches = |name| {
            let ground = ground.clone();
            async move {
                for n in 0..4 {
                    let patched = ground.set(&key, name, &n.to_string()).await?;
                    let known = matches!(patched, Patched::Applied { .. } | Patched::Gone);
                    holds("applied or gone", known, patched)?;
                }
                Ok::<(), Failure>(())
            }
        };
        let logout = {
            let ground = ground.clone();
            async move {
                // So that in some rounds it comes before, and in some between.
                for _ in 0..round % 4 {
                    tokio::task::yield_now().await;
                }
                same("whether it was there", &true, &ground.store.delete(&key).await?)
            }
        };
        let all = [patches("a").boxed(), patches("b").boxed(), logout.boxed()];
        for done in at_once(all).await? {
            done?;
        }
        ground.gone(&key).await.map_err(|failure| failure.in_round(round))?;
        same("the subject's sessions", &Vec::new(), &ground.keys_of(&alice).await?)?;
    }
    Ok(())
}
