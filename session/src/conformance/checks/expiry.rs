//! When sessions end, to the millisecond, and what counts as use.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::try_join_all;

use super::super::ground::{
    ABSOLUTE, Ground, IDLE, MILLI, USE, Verdict, holds, login, logs_in, renews, same, session_of,
    subject,
};
use crate::expiry::{Lifetime, Touch};
use crate::store::{Change, Patched, Rotated};
use crate::token::SessionKey;

super::checks![
    an_unused_session_ends_to_the_millisecond,
    a_session_in_use_ends_at_its_absolute_deadline,
    the_absolute_deadline_counts_also_for_a_longer_idle_time,
    a_use_is_noted_when_it_is_due,
    a_look_is_no_use,
    a_use_at_the_same_moment_changes_nothing,
    ten_thousand_uses_within_an_eighth_are_noted_once,
    what_is_over_is_not_revived,
    a_clock_that_goes_backwards_ends_nobody,
];

async fn an_unused_session_ends_to_the_millisecond(ground: Ground) -> Verdict {
    let key = ground.logged_in(&subject("alice")).await?;
    ground.clock.advance(IDLE - MILLI);
    ground.found(&key).await?;
    ground.clock.advance(MILLI);
    over(&ground, &key).await
}

async fn a_session_in_use_ends_at_its_absolute_deadline(ground: Ground) -> Verdict {
    let began = ground.now();
    let key = ground.logged_in(&subject("alice")).await?;
    while ground.now().after(IDLE / 2) < began.after(ABSOLUTE) {
        ground.clock.advance(IDLE / 2);
        let loaded = ground.store.load(&key, USE).await?;
        let Some(loaded) = loaded else { return holds("a session in use", false, loaded) };
        let end = ground.now().after(IDLE).min(began.after(ABSOLUTE));
        same("when it ends unused", &end, &loaded.record.expires)?;
    }
    ground.clock.set(began.after(ABSOLUTE - MILLI));
    let loaded = ground.store.load(&key, USE).await?;
    holds("a session, a millisecond before its end", loaded.is_some(), loaded)?;
    ground.clock.set(began.after(ABSOLUTE));
    over(&ground, &key).await
}

async fn the_absolute_deadline_counts_also_for_a_longer_idle_time(ground: Ground) -> Verdict {
    let alice = subject("alice");
    let key = ground.key_at(alice.tag);
    let mut new = session_of(login(&alice));
    new.lifetime = Lifetime { idle: IDLE, absolute: IDLE / 2 };
    ground.store.create(&key, &new).await?;
    let record = ground.found(&key).await?.record;
    same("when it ends unused", &ground.now().after(IDLE / 2), &record.expires)?;
    ground.clock.advance(IDLE / 2 - MILLI);
    ground.store.load(&key, USE).await?;
    ground.found(&key).await?;
    ground.clock.advance(MILLI);
    over(&ground, &key).await
}

async fn a_use_is_noted_when_it_is_due(ground: Ground) -> Verdict {
    let key = ground.logged_in(&subject("alice")).await?;
    let began = ground.now();
    ground.clock.advance(IDLE / 8 - MILLI);
    let early = ground.store.load(&key, USE).await?;
    let touched = early.as_ref().map(|early| (early.touched, early.record.last_seen));
    same("noted, and its last use", &Some((false, began)), &touched)?;
    ground.clock.advance(MILLI);
    let due = ground.store.load(&key, USE).await?;
    let Some(due) = due else { return holds("a session", false, due) };
    same("whether it was noted", &true, &due.touched)?;
    same("its last use", &ground.now(), &due.record.last_seen)?;
    same("when it ends unused", &ground.now().after(IDLE), &due.record.expires)?;
    same("the answer's time", &ground.now(), &due.now)?;
    same("what is there", &due.record, &ground.found(&key).await?.record)?;
    let version = ground.found(&key).await?.record.version;
    same("its version, of which a use is no change", &1, &version)
}

async fn a_look_is_no_use(ground: Ground) -> Verdict {
    let key = ground.logged_in(&subject("alice")).await?;
    let before = ground.found(&key).await?.record;
    ground.clock.advance(IDLE - MILLI);
    let looked = ground.found(&key).await?;
    same("whether it was noted", &false, &looked.touched)?;
    same("what is there", &before, &looked.record)
}

async fn a_use_at_the_same_moment_changes_nothing(ground: Ground) -> Verdict {
    let key = ground.logged_in(&subject("alice")).await?;
    let touch = Touch::Use { idle: IDLE, after: Duration::ZERO };
    let loaded = ground.store.load(&key, touch).await?;
    same("noted, at the same moment", &Some(false), &loaded.map(|loaded| loaded.touched))?;
    ground.clock.advance(IDLE - MILLI);
    ground.found(&key).await?;
    Ok(())
}

async fn ten_thousand_uses_within_an_eighth_are_noted_once(ground: Ground) -> Verdict {
    let key = ground.logged_in(&subject("alice")).await?;
    ground.clock.advance(IDLE / 8);
    let (mut touched, mut seen) = (0, BTreeSet::new());
    for _ in 0..100 {
        let uses = (0..100).map(|_| ground.store.load(&key, USE));
        for loaded in try_join_all(uses).await? {
            let Some(loaded) = loaded else { return holds("a session in use", false, loaded) };
            touched += usize::from(loaded.touched);
            // Of those that come at once, any may still be told of the use before.
            seen.insert(loaded.record.last_seen);
        }
        ground.clock.advance(IDLE / 8 / 101);
    }
    same("uses that were noted", &1, &touched)?;
    holds("one last use, or two", seen.len() <= 2, seen)
}

async fn what_is_over_is_not_revived(ground: Ground) -> Verdict {
    let alice = subject("alice");
    let key = ground.logged_in(&alice).await?;
    ground.clock.advance(IDLE);
    let touch = Touch::Use { idle: IDLE * 4, after: Duration::ZERO };
    let loaded = ground.store.load(&key, touch).await?;
    holds("no session", loaded.is_none(), loaded)?;
    over(&ground, &key).await
}

async fn a_clock_that_goes_backwards_ends_nobody(ground: Ground) -> Verdict {
    let key = ground.logged_in(&subject("alice")).await?;
    ground.clock.advance(IDLE / 2);
    ground.store.load(&key, USE).await?;
    let (now, before) = (ground.now(), ground.found(&key).await?.record);
    ground.clock.set(crate::clock::UnixMillis(now.0 - 60 * 60 * 1000));
    for touch in [Touch::Never, USE, Touch::Use { idle: IDLE, after: Duration::ZERO }] {
        let loaded = ground.store.load(&key, touch).await?;
        let Some(loaded) = loaded else { return holds("a session", false, loaded) };
        same("whether a use was noted", &false, &loaded.touched)?;
        same("what is there", &before, &loaded.record)?;
    }
    super::super::ground::applied(&ground.set(&key, "a", "1").await?)?;
    ground.clock.set(now);
    ground.holds(&key, &[("a", "1")]).await?;
    ground.clock.advance(IDLE);
    ground.gone(&key).await
}

/// The session of Alice is there for nobody.
async fn over(ground: &Ground, key: &SessionKey) -> Verdict {
    let alice = subject("alice");
    ground.gone(key).await?;
    let used = ground.store.load(key, USE).await?;
    holds("no session", used.is_none(), used)?;
    same("a patch", &Patched::Gone, &ground.set(key, "a", "1").await?)?;
    for change in [logs_in(&alice), Change::Elevate, renews()] {
        let new = ground.key_at(alice.tag);
        same("a rotation", &Rotated::Gone, &ground.rotate(key, &new, change).await?)?;
    }
    same("the subject's sessions", &Vec::new(), &ground.keys_of(&alice).await?)?;
    same("whether it is deleted", &false, &ground.store.delete(key).await?)?;
    same("how many are ended", &0, &ground.store.revoke(&alice, None).await?)
}
