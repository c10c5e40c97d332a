//! `Range`, `Content-Range` and `If-Range` (RFC 9110 sections 14 and 13.1.5), for bytes.
//!
//! A server may ignore any `Range`. This ignores what it cannot read, other units than bytes, and
//! what would cost more to answer than the whole: many small ranges, or ranges that ask for some
//! bytes several times, with which a short request once made servers build huge responses
//! (CVE-2011-3192).
//!
//! ```
//! use terrace_cdn_edge::field::range::{self, Resolved};
//!
//! let specs = range::parse(b"bytes=0-4, 5-9").unwrap();
//! assert_eq!(specs.resolve(100), Resolved::One(0..10));
//! assert_eq!(specs.resolve(8), Resolved::One(0..8));
//! assert_eq!(range::parse(b"bytes=9-5"), None);
//! ```

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
mod tests;
