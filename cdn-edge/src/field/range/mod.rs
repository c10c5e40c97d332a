//! `Range`, `Content-Range` and `If-Range` (RFC 9110 sections 14 and 13.1.5), for bytes.
//!
//! A server may ignore any `Range`. This ignores what it cannot read, other units than bytes, and
//! what would cost more to answer than the whole: many small ranges, or ranges that ask for some
//! bytes several times, with which a short request once made servers build huge responses
//! (CVE-2011-3192).

mod condition;
mod content;

use std::ops::Range;

use smallvec::SmallVec;

pub use condition::{STRONG_AFTER, if_range};
pub use content::ContentRange;

use super::list::{elements_of_line, trim};

/// How many ranges are answered. Players ask for one, readers of documents for a few.
pub const MOST_RANGES: usize = 16;

/// The ranges of a request, before the length is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Specs {
    specs: SmallVec<[Spec; 2]>,
    /// There were more than are answered.
    excess: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spec {
    /// From here to there, both included.
    Between(u64, u64),
    From(u64),
    Last(u64),
}

/// What to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// Everything, as if there was no `Range`.
    Whole,
    /// One part: 206.
    One(Range<u64>),
    /// Two or more parts that neither overlap nor touch, in the order of the request: 206 with
    /// `multipart/byteranges`.
    Many(SmallVec<[Range<u64>; 4]>),
    /// There are no such bytes: 416.
    Unsatisfiable,
}

/// Reads the value of `Range`. `None` is to be ignored: another unit, or no valid set of ranges.
/// The same holds for a request with several lines of `Range`.
#[must_use]
pub fn parse(value: &[u8]) -> Option<Specs> {
    let (unit, set) = split_at_byte(trim(value), b'=')?;
    if !unit.eq_ignore_ascii_case(b"bytes") {
        return None;
    }
    let mut read = Specs { specs: SmallVec::new(), excess: false };
    for element in elements_of_line(set) {
        let spec = spec(element)?;
        if read.specs.len() < MOST_RANGES {
            read.specs.push(spec);
        } else {
            read.excess = true;
        }
    }
    (!read.specs.is_empty()).then_some(read)
}

fn spec(element: &[u8]) -> Option<Spec> {
    let (first, last) = split_at_byte(element, b'-')?;
    match (first, last) {
        (b"", last) => Some(Spec::Last(saturating(last)?)),
        (first, b"") => Some(Spec::From(saturating(first)?)),
        (first, last) => {
            let (first, last) = (saturating(first)?, saturating(last)?);
            (first <= last).then_some(Spec::Between(first, last))
        }
    }
}

impl Specs {
    /// What to answer from a representation of `length` bytes.
    #[must_use]
    pub fn resolve(&self, length: u64) -> Resolved {
        if self.excess {
            return Resolved::Whole;
        }
        let mut parts: SmallVec<[Range<u64>; 4]> = SmallVec::new();
        let mut asked = 0u64;
        for spec in &self.specs {
            let part = match *spec {
                Spec::Between(first, last) => first..last.saturating_add(1).min(length),
                Spec::From(first) => first..length,
                Spec::Last(0) => continue,
                // The last bytes of nothing are nothing, which is no error and not a part.
                Spec::Last(_) if length == 0 => return Resolved::Whole,
                Spec::Last(count) => length.saturating_sub(count)..length,
            };
            if part.start < part.end {
                asked = asked.saturating_add(part.end - part.start);
                join(&mut parts, part);
            }
        }
        if asked > length {
            return Resolved::Whole;
        }
        match parts.as_slice() {
            [] => Resolved::Unsatisfiable,
            [one] => Resolved::One(one.clone()),
            _ => Resolved::Many(parts),
        }
    }
}

/// Adds a part, and lets it swallow what it overlaps or touches. The place of the first stays.
fn join(parts: &mut SmallVec<[Range<u64>; 4]>, mut part: Range<u64>) {
    let mut place = parts.len();
    // From the back, so that removing moves nothing that is still to be seen. A part that grows
    // may reach one that was seen already, so this starts again; there are 16 at most.
    while let Some(at) = parts.iter().rposition(|p| p.start <= part.end && part.start <= p.end) {
        let other = parts.remove(at);
        part = part.start.min(other.start)..part.end.max(other.end);
        place = at.min(place);
    }
    parts.insert(place.min(parts.len()), part);
}

fn split_at_byte(bytes: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|b| *b == byte)?;
    Some((bytes.get(..at)?, bytes.get(at + 1..)?))
}

/// A number, or the largest if it is larger.
fn saturating(digits: &[u8]) -> Option<u64> {
    number(digits, |n, digit| Some(n.saturating_mul(10).saturating_add(digit)))
}

/// A number that fits.
fn exact(digits: &[u8]) -> Option<u64> {
    number(digits, |n, digit| n.checked_mul(10)?.checked_add(digit))
}

fn number(digits: &[u8], push: impl Fn(u64, u64) -> Option<u64>) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit <= 9).then(|| push(number, u64::from(digit)))?
    })
}

#[cfg(test)]
mod tests {
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
        assert_eq!(resolve(&format!("bytes=0-,{killer}"), 9999), Some(Resolved::Whole));
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
}
