//! The design of the cache keeps its promises, whatever comes in whatever order.

use std::collections::BTreeSet;

use terrace_models::cache::{Cache, Mutant, SIGHTS, scenes, wide};
use terrace_models::explore;

/// Nothing that was promised is broken in these scenes; prints how many states each has.
fn sound(scenes: impl IntoIterator<Item = (String, Cache)>) {
    let mut looked_at = 0;
    for (name, scene) in scenes {
        let explored = explore(&scene);
        println!("{name}: {} states", explored.states);
        assert!(explored.broken.is_empty(), "{name}: {:#?}", explored.broken);
        looked_at += 1;
    }
    assert!(looked_at > 0);
}

fn is_large(name: &str) -> bool {
    ["both", "two loads", "twice"].iter().any(|word| name.contains(word))
}

/// Some mutants take away what the promises do not rest on.
fn harmless(mutant: Mutant, wanted: fn(&str) -> bool) {
    let scenes = scenes().into_iter().filter(|(name, _)| wanted(name));
    sound(scenes.map(|(name, scene)| (name, scene.without(mutant))));
}

#[test]
fn the_cache_keeps_its_promises() {
    sound(scenes().into_iter().filter(|(name, _)| !is_large(name)));
}

#[test]
fn the_cache_keeps_its_promises_with_several_loads_at_a_time() {
    sound(scenes().into_iter().filter(|(name, _)| is_large(name)));
}

#[test]
#[ignore = "minutes: cargo test -p terrace-models -- --ignored --nocapture"]
fn the_cache_keeps_its_promises_with_more_at_a_time() {
    sound(wide());
}

#[test]
fn what_the_promises_are_about_does_happen() {
    let mut never: BTreeSet<&str> = SIGHTS.iter().map(|(name, _)| *name).collect();
    let all = scenes();
    for wanted in ["tag, joined", "put and put", "key and key, elsewhere"] {
        let (_, scene) = all.iter().find(|(name, _)| name == wanted).unwrap();
        let explored = explore(&Cache { sights: true, ..scene.clone() });
        never.retain(|name| explored.never.contains(name));
    }
    assert!(never.is_empty(), "{never:?}");
}

#[test]
fn without_the_first_of_two_invalidations_of_memory_nothing_is_broken() {
    harmless(Mutant::NotBeforeTheStore, |name| !name.contains("put") && !is_large(name));
}

#[test]
fn of_two_writers_at_once_one_might_fill() {
    harmless(Mutant::SecondWriterFills, |name| name.starts_with("put and"));
}

#[test]
fn tokens_might_repeat_where_epochs_do_not() {
    harmless(Mutant::TokensStartAgain, |name| name.ends_with("restart"));
}

#[test]
fn a_reader_might_join_any_load() {
    harmless(Mutant::JoinsSuperseded, |name| name.ends_with("joined"));
}
