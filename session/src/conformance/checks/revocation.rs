//! All sessions of a subject end, also those that are just beginning.

use std::time::Duration;

use futures_util::FutureExt;

use super::super::ground::{
    Ground, Verdict, applied, at_once, holds, login, logs_in, renews, same, session_of, subject,
};
use super::super::report::Failure;
use crate::clock::UnixMillis;
use crate::store::{Authentication, Change, Created, Epoch, Patched, Rotated, Subject};

super::checks![
    a_revocation_ends_all_sessions_of_the_subject,
    a_revocation_spares_the_one_that_is_excepted,
    a_revocation_spares_who_asks_by_the_key_before_a_renewal,
    a_strangers_key_excepts_nobody,
    an_epoch_only_grows,
    a_proof_from_before_a_revocation_logs_nobody_in,
    a_login_beside_a_revocation_does_not_outlive_it,
    a_rotation_beside_a_revocation_does_not_outlive_it,
    a_patch_does_not_undo_a_revocation,
];

const ROUNDS: usize = 50;

async fn a_revocation_ends_all_sessions_of_the_subject(ground: Ground) -> Verdict {
    let (alice, bob) = (subject("alice"), subject("bob"));
    let keys = [
        ground.logged_in(&alice).await?,
        ground.logged_in(&alice).await?,
        ground.logged_in(&alice).await?,
    ];
    let [first, ..] = keys;
    let renewed = ground.key_at(alice.tag);
    ground.moves(&first, &renewed, renews()).await?;
    let other = ground.logged_in(&bob).await?;
    same("how many ended", &3, &ground.store.revoke(&alice, None).await?)?;
    for key in keys.iter().chain([&renewed]) {
        ground.gone(key).await?;
        same("a patch", &Patched::Gone, &ground.set(key, "a", "1").await?)?;
        let new = ground.key_at(alice.tag);
        same("a rotation", &Rotated::Gone, &ground.rotate(key, &new, Change::Elevate).await?)?;
    }
    same("the subject's sessions", &Vec::new(), &ground.keys_of(&alice).await?)?;
    same("how many end again", &0, &ground.store.revoke(&alice, None).await?)?;
    ground.found(&other).await?;
    let new = ground.logged_in(&alice).await?;
    same("the sessions after a login", &vec![new], &ground.keys_of(&alice).await?)
}

async fn a_revocation_spares_the_one_that_is_excepted(ground: Ground) -> Verdict {
    let alice = subject("alice");
    let mut keys = Vec::new();
    for _ in 0..3 {
        keys.push(ground.logged_in(&alice).await?);
    }
    let Some(kept) = keys.pop() else { return Ok(()) };
    same("how many ended", &2, &ground.store.revoke(&alice, Some(&kept)).await?)?;
    for key in &keys {
        ground.gone(key).await?;
    }
    applied(&ground.set(&kept, "a", "1").await?)?;
    ground.holds(&kept, &[("a", "1")]).await?;
    let new = ground.key_at(alice.tag);
    ground.moves(&kept, &new, Change::Elevate).await?;
    same("the subject's sessions", &vec![new], &ground.keys_of(&alice).await?)?;
    ground.clock.advance(Duration::from_millis(1));
    same("how many end without exception", &1, &ground.store.revoke(&alice, None).await?)?;
    ground.gone(&new).await
}

async fn a_revocation_spares_who_asks_by_the_key_before_a_renewal(ground: Ground) -> Verdict {
    let alice = subject("alice");
    let (other, old) = (ground.logged_in(&alice).await?, ground.logged_in(&alice).await?);
    let new = ground.key_at(alice.tag);
    ground.moves(&old, &new, renews()).await?;
    same("how many ended", &1, &ground.store.revoke(&alice, Some(&old)).await?)?;
    ground.gone(&other).await?;
    same("moved, by the old key", &true, &ground.found(&old).await?.moved)?;
    ground.found(&new).await?;
    same("the subject's sessions", &vec![new], &ground.keys_of(&alice).await?)
}

async fn a_strangers_key_excepts_nobody(ground: Ground) -> Verdict {
    let alice = subject("alice");
    let bob = Subject { id: "bob".into(), tag: alice.tag };
    let key = ground.logged_in(&alice).await?;
    let others = ground.logged_in(&bob).await?;
    same("how many ended", &1, &ground.store.revoke(&alice, Some(&others)).await?)?;
    ground.gone(&key).await?;
    ground.found(&others).await?;
    same("how many ended", &1, &ground.store.revoke(&bob, Some(&ground.key())).await?)?;
    ground.gone(&others).await
}

async fn an_epoch_only_grows(ground: Ground) -> Verdict {
    let alice = subject("alice");
    let mut last = ground.store.epoch(&alice).await?;
    same("an epoch that nobody ended", &last, &ground.store.epoch(&alice).await?)?;
    let day = 24 * 60 * 60 * 1000;
    // Twice in a millisecond, an hour back, and when everybody has forgotten it.
    let times = [0_i64, 0, -60 * 60 * 1000, 0, 400 * day, 0];
    for step in times {
        ground.clock.set(UnixMillis(ground.now().0.saturating_add_signed(step)));
        ground.store.revoke(&alice, None).await?;
        let epoch = ground.store.epoch(&alice).await?;
        holds(&format!("an epoch later than {last:?}"), epoch > last, epoch)?;
        same("the same epoch once more", &epoch, &ground.store.epoch(&alice).await?)?;
        last = epoch;
    }
    Ok(())
}

fn with_epoch(subject: &Subject, epoch: Epoch) -> Authentication {
    Authentication { epoch: Some(epoch), ..login(subject) }
}

async fn a_proof_from_before_a_revocation_logs_nobody_in(ground: Ground) -> Verdict {
    let alice = subject("alice");
    for _ in 0..2 {
        let stale = ground.store.epoch(&alice).await?;
        ground.store.revoke(&alice, None).await?;
        let key = ground.key_at(alice.tag);
        let created = ground.store.create(&key, &session_of(with_epoch(&alice, stale))).await?;
        same("the creation", &Created::Revoked, &created)?;
        ground.gone(&key).await?;
        let old = ground.stranger(&[("a", "1")]).await?;
        let change = Change::Login { authentication: with_epoch(&alice, stale), keep_values: true };
        same("the login", &Rotated::Revoked, &ground.rotate(&old, &key, change).await?)?;
        ground.gone(&key).await?;
        ground.holds(&old, &[("a", "1")]).await?;
        let epoch = ground.store.epoch(&alice).await?;
        let created = ground.store.create(&key, &session_of(with_epoch(&alice, epoch))).await?;
        let there = matches!(created, Created::Created { .. });
        holds("a session with the epoch that is", there, created)?;
        let new = ground.key_at(alice.tag);
        let change = Change::Login { authentication: with_epoch(&alice, epoch), keep_values: true };
        ground.moves(&old, &new, change).await?;
        same("how many sessions", &2, &ground.list(&alice).await?.len())?;
    }
    Ok(())
}

/// Runs this beside a revocation.
async fn beside<F>(ground: &Ground, subject: &Subject, other: F) -> Verdict
where
    F: Future<Output = Verdict> + Send + 'static,
{
    let (ground, subject) = (ground.clone(), subject.clone());
    let revoke = async move {
        ground.store.revoke(&subject, None).await?;
        Ok::<(), Failure>(())
    };
    for done in at_once([other.boxed(), revoke.boxed()]).await? {
        done?;
    }
    Ok(())
}

async fn a_login_beside_a_revocation_does_not_outlive_it(ground: Ground) -> Verdict {
    let alice = subject("alice");
    for round in 0..ROUNDS {
        let epoch = ground.store.epoch(&alice).await?;
        let key = ground.key_at(alice.tag);
        let old = if round % 2 == 0 { None } else { Some(ground.stranger(&[]).await?) };
        let logs_in = {
            let (ground, alice) = (ground.clone(), alice.clone());
            async move {
                let authentication = with_epoch(&alice, epoch);
                if let Some(old) = old {
                    let change = Change::Login { authentication, keep_values: true };
                    ground.rotate(&old, &key, change).await?;
                } else {
                    ground.store.create(&key, &session_of(authentication)).await?;
                }
                Ok(())
            }
        };
        beside(&ground, &alice, logs_in).await?;
        ground.gone(&key).await.map_err(|failure| failure.in_round(round))?;
        same("the subject's sessions", &Vec::new(), &ground.keys_of(&alice).await?)?;
    }
    Ok(())
}

async fn a_rotation_beside_a_revocation_does_not_outlive_it(ground: Ground) -> Verdict {
    let alice = subject("alice");
    for round in 0..ROUNDS {
        let (old, new) = (ground.logged_in(&alice).await?, ground.key_at(alice.tag));
        let change = if round % 2 == 0 { Change::Elevate } else { renews() };
        let moves = {
            let ground = ground.clone();
            async move { ground.rotate(&old, &new, change).await.map(drop) }
        };
        beside(&ground, &alice, moves).await?;
        ground.gone(&old).await.map_err(|failure| failure.in_round(round))?;
        ground.gone(&new).await.map_err(|failure| failure.in_round(round))?;
        same("the subject's sessions", &Vec::new(), &ground.keys_of(&alice).await?)?;
    }
    Ok(())
}

async fn a_patch_does_not_undo_a_revocation(ground: Ground) -> Verdict {
    let alice = subject("alice");
    for round in 0..ROUNDS {
        let old = ground.stranger(&[]).await?;
        let key = ground.key_at(alice.tag);
        ground.moves(&old, &key, logs_in(&alice)).await?;
        let patches = {
            let ground = ground.clone();
            async move {
                for n in 0..3 {
                    ground.set(&key, "a", &n.to_string()).await?;
                }
                Ok(())
            }
        };
        beside(&ground, &alice, patches).await?;
        ground.gone(&key).await.map_err(|failure| failure.in_round(round))?;
        same("a patch", &Patched::Gone, &ground.set(&key, "a", "1").await?)?;
        same("the subject's sessions", &Vec::new(), &ground.keys_of(&alice).await?)?;
    }
    Ok(())
}
