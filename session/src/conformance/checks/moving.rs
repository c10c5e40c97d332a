//! A session under a new key, and the old one dead at once.

use std::time::Duration;

use super::super::ground::{
    ABSOLUTE, Ground, IDLE, LIFETIME, Verdict, login, logs_in, of, removing, rotation, same,
    setting, subject,
};
use super::super::report::Failure;
use crate::expiry::Lifetime;
use crate::record::{Device, Limits};
use crate::store::{Change, Rotated, Rotation};
use crate::token::SessionKey;

super::checks![
    a_login_moves_the_session_and_ends_the_old_key,
    a_login_may_drop_the_values,
    a_login_leaves_the_list_of_the_subject_before,
    an_elevation_moves_the_session_and_ends_the_old_key,
    a_stranger_who_is_elevated_stays_a_stranger,
    deadlines_begin_anew_with_a_login_and_an_elevation,
    a_rotation_changes_values_on_the_way,
    a_rotation_without_room_changes_nothing,
    a_rotation_to_a_key_that_is_taken_changes_nothing,
];

const MINUTE: Duration = Duration::from_secs(60);

async fn a_login_moves_the_session_and_ends_the_old_key(ground: Ground) -> Verdict {
    let alice = subject("alice");
    let old = ground.stranger(&[("cart", "[1]")]).await?;
    let new = ground.key_at(alice.tag);
    ground.clock.advance(MINUTE);
    let device = Device { label: Some("Phone".into()), ..Device::default() };
    let mut authentication = login(&alice);
    authentication.device = device.clone();
    let change = Change::Login { authentication, keep_values: true };
    let loaded = ground.moves(&old, &new, change).await?;
    let now = ground.now();
    let record = &loaded.record;
    same("the subject", &Some(alice.id.clone()), &record.subject)?;
    same("the login", &Some(now), &record.authenticated)?;
    same("the device", &device, &record.device)?;
    same("when it began", &now, &record.created)?;
    same("since when it has its key", &now, &record.renewed)?;
    same("whether it is asked for by an old key", &false, &loaded.moved)?;
    ground.gone(&old).await?;
    ground.holds(&new, &[("cart", "[1]")]).await?;
    same("what is loaded", record, &ground.found(&new).await?.record)?;
    same("the subject's sessions", &vec![new], &ground.keys_of(&alice).await?)
}

async fn a_login_may_drop_the_values(ground: Ground) -> Verdict {
    let (alice, bob) = (subject("alice"), subject("bob"));
    let old = ground.logged_in(&alice).await?;
    ground.set(&old, "secret", "1").await?;
    let version = ground.found(&old).await?.record.version;
    let new = ground.key_at(bob.tag);
    let change = Change::Login { authentication: login(&bob), keep_values: false };
    let rotation = Rotation { patch: setting(&[("hello", "2")]), ..rotation(change) };
    let rotated = ground.store.rotate(&old, &new, &rotation).await?;
    let Rotated::Rotated { loaded, .. } = rotated else {
        return Err(Failure::new("a rotation", format!("{rotated:?}")));
    };
    same("its values", &of(&[("hello", "2")]), &loaded.record.values)?;
    same("a later version", &true, &(loaded.record.version > version))?;
    ground.holds(&new, &[("hello", "2")]).await
}

async fn a_login_leaves_the_list_of_the_subject_before(ground: Ground) -> Verdict {
    let (alice, bob) = (subject("alice"), subject("bob"));
    let old = ground.logged_in(&alice).await?;
    let new = ground.key_at(bob.tag);
    ground.moves(&old, &new, logs_in(&bob)).await?;
    ground.gone(&old).await?;
    same("the sessions of who was there", &Vec::new(), &ground.keys_of(&alice).await?)?;
    same("the sessions of who is there", &vec![new], &ground.keys_of(&bob).await?)
}

async fn an_elevation_moves_the_session_and_ends_the_old_key(ground: Ground) -> Verdict {
    let alice = subject("alice");
    let old = ground.logged_in(&alice).await?;
    ground.set(&old, "a", "1").await?;
    let began = ground.now();
    ground.clock.advance(MINUTE);
    let new = ground.key_at(alice.tag);
    let loaded = ground.moves(&old, &new, Change::Elevate).await?;
    same("the proof", &Some(ground.now()), &loaded.record.authenticated)?;
    same("since when it has its key", &ground.now(), &loaded.record.renewed)?;
    same("when it began", &began, &loaded.record.created)?;
    same("the subject", &Some(alice.id.clone()), &loaded.record.subject)?;
    ground.gone(&old).await?;
    ground.holds(&new, &[("a", "1")]).await?;
    same("what is loaded", &loaded.record, &ground.found(&new).await?.record)?;
    same("the subject's sessions", &vec![new], &ground.keys_of(&alice).await?)
}

async fn a_stranger_who_is_elevated_stays_a_stranger(ground: Ground) -> Verdict {
    let old = ground.stranger(&[("a", "1")]).await?;
    let new = ground.key_at(old.tag());
    let loaded = ground.moves(&old, &new, Change::Elevate).await?;
    same("the subject", &None, &loaded.record.subject)?;
    same("a proof", &None, &loaded.record.authenticated)?;
    ground.gone(&old).await?;
    ground.holds(&new, &[("a", "1")]).await
}

async fn deadlines_begin_anew_with_a_login_and_an_elevation(ground: Ground) -> Verdict {
    let alice = subject("alice");
    for change in [logs_in(&alice), Change::Elevate] {
        let old = ground.logged_in(&alice).await?;
        ground.clock.advance(IDLE / 2);
        let new = ground.key_at(alice.tag);
        let record = ground.moves(&old, &new, change.clone()).await?.record;
        let now = ground.now();
        same("its last use", &now, &record.last_seen)?;
        same("when it ends unused", &now.after(IDLE), &record.expires)?;
        same("when it ends", &now.after(ABSOLUTE), &record.absolute)?;
        let short = Lifetime { idle: IDLE, absolute: IDLE / 2 };
        let newer = ground.key_at(alice.tag);
        let rotation = Rotation { lifetime: short, ..rotation(change) };
        let rotated = ground.store.rotate(&new, &newer, &rotation).await?;
        let Rotated::Rotated { loaded, .. } = rotated else {
            return Err(Failure::new("a rotation", format!("{rotated:?}")));
        };
        let end = now.after(IDLE / 2);
        same("its end, which is before it is unused for long", &end, &loaded.record.expires)?;
        same("its end", &end, &loaded.record.absolute)?;
    }
    Ok(())
}

async fn a_rotation_changes_values_on_the_way(ground: Ground) -> Verdict {
    let alice = subject("alice");
    let renew = Change::Renew { grace: MINUTE };
    for change in [logs_in(&alice), Change::Elevate, renew] {
        let old = ground.logged_in(&alice).await?;
        ground.set(&old, "a", "1").await?;
        ground.set(&old, "b", "1").await?;
        let version = ground.found(&old).await?.record.version;
        let new = ground.key_at(alice.tag);
        let mut patch = setting(&[("b", "2"), ("c", "3")]);
        patch.remove = removing(&["a"]).remove;
        let rotation = Rotation { patch, ..rotation(change) };
        ground.store.rotate(&old, &new, &rotation).await?;
        ground.holds(&new, &[("b", "2"), ("c", "3")]).await?;
        let later = ground.found(&new).await?.record.version > version;
        same("a later version", &true, &later)?;
    }
    Ok(())
}

async fn a_rotation_without_room_changes_nothing(ground: Ground) -> Verdict {
    let alice = subject("alice");
    let renew = Change::Renew { grace: MINUTE };
    for change in [logs_in(&alice), Change::Elevate, renew] {
        let old = ground.stranger(&[("a", "1")]).await?;
        let new = ground.key_at(old.tag());
        let limits = Limits { values: 1, ..Limits::default() };
        let rotation = Rotation { patch: setting(&[("b", "2")]), limits, ..rotation(change) };
        let rotated = ground.store.rotate(&old, &new, &rotation).await?;
        same("the rotation", &Rotated::Full, &rotated)?;
        stays(&ground, &old, &new).await?;
    }
    same("the subject's sessions", &Vec::new(), &ground.keys_of(&alice).await?)
}

async fn a_rotation_to_a_key_that_is_taken_changes_nothing(ground: Ground) -> Verdict {
    let alice = subject("alice");
    let renew = Change::Renew { grace: MINUTE };
    for change in [logs_in(&alice), Change::Elevate, renew] {
        let old = ground.stranger(&[("a", "1")]).await?;
        let taken = ground.key_at(old.tag());
        let new = crate::store::NewSession {
            authentication: None,
            values: of(&[("b", "2")]),
            lifetime: LIFETIME,
        };
        ground.store.create(&taken, &new).await?;
        let rotated = ground.rotate(&old, &taken, change).await?;
        same("the rotation", &Rotated::Exists, &rotated)?;
        ground.holds(&old, &[("a", "1")]).await?;
        ground.holds(&taken, &[("b", "2")]).await?;
    }
    same("the subject's sessions", &Vec::new(), &ground.keys_of(&alice).await?)
}

/// Nothing has happened.
async fn stays(ground: &Ground, old: &SessionKey, new: &SessionKey) -> Verdict {
    ground.holds(old, &[("a", "1")]).await?;
    same("whether it has moved", &false, &ground.found(old).await?.moved)?;
    ground.gone(new).await
}
