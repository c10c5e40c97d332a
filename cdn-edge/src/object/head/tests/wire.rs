use super::super::wire::read;
use super::*;
use crate::object::{Checksum, Unreadable};

const CHECKSUM: usize = 8;

fn decode(bytes: &[u8]) -> Result<Head, Unreadable> {
    Head::from_bytes(bytes, &Shapes::default())
}

/// With a checksum that fits whatever it says.
fn signed(content: &[u8]) -> Vec<u8> {
    let sum = xxhash_rust::xxh3::xxh3_64(content).to_be_bytes();
    [content, &sum].concat()
}

proptest! {
    #[test]
    fn a_head_comes_back_from_its_bytes(map in any_headers(), status in 100..1000_u16) {
        let status = StatusCode::from_u16(status).unwrap();
        let head = Head::encode(status, &map, &Shapes::default()).unwrap();
        let read = decode(&head.to_bytes()).unwrap();
        prop_assert_eq!(fields(&read.headers(0)), fields(&map));
        prop_assert_eq!(read, head);
    }

    #[test]
    fn any_bytes_are_a_head_or_an_error(bytes in vec(any::<u8>(), 0..200)) {
        prop_assert!(decode(&bytes).is_err());
    }

    /// Damage that the checksum cannot see, because whoever wrote it made one that fits.
    #[test]
    fn forged_bytes_are_a_head_that_can_be_sent_or_an_error(
        map in any_headers(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let bytes = head_of(&map).to_bytes();
        let mut content = bytes[..bytes.len() - CHECKSUM].to_vec();
        for (index, byte) in changes {
            // Past the magic, which would hide the rest.
            let at = 5 + index.index(content.len() - 5);
            content[at] = byte;
        }
        for bytes in [signed(&content), signed(&content[..cut.index(content.len())])] {
            if let Ok(head) = decode(&bytes) {
                prop_assert_eq!(head.headers(0).len(), head.len());
                prop_assert_eq!(head.to_bytes(), bytes);
            }
        }
    }
}

/// The flips that are believed.
fn believed(bytes: &[u8], sum: Checksum) -> Vec<usize> {
    let shapes = Shapes::default();
    let flipped = |bit: &usize| {
        let mut bytes = bytes.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        read(&bytes, &shapes, sum).is_ok()
    };
    (0..bytes.len() * 8).filter(flipped).collect()
}

#[test]
fn every_flipped_bit_is_refused() {
    let bytes = head_of(&typical()).to_bytes();
    assert_eq!(believed(&bytes, Checksum::Verified), Vec::<usize>::new());
    // Control: without the checksum most of them would be believed.
    assert!(believed(&bytes, Checksum::Ignored).len() > bytes.len() * 2);
}

#[test]
fn what_is_cut_or_longer_is_refused() {
    let bytes = head_of(&typical()).to_bytes();
    for length in 0..bytes.len() {
        assert!(decode(&bytes[..length]).is_err(), "{length}");
    }
    assert_eq!(decode(&[&bytes[..], b"x"].concat()), Err(Unreadable::Checksum));
    // Also by the lengths themselves, not only by the checksum.
    let content = &bytes[..bytes.len() - CHECKSUM];
    assert_eq!(decode(&signed(&[content, b"x"].concat())), Err(Unreadable::Length));
    assert_eq!(decode(&signed(&content[..content.len() - 1])), Err(Unreadable::Length));
    assert!(decode(&signed(content)).is_ok());
}

#[test]
fn what_cannot_be_read_says_why() {
    let bytes = head_of(&typical()).to_bytes();
    let content = &bytes[..bytes.len() - CHECKSUM];
    let with = |at: usize, byte: u8| {
        let mut content = content.to_vec();
        content[at] = byte;
        decode(&signed(&content)).unwrap_err()
    };
    assert_eq!(decode(b""), Err(Unreadable::Length));
    assert_eq!(with(0, b'x'), Unreadable::Magic);
    assert_eq!(with(4, 2), Unreadable::Format(2));
    assert!(with(4, 2).to_string().contains("format 2"));
    // A status below 100; then a capital in a name, and a line break in a value.
    let status = [&content[..5], &[0, 99], &content[7..]].concat();
    assert_eq!(decode(&signed(&status)), Err(Unreadable::Content));
    let text = 9 + 10 * 6;
    assert_eq!(with(text, b'D'), Unreadable::Content);
    assert_eq!(with(text + "date".len(), b'\n'), Unreadable::Content);
}

#[test]
fn a_head_that_claims_to_be_huge_takes_no_memory() {
    let mut content = b"\xC8TEH\x01\x00\xC8\xFF\xFF".to_vec();
    content.extend([0xFF; 60]);
    let bytes = signed(&content);
    let shapes = Shapes::default();
    let counted = allocation_counter::measure(|| {
        let _ = Head::from_bytes(&bytes, &shapes);
    });
    assert_eq!(counted.count_total, 0);
}

#[test]
fn the_format_is_what_it_was_in_every_release() {
    let map = HeaderMap::from_iter([
        (ETAG, HeaderValue::from_static("\"a\"")),
        (SET_COOKIE, HeaderValue::from_bytes(b"\xE9").unwrap()),
    ]);
    let head = Head::encode(StatusCode::NOT_FOUND, &map, &Shapes::default()).unwrap();
    let hex: String = head.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    // Computed by Python's struct and xxhash.
    assert_eq!(
        hex,
        "c85445480101940002000400000003000a00000001657461672261227365742d636f6f6b6965e91de9ed319f62\
         1cda"
    );
}
