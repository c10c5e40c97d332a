//! Whose sessions they are.

use std::time::Duration;

use super::super::ground::{
    ABSOLUTE, Ground, IDLE, USE, Verdict, holds, login, logs_in, same, session_of, subject,
};
use super::super::report::Failure;
use crate::error::StoreError;
use crate::expiry::Lifetime;
use crate::record::Device;
use crate::store::{Created, Listed, NewSession, Subject};

super::checks![
    a_list_has_what_is_there_the_last_used_first,
    a_list_is_without_what_is_over,
    a_stranger_is_in_no_list,
    subjects_of_one_tag_are_apart,
    subjects_may_be_called_anything,
    a_subject_with_a_nul_is_itself_or_refused,
    an_index_empties_itself,
];

async fn a_list_has_what_is_there_the_last_used_first(ground: Ground) -> Verdict {
    let alice = subject("alice");
    ground.logged_in(&subject("bob")).await?;
    let mut keys = Vec::new();
    for label in ["one", "two", "three"] {
        let mut login = login(&alice);
        login.device = Device { label: Some(label.into()), ..Device::default() };
        let key = ground.key_at(alice.tag);
        ground.store.create(&key, &session_of(login)).await?;
        keys.push(key);
        ground.clock.advance(Duration::from_secs(1));
    }
    let [one, two, three] = keys[..] else { return Ok(()) };
    same("the sessions", &vec![three, two, one], &ground.keys_of(&alice).await?)?;
    ground.clock.advance(IDLE / 2);
    ground.store.load(&two, USE).await?;
    same("the sessions", &vec![two, three, one], &ground.keys_of(&alice).await?)?;
    let record = ground.found(&two).await?.record;
    let listed = Listed {
        key: two,
        created: record.created,
        last_seen: record.last_seen,
        expires: record.expires,
        device: Device { label: Some("two".into()), ..Device::default() },
    };
    same("the first", &Some(&listed), &ground.list(&alice).await?.first())
}

async fn a_list_is_without_what_is_over(ground: Ground) -> Verdict {
    let alice = subject("alice");
    let short = Lifetime { idle: IDLE / 2, absolute: ABSOLUTE };
    let over = ground.key_at(alice.tag);
    ground
        .store
        .create(&over, &NewSession { lifetime: short, ..session_of(login(&alice)) })
        .await?;
    let there = ground.logged_in(&alice).await?;
    let deleted = ground.logged_in(&alice).await?;
    ground.store.delete(&deleted).await?;
    ground.clock.advance(IDLE / 2);
    same("the sessions", &vec![there], &ground.keys_of(&alice).await?)
}

async fn a_stranger_is_in_no_list(ground: Ground) -> Verdict {
    let key = ground.stranger(&[]).await?;
    let nobody = Subject { id: "".into(), tag: key.tag() };
    let alice = Subject { id: "alice".into(), tag: key.tag() };
    same("the sessions of nobody", &Vec::new(), &ground.keys_of(&nobody).await?)?;
    ground.store.revoke(&nobody, None).await?;
    ground.store.revoke(&alice, None).await?;
    ground.found(&key).await?;
    ground.moves(&key, &ground.key_at(key.tag()), logs_in(&alice)).await?;
    same("the sessions of nobody", &Vec::new(), &ground.keys_of(&nobody).await?)
}

/// Everything about each of these is about nobody else.
async fn apart(ground: &Ground, subjects: &[Subject]) -> Verdict {
    let mut keys = Vec::new();
    for subject in subjects {
        keys.push(ground.logged_in(subject).await?);
    }
    for (subject, key) in subjects.iter().zip(&keys) {
        let record = ground.found(key).await?.record;
        same("the subject", &Some(subject.id.clone()), &record.subject)?;
        same("the sessions", &vec![*key], &ground.keys_of(subject).await?)?;
    }
    let mut there: Vec<_> = subjects.iter().zip(keys).collect();
    while let Some((subject, key)) = there.pop() {
        let before = ground.store.epoch(subject).await?;
        let what = format!("ended sessions of {:.40?}", subject.id);
        same(&what, &1, &ground.store.revoke(subject, None).await?)?;
        let after = ground.store.epoch(subject).await?;
        holds("a later epoch", after > before, after)?;
        ground.gone(&key).await?;
        for (other, key) in &there {
            ground.found(key).await?;
            let epoch = ground.store.epoch(other).await?;
            holds("another subject's epoch as before", epoch < after, epoch)?;
        }
        ground.clock.advance(Duration::from_millis(10));
    }
    Ok(())
}

async fn subjects_of_one_tag_are_apart(ground: Ground) -> Verdict {
    let tag = subject("alice").tag;
    let subjects = ["alice", "bob", "carol"].map(|id| Subject { id: id.into(), tag });
    apart(&ground, &subjects).await
}

async fn subjects_may_be_called_anything(ground: Ground) -> Verdict {
    let long = "x".repeat(1024);
    let longer = format!("{long}y");
    let ids = [
        "alice",
        "Alice",
        "alice ",
        " alice",
        "alice:1",
        "alice:",
        ":alice",
        "alice*",
        "a?ice",
        "a[l]ice",
        "{alice}",
        "alice}",
        "al%ce",
        "al_ce",
        "'; --",
        "\"alice\"",
        "\\",
        "null",
        "0",
        "00",
        "-1",
        "ålice",
        "a\u{30a}lice",
        "å",
        "alice\n",
        "alice\t",
        "\u{1F600}",
        "\u{202e}alice",
        long.as_str(),
        longer.as_str(),
    ];
    let tag = subject("alice").tag;
    let subjects = ids.map(|id| Subject { id: id.into(), tag });
    apart(&ground, &subjects).await
}

async fn a_subject_with_a_nul_is_itself_or_refused(ground: Ground) -> Verdict {
    let tag = subject("alice").tag;
    let [alice, nul] = ["alice", "alice\0x"].map(|id| Subject { id: id.into(), tag });
    let there = ground.logged_in(&alice).await?;
    let key = ground.key_at(tag);
    match ground.store.create(&key, &session_of(login(&nul))).await {
        Ok(Created::Created { loaded, .. }) => {
            same("the subject", &Some(nul.id.clone()), &loaded.record.subject)?;
            same("the sessions", &vec![key], &ground.keys_of(&nul).await?)?;
        }
        Err(StoreError::Invalid(_)) => ground.gone(&key).await?,
        other => return Err(Failure::new("a session, or Invalid", format!("{other:?}"))),
    }
    same("the other's sessions", &vec![there], &ground.keys_of(&alice).await?)
}

async fn an_index_empties_itself(ground: Ground) -> Verdict {
    let alice = subject("alice");
    for _ in 0..300 {
        ground.logged_in(&alice).await?;
    }
    same("how many sessions", &300, &ground.list(&alice).await?.len())?;
    ground.clock.advance(IDLE);
    same("how many sessions", &0, &ground.list(&alice).await?.len())?;
    let key = ground.logged_in(&alice).await?;
    same("the sessions", &vec![key], &ground.keys_of(&alice).await?)?;
    same("how many are ended", &1, &ground.store.revoke(&alice, None).await?)
}
