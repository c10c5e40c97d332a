use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use super::key;
use crate::bus::Change;
use crate::bus::frame::{Body, Frame, Head, LONGEST, Unreadable, beat, changes, farewell, read};
use crate::bus::publisher::Publisher;

const BEAT: Duration = Duration::from_secs(1);

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        8 => prop::collection::vec(any::<u8>(), 0..200).prop_map(|key| Change::Key(key.into())),
        4 => any::<[u8; 16]>().prop_map(Change::Tag),
        1 => Just(Change::Clear),
    ]
}

fn all_of(frames: &[Bytes], space: &str) -> Vec<Change> {
    let of = |bytes| match read(bytes).unwrap().body {
        Body::Changes { space: named, changes: found } => {
            assert_eq!(named, space);
            changes(&found).unwrap()
        }
        other => panic!("{other:?}"),
    };
    frames.iter().flat_map(of).collect()
}

/// With the checksum that belongs to it.
fn sealed(mut bytes: Vec<u8>) -> Bytes {
    let sum = xxh3_64(&bytes);
    bytes.extend(sum.to_be_bytes());
    bytes.into()
}

/// Bytes that get past the checksum, so that all of the reader sees them.
fn likely() -> impl Strategy<Value = Bytes> {
    (1..4_u8, 1..3_u8, prop::collection::vec(any::<u8>(), 0..100)).prop_map(
        |(kind, format, rest)| sealed([b"\xC7TRB", &[format, kind][..], &rest[..]].concat()),
    )
}

proptest! {
    #[test]
    fn what_is_sent_is_read_in_frames_that_keep_the_limit(
        changes in prop::collection::vec(change(), 0..100),
        space in "[a-z:@0-9]{0,141}",
        limit in 600..3_000_usize,
    ) {
        let mut publisher = Publisher::new(BEAT, limit);
        let frames = publisher.changes(&space, &changes).unwrap();
        for (frame, number) in frames.iter().zip(1..) {
            prop_assert!(frame.len() <= limit);
            let head = read(frame).unwrap().head;
            prop_assert_eq!(head, Head { publisher: publisher.id(), number, beat: BEAT });
        }
        let number = frames.len() as u64;
        prop_assert_eq!(read(&publisher.beat()).unwrap().head.number, number);
        if changes.contains(&Change::Clear) {
            prop_assert_eq!(all_of(&frames, &space), vec![Change::Clear]);
        } else {
            prop_assert_eq!(all_of(&frames, &space), changes);
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..300).prop_map(Bytes::from),
            likely(),
        ]
    ) {
        if let Ok(Frame { body: Body::Changes { changes: found, .. }, .. }) = read(&bytes)
            && let Ok(found) = changes(&found)
        {
            prop_assert!(found.len() <= bytes.len());
        }
    }

    #[test]
    fn one_flipped_bit_and_any_missing_end_make_a_frame_unreadable(
        change in change(), bit: prop::sample::Index, end: prop::sample::Index
    ) {
        let frames = Publisher::new(BEAT, LONGEST).changes("users:1:", &[change]).unwrap();
        let frame = frames[0].clone();
        let mut flipped = frame.to_vec();
        let bit = bit.index(frame.len() * 8);
        flipped[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(read(&flipped.into()).is_err());
        prop_assert!(read(&frame.slice(..end.index(frame.len()))).is_err());
    }
}

#[test]
fn the_format_is_the_documented_one() {
    let head = Head { publisher: 0x0102_0304_0506_0708, number: 9, beat: BEAT };
    let expected: Vec<u8> = [
        &b"\xC7TRB"[..],
        &[1, 1],
        &[0, 0, 0x03, 0xe8],
        &[1, 2, 3, 4, 5, 6, 7, 8],
        &[0, 0, 0, 0, 0, 0, 0, 9],
    ]
    .concat();
    assert_eq!(beat(head), sealed(expected.clone()));
    let mut ends = expected.clone();
    ends[5] = 3;
    assert_eq!(farewell(head), sealed(ends));

    let mut said = expected;
    said[5] = 2;
    said[25] = 10;
    said.extend(b"\x08users:1:");
    said.extend(b"\0\0\x05i400,");
    said.extend([1; 17]);
    let frames =
        crate::bus::frame::frames(head, "users:1:", &[key("i400,"), Change::Tag([1; 16])], LONGEST);
    assert_eq!(frames, [sealed(said)]);
}

#[test]
fn a_key_that_fits_into_no_frame_takes_its_space_with_it() {
    let mut publisher = Publisher::new(BEAT, LONGEST);
    let space = "users:1:";
    for (length, fits) in [(LONGEST - 1_000, true), (LONGEST, false), (1 << 20, false)] {
        let long = Change::Key(vec![7; length].into());
        let frames = publisher.changes(space, &[key("i1,"), long.clone()]).unwrap();
        let expected = if fits { vec![key("i1,"), long] } else { vec![Change::Clear] };
        assert_eq!(all_of(&frames, space), expected, "{length} bytes");
    }
}

#[test]
fn a_space_that_is_none_is_an_error_and_uses_up_no_number() {
    let mut publisher = Publisher::new(BEAT, LONGEST);
    assert!(publisher.changes(&"s".repeat(256), &[Change::Clear]).is_err());
    assert!(publisher.changes(&"s".repeat(1 << 20), &[key("i1,")]).is_err());
    assert_eq!(read(&publisher.beat()).unwrap().head.number, 0);
}

#[test]
fn a_newer_formats_numbers_are_read_and_its_changes_are_known_to_be_unknown() {
    let head = Head { publisher: 5, number: 3, beat: BEAT };
    let newer = |kind: u8| {
        let mut bytes = beat(head).to_vec();
        bytes.truncate(bytes.len() - 8);
        bytes[4] = 2;
        bytes[5] = kind;
        bytes.extend(b"what only a newer one knows");
        sealed(bytes)
    };
    for (kind, body) in
        [(1, Body::Beat), (2, Body::Unknown), (3, Body::Farewell), (9, Body::Unknown)]
    {
        assert_eq!(read(&newer(kind)), Ok(Frame { head, body }));
    }
}

#[test]
fn changes_without_a_number_are_damaged() {
    let head = Head { publisher: 5, number: 0, beat: BEAT };
    let mut bytes = beat(head).to_vec();
    bytes.truncate(bytes.len() - 8);
    bytes[5] = 2;
    bytes.push(0);
    assert_eq!(read(&sealed(bytes)), Err(Unreadable::Damaged));
}

#[test]
fn two_publishers_have_different_names() {
    let names: std::collections::HashSet<_> =
        (0..1_000).map(|_| Publisher::new(BEAT, LONGEST).id()).collect();
    assert_eq!(names.len(), 1_000);
}
