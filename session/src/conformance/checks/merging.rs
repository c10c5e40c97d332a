//! That two requests at once lose no value, and a logout is the last word.

use std::sync::Arc;

use futures_util::future::try_join_all;
use tokio::sync::Barrier;

use super::super::ground::{Ground, Verdict, applied, holds, removing, same, setting, subject};
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
    ground.clock.advance(super::super::ground::IDLE / 2);
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
        let barrier = Arc::new(Barrier::new(2));
        let patch = |name: &'static str| {
            let (ground, barrier) = (ground.clone(), Arc::clone(&barrier));
            tokio::spawn(async move {
                barrier.wait().await;
                ground.set(&key, name, "1").await
            })
        };
        for patched in try_join_all([patch("a"), patch("b")]).await.map_err(died)? {
            applied(&patched?)?;
        }
        let kept = ground.holds(&key, &[("a", "1"), ("b", "1"), ("old", "0")]).await;
        kept.map_err(|failure| Failure {
            got: format!("{} in round {round}", failure.got),
            ..failure
        })?;
    }
    Ok(())
}

async fn ten_thousand_increments_are_ten_thousand(ground: Ground) -> Verdict {
    let key = ground.stranger(&[("n", "0")]).await?;
    let increment = || {
        let ground = ground.clone();
        tokio::spawn(async move {
            for _ in 0..100 {
                increment(&ground, &key).await?;
            }
            Ok::<(), Failure>(())
        })
    };
    let tasks: Vec<_> = (0..100).map(|_| increment()).collect();
    for done in try_join_all(tasks).await.map_err(died)? {
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
    for _ in 0..200 {
        let alice = subject("alice");
        let key = ground.logged_in(&alice).await?;
        let barrier = Arc::new(Barrier::new(3));
        let patch = |name: &'static str| {
            let (ground, barrier) = (ground.clone(), Arc::clone(&barrier));
            tokio::spawn(async move {
                barrier.wait().await;
                for n in 0..5 {
                    let patched = ground.set(&key, name, &n.to_string()).await?;
                    let known = matches!(patched, Patched::Applied { .. } | Patched::Gone);
                    holds("applied or gone", known, patched)?;
                }
                Ok::<(), Failure>(())
            })
        };
        let patches = [patch("a"), patch("b")];
        barrier.wait().await;
        same("whether it was there", &true, &ground.store.delete(&key).await?)?;
        for patched in try_join_all(patches).await.map_err(died)? {
            patched?;
        }
        ground.gone(&key).await?;
        same("the subject's sessions", &Vec::new(), &ground.keys_of(&alice).await?)?;
    }
    Ok(())
}

fn died(error: tokio::task::JoinError) -> Failure {
    Failure::new("a task that ends", error)
}
