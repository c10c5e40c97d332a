//! A session under a new key.

use super::super::ground::{Ground, Verdict, login, logs_in, same, subject};
use crate::store::Change;

super::checks![
    a_login_moves_the_session_and_ends_the_old_key,
    an_elevation_moves_the_session_and_ends_the_old_key
];

async fn a_login_moves_the_session_and_ends_the_old_key(ground: Ground) -> Verdict {
    let alice = subject("alice");
    let old = ground.stranger(&[("cart", "[1]")]).await?;
    let new = ground.key_at(alice.tag);
    ground.clock.advance(std::time::Duration::from_secs(60));
    let loaded = ground.moves(&old, &new, logs_in(&alice)).await?;
    let now = ground.now();
    same("the subject", &Some(login(&alice).subject.id), &loaded.record.subject)?;
    same("the login", &Some(now), &loaded.record.authenticated)?;
    same("when it began", &now, &loaded.record.created)?;
    same("since when it has its key", &now, &loaded.record.renewed)?;
    ground.gone(&old).await?;
    ground.holds(&new, &[("cart", "[1]")]).await?;
    same("what is loaded", &loaded.record, &ground.found(&new).await?.record)?;
    same("the subject's sessions", &vec![new], &ground.keys_of(&alice).await?)
}

async fn an_elevation_moves_the_session_and_ends_the_old_key(ground: Ground) -> Verdict {
    let alice = subject("alice");
    let old = ground.logged_in(&alice).await?;
    ground.set(&old, "a", "1").await?;
    let began = ground.now();
    ground.clock.advance(std::time::Duration::from_secs(60));
    let new = ground.key_at(alice.tag);
    let loaded = ground.moves(&old, &new, Change::Elevate).await?;
    same("the proof", &Some(ground.now()), &loaded.record.authenticated)?;
    same("when it began", &began, &loaded.record.created)?;
    ground.gone(&old).await?;
    ground.holds(&new, &[("a", "1")]).await?;
    same("the subject's sessions", &vec![new], &ground.keys_of(&alice).await?)
}
