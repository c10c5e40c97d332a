//! What is over goes, and nothing else.

use futures_util::FutureExt;

use super::super::ground::{
    ABSOLUTE, Ground, IDLE, LIFETIME, Verdict, at_once, holds, login, same, session_of, subject,
};
use super::super::report::Failure;
use crate::expiry::Lifetime;
use crate::store::NewSession;

super::checks![
    a_sweep_removes_only_what_is_over_and_no_more_than_it_may,
    a_sweep_beside_creations_removes_none_of_them,
];

async fn a_sweep_removes_only_what_is_over_and_no_more_than_it_may(ground: Ground) -> Verdict {
    let alice = subject("alice");
    let lifetime = Lifetime { idle: IDLE * 2, absolute: ABSOLUTE };
    let mut there = Vec::new();
    for turn in 0..30 {
        let new = NewSession { lifetime, ..session_of(login(&alice)) };
        let key = ground.key_at(alice.tag);
        ground.store.create(&key, &new).await?;
        there.push(key);
        if turn % 3 != 0 {
            ground.logged_in(&alice).await?;
        }
    }
    same("how many are swept before any is over", &0, &ground.store.sweep(1000).await?)?;
    ground.clock.advance(IDLE);
    same("how many are swept when none may be", &0, &ground.store.sweep(0).await?)?;
    let mut swept = 0;
    for _ in 0..20 {
        let now = ground.store.sweep(7).await?;
        holds("no more than 7 at a time", now <= 7, now)?;
        swept += now;
    }
    let expected = 20;
    if ground.store.capabilities().needs_sweep {
        same("how many were swept", &expected, &swept)?;
    }
    holds("no more than the 20 that were over", swept <= expected, swept)?;
    same("how many are left to sweep", &0, &ground.store.sweep(1000).await?)?;
    for key in &there {
        ground.found(key).await?;
    }
    same("how many sessions", &there.len(), &ground.list(&alice).await?.len())
}

async fn a_sweep_beside_creations_removes_none_of_them(ground: Ground) -> Verdict {
    let alice = subject("alice");
    for _ in 0..100 {
        ground.logged_in(&alice).await?;
    }
    ground.clock.advance(LIFETIME.idle);
    let creates = |_| {
        let (ground, alice) = (ground.clone(), alice.clone());
        async move {
            let mut keys = Vec::new();
            for _ in 0..10 {
                keys.push(ground.logged_in(&alice).await?);
            }
            Ok::<_, Failure>(keys)
        }
    };
    let sweeps = {
        let ground = ground.clone();
        async move {
            for _ in 0..30 {
                ground.store.sweep(5).await?;
            }
            Ok(Vec::new())
        }
    };
    let all = (0..4).map(|turn| creates(turn).boxed()).chain([sweeps.boxed()]);
    let mut there = Vec::new();
    for keys in at_once(all).await? {
        there.extend(keys?);
    }
    for key in &there {
        ground.found(key).await?;
    }
    same("how many sessions", &40, &ground.list(&alice).await?.len())
}
