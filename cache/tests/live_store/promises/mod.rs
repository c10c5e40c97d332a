//! The promises. Each returns what is wrong.

mod tags;
mod writers;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use terrace_cache::store::{Filled, Leased, Want};
use tokio::task::JoinSet;

use crate::world::{KEEP, World, fetch, key, lease, put, same, value, want, win};

pub(crate) use tags::{
    a_bump_changes_the_version_that_is_held,
    a_tag_that_is_new_is_held_at_the_second_try_at_the_latest,
    a_tag_that_nobody_has_held_or_bumped_has_no_version,
    a_tag_that_was_bumped_during_a_load_is_not_held,
};
pub(crate) use writers::{
    a_reader_between_two_writers_keeps_nothing_old, a_writer_takes_the_right_from_a_reader,
    of_two_writers_neither_fills,
};

type Found = Result<(), String>;

fn some(text: &str) -> Result<Option<String>, String> {
    Ok(Some(text.to_owned()))
}

fn kind(leased: &Result<Leased, terrace_cache::store::StoreError>) -> &'static str {
    match leased {
        Ok(Leased::Won(_)) => "won",
        Ok(Leased::Busy) => "busy",
        Ok(Leased::Found(_)) => "found",
        Err(_) => "failed",
    }
}

pub(crate) async fn of_fifty_that_miss_one_gets_the_lease(world: &World) -> Found {
    let mut tasks = JoinSet::new();
    for n in 0..50 {
        let store = Arc::clone(if n % 2 == 0 { &world.one } else { &world.two });
        tasks.spawn(async move { kind(&lease(&store, want(&key(&7))).await) });
    }
    let kinds = tasks.join_all().await;
    let count = |wanted| kinds.iter().filter(|kind| **kind == wanted).count();
    same("won and busy", (count("won"), count("busy")), (1, 49))
}

pub(crate) async fn what_was_kept_is_found_by_all(world: &World) -> Found {
    put(&world.one, &key(&7), "new").await?;
    for store in [&world.one, &world.two] {
        same("a fetch", value(store, &key(&7)).await, some("new"))?;
        match lease(store, want(&key(&7))).await {
            Ok(Leased::Found(found)) => same("a lease", found.value, Some(Bytes::from("new")))?,
            other => return Err(format!("a lease of what is there: {other:?}")),
        }
    }
    world.other.clear().await.map_err(|error| error.to_string())?;
    same("after a clear elsewhere", value(&world.two, &key(&7)).await, some("new"))
}

pub(crate) async fn what_was_removed_while_it_was_loaded_is_not_kept(world: &World) -> Found {
    let lease = win(&world.one, &key(&7)).await?;
    same("a removal", world.two.remove(&[key(&7)]).await, Ok(()))?;
    let filled = world.one.fill(&key(&7), &lease, "old".into(), KEEP).await;
    same("a late fill", filled, Ok(Filled::Refused))?;
    same("a fetch", value(&world.two, &key(&7)).await, Ok(None))
}

pub(crate) async fn what_was_cleared_while_it_was_loaded_is_not_kept(world: &World) -> Found {
    let lease = win(&world.one, &key(&7)).await?;
    same("a clear", world.two.clear().await, Ok(()))?;
    let filled = world.one.fill(&key(&7), &lease, "old".into(), KEEP).await;
    same("a late fill", filled, Ok(Filled::Refused))?;
    same("a fetch", value(&world.two, &key(&7)).await, Ok(None))
}

pub(crate) async fn what_was_removed_is_gone(world: &World) -> Found {
    for n in 0..20 {
        put(&world.one, &key(&n), "old").await?;
    }
    let some: Vec<_> = (0..10).map(|n| key(&n)).collect();
    same("a removal", world.two.remove(&some).await, Ok(()))?;
    for n in 0..20 {
        let wanted = (n >= 10).then(|| "old".to_owned());
        same("a fetch", value(&world.one, &key(&n)).await, Ok(wanted))?;
    }
    Ok(())
}

pub(crate) async fn what_was_cleared_is_gone(world: &World) -> Found {
    for n in 0..20 {
        put(&world.one, &key(&n), "old").await?;
    }
    same("a clear", world.two.clear().await, Ok(()))?;
    for n in 0..20 {
        same("a fetch", value(&world.one, &key(&n)).await, Ok(None))?;
        put(&world.one, &key(&n), "new").await?;
        same("a fetch", value(&world.two, &key(&n)).await, some("new"))?;
    }
    Ok(())
}

pub(crate) async fn a_lease_of_before_a_clear_is_in_nobodys_way(world: &World) -> Found {
    win(&world.one, &key(&7)).await?;
    same("a clear", world.one.clear().await, Ok(()))?;
    put(&world.two, &key(&7), "new").await
}

pub(crate) async fn a_lease_that_is_given_back_goes_to_the_next(world: &World) -> Found {
    let first = win(&world.one, &key(&7)).await?;
    same("a reader", kind(&lease(&world.two, want(&key(&7))).await), "busy")?;
    same("a release", world.one.release(&key(&7), &first).await, Ok(()))?;
    let filled = world.one.fill(&key(&7), &first, "old".into(), KEEP).await;
    same("a fill after it", filled, Ok(Filled::Refused))?;
    put(&world.two, &key(&7), "new").await
}

pub(crate) async fn a_lease_is_given_back_by_its_holder_alone(world: &World) -> Found {
    let first = win(&world.one, &key(&7)).await?;
    same("a removal", world.two.remove(&[key(&7)]).await, Ok(()))?;
    let second = win(&world.two, &key(&7)).await?;
    same("a late release", world.one.release(&key(&7), &first).await, Ok(()))?;
    let filled = world.two.fill(&key(&7), &second, "new".into(), KEEP).await;
    same("the holder's fill", filled, Ok(Filled::Kept))?;
    same("a late release", world.one.release(&key(&7), &second).await, Ok(()))?;
    same("a fetch", value(&world.one, &key(&7)).await, some("new"))
}

pub(crate) async fn a_value_that_was_seen_is_replaced_and_another_is_found(world: &World) -> Found {
    for (old, new) in [("", "n"), ("old", "new"), ("an older one", "a newer one")] {
        let key = key(old);
        put(&world.one, &key, old).await?;
        let seen = |text: &'static str| Want { key: key.clone(), seen: Some(text.into()) };
        let Ok(Leased::Won(refresh)) = lease(&world.two, seen(old)).await else {
            return Err(format!("{old:?} was seen, and may not be replaced"));
        };
        same("a fetch meanwhile", value(&world.one, &key).await, some(old))?;
        same("another", kind(&lease(&world.one, seen(old)).await), "busy")?;
        let filled = world.two.fill(&key, &refresh, new.into(), KEEP).await;
        same("a fill", filled, Ok(Filled::Kept))?;
        same("who saw the old", kind(&lease(&world.one, seen(old)).await), "found")?;
        same("a fetch", value(&world.one, &key).await, some(new))?;
    }
    Ok(())
}

/// Waits for the store's clock, by looking.
pub(crate) async fn values_and_leases_end_by_the_stores_clock(world: &World) -> Found {
    let store = &world.hasty;
    let first = win(&world.one, &key(&1)).await?;
    let filled = world.one.fill(&key(&1), &first, "short".into(), 300).await;
    same("a fill", filled, Ok(Filled::Kept))?;
    let second = win(store, &key(&2)).await?;
    let mut looks = 0;
    let gone = loop {
        let fetched = fetch(store, &key(&1)).await.map_err(|error| error.to_string())?;
        match fetched.value {
            None => break fetched.now,
            Some(_) if looks == 2_000 => return Err("a value does not end".into()),
            Some(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
        looks += 1;
    };
    same("whether a value ended too early", gone < first.now + 300, false)?;
    loop {
        match lease(store, want(&key(&2))).await {
            Ok(Leased::Won(third)) => {
                same("whether a lease ended too early", third.now < second.now + 299, false)?;
                break;
            }
            Ok(Leased::Busy) if looks < 4_000 => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            other => return Err(format!("a lease does not end: {other:?}")),
        }
        looks += 1;
    }
    let filled = store.fill(&key(&2), &second, "late".into(), KEEP).await;
    same("a fill after the end", filled, Ok(Filled::Refused))
}

pub(crate) async fn a_lease_is_good_for_one_value(world: &World) -> Found {
    let lease = win(&world.one, &key(&7)).await?;
    for (value, wanted) in [("first", Filled::Kept), ("second", Filled::Refused)] {
        let filled = world.one.fill(&key(&7), &lease, value.into(), KEEP).await;
        same("a fill", filled, Ok(wanted))?;
    }
    same("a fetch", value(&world.two, &key(&7)).await, some("first"))
}

pub(crate) async fn answers_come_in_the_order_of_the_questions(world: &World) -> Found {
    same("nothing", world.one.fetch(&[]).await, Vec::new())?;
    same("nothing", world.one.lease(&[]).await.len(), 0)?;
    same("nothing", world.one.tag_versions(&[]).await, Ok(Vec::new()))?;
    same("nothing", world.one.remove(&[]).await, Ok(()))?;
    same("nothing", world.one.bump_tags(&[]).await, Ok(()))?;
    for n in [0_usize, 2, 4, 6, 8, 10] {
        let lease = win(&world.one, &key(&n)).await?;
        let filled = world.one.fill(&key(&n), &lease, n.to_string().into(), KEEP).await;
        same("a fill", filled, Ok(Filled::Kept))?;
    }
    // The first twice.
    let order = [3_usize, 0, 1, 2, 10, 9, 8, 3, 4];
    let keys: Vec<_> = order.iter().map(key).collect();
    for (n, fetched) in order.iter().zip(world.two.fetch(&keys).await) {
        let wanted = (n % 2 == 0).then(|| Bytes::from(n.to_string()));
        same("a fetch", fetched.map(|fetched| fetched.value), Ok(wanted))?;
    }
    let wants: Vec<_> = keys.iter().map(want).collect();
    let leased = world.two.lease(&wants).await;
    let kinds: Vec<_> = leased.iter().map(kind).collect();
    let wanted =
        ["won", "found", "won", "found", "found", "won", "found", "busy", "found"].to_vec();
    same("leases", kinds, wanted)
}

pub(crate) async fn keys_and_values_of_any_bytes_stay_apart(world: &World) -> Found {
    let long = "k".repeat(10_000);
    let keys = [
        "",
        "a\r\nFLUSHALL\r\n",
        "a\0b",
        "a b",
        "{lease}",
        "{epoch}",
        "*",
        "users:3:",
        "\u{1f600}",
        &long,
    ];
    let bodies: Vec<Bytes> = (0..keys.len())
        .map(|n| match n {
            0 => Bytes::new(),
            1 => Bytes::from_static(b"\r\n$-1\r\n\0"),
            _ => Bytes::from(vec![u8::try_from(n).unwrap_or(0); 1 << (2 * n)]),
        })
        .chain([Bytes::from(vec![7; (1 << 20) + 1])])
        .collect();
    let keys: Vec<_> = keys.iter().map(|name| key(*name)).chain([key(&b"bytes"[..])]).collect();
    for (key, body) in keys.iter().zip(&bodies) {
        let lease = win(&world.one, key).await?;
        let filled = world.one.fill(key, &lease, body.clone(), KEEP).await;
        same("a fill", filled, Ok(Filled::Kept))?;
    }
    for ((key, body), fetched) in keys.iter().zip(&bodies).zip(world.two.fetch(&keys).await) {
        let fetched = fetched.map_err(|error| error.to_string())?.value;
        if fetched.as_ref() != Some(body) {
            return Err(format!("{key} holds something else"));
        }
    }
    Ok(())
}
