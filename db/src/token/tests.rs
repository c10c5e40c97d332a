#![expect(clippy::disallowed_types, reason = "tests choose the wall time")]

use std::fs;
use std::path::Path;
use std::sync::Barrier;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proptest::prelude::*;
use tokio::time::Instant;

use super::codec;
use super::*;

const NOW: u32 = 1_800_000_000;

fn at(seconds: u32) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds.into())
}

fn key(byte: u8) -> TokenKey {
    TokenKey::new([byte; 32]).unwrap()
}

fn token(position: Position, seen: u32) -> Token {
    Token { system: SystemId(7), position, seen, issued: NOW }
}

fn tokens() -> impl Strategy<Value = Token> {
    (any::<u64>(), any::<u32>(), any::<u64>(), any::<u32>()).prop_map(
        |(system, timeline, offset, seen)| Token {
            system: SystemId(system),
            ..token(Position::new(timeline, offset), seen)
        },
    )
}

#[test]
fn a_token_is_60_letters_and_always_the_same() {
    let token = token(Position::new(3, 0x16B_3748), 0xABCD);
    let text = key(7).sign(&token);
    assert_eq!((codec::PAYLOAD, codec::TAG, codec::TEXT), (29, 16, 60));
    assert_eq!(text.len(), 60);
    // Computed by Python's hmac module: processes of different releases must agree.
    assert_eq!(text, "AQAAAAAAAAAHAAAAAwAAAAABazdIAACrzWtJ0gBILbYCLgIut_5rO91ly1Rf");
}

#[test]
fn a_key_shorter_than_its_hash_is_refused() {
    for bytes in [0, 1, 31] {
        let error = TokenKey::new(vec![7; bytes]).unwrap_err();
        assert!(matches!(error, KeyError::TooShort { bytes: had } if had == bytes));
        assert!(error.to_string().contains(&bytes.to_string()));
    }
    for bytes in [32, 33, 64, 1000] {
        assert!(TokenKey::new(vec![7; bytes]).is_ok());
    }
}

#[test]
fn another_keys_token_is_forged_and_an_older_keys_is_not() {
    let (old, new) = (key(1), key(2));
    let token = token(Position::new(1, 1), 0);
    let text = old.sign(&token);
    assert_eq!(new.verify(&text, at(NOW)), Err(TokenError::Forged));
    let both = new.clone().also(&old);
    assert_eq!(both.verify(&text, at(NOW)), Ok(token));
    // What it signs itself is the new key's.
    assert_eq!(new.verify(&both.sign(&token), at(NOW)), Ok(token));
    assert_eq!(old.verify(&both.sign(&token), at(NOW)), Err(TokenError::Forged));
}

#[test]
fn a_token_lives_for_an_hour_and_a_minute_ahead_of_time() {
    let token = token(Position::new(1, 1), 0);
    let text = key(1).sign(&token);
    for (now, expected) in [
        (NOW, Ok(token)),
        (NOW + 3600, Ok(token)),
        (NOW + 3601, Err(TokenError::Expired)),
        (NOW - 60, Ok(token)),
        (NOW - 61, Err(TokenError::Expired)),
        (0, Err(TokenError::Expired)),
    ] {
        assert_eq!(key(1).verify(&text, at(now)), expected, "{now}");
    }
    let before_the_epoch = UNIX_EPOCH - Duration::from_secs(1);
    assert_eq!(key(1).verify(&text, before_the_epoch), Err(TokenError::Expired));
    let short = key(1).max_age(Duration::from_secs(5));
    assert_eq!(short.verify(&text, at(NOW + 6)), Err(TokenError::Expired));
    // The control: it is the age, and nothing else.
    assert_eq!(key(1).max_age(Duration::MAX).verify(&text, at(u32::MAX)), Ok(token));
}

#[test]
fn every_token_with_one_bit_flipped_is_refused() {
    let token = token(Position::new(3, 0x16B_3748), 9);
    let text = key(7).sign(&token).into_bytes();
    let mut believed_without_a_tag = 0;
    for bit in 0..text.len() * 8 {
        let mut flipped = text.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(key(7).verify_bytes(&flipped, at(NOW)).is_err(), "bit {bit}");
        // The control: who does not look at the tag believes many of them.
        let read = codec::split(&flipped).and_then(|(payload, _)| codec::token(&payload));
        believed_without_a_tag += usize::from(read.is_some());
    }
    assert!(believed_without_a_tag > 0);
}

#[test]
fn every_payload_and_tag_with_one_bit_flipped_is_refused() {
    let text = key(7).sign(&token(Position::new(3, 0x16B_3748), 9));
    let (payload, tag) = codec::split(text.as_bytes()).unwrap();
    for bit in 0..(codec::PAYLOAD + codec::TAG) * 8 {
        let (mut payload, mut tag) = (payload, tag);
        match payload.get_mut(bit / 8) {
            Some(byte) => *byte ^= 1 << (bit % 8),
            None => tag[bit / 8 - codec::PAYLOAD] ^= 1 << (bit % 8),
        }
        let text = codec::join(&payload, &tag);
        assert!(key(7).verify(&text, at(NOW)).is_err(), "bit {bit}");
    }
}

#[test]
fn longer_shorter_and_padded_texts_are_malformed() {
    let text = key(7).sign(&token(Position::new(1, 1), 0));
    let (shorter, padded) = (&text[..59], format!("{text}===="));
    for text in ["", shorter, &padded, &format!("{text}="), &format!(" {text}"), &text.repeat(2)] {
        assert_eq!(key(7).verify(text, at(NOW)), Err(TokenError::Malformed), "{text}");
    }
}

#[test]
fn the_secret_is_not_in_the_debug_output() {
    let debug = format!("{:?} {:#?}", key(0xAB), key(0xAB));
    assert!(debug.contains("TokenKey"));
    for secret in ["171", "ab", "AB", "0xab"] {
        assert!(!debug.contains(secret), "{debug}");
    }
}

proptest! {
    #[test]
    fn what_is_signed_is_verified(token in tokens(), secret: [u8; 32]) {
        let key = TokenKey::new(secret).unwrap();
        let text = key.sign(&token);
        prop_assert_eq!(text.len(), codec::TEXT);
        prop_assert_eq!(key.verify(&text, at(NOW)), Ok(token));
    }

    #[test]
    fn arbitrary_texts_are_refused(text: String) {
        prop_assert!(key(7).verify(&text, at(NOW)).is_err());
    }

    #[test]
    fn arbitrary_texts_of_the_right_letters_are_refused(text in "[-_A-Za-z0-9]{60}") {
        prop_assert!(key(7).verify(&text, at(NOW)).is_err());
    }

    #[test]
    fn arbitrary_bytes_are_refused(text in proptest::collection::vec(any::<u8>(), 0..100)) {
        prop_assert!(key(7).verify_bytes(&text, at(NOW)).is_err());
    }

    #[test]
    fn any_file_is_read_without_a_panic(content in proptest::collection::vec(any::<u8>(), 0..5000)) {
        if let Some(bytes) = file::parse(&content) {
            prop_assert!(TokenKey::new(bytes).is_ok());
        }
    }

    #[test]
    fn the_order_of_tokens_does_not_matter(
        tokens in proptest::collection::vec((0_u32..4, 0_u64..4, 0_u32..4), 0..6)
            .prop_map(|all| all.into_iter().map(|(timeline, offset, seen)| {
                token(Position::new(timeline, offset), seen)
            }).collect::<Vec<_>>()),
        seed: u64,
    ) {
        let now = Instant::now();
        let mut shuffled = tokens.clone();
        fastrand::Rng::with_seed(seed).shuffle(&mut shuffled);
        let (one, other, merged) = (CausalContext::new(), CausalContext::new(), CausalContext::new());
        for token in &tokens {
            one.observe(*token, now);
        }
        for token in &shuffled {
            other.observe(*token, now);
            // Twice is once.
            other.observe(*token, now);
            merged.merge(&CausalContext::from_token(*token, now));
        }
        prop_assert_eq!(one.token(at(NOW)), other.token(at(NOW)));
        prop_assert_eq!(one.token(at(NOW)), merged.token(at(NOW)));
        let highest = tokens.iter().map(|token| token.position).filter(|it| it.timeline > 0).max();
        prop_assert_eq!(one.position(), highest);
    }

    #[test]
    fn a_context_and_its_token_ask_the_same(
        token in tokens().prop_filter("a token says something", |token| {
            token.position.timeline > 0 && token.seen > 0
        }),
    ) {
        let context = CausalContext::from_token(token, Instant::now());
        prop_assert_eq!(context.token(at(NOW)), Some(token));
    }
}

#[test]
fn a_new_context_has_no_token_and_one_that_only_read_has_no_position() {
    let context = CausalContext::new();
    assert_eq!(context.token(at(NOW)), None);
    context.read_from(SystemId(7), Seen { incarnation: 5, at: Instant::now() }, None);
    let made = context.token(at(NOW)).unwrap();
    assert_eq!(made, token(Position::new(0, 0), 5));
    let next = CausalContext::from_token(made, Instant::now());
    assert_eq!(next.position(), None);
    let requirement = next.requirement();
    assert!(requirement.written.is_none());
    assert_eq!(
        requirement.seen.map(|(system, seen)| (system, seen.incarnation)),
        Some((SystemId(7), 5))
    );
}

#[test]
fn two_nodes_seen_at_once_are_nobodys_incarnation() {
    let now = Instant::now();
    let context = CausalContext::from_token(token(Position::new(1, 1), 5), now);
    context.observe(token(Position::new(1, 1), 6), now + Duration::from_secs(1));
    let seen = |context: &CausalContext| context.requirement().seen.unwrap().1;
    assert_ne!(seen(&context).incarnation, 5);
    assert_ne!(seen(&context).incarnation, 6);
    assert_eq!(seen(&context).at, now + Duration::from_secs(1));
    // A read that was served in spite of that stands for both.
    let under = Some(seen(&context));
    context.read_from(SystemId(7), Seen { incarnation: 6, at: now }, under);
    assert_eq!(seen(&context).incarnation, 6);
    let under = Some(seen(&context));
    context.read_up_to(SystemId(7), Position::new(1, 9), under);
    assert!(context.requirement().seen.is_none());
    assert_eq!(context.position(), Some(Position::new(1, 9)));
}

#[test]
fn of_two_reads_at_once_neither_is_forgotten() {
    let now = Instant::now();
    let read = |incarnation| Seen { incarnation, at: now };
    let context = CausalContext::new();
    context.read_from(SystemId(7), read(5), None);
    // It was chosen before the first one came back, and need not have what that one saw.
    context.read_from(SystemId(7), read(6), None);
    let seen = context.requirement().seen.unwrap().1;
    assert!(seen.incarnation != 5 && seen.incarnation != 6, "{seen:?}");
    context.read_up_to(SystemId(7), Position::new(1, 9), Some(read(5)));
    assert_eq!(context.requirement().seen.unwrap().1, seen, "the other read is still due");
}

#[test]
fn another_cluster_replaces_what_was_known() {
    let now = Instant::now();
    let foreign = |token| Token { system: SystemId(8), ..token };
    let context = CausalContext::from_token(token(Position::new(5, 9), 5), now);
    context.mark_lost(Position::new(5, 1), None);
    context.observe(foreign(token(Position::new(1, 1), 0)), now);
    let made = context.token(at(NOW)).unwrap();
    assert_eq!(made, foreign(token(Position::new(1, 1), 0)));
    assert_eq!(context.lost(), None);
    context.wrote(SystemId(7), Position::new(1, 0));
    assert_eq!(context.token(at(NOW)), Some(token(Position::new(1, 0), 0)));
}

#[test]
fn what_is_lost_is_not_asked_for_and_what_is_written_later_is() {
    let context = CausalContext::from_token(token(Position::new(1, 9), 0), Instant::now());
    context.mark_lost(Position::new(1, 9), None);
    assert_eq!((context.position(), context.lost()), (None, Some(Position::new(1, 9))));
    assert_eq!(context.token(at(NOW)), None);
    context.wrote(SystemId(7), Position::new(2, 5));
    context.mark_lost(Position::new(1, 9), None);
    assert_eq!(context.position(), Some(Position::new(2, 5)));
}

#[test]
fn a_context_merges_with_itself_and_crosswise() {
    let context = CausalContext::from_token(token(Position::new(1, 9), 3), Instant::now());
    context.merge(&context);
    context.merge(&context.clone());
    assert_eq!(context.token(at(NOW)), Some(token(Position::new(1, 9), 3)));
    let other = CausalContext::from_token(token(Position::new(2, 9), 3), Instant::now());
    std::thread::scope(|scope| {
        scope.spawn(|| (0..1000).for_each(|_| context.merge(&other)));
        scope.spawn(|| (0..1000).for_each(|_| other.merge(&context)));
    });
    assert_eq!(context.position(), Some(Position::new(2, 9)));
    assert_eq!(other.position(), Some(Position::new(2, 9)));
}

#[test]
fn a_key_file_is_made_once_for_its_owner_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    let token = token(Position::new(1, 1), 0);
    let text = TokenKey::from_file(&path).unwrap().sign(&token);
    assert_eq!(TokenKey::from_file(&path).unwrap().verify(&text, at(NOW)), Ok(token));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

/// How many different keys threads have that start at once on an empty directory.
fn keys_of_a_race(publish: fn(&Path, &Path) -> std::io::Result<()>) -> usize {
    const THREADS: usize = 8;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    let barrier = Barrier::new(THREADS);
    let mut keys: Vec<_> = std::thread::scope(|scope| {
        let start = || {
            barrier.wait();
            file::read_or_create_by(&path, publish).unwrap()
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(start)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    keys.sort();
    keys.dedup();
    keys.len()
}

#[test]
fn processes_that_start_at_once_have_the_same_key() {
    for _ in 0..20 {
        assert_eq!(keys_of_a_race(|new, path| fs::hard_link(new, path)), 1);
    }
    // The control: a rename replaces what others have read already.
    assert!((0..1000).any(|_| keys_of_a_race(|new, path| fs::rename(new, path)) > 1));
}

#[test]
fn a_key_file_with_something_else_is_an_error_that_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("my.key");
    let digits = "0a".repeat(32);
    for content in ["", "\n", "secret", &digits[1..], &format!("{digits} "), &"0".repeat(5000)] {
        fs::write(&path, content).unwrap();
        let error = TokenKey::from_file(&path).unwrap_err();
        assert!(matches!(error, KeyError::Content { .. }), "{error:?}");
        assert!(error.to_string().contains("my.key"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
    }
    for content in [&digits, &format!("{digits}\n"), &format!("{digits}\r\n").to_uppercase()] {
        fs::write(&path, content).unwrap();
        assert!(TokenKey::from_file(&path).is_ok(), "{content}");
    }
}

#[test]
fn a_key_file_without_a_directory_is_an_error_that_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("missing").join("my.key");
    let error = TokenKey::from_file(&path).unwrap_err();
    assert!(matches!(error, KeyError::File { .. }), "{error:?}");
    assert!(error.to_string().contains("my.key"), "{error}");
    assert!(std::error::Error::source(&error).is_some());
}
