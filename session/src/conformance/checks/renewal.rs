//! A new key, and the old one leads to it for a while: nobody is lost on the way.

use std::time::Duration;

use super::super::ground::{
    ABSOLUTE, GRACE, Ground, IDLE, MILLI, USE, Verdict, applied, holds, logs_in, renews, rotation,
    same, setting, subject,
};
use super::super::report::Failure;
use crate::expiry::Lifetime;
use crate::record::Limits;
use crate::store::{Change, Guard, Patched, Rotated, Rotation};
use crate::token::SessionKey;

super::checks![
    after_a_renewal_both_keys_lead_to_the_session,
    a_renewal_leaves_the_absolute_deadline_alone,
    the_old_key_works_until_the_new_one_was_seen_and_the_grace_after,
    the_old_key_ends_with_the_session,
    a_patch_by_the_old_key_reaches_the_session,
    a_use_by_the_old_key_is_a_use,
    a_second_renewal_has_nothing_to_do_within_the_grace,
    a_second_renewal_has_nothing_to_do_once_the_new_key_was_used,
    a_renewal_whose_answer_was_lost_is_made_again,
    a_renewal_by_the_new_key_ends_the_oldest,
    a_logout_by_either_key_ends_both,
    a_login_and_an_elevation_by_the_old_key_end_both,
    a_renewed_session_is_in_the_list_once,
];

async fn renewed(ground: &Ground) -> Result<(SessionKey, SessionKey), Failure> {
    let alice = subject("alice");
    let old = ground.logged_in(&alice).await?;
    ground.set(&old, "a", "1").await?;
    let new = ground.key_at(alice.tag);
    ground.moves(&old, &new, renews()).await?;
    Ok((old, new))
}

async fn after_a_renewal_both_keys_lead_to_the_session(ground: Ground) -> Verdict {
    let alice = subject("alice");
    let old = ground.logged_in(&alice).await?;
    ground.set(&old, "a", "1").await?;
    let before = ground.found(&old).await?.record;
    ground.clock.advance(IDLE / 2);
    let new = ground.key_at(alice.tag);
    let moved = ground.moves(&old, &new, renews()).await?;
    let (now, record) = (ground.now(), &moved.record);
    same("whether the answer is for an old key", &false, &moved.moved)?;
    same("since when it has its key", &now, &record.renewed)?;
    same("its last use", &now, &record.last_seen)?;
    same("when it ends unused", &now.after(IDLE), &record.expires)?;
    same("when it began", &before.created, &record.created)?;
    same("the login", &before.authenticated, &record.authenticated)?;
    same("the subject", &before.subject, &record.subject)?;
    let by_old = ground.found(&old).await?;
    same("whether the old key's session has moved", &true, &by_old.moved)?;
    same("what the old key leads to", record, &by_old.record)?;
    let by_new = ground.found(&new).await?;
    same("whether the new key's session has moved", &false, &by_new.moved)?;
    same("what the new key leads to", record, &by_new.record)
}

async fn a_renewal_leaves_the_absolute_deadline_alone(ground: Ground) -> Verdict {
    let alice = subject("alice");
    let old = ground.logged_in(&alice).await?;
    let absolute = ground.found(&old).await?.record.absolute;
    let new = ground.key_at(alice.tag);
    ground.clock.advance(IDLE / 2);
    // Longer than there is left: it ends then in any case.
    let lifetime = Lifetime { idle: ABSOLUTE * 2, absolute: ABSOLUTE * 2 };
    let rotation = Rotation { lifetime, ..rotation(renews()) };
    let rotated = ground.store.rotate(&old, &new, &rotation).await?;
    let Rotated::Rotated { loaded, .. } = rotated else {
        return Err(Failure::new("a rotation", format!("{rotated:?}")));
    };
    same("when it ends", &absolute, &loaded.record.absolute)?;
    same("when it ends unused", &absolute, &loaded.record.expires)?;
    ground.clock.set(absolute);
    ground.gone(&new).await?;
    ground.gone(&old).await
}

async fn the_old_key_works_until_the_new_one_was_seen_and_the_grace_after(
    ground: Ground,
) -> Verdict {
    let (old, new) = renewed(&ground).await?;
    for _ in 0..3 {
        ground.clock.advance(GRACE * 2);
        same("moved, long after the grace", &true, &ground.found(&old).await?.moved)?;
    }
    ground.found(&new).await?;
    ground.clock.advance(GRACE - MILLI);
    // The first time counts, and no later one.
    ground.found(&new).await?;
    ground.found(&old).await?;
    ground.clock.advance(MILLI);
    ground.gone(&old).await?;
    same("a patch by the old key", &Patched::Gone, &ground.set(&old, "a", "2").await?)?;
    same("a logout by the old key", &false, &ground.store.delete(&old).await?)?;
    let never = ground.key_at(old.tag());
    same("a renewal by it", &Rotated::Gone, &ground.rotate(&old, &never, renews()).await?)?;
    ground.holds(&new, &[("a", "1")]).await
}

async fn the_old_key_ends_with_the_session(ground: Ground) -> Verdict {
    let (old, new) = renewed(&ground).await?;
    ground.clock.advance(IDLE - MILLI);
    ground.found(&old).await?;
    ground.clock.advance(MILLI);
    ground.gone(&old).await?;
    ground.gone(&new).await
}

async fn a_patch_by_the_old_key_reaches_the_session(ground: Ground) -> Verdict {
    let (old, new) = renewed(&ground).await?;
    applied(&ground.set(&old, "b", "2").await?)?;
    ground.holds(&new, &[("a", "1"), ("b", "2")]).await?;
    applied(&ground.set(&new, "c", "3").await?)?;
    ground.holds(&old, &[("a", "1"), ("b", "2"), ("c", "3")]).await?;
    let guard = Guard::Version(0);
    let patch = setting(&[("a", "9")]);
    let patched = ground.store.patch(&old, &patch, guard, Limits::default()).await?;
    let Patched::Conflict(loaded) = patched else {
        return holds("a conflict", false, patched);
    };
    same("whether it has moved", &true, &loaded.moved)?;
    same("what is there", &ground.found(&new).await?.record, &loaded.record)
}

async fn a_use_by_the_old_key_is_a_use(ground: Ground) -> Verdict {
    let (old, new) = renewed(&ground).await?;
    ground.clock.advance(IDLE / 2);
    let loaded = ground.store.load(&old, USE).await?;
    same("a use that was noted", &Some(true), &loaded.as_ref().map(|loaded| loaded.touched))?;
    ground.clock.advance(IDLE - MILLI);
    ground.found(&new).await?;
    Ok(())
}

async fn a_second_renewal_has_nothing_to_do_within_the_grace(ground: Ground) -> Verdict {
    let (old, new) = renewed(&ground).await?;
    for wait in [Duration::ZERO, GRACE - MILLI] {
        ground.clock.advance(wait);
        let other = ground.key_at(old.tag());
        same("the renewal", &Rotated::Moved, &ground.rotate(&old, &other, renews()).await?)?;
        ground.gone(&other).await?;
        ground.found(&old).await?;
    }
    ground.holds(&new, &[("a", "1")]).await
}

async fn a_second_renewal_has_nothing_to_do_once_the_new_key_was_used(ground: Ground) -> Verdict {
    let (old, new) = renewed(&ground).await?;
    ground.clock.advance(GRACE * 3);
    ground.found(&new).await?;
    ground.clock.advance(GRACE / 2);
    let other = ground.key_at(old.tag());
    same("the renewal", &Rotated::Moved, &ground.rotate(&old, &other, renews()).await?)?;
    ground.gone(&other).await?;
    ground.holds(&new, &[("a", "1")]).await
}

async fn a_renewal_whose_answer_was_lost_is_made_again(ground: Ground) -> Verdict {
    let (old, lost) = renewed(&ground).await?;
    ground.clock.advance(GRACE);
    let new = ground.key_at(old.tag());
    let loaded = ground.moves(&old, &new, renews()).await?;
    same("since when it has its key", &ground.now(), &loaded.record.renewed)?;
    ground.gone(&lost).await?;
    same("moved, by the old key", &true, &ground.found(&old).await?.moved)?;
    same("moved, by the new key", &false, &ground.found(&new).await?.moved)?;
    ground.holds(&new, &[("a", "1")]).await?;
    // The new key was seen just now.
    ground.clock.advance(GRACE);
    ground.gone(&old).await?;
    ground.holds(&new, &[("a", "1")]).await
}

async fn a_renewal_by_the_new_key_ends_the_oldest(ground: Ground) -> Verdict {
    let (oldest, old) = renewed(&ground).await?;
    let new = ground.key_at(old.tag());
    ground.moves(&old, &new, renews()).await?;
    ground.gone(&oldest).await?;
    same("moved, by the key in the middle", &true, &ground.found(&old).await?.moved)?;
    ground.holds(&new, &[("a", "1")]).await?;
    ground.clock.advance(GRACE);
    ground.gone(&old).await
}

async fn a_logout_by_either_key_ends_both(ground: Ground) -> Verdict {
    for by_old in [true, false] {
        let (old, new) = renewed(&ground).await?;
        let key = if by_old { &old } else { &new };
        same("whether it was there", &true, &ground.store.delete(key).await?)?;
        ground.gone(&old).await?;
        ground.gone(&new).await?;
        same("a patch", &Patched::Gone, &ground.set(&old, "a", "2").await?)?;
        same("a patch", &Patched::Gone, &ground.set(&new, "a", "2").await?)?;
        let list = ground.keys_of(&subject("alice")).await?;
        same("the subject's sessions", &Vec::new(), &list)?;
    }
    Ok(())
}

async fn a_login_and_an_elevation_by_the_old_key_end_both(ground: Ground) -> Verdict {
    let alice = subject("alice");
    for change in [logs_in(&alice), Change::Elevate] {
        let (oldest, old) = renewed(&ground).await?;
        let new = ground.key_at(alice.tag);
        ground.moves(&oldest, &new, change).await?;
        ground.gone(&oldest).await?;
        ground.gone(&old).await?;
        ground.holds(&new, &[("a", "1")]).await?;
        same("the subject's sessions", &vec![new], &ground.keys_of(&alice).await?)?;
        ground.store.delete(&new).await?;
    }
    Ok(())
}

async fn a_renewed_session_is_in_the_list_once(ground: Ground) -> Verdict {
    let (old, new) = renewed(&ground).await?;
    let alice = subject("alice");
    same("the subject's sessions", &vec![new], &ground.keys_of(&alice).await?)?;
    ground.clock.advance(GRACE);
    let newer = ground.key_at(alice.tag);
    ground.moves(&old, &newer, renews()).await?;
    same("the subject's sessions", &vec![newer], &ground.keys_of(&alice).await?)
}
