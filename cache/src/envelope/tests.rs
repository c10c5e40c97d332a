use bytes::Bytes;
use proptest::prelude::*;

use super::codec::{CHECKSUM, Checksum, HEADER, read};
use super::*;
use crate::key::{CacheKey, KeyBuf, Space, WireKey};

fn wire<K: CacheKey + ?Sized>(key: &K) -> WireKey {
    Space::new("users", 3).unwrap().wire(&KeyBuf::of(key))
}

fn envelope(tags: u8, payload: &'static [u8]) -> Envelope<Bytes> {
    Envelope {
        schema: 3,
        kind: Kind::Value,
        times: Times { written: 1_000, fresh_until: 2_000, stale_until: 3_000, error_until: 4_000 },
        load_millis: 5,
        tags: (0..tags).map(|tag| TagVersion { tag: [tag; 16], version: tag.into() }).collect(),
        payload: Bytes::from_static(payload),
    }
}

fn stored<P: AsRef<[u8]>>(envelope: &Envelope<P>, key: &WireKey) -> Bytes {
    let mut bytes = Vec::new();
    envelope.encode(key, &mut bytes).unwrap();
    bytes.into()
}

fn envelopes() -> impl Strategy<Value = Envelope<Bytes>> {
    let tag = any::<([u8; 16], u64)>().prop_map(|(tag, version)| TagVersion { tag, version });
    (
        any::<(u32, bool, [u64; 4], u32)>(),
        prop::collection::vec(tag, 0..=MAX_TAGS),
        prop::collection::vec(any::<u8>(), 0..300),
    )
        .prop_map(|((schema, negative, times, load_millis), tags, payload)| {
            let [written, fresh_until, stale_until, error_until] = times;
            Envelope {
                schema,
                kind: if negative { Kind::Negative } else { Kind::Value },
                times: Times { written, fresh_until, stale_until, error_until },
                load_millis,
                tags,
                payload: payload.into(),
            }
        })
}

/// Bytes with the right beginning, so that more than the magic is read.
fn likely() -> impl Strategy<Value = Vec<u8>> {
    (0..=8_usize, prop::collection::vec(any::<u8>(), 0..200)).prop_map(|(kept, mut bytes)| {
        let beginning = stored(&envelope(1, b""), &wire(&7));
        let kept = kept.min(bytes.len());
        bytes[..kept].copy_from_slice(&beginning[..kept]);
        bytes
    })
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(envelope in envelopes(), key: Vec<u8>) {
        let key = wire(&key);
        let bytes = stored(&envelope, &key);
        prop_assert_eq!(Envelope::decode(&bytes, envelope.schema, &key), Ok(envelope));
    }

    #[test]
    fn one_flipped_bit_of_any_envelope_is_refused(
        envelope in envelopes(), key: String, bit: prop::sample::Index
    ) {
        let key = wire(&key);
        let mut bytes = stored(&envelope, &key).to_vec();
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(Envelope::decode(&bytes.into(), envelope.schema, &key).is_err());
    }

    #[test]
    fn any_bytes_are_read_without_a_panic_and_without_more_memory_than_they_take(
        bytes in prop_oneof![prop::collection::vec(any::<u8>(), 0..300), likely()],
    ) {
        let (bytes, key) = (Bytes::from(bytes), wire(&7));
        for checksum in [Checksum::Verified, Checksum::Ignored] {
            let used = allocation_counter::measure(|| {
                let _ = read(&bytes, 3, &key, checksum);
            });
            prop_assert!(used.bytes_total <= bytes.len() as u64, "{:?}", used);
        }
    }
}

#[test]
fn an_envelope_with_all_its_tags_takes_less_memory_than_its_bytes() {
    let (envelope, key) = (envelope(16, b"payload"), wire(&7));
    let bytes = stored(&envelope, &key);
    let used = allocation_counter::measure(|| {
        assert_eq!(Envelope::decode(&bytes, 3, &key).as_ref(), Ok(&envelope));
    });
    // The control: it does take some.
    assert!((1..=bytes.len() as u64).contains(&used.bytes_total), "{used:?}");
}

#[test]
fn the_payload_is_not_copied() {
    let key = wire(&7);
    let bytes = stored(&envelope(2, b"payload"), &key);
    let read = Envelope::decode(&bytes, 3, &key).unwrap();
    assert!(bytes.as_ptr_range().contains(&read.payload.as_ptr()));
}

#[test]
fn every_single_flipped_bit_is_refused_and_without_the_checksum_most_are_believed() {
    for (tags, payload, key) in
        [(0, &b""[..], wire(&7)), (2, b"payload", wire("line\r\nend")), (16, b"x", wire(&7))]
    {
        let bytes = stored(&envelope(tags, payload), &key);
        let mut believed = 0;
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let flipped = flipped.into();
            assert!(Envelope::decode(&flipped, 3, &key).is_err(), "bit {bit}");
            believed += usize::from(read(&flipped, 3, &key, Checksum::Ignored).is_ok());
        }
        // At least all bits of the times and the checksum itself.
        assert!(believed >= (4 * 8 + 8) * 8, "{believed}");
    }
}

#[test]
fn every_shorter_one_is_truncated_and_every_longer_one_damaged() {
    for key in [wire(&7), wire("line\r\nend")] {
        let bytes = stored(&envelope(2, b"payload"), &key);
        for length in 0..bytes.len() {
            let cut = Envelope::decode(&bytes.slice(..length), 3, &key);
            assert_eq!(cut, Err(Unreadable::Truncated), "{length}");
        }
        for byte in 0..=u8::MAX {
            let longer = Bytes::from([&bytes[..], &[byte]].concat());
            assert_eq!(Envelope::decode(&longer, 3, &key), Err(Unreadable::Checksum));
            // The control: who does not look at the end does not notice.
            assert!(read(&longer, 3, &key, Checksum::Ignored).is_ok());
        }
    }
}

/// `bytes` with the byte at `index` changed and the checksum made right again.
fn forged(bytes: &Bytes, index: usize, byte: u8) -> Bytes {
    let mut bytes = bytes[..bytes.len() - CHECKSUM].to_vec();
    bytes[index] = byte;
    bytes.extend(xxhash_rust::xxh3::xxh3_64(&bytes).to_be_bytes());
    bytes.into()
}

#[test]
fn what_is_whole_and_not_ours_has_its_own_reason() {
    let key = wire(&7);
    let bytes = stored(&envelope(1, b"payload"), &key);
    let decode = |bytes: &Bytes| Envelope::decode(bytes, 3, &key);
    assert!(decode(&forged(&bytes, 0, 0xC7)).is_ok());
    for foreign in ["{\"id\": 7}", "x", "O:8:\"stdClass\"", "\u{80}\u{4}"] {
        assert_eq!(decode(&Bytes::from(foreign)), Err(Unreadable::Foreign), "{foreign}");
    }
    assert_eq!(decode(&forged(&bytes, 1, b'X')), Err(Unreadable::Foreign));
    assert_eq!(decode(&forged(&bytes, 4, 2)), Err(Unreadable::Format));
    assert_eq!(decode(&forged(&bytes, 5, 2)), Err(Unreadable::Format));
    assert_eq!(decode(&forged(&bytes, 6, 17)), Err(Unreadable::TooLarge));
    assert_eq!(decode(&forged(&bytes, 10, 4)), Err(Unreadable::Schema));
    assert_eq!(decode(&forged(&bytes, 11, !bytes[11])), Err(Unreadable::OtherKey));
    // The first byte of the key's length, and of the payload's.
    assert_eq!(decode(&forged(&bytes, HEADER - 8, 0xFF)), Err(Unreadable::TooLarge));
    assert_eq!(decode(&forged(&bytes, HEADER - 4, 0xFF)), Err(Unreadable::TooLarge));
    assert_eq!(decode(&forged(&bytes, HEADER - 4, 0x10)), Err(Unreadable::Truncated));
}

#[test]
fn an_answer_to_another_keys_question_is_not_believed() {
    let (long, other) = ("x".repeat(200), "y".repeat(200));
    for (mine, yours) in
        [(wire(&7), wire(&8)), (wire(&long), wire(&other)), (wire(&7), wire(&long))]
    {
        let bytes = stored(&envelope(0, b"payload"), &mine);
        assert_eq!(Envelope::decode(&bytes, 3, &yours), Err(Unreadable::OtherKey));
        assert!(Envelope::decode(&bytes, 3, &mine).is_ok());
    }
    // Where two keys' hashes meet, the keys tell them apart.
    let key = wire(&long);
    let bytes = stored(&envelope(0, b"payload"), &key);
    let length = key.full().unwrap().len();
    let met = forged(&bytes, HEADER + length - 1, b'y');
    assert_eq!(Envelope::decode(&met, 3, &key), Err(Unreadable::OtherKey));
}

#[test]
fn what_does_not_fit_is_refused_with_its_size_and_nothing_is_written() {
    let mut out = b"before".to_vec();
    let Envelope { schema, kind, times, load_millis, tags, .. } = envelope(0, b"");
    // Never written to, so it takes no memory.
    let large = vec![0; MAX_PAYLOAD + 1];
    let large = Envelope { schema, kind, times, load_millis, tags, payload: large };
    let refused = large.encode(&wire(&7), &mut out).unwrap_err();
    assert_eq!(refused, Oversize::Payload { bytes: MAX_PAYLOAD + 1 });
    assert!(refused.to_string().contains("536739841"), "{refused}");

    let refused = envelope(17, b"").encode(&wire(&7), &mut out).unwrap_err();
    assert_eq!(refused, Oversize::Tags { count: 17 });

    // The letters and 7 bytes before them.
    let longest = "x".repeat(MAX_KEY - 7);
    let refused = envelope(0, b"").encode(&wire(&format!("{longest}x")), &mut out).unwrap_err();
    assert_eq!(refused, Oversize::Key { bytes: MAX_KEY + 1 });
    assert_eq!(out, b"before");

    let key = wire(&longest);
    let bytes = stored(&envelope(16, b""), &key);
    assert!(Envelope::decode(&bytes, 3, &key).is_ok());
    // So the largest of all is within Redis' limit.
    assert!(bytes.len() + MAX_PAYLOAD <= 512 << 20);
}

#[test]
fn an_envelope_is_appended_to_what_is_there() {
    let key = wire(&7);
    let mut out = b"before".to_vec();
    envelope(1, b"payload").encode(&key, &mut out).unwrap();
    let after = Bytes::from(out).split_off(6);
    assert_eq!(Envelope::decode(&after, 3, &key), Ok(envelope(1, b"payload")));
}

#[test]
fn the_reasons_have_names_of_their_own() {
    for (index, reason) in Unreadable::ALL.iter().enumerate() {
        let name = reason.as_str();
        assert!(!name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
        assert!(Unreadable::ALL[..index].iter().all(|other| other.as_str() != name));
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_format_is_what_it_was_in_every_release() {
    // Computed by Python's struct, hashlib and xxhash.
    let plain = stored(&envelope(2, b"payload"), &wire(&7));
    assert_eq!(
        hex(&plain),
        "c754524301000200000003b752745d2a0254c500000000000003e800000000000007d00000000000\
        000bb80000000000000fa00000000500000000000000070000000000000000000000000000000000\
        000000000000000101010101010101010101010101010100000000000000017061796c6f61643d29\
        843c3a943ba3"
    );
    let negative = Envelope { kind: Kind::Negative, ..envelope(0, b"") };
    let hashed = stored(&negative, &wire("a\nb"));
    assert_eq!(
        hex(&hashed),
        "c754524301010000000003e778e48dd89c2fdb00000000000003e800000000000007d00000000000\
        000bb80000000000000fa000000005000000060000000073332c610a623ce94a4dbab0b6e4"
    );
}
