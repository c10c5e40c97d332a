//! How many sessions a subject may have.

use std::time::Duration;

use super::super::ground::{
    Ground, IDLE, USE, Verdict, at_once, holds, login, same, session_of, subject,
};
use crate::store::{Authentication, Change, Created, Rotated, Subject, SubjectLimit, WhenFull};

super::checks![
    one_session_too_many_is_rejected,
    one_session_too_many_ends_the_one_that_was_unused_for_longest,
    as_many_make_room_as_there_are_too_many,
    what_is_over_takes_no_room,
    a_session_that_logs_in_again_takes_no_room_twice,
    another_subjects_sessions_take_no_room,
    fifty_logins_at_once_stay_within_the_limit,
];

fn limited(subject: &Subject, sessions: usize, when_full: WhenFull) -> Authentication {
    Authentication { limit: Some(SubjectLimit { sessions, when_full }), ..login(subject) }
}

async fn one_session_too_many_is_rejected(ground: Ground) -> Verdict {
    let alice = subject("alice");
    let (one, two) = (ground.logged_in(&alice).await?, ground.logged_in(&alice).await?);
    let key = ground.key_at(alice.tag);
    let third = session_of(limited(&alice, 2, WhenFull::Reject));
    same("the creation", &Created::Full, &ground.store.create(&key, &third).await?)?;
    ground.gone(&key).await?;
    let old = ground.stranger(&[("a", "1")]).await?;
    let authentication = limited(&alice, 2, WhenFull::Reject);
    let change = Change::Login { authentication, keep_values: true };
    same("the login", &Rotated::TooMany, &ground.rotate(&old, &key, change.clone()).await?)?;
    ground.gone(&key).await?;
    ground.holds(&old, &[("a", "1")]).await?;
    ground.found(&one).await?;
    ground.found(&two).await?;
    ground.store.delete(&one).await?;
    ground.moves(&old, &key, change).await?;
    same("how many sessions", &2, &ground.list(&alice).await?.len())
}

async fn one_session_too_many_ends_the_one_that_was_unused_for_longest(ground: Ground) -> Verdict {
    let alice = subject("alice");
    let first = ground.logged_in(&alice).await?;
    ground.clock.advance(Duration::from_secs(1));
    let second = ground.logged_in(&alice).await?;
    ground.clock.advance(IDLE / 2);
    ground.store.load(&first, USE).await?;
    let third = ground.key_at(alice.tag);
    let new = session_of(limited(&alice, 2, WhenFull::EvictOldest));
    let created = ground.store.create(&third, &new).await?;
    let Created::Created { evicted, .. } = created else {
        return holds("a session", false, created);
    };
    same("how many made room", &1, &evicted)?;
    ground.gone(&second).await?;
    ground.found(&first).await?;
    ground.clock.advance(Duration::from_secs(1));
    ground
        .store
        .load(&third, crate::expiry::Touch::Use { idle: IDLE, after: Duration::ZERO })
        .await?;
    let (old, fourth) = (ground.stranger(&[]).await?, ground.key_at(alice.tag));
    let authentication = limited(&alice, 2, WhenFull::EvictOldest);
    let change = Change::Login { authentication, keep_values: true };
    let rotated = ground.rotate(&old, &fourth, change).await?;
    let Rotated::Rotated { evicted, .. } = rotated else {
        return holds("a rotation", false, rotated);
    };
    same("how many made room", &1, &evicted)?;
    ground.gone(&first).await?;
    let mut there = ground.keys_of(&alice).await?;
    there.sort_unstable();
    let mut expected = vec![third, fourth];
    expected.sort_unstable();
    same("the sessions", &expected, &there)
}

async fn as_many_make_room_as_there_are_too_many(ground: Ground) -> Verdict {
    let alice = subject("alice");
    let mut keys = Vec::new();
    for _ in 0..5 {
        keys.push(ground.logged_in(&alice).await?);
        ground.clock.advance(Duration::from_secs(1));
    }
    let key = ground.key_at(alice.tag);
    let new = session_of(limited(&alice, 2, WhenFull::EvictOldest));
    let created = ground.store.create(&key, &new).await?;
    let Created::Created { evicted, .. } = created else {
        return holds("a session", false, created);
    };
    same("how many made room", &4, &evicted)?;
    let expected: Vec<_> = [key].into_iter().chain(keys.last().copied()).collect();
    same("the sessions", &expected, &ground.keys_of(&alice).await?)
}

async fn what_is_over_takes_no_room(ground: Ground) -> Verdict {
    let alice = subject("alice");
    ground.logged_in(&alice).await?;
    ground.clock.advance(IDLE);
    for when_full in [WhenFull::Reject, WhenFull::EvictOldest] {
        let key = ground.key_at(alice.tag);
        let new = session_of(limited(&alice, 1, when_full));
        let created = ground.store.create(&key, &new).await?;
        let alone = matches!(created, Created::Created { evicted: 0, .. });
        holds("a session for which nobody made room", alone, created)?;
        ground.store.delete(&key).await?;
    }
    Ok(())
}

async fn a_session_that_logs_in_again_takes_no_room_twice(ground: Ground) -> Verdict {
    let alice = subject("alice");
    let mut old = ground.logged_in(&alice).await?;
    for when_full in [WhenFull::Reject, WhenFull::EvictOldest] {
        let new = ground.key_at(alice.tag);
        let authentication = limited(&alice, 1, when_full);
        let change = Change::Login { authentication, keep_values: true };
        let rotated = ground.rotate(&old, &new, change).await?;
        let alone = matches!(rotated, Rotated::Rotated { evicted: 0, .. });
        holds("a rotation for which nobody made room", alone, rotated)?;
        same("the sessions", &vec![new], &ground.keys_of(&alice).await?)?;
        old = new;
    }
    Ok(())
}

async fn another_subjects_sessions_take_no_room(ground: Ground) -> Verdict {
    let alice = subject("alice");
    let bob = Subject { id: "bob".into(), tag: alice.tag };
    let others = ground.logged_in(&bob).await?;
    for when_full in [WhenFull::Reject, WhenFull::EvictOldest] {
        let key = ground.key_at(alice.tag);
        let new = session_of(limited(&alice, 1, when_full));
        let created = ground.store.create(&key, &new).await?;
        let alone = matches!(created, Created::Created { evicted: 0, .. });
        holds("a session for which nobody made room", alone, created)?;
        ground.store.delete(&key).await?;
    }
    ground.found(&others).await?;
    Ok(())
}

async fn fifty_logins_at_once_stay_within_the_limit(ground: Ground) -> Verdict {
    for when_full in [WhenFull::Reject, WhenFull::EvictOldest] {
        let alice = subject(if when_full == WhenFull::Reject { "alice" } else { "bob" });
        let logs_in = |turn| {
            let (ground, alice) = (ground.clone(), alice.clone());
            async move {
                let key = ground.key_at(alice.tag);
                let authentication = limited(&alice, 3, when_full);
                // Every other one had a session as a stranger.
                if turn % 2 == 0 {
                    let created = ground.store.create(&key, &session_of(authentication)).await?;
                    return Ok(matches!(created, Created::Created { .. }));
                }
                let old = ground.stranger(&[]).await?;
                let change = Change::Login { authentication, keep_values: true };
                let rotated = ground.rotate(&old, &key, change).await?;
                Ok::<bool, super::super::report::Failure>(matches!(
                    rotated,
                    Rotated::Rotated { .. }
                ))
            }
        };
        let mut there = 0;
        for logged_in in at_once((0..50).map(logs_in)).await? {
            there += usize::from(logged_in?);
        }
        let expected = if when_full == WhenFull::Reject { 3 } else { 50 };
        same("logins that came about", &expected, &there)?;
        same("how many sessions", &3, &ground.list(&alice).await?.len())?;
    }
    Ok(())
}
