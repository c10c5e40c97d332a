//! What is created, and that nothing else creates.

use super::super::ground::{
    ABSOLUTE, Ground, IDLE, LIFETIME, Verdict, applied, holds, login, of, renews, rotation, same,
    session_of, setting, subject,
};
use crate::expiry::Touch;
use crate::record::{Device, Limits};
use crate::store::{Change, Created, Guard, NewSession, Patched, Rotated};

super::checks![
    a_new_session_has_what_it_was_created_with,
    a_stranger_is_nobody,
    a_key_that_is_taken_creates_nothing,
    what_was_never_created_is_not_there,
    a_patch_creates_nothing,
    a_rotation_creates_nothing,
    a_deleted_session_stays_deleted,
    deleting_says_whether_there_was_one,
];

async fn a_new_session_has_what_it_was_created_with(ground: Ground) -> Verdict {
    let alice = subject("alice");
    let key = ground.key_at(alice.tag);
    let device = Device {
        label: Some("Work".into()),
        agent: Some("Firefox on Linux".into()),
        network: Some("192.0.2.0/24".into()),
    };
    let mut login = login(&alice);
    login.device = device.clone();
    let mut new = session_of(login);
    new.values = of(&[("a", "1"), ("b", "[2]")]);
    let created = ground.store.create(&key, &new).await?;
    let Created::Created { loaded, evicted } = created else {
        return holds("a new session", false, created);
    };
    same("others that made room", &0, &evicted)?;
    let now = ground.now();
    same("the answer's time", &now, &loaded.now)?;
    let record = &loaded.record;
    same("its version", &1, &record.version)?;
    same("when it began", &now, &record.created)?;
    same("its last use", &now, &record.last_seen)?;
    same("when it ends unused", &now.after(IDLE), &record.expires)?;
    same("when it ends", &now.after(ABSOLUTE), &record.absolute)?;
    same("its subject", &Some(alice.id), &record.subject)?;
    same("the login", &Some(now), &record.authenticated)?;
    same("since when it has its key", &now, &record.renewed)?;
    same("its device", &device, &record.device)?;
    let found = ground.found(&key).await?;
    same("what is loaded", record, &found.record)?;
    same("whether it was touched", &false, &found.touched)?;
    same("whether it has moved", &false, &found.moved)?;
    ground.holds(&key, &[("a", "1"), ("b", "[2]")]).await
}

async fn a_stranger_is_nobody(ground: Ground) -> Verdict {
    let key = ground.stranger(&[]).await?;
    let record = ground.found(&key).await?.record;
    same("the subject", &None, &record.subject)?;
    same("the login", &None, &record.authenticated)?;
    same("the device", &Device::default(), &record.device)
}

async fn a_key_that_is_taken_creates_nothing(ground: Ground) -> Verdict {
    let key = ground.stranger(&[("a", "1")]).await?;
    let new = NewSession { authentication: None, values: of(&[("b", "2")]), lifetime: LIFETIME };
    let again = ground.store.create(&key, &new).await?;
    same("the second creation", &Created::Exists, &again)?;
    ground.holds(&key, &[("a", "1")]).await
}

async fn what_was_never_created_is_not_there(ground: Ground) -> Verdict {
    let key = ground.key();
    ground.gone(&key).await?;
    same("whether it was deleted", &false, &ground.store.delete(&key).await?)
}

async fn a_patch_creates_nothing(ground: Ground) -> Verdict {
    let key = ground.key();
    for guard in [Guard::Exists, Guard::Version(0), Guard::Version(1)] {
        let patch = setting(&[("a", "1")]);
        let patched = ground.store.patch(&key, &patch, guard, Limits::default()).await?;
        same("the patch", &Patched::Gone, &patched)?;
    }
    ground.gone(&key).await
}

async fn a_rotation_creates_nothing(ground: Ground) -> Verdict {
    let alice = subject("alice");
    let login = Change::Login { authentication: login(&alice), keep_values: true };
    for change in [login, Change::Elevate, renews()] {
        let (old, new) = (ground.key_at(alice.tag), ground.key_at(alice.tag));
        let mut rotation = rotation(change);
        rotation.patch = setting(&[("a", "1")]);
        let rotated = ground.store.rotate(&old, &new, &rotation).await?;
        same("the rotation", &Rotated::Gone, &rotated)?;
        ground.gone(&old).await?;
        ground.gone(&new).await?;
    }
    same("the subject's sessions", &Vec::new(), &ground.list(&alice).await?)
}

async fn a_deleted_session_stays_deleted(ground: Ground) -> Verdict {
    let alice = subject("alice");
    let key = ground.logged_in(&alice).await?;
    same("whether it was there", &true, &ground.store.delete(&key).await?)?;
    ground.gone(&key).await?;
    same("a patch", &Patched::Gone, &ground.set(&key, "a", "1").await?)?;
    let new = ground.key_at(alice.tag);
    same("a rotation", &Rotated::Gone, &ground.rotate(&key, &new, Change::Elevate).await?)?;
    let used = ground
        .store
        .load(&key, Touch::Use { idle: IDLE, after: std::time::Duration::ZERO })
        .await?;
    holds("no session", used.is_none(), used)?;
    same("the subject's sessions", &Vec::new(), &ground.list(&alice).await?)
}

async fn deleting_says_whether_there_was_one(ground: Ground) -> Verdict {
    let (key, other) = (ground.stranger(&[]).await?, ground.stranger(&[]).await?);
    same("the first time", &true, &ground.store.delete(&key).await?)?;
    same("the second time", &false, &ground.store.delete(&key).await?)?;
    applied(&ground.set(&other, "a", "1").await?)
}
