use proptest::prelude::*;
use smallvec::smallvec;

use super::*;

fn resolve(value: &str, length: u64) -> Option<Resolved> {
    parse(value.as_bytes()).map(|specs| specs.resolve(length))
}

fn index(byte: u64) -> usize {
    usize::try_from(byte).unwrap()
}

#[test]
fn what_is_no_set_of_byte_ranges_is_ignored() {
    for value in [
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=a-b",
        "bytes=1",
        "bytes=5-4",
        "bytes=0-1,5-4",
        "bytes=0-1,x",
        "bytes 0-1",
        "bytes =0-1",
        "seconds=0-1",
        "none",
        "bytes=+1-2",
        "bytes=1--2",
        "bytes=1-2-3",
        "bytes=0x1-2",
        "bytes=1 - 2",
    ] {
        assert_eq!(parse(value.as_bytes()), None, "{value:?}");
    }
}

#[test]
fn one_range_is_a_part_of_what_is_there() {
    for (value, wanted) in [
        ("bytes=0-0", 0..1),
        ("bytes=0-4", 0..5),
        ("Bytes=0-4", 0..5),
        ("bytes= 0-4 ,", 0..5),
        ("bytes=6-", 6..10),
        ("bytes=6-99", 6..10),
        ("bytes=6-18446744073709551615", 6..10),
        ("bytes=6-99999999999999999999999999", 6..10),
        ("bytes=-1", 9..10),
        ("bytes=-99", 0..10),
        ("bytes=-99999999999999999999999999", 0..10),
        ("bytes=0-", 0..10),
        ("bytes=2-3,99-", 2..4),
        ("bytes=2-3,4-5", 2..6),
        ("bytes=4-5,2-3", 2..6),
        ("bytes=2-4,3-6", 2..7),
    ] {
        assert_eq!(resolve(value, 10), Some(Resolved::One(wanted)), "{value:?}");
    }
}

#[test]
fn what_begins_behind_the_end_is_unsatisfiable() {
    for value in ["bytes=10-", "bytes=10-12,99999999999999999999999999-", "bytes=-0"] {
        assert_eq!(resolve(value, 10), Some(Resolved::Unsatisfiable), "{value:?}");
    }
    assert_eq!(resolve("bytes=0-", 0), Some(Resolved::Unsatisfiable));
    assert_eq!(resolve("bytes=-5", 0), Some(Resolved::Whole));
}

#[test]
fn several_parts_keep_their_order_and_join_where_they_touch() {
    let many = |parts| Some(Resolved::Many(parts));
    assert_eq!(resolve("bytes=0-1, 5-6", 10), many(smallvec![0..2, 5..7]));
    assert_eq!(resolve("bytes=-1, 0-0", 10), many(smallvec![9..10, 0..1]));
    assert_eq!(resolve("bytes=0-0,8-8,2-2,1-1", 10), many(smallvec![0..3, 8..9]));
    assert_eq!(resolve("bytes=4-4,0-0,2-2,3-3,9-9", 10), many(smallvec![2..5, 0..1, 9..10]));
}

#[test]
fn what_asks_for_more_than_there_is_gets_the_whole_once() {
    assert_eq!(resolve("bytes=0-,0-", 10), Some(Resolved::Whole));
    assert_eq!(resolve("bytes=0-8,-2", 10), Some(Resolved::Whole));
    let killer = (5..1300).map(|n| format!("5-{n}")).collect::<Vec<_>>().join(",");
    let killer = format!("bytes=0-,{killer}");
    assert_eq!(resolve(&killer, 9999), Some(Resolved::Whole));
    // The control: answered as asked, it is the whole 80 times.
    let asked = |n| if n == 4 { 9999 } else { n - 4 };
    assert!((4_u64..1300).map(asked).sum::<u64>() > 80 * 9999);
    let sixteen = (0..16).map(|n| format!("{0}-{0}", 2 * n)).collect::<Vec<_>>().join(",");
    assert!(matches!(resolve(&format!("bytes={sixteen}"), 100), Some(Resolved::Many(_))));
    assert_eq!(resolve(&format!("bytes={sixteen},90-90"), 100), Some(Resolved::Whole));
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, length: u64) {
        if let Some(specs) = parse(&bytes) {
            let _ = specs.resolve(length);
        }
    }

    /// Against the plainest model: the set of bytes that were asked for.
    #[test]
    fn parts_are_what_was_asked_for_within_the_length_and_apart(
        specs in prop::collection::vec(
            (0_u64..40, prop::option::of(0_u64..40), any::<bool>()), 1..20),
        length in 0_u64..40,
    ) {
        let mut asked = [0u32; 40];
        let mut text = Vec::new();
        for (first, more, suffix) in specs {
            let (part, spec) = match (suffix, more) {
                (true, _) => (length.saturating_sub(first)..length, format!("-{first}")),
                (_, None) => (first..length, format!("{first}-")),
                (_, Some(more)) => {
                    let end = (first + more + 1).min(length);
                    (first..end, format!("{first}-{}", first + more))
                }
            };
            part.for_each(|at| asked[index(at)] += 1);
            text.push(spec);
        }
        let count = text.len();
        let resolved = resolve(&format!("bytes={}", text.join(",")), length).unwrap();
        let parts = match &resolved {
            Resolved::One(part) => std::slice::from_ref(part),
            Resolved::Many(parts) => parts.as_slice(),
            Resolved::Whole => {
                let total: u32 = asked.iter().sum();
                prop_assert!(count > MOST_RANGES || length == 0 || u64::from(total) > length);
                return Ok(());
            }
            Resolved::Unsatisfiable => &[],
        };
        let mut got = [false; 40];
        for (at, part) in parts.iter().enumerate() {
            prop_assert!(part.start < part.end && part.end <= length);
            part.clone().for_each(|byte| got[index(byte)] = true);
            let apart = |other: &Range<u64>| other.end < part.start || part.end < other.start;
            prop_assert!(parts[..at].iter().all(apart), "{:?}", parts);
        }
        let wanted = asked.map(|times| times > 0);
        prop_assert_eq!(got, wanted);
    }
}
