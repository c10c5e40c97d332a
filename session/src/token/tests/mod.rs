//! Tokens: what is signed and believed, and what is printed of it.

mod file;
mod ring;

use data_encoding::{BASE64URL_NOPAD, Encoding, HEXLOWER, Specification};
use proptest::prelude::*;

use super::text::{self, Fields};
use super::*;

pub(crate) fn keys() -> Keys {
    let secret: Vec<u8> = (0..32).collect();
    Keys::new(7, &secret).unwrap()
}

fn fields(version: u8) -> Fields {
    let mut last = 99;
    let random = std::array::from_fn(|_| {
        last += 1;
        last
    });
    Fields { version, region: 3, tag: Tag([0xa1, 0xb2, 0xc3, 0xd4]), random }
}

/// One of 256 tokens of [`keys`].
pub(crate) fn token(n: u8) -> Token {
    keys().sign(&Fields { random: [n; 20], ..fields(7) })
}

const TEXT_OF_THE_VECTOR: &str = "BwOhssPUZGVmZ2hpamtsbW5vcHFyc3R1dneQJjFwQ_r-rw";

/// Made with Python's `hmac`, `hashlib` and `base64`. Another value here logs everybody out with the next release.
#[test]
fn the_text_the_hash_and_the_tag_stay_what_they_are() {
    let token = keys().sign(&fields(7));
    assert_eq!(token.text(), TEXT_OF_THE_VECTOR);
    let hash = "f58e94b934e4ba2ca9d2d9492b9e7628b67f40d8b7df82088b2030ec2856e19c";
    assert_eq!(HEXLOWER.encode(token.key().hash()), hash);
    assert_eq!(token.key().tag(), Tag([0xa1, 0xb2, 0xc3, 0xd4]));
    assert_eq!(keys().subject("ada").tag, Tag([0x93, 0x6d, 0x9d, 0xa4]));
}

#[test]
fn what_is_minted_is_believed_and_says_what_it_was_minted_with() {
    let keys = keys();
    let token = keys.mint(9, Tag([1, 2, 3, 4])).unwrap();
    let believed = keys.verify(token.text().as_bytes()).unwrap();
    assert_eq!(believed.key(), token.key());
    assert_eq!((believed.region(), believed.key().tag()), (9, Tag([1, 2, 3, 4])));
    assert_eq!(believed.letters(), token.letters());
}

#[test]
fn no_two_tokens_are_the_same() {
    let (keys, tag) = (keys(), Tag::default());
    let mut texts: Vec<_> = (0..1000).map(|_| keys.mint(0, tag).unwrap().text()).collect();
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), 1000);
}

/// How many of the tokens that differ from a signed one in one bit are believed.
fn believed_flips(believes: impl Fn(&[u8]) -> bool) -> usize {
    let whole = text::decode(TEXT_OF_THE_VECTOR.as_bytes()).unwrap();
    let flip = |bit: usize| {
        let mut flipped = whole;
        flipped[bit / 8] ^= 1 << (bit % 8);
        believes(&text::encode(&flipped))
    };
    (0..whole.len() * 8).filter(|bit| flip(*bit)).count()
}

#[test]
fn a_token_with_one_bit_flipped_is_not_believed() {
    let mut keys = keys();
    assert!(keys.verify(TEXT_OF_THE_VECTOR.as_bytes()).is_some());
    // Keys of every version are there, so that no version is refused for want of one.
    for version in (0..=u8::MAX).filter(|version| *version != 7) {
        let other = Keys::new(version, &[version; 32]).unwrap();
        keys = keys.also(other.tagged_by(&(0..32).collect::<Vec<_>>()).unwrap()).unwrap();
    }
    assert_eq!(believed_flips(|text| keys.verify(text).is_some()), 0);
}

#[test]
fn without_the_code_every_flipped_bit_would_be_believed() {
    assert_eq!(believed_flips(|text| text::decode(text).is_some()), 272);
    // And without the version under it, each flip of the version.
    let keys = keys();
    let without_version = |text: &[u8]| {
        let whole = text::decode(text).unwrap();
        let (bytes, code) = text::split(&whole);
        let fields = Fields { version: 7, ..Fields::of(bytes) };
        text::split(&keys.sign(&fields).whole).1 == code
    };
    assert_eq!(believed_flips(without_version), 8);
}

/// How many texts decode to the bytes of the vector, of those that differ from its own in one letter or are
/// longer.
fn spellings(decode: impl Fn(&[u8]) -> Option<Vec<u8>>) -> usize {
    let whole = BASE64URL_NOPAD.decode(TEXT_OF_THE_VECTOR.as_bytes()).unwrap();
    let one_letter = (0..TEXT).flat_map(|at| {
        (0..=u8::MAX).map(move |letter| {
            let mut text = TEXT_OF_THE_VECTOR.as_bytes().to_vec();
            text[at] = letter;
            text
        })
    });
    let longer = ["=", "==", " ", "\n", "A", "\0"].map(|end| [TEXT_OF_THE_VECTOR, end].concat());
    let other = TEXT_OF_THE_VECTOR.replace('_', "/").replace('-', "+");
    let others = longer.into_iter().chain([other]).map(String::into_bytes);
    let mut same: Vec<_> =
        one_letter.chain(others).filter(|text| decode(text).as_ref() == Some(&whole)).collect();
    same.sort();
    same.dedup();
    same.len()
}

#[test]
fn a_token_has_one_spelling() {
    let keys = keys();
    let verified = |text: &[u8]| keys.verify(text).map(|token| token.whole.to_vec());
    assert_eq!(spellings(verified), 1);
    // The control: four bits of the last letter mean nothing to a decoder that does not look at them.
    assert_eq!(spellings(|text| lenient().decode(text).ok()), 16);
}

fn lenient() -> Encoding {
    let mut lenient = Specification::new();
    lenient.symbols = BASE64URL_NOPAD.specification().symbols;
    lenient.check_trailing_bits = false;
    lenient.encoding().unwrap()
}

#[test]
fn what_is_minted_is_plausible_and_what_has_other_letters_is_not() {
    assert!(is_plausible(TEXT_OF_THE_VECTOR.as_bytes()));
    for text in ["", "id", &TEXT_OF_THE_VECTOR[1..], &TEXT_OF_THE_VECTOR.replace('_', "/")] {
        assert!(!is_plausible(text.as_bytes()), "{text}");
    }
}

/// Whether eight letters, or four bytes in hexadecimal or decimal, of what is secret about a token are in a text.
pub(crate) fn gives_away(token: &Token, printed: &str) -> bool {
    // The first six bytes are no secret: version, region and tag.
    let secret = &token.whole[6..];
    let text = token.text();
    let letters = text.as_bytes()[8..].windows(8).any(|part| {
        let part = std::str::from_utf8(part).unwrap();
        printed.contains(part)
    });
    letters
        || secret.windows(4).any(|part| {
            let hex = HEXLOWER.encode(part);
            let decimal = part.iter().map(u8::to_string).collect::<Vec<_>>();
            printed.to_lowercase().contains(&hex)
                || [", ", ",\n    ", ",\n        "]
                    .iter()
                    .any(|between| printed.contains(&decimal.join(between)))
        })
}

#[test]
fn nothing_prints_a_token() {
    let keys = keys();
    let token = keys.mint(3, Tag([1, 2, 3, 4])).unwrap();
    let key = token.key();
    let printed = [
        format!("{token:?} {token:#?} {:?}", Some(&token)),
        format!("{key:?} {key:#?} {key}"),
        format!("{keys:?} {keys:#?}"),
    ];
    for printed in printed {
        assert!(!gives_away(&token, &printed), "{printed}");
    }
    assert_eq!(format!("{key}").len(), 8, "enough to find it in a log: {key}");
    // The control: what a derived `Debug` or a careless log line would print.
    for printed in [
        format!("{:?}", token.whole),
        format!("{:#?}", Some(token.whole)),
        HEXLOWER.encode(&token.whole),
        format!("id={}; Path=/", token.text()),
    ] {
        assert!(gives_away(&token, &printed), "{printed}");
    }
}

proptest! {
    #[test]
    fn no_bytes_that_were_not_minted_are_believed(
        bytes in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..100),
            "[A-Za-z0-9_-]{46}".prop_map(String::into_bytes),
        ],
    ) {
        prop_assert!(keys().verify(&bytes).is_none());
        let letters = bytes.len() == TEXT && lenient().decode(&bytes).is_ok();
        prop_assert_eq!(is_plausible(&bytes), letters);
    }

    #[test]
    fn a_token_that_was_edited_is_not_believed(
        at in 0..TEXT, letters in proptest::collection::vec(any::<u8>(), 0..4), cut in 0..4_usize,
    ) {
        let mut text = TEXT_OF_THE_VECTOR.as_bytes().to_vec();
        let end = (at + cut).min(text.len());
        text.splice(at..end, letters);
        let same = text == TEXT_OF_THE_VECTOR.as_bytes();
        prop_assert_eq!(keys().verify(&text).is_some(), same);
    }
}
