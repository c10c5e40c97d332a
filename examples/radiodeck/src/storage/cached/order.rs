//! Which lists a heart can change.
//!
//! A list by popularity stands in the order of the stations' favourites. One more, or one less, moves
//! a station past those that have as many as it had or has now, and past nobody else. So a list
//! changes only if it shows a station with one of these two numbers, and the numbers that it shows are
//! the tags that it carries.
//!
//! A value has room for 16 tags. A list that shows more numbers carries them in steps of 8, of 64, or
//! all as one, and changes with more hearts than it must.

use std::collections::BTreeSet;

use terrace_cache::envelope::MAX_TAGS;
use terrace_cache::tag::Tag;

/// By how many bits a number is shortened for its step: not at all first, to nothing at last.
const STEPS: [u32; 4] = [0, 3, 6, 63];

fn tag(step: u32, number: i64) -> Tag {
    Tag::new(("favourites", step, number))
}

/// What a list carries that shows stations with these numbers of favourites.
pub(super) fn carried(favourites: &[i64]) -> Vec<Tag> {
    let short = |step: &u32| {
        let numbers: BTreeSet<_> = favourites.iter().map(|number| number >> step).collect();
        let fits = numbers.len() <= MAX_TAGS;
        fits.then(|| numbers.into_iter().map(|number| tag(*step, number)).collect())
    };
    STEPS.iter().find_map(short).unwrap_or_default()
}

/// What lists carry that change when a station's number of favourites goes from one to the other.
pub(super) fn moved(from: i64, to: i64) -> impl Iterator<Item = Tag> {
    STEPS.into_iter().flat_map(move |step| [tag(step, from >> step), tag(step, to >> step)])
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    /// Stations by popularity: most favourites first, then by number.
    fn ordered(favourites: &[i64]) -> Vec<(i64, usize)> {
        let mut stations: Vec<_> = favourites.iter().copied().zip(0..).collect();
        stations.sort_by_key(|(favourites, id)| (-favourites, *id));
        stations
    }

    fn tags_of(page: &[(i64, usize)]) -> HashSet<Tag> {
        let shown: Vec<_> = page.iter().map(|(favourites, _)| *favourites).collect();
        carried(&shown).into_iter().collect()
    }

    /// How many pages change by a heart, and how many of those carry none of the tags that it bumps.
    fn missed(
        favourites: &[i64],
        station: usize,
        by: i64,
        length: usize,
        moved: &[Tag],
    ) -> (usize, usize) {
        let mut after = favourites.to_vec();
        after[station] += by;
        let (before, after) = (ordered(favourites), ordered(&after));
        let pages = before.chunks(length).zip(after.chunks(length));
        let changed: Vec<_> = pages.filter(|(before, after)| before != after).collect();
        let missed = changed.iter().filter(|(before, _)| {
            let carried = tags_of(before);
            !moved.iter().any(|tag| carried.contains(tag))
        });
        (changed.len(), missed.count())
    }

    proptest! {
        #[test]
        fn no_list_that_a_heart_changes_is_missed(
            favourites in prop::collection::vec(prop_oneof![0..6_i64, 0..40_i64, 0..3_000_i64], 1..90),
            station in any::<prop::sample::Index>(),
            more in any::<bool>(),
            length in 1..60_usize,
        ) {
            let station = station.index(favourites.len());
            let by = if more || favourites[station] == 0 { 1 } else { -1 };
            let (from, to) = (favourites[station], favourites[station] + by);
            let moved: Vec<_> = moved(from, to).collect();
            let (changed, missed) = missed(&favourites, station, by, length, &moved);
            prop_assert!(changed > 0, "the station's own page shows its number");
            prop_assert_eq!(missed, 0);
        }
    }

    #[test]
    fn the_new_number_alone_would_miss_some() {
        // The control: a station falls from the first page's end to the second's.
        let favourites = [9, 5, 5, 5];
        assert_eq!(missed(&favourites, 1, -1, 2, &[tag(0, 4)]), (2, 2));
        let both: Vec<_> = moved(5, 4).collect();
        assert_eq!(missed(&favourites, 1, -1, 2, &both), (2, 0));
    }

    #[test]
    fn a_list_never_carries_more_than_a_value_may() {
        for most in [1, 16, 17, 127, 129, 5_000, 5_000_000] {
            let shown: Vec<_> = (0..100).map(|place| place * most / 100).collect();
            let tags = carried(&shown);
            assert!((1..=MAX_TAGS).contains(&tags.len()), "{most}: {}", tags.len());
        }
        assert!(carried(&[]).is_empty());
    }

    #[test]
    fn a_far_heart_leaves_a_list_alone() {
        let front: HashSet<_> = carried(&[120, 118, 117, 117, 99]).into_iter().collect();
        assert!(moved(24, 25).all(|tag| !front.contains(&tag)));
        assert!(moved(98, 99).any(|tag| front.contains(&tag)));
    }
}
