//! What is looked at: many small worlds, each whole, rather than a big one in part.

use super::{Cache, Change, Kind, Lost};

const KEY: Kind = Kind::Invalidate(Change::Key);
const TAG: Kind = Kind::Invalidate(Change::Tag);
const CLEAR: Kind = Kind::Invalidate(Change::Clear);
const PUT: Kind = Kind::PutThrough;
const ALL: [Kind; 4] = [KEY, TAG, CLEAR, PUT];
const LOSSES: [Lost; 4] = [Lost::Everything, Lost::Tag, Lost::Epoch, Lost::Sequence];

/// Everything goes wrong that costs few states.
fn faulty(writes: &[(usize, Kind)], loads: [usize; 2]) -> Cache {
    Cache { crashes: true, expiry: true, loses_messages: true, ..plain(writes, loads) }
}

fn plain(writes: &[(usize, Kind)], loads: [usize; 2]) -> Cache {
    Cache { writes: writes.to_vec(), loads, ..Cache::default() }
}

/// Worlds by name, all of which can be looked at in seconds. Writes are made by the first node, or
/// the second one by the second.
#[must_use]
pub fn scenes() -> Vec<(String, Cache)> {
    let mut scenes = Vec::new();
    let mut add = |name: String, cache: Cache| scenes.push((name, cache));
    for kind in ALL {
        let name = name(kind);
        let here = faulty(&[(0, kind)], [1, 0]);
        let there = faulty(&[(0, kind)], [0, 1]);
        add(format!("{name}, joined"), Cache { joins: true, ..here.clone() });
        add(format!("{name}, a period"), Cache { period: true, ..there.clone() });
        add(format!("{name}, a loss"), Cache { loses: LOSSES.to_vec(), ..here.clone() });
        add(name.to_owned(), here);
        add(format!("{name}, elsewhere"), there);
    }
    add("key, two loads".to_owned(), faulty(&[(0, KEY)], [2, 0]));
    add("key, both".to_owned(), faulty(&[(0, KEY)], [1, 1]));
    let cache = Cache { loses: vec![Lost::Everything], ..plain(&[(0, KEY)], [2, 0]) };
    add("key, two loads, a restart".to_owned(), cache);
    let cache = Cache { loses: vec![Lost::Sequence], ..plain(&[(0, TAG), (0, TAG)], [1, 0]) };
    add("tag twice, a loss".to_owned(), cache);
    for (first, second) in [(KEY, KEY), (PUT, PUT), (PUT, KEY), (PUT, TAG), (PUT, CLEAR)] {
        let names = format!("{} and {}", name(first), name(second));
        add(format!("{names}, one node"), plain(&[(0, first), (0, second)], [1, 0]));
        let cache = Cache { loses_messages: true, ..plain(&[(0, first), (1, second)], [1, 0]) };
        add(names, cache);
    }
    let cache = Cache { loses_messages: true, ..plain(&[(0, KEY), (0, KEY)], [0, 1]) };
    add("key and key, elsewhere".to_owned(), cache);
    let cache =
        Cache { period: true, loses_messages: true, ..plain(&[(0, KEY), (1, PUT)], [0, 0]) };
    add("key and put, a period".to_owned(), cache);
    scenes
}

/// The same with more at a time: minutes.
#[must_use]
pub fn wide() -> Vec<(String, Cache)> {
    let mut scenes = Vec::new();
    for first in ALL {
        for second in ALL {
            for node in [0, 1] {
                let cache = faulty(&[(0, first), (node, second)], [1, 0]);
                let name = format!("{} and {} of {node}", name(first), name(second));
                scenes.push((name, Cache { crashes: false, joins: true, ..cache }));
            }
        }
    }
    let cache =
        Cache { period: true, loses_messages: true, ..plain(&[(0, KEY), (1, PUT)], [0, 1]) };
    scenes.push(("key and put, a period, a load".to_owned(), cache));
    scenes.push(("three puts".to_owned(), plain(&[(0, PUT), (1, PUT), (0, PUT)], [1, 0])));
    for (loads, together) in [([2, 0], "two loads"), ([1, 1], "both")] {
        for kind in ALL {
            let cache = faulty(&[(0, kind)], loads);
            let lossy = Cache { loses: LOSSES.to_vec(), ..cache.clone() };
            scenes.push((format!("{}, {together}", name(kind)), cache));
            scenes.push((format!("{}, {together}, a loss", name(kind)), lossy));
        }
    }
    scenes
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Invalidate(Change::Key) => "key",
        Kind::Invalidate(Change::Tag) => "tag",
        Kind::Invalidate(Change::Clear) => "clear",
        Kind::PutThrough => "put",
    }
}
