//! Moving, against whoever else is at the session at that moment.

use futures_util::FutureExt;

use super::super::ground::{Ground, Verdict, at_once, holds, logs_in, renews, same, subject};
use super::super::report::Failure;
use crate::store::{Change, Patched, Rotated};

super::checks![
    a_session_that_moves_is_never_nowhere,
    a_session_moves_once,
    two_renewals_at_once_are_one,
    a_patch_beside_a_rotation_is_kept_or_refused,
    a_patch_beside_a_renewal_is_kept,
    a_logout_beside_a_rotation_comes_before_or_after,
    a_logout_beside_a_renewal_ends_both_keys,
];

const ROUNDS: usize = 50;

async fn a_session_that_moves_is_never_nowhere(ground: Ground) -> Verdict {
    let alice = subject("alice");
    for round in 0..ROUNDS {
        let change = if round % 2 == 0 { logs_in(&alice) } else { Change::Elevate };
        let old = ground.logged_in(&alice).await?;
        let new = ground.key_at(alice.tag);
        let watch = {
            let ground = ground.clone();
            async move {
                loop {
                    if ground.look(&old).await?.is_none() {
                        return ground.found(&new).await.map(drop);
                    }
                    // A store that never waits would keep the thread for itself.
                    tokio::task::yield_now().await;
                }
            }
        };
        let moves = {
            let ground = ground.clone();
            async move { ground.moves(&old, &new, change).await.map(drop) }
        };
        for done in at_once([watch.boxed(), moves.boxed()]).await? {
            done.map_err(|failure: Failure| failure.in_round(round))?;
        }
    }
    Ok(())
}

async fn a_session_moves_once(ground: Ground) -> Verdict {
    let alice = subject("alice");
    for round in 0..ROUNDS {
        let old = ground.logged_in(&alice).await?;
        let new = [ground.key_at(alice.tag), ground.key_at(alice.tag)];
        let moves = new.map(|new| {
            let ground = ground.clone();
            async move { ground.rotate(&old, &new, Change::Elevate).await }
        });
        let mut there = Vec::new();
        for (key, rotated) in new.into_iter().zip(at_once(moves).await?) {
            match rotated? {
                Rotated::Rotated { .. } => there.push(key),
                other => same("the other rotation", &Rotated::Gone, &other)?,
            }
        }
        let once = same("rotations that came about", &1, &there.len());
        once.map_err(|failure| failure.in_round(round))?;
        same("the subject's sessions", &there, &ground.keys_of(&alice).await?)?;
        for key in there {
            ground.store.delete(&key).await?;
        }
    }
    Ok(())
}

async fn two_renewals_at_once_are_one(ground: Ground) -> Verdict {
    let alice = subject("alice");
    for round in 0..ROUNDS {
        let old = ground.logged_in(&alice).await?;
        let new = [ground.key_at(alice.tag), ground.key_at(alice.tag)];
        let moves = new.map(|new| {
            let ground = ground.clone();
            async move { ground.rotate(&old, &new, renews()).await }
        });
        let mut there = Vec::new();
        for (key, rotated) in new.into_iter().zip(at_once(moves).await?) {
            match rotated? {
                Rotated::Rotated { .. } => there.push(key),
                other => {
                    same("the other renewal", &Rotated::Moved, &other)?;
                    ground.gone(&key).await?;
                }
            }
        }
        let once = same("renewals that came about", &1, &there.len());
        once.map_err(|failure| failure.in_round(round))?;
        same("moved, by the old key", &true, &ground.found(&old).await?.moved)?;
        same("the subject's sessions", &there, &ground.keys_of(&alice).await?)?;
        ground.store.delete(&old).await?;
    }
    Ok(())
}

/// Lets patches of three values by the old key run beside a rotation, and gives what they came to.
async fn patches_beside(
    ground: &Ground,
    change: Change,
) -> Result<(crate::token::SessionKey, Vec<(&'static str, Patched)>), Failure> {
    let old = ground.logged_in(&subject("alice")).await?;
    let new = ground.key_at(old.tag());
    let moves = {
        let ground = ground.clone();
        async move { ground.moves(&old, &new, change).await.map(|_| None) }
    };
    let patch = |name: &'static str| {
        let ground = ground.clone();
        async move { Ok(Some((name, ground.set(&old, name, "1").await?))) }
    };
    let all = [patch("a").boxed(), moves.boxed(), patch("b").boxed(), patch("c").boxed()];
    let mut patched = Vec::new();
    for done in at_once(all).await? {
        patched.extend(done?);
    }
    Ok((new, patched))
}

async fn a_patch_beside_a_rotation_is_kept_or_refused(ground: Ground) -> Verdict {
    for round in 0..ROUNDS {
        let change = if round % 2 == 0 { logs_in(&subject("alice")) } else { Change::Elevate };
        let (new, patched) = patches_beside(&ground, change).await?;
        let mut kept = Vec::new();
        for (name, patched) in patched {
            match patched {
                Patched::Applied { .. } => kept.push((name, "1")),
                other => same("the patch", &Patched::Gone, &other)?,
            }
        }
        ground.holds(&new, &kept).await.map_err(|failure| failure.in_round(round))?;
    }
    Ok(())
}

async fn a_patch_beside_a_renewal_is_kept(ground: Ground) -> Verdict {
    for round in 0..ROUNDS {
        let (new, patched) = patches_beside(&ground, renews()).await?;
        for (_, patched) in patched {
            let applied = matches!(patched, Patched::Applied { .. });
            holds("a patch that is applied", applied, patched)?;
        }
        let all = [("a", "1"), ("b", "1"), ("c", "1")];
        ground.holds(&new, &all).await.map_err(|failure| failure.in_round(round))?;
    }
    Ok(())
}

async fn a_logout_beside_a_rotation_comes_before_or_after(ground: Ground) -> Verdict {
    let alice = subject("alice");
    for round in 0..ROUNDS {
        let change = if round % 2 == 0 { logs_in(&alice) } else { Change::Elevate };
        let old = ground.logged_in(&alice).await?;
        let new = ground.key_at(alice.tag);
        let (deleted, rotated) = beside(&ground, old, new, change).await?;
        let one = deleted != matches!(rotated, Rotated::Rotated { .. });
        let got = format!("deleted: {deleted}, and {rotated:?} (round {round})");
        holds("either a logout of the old key, or a rotation", one, got)?;
        ground.gone(&old).await?;
        same("the new key's session", &!deleted, &ground.look(&new).await?.is_some())?;
        ground.store.delete(&new).await?;
        same("the subject's sessions", &Vec::new(), &ground.keys_of(&alice).await?)?;
    }
    Ok(())
}

async fn a_logout_beside_a_renewal_ends_both_keys(ground: Ground) -> Verdict {
    let alice = subject("alice");
    for round in 0..ROUNDS {
        let old = ground.logged_in(&alice).await?;
        let new = ground.key_at(alice.tag);
        let (deleted, _) = beside(&ground, old, new, renews()).await?;
        same("whether it was there", &true, &deleted)?;
        ground.gone(&old).await.map_err(|failure| failure.in_round(round))?;
        ground.gone(&new).await.map_err(|failure| failure.in_round(round))?;
        same("the subject's sessions", &Vec::new(), &ground.keys_of(&alice).await?)?;
    }
    Ok(())
}

/// A logout by the old key beside a rotation.
async fn beside(
    ground: &Ground,
    old: crate::token::SessionKey,
    new: crate::token::SessionKey,
    change: Change,
) -> Result<(bool, Rotated), Failure> {
    let (moves, deletes) = (ground.clone(), ground.clone());
    let moves = tokio::spawn(async move { moves.rotate(&old, &new, change).await });
    let deletes = tokio::spawn(async move { deletes.store.delete(&old).await });
    let died = |error| Failure::new("a task that ends", error);
    let (rotated, deleted) = (moves.await.map_err(died)?, deletes.await.map_err(died)?);
    Ok((deleted?, rotated?))
}
