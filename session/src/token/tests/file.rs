use std::fs;
use std::path::Path;
use std::sync::Barrier;

use super::*;
use crate::token::file::{Secrets, parse, read_or_create_by};

fn entries(directory: &Path) -> usize {
    fs::read_dir(directory).unwrap().count()
}

#[test]
fn a_key_file_is_made_once_for_its_owner_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("session.keys");
    let first = Keys::from_file(&path).unwrap();
    let text = first.mint(0, Tag::default()).unwrap().text();
    let again = Keys::from_file(&path).unwrap();
    assert!(again.verify(text.as_bytes()).is_some());
    assert_eq!(again.subject("ada"), first.subject("ada"));
    assert_eq!(entries(directory.path()), 1, "nothing is left beside it");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn two_new_files_have_different_keys_and_different_tags() {
    let directory = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| Keys::from_file(directory.path().join(name)).unwrap());
    assert!(b.verify(&a.mint(0, Tag::default()).unwrap().letters()).is_none());
    assert_ne!(a.subject("ada").tag, b.subject("ada").tag);
}

/// How many different keys threads have that start at once on an empty directory.
fn keys_of_a_race(publish: fn(&Path, &Path) -> std::io::Result<()>) -> usize {
    const THREADS: usize = 8;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("session.keys");
    let barrier = Barrier::new(THREADS);
    let start = || {
        barrier.wait();
        let Secrets { tags, signs, .. } = read_or_create_by(&path, publish).unwrap();
        (tags, signs)
    };
    let mut keys: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(start)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(entries(directory.path()), 1);
    keys.sort();
    keys.dedup();
    keys.len()
}

#[test]
fn processes_that_start_at_once_have_the_same_keys() {
    for _ in 0..20 {
        assert_eq!(keys_of_a_race(|new, path| fs::hard_link(new, path)), 1);
    }
    // The control: a rename replaces what others have read already.
    assert!((0..1000).any(|_| keys_of_a_race(|new, path| fs::rename(new, path)) > 1));
}

fn secret(byte: &str) -> String {
    byte.repeat(32)
}

#[test]
fn the_first_line_with_a_key_signs_and_the_others_are_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("session.keys");
    let [tags, new, old] = ["7a", "0B", "c1"].map(secret);
    let content = format!("# the new one\r\n\n  2\t{new} \r\ntags {tags}\n#1 is old\n1 {old}");
    fs::write(&path, content).unwrap();
    let keys = Keys::from_file(&path).unwrap();
    let ring =
        |version, byte| Keys::new(version, &[byte; 32]).unwrap().tagged_by(&[0x7a; 32]).unwrap();
    assert!(ring(2, 0x0b).verify(&keys.mint(0, Tag::default()).unwrap().letters()).is_some());
    assert!(keys.verify(&ring(1, 0xc1).mint(0, Tag::default()).unwrap().letters()).is_some());
    assert_eq!(keys.subject("ada"), ring(2, 0x0b).subject("ada"));
}

#[test]
fn a_file_with_something_else_is_an_error_that_names_the_line_and_no_secret() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("my.keys");
    let [tags, key] = ["7a", "0b"].map(secret);
    let start = format!("tags {tags}\n1 {key}\n");
    let cases = [
        (String::new(), 1, LineFault::NoTags),
        ("# nothing\n".to_owned(), 2, LineFault::NoTags),
        (format!("1 {key}"), 2, LineFault::NoTags),
        (format!("tags {tags}\n"), 2, LineFault::NoKey),
        (format!("{start}{key}\n"), 3, LineFault::Unknown),
        (format!("{start}256 {key}\n"), 3, LineFault::Unknown),
        (format!("{start}+2 {key}\n"), 3, LineFault::Unknown),
        (format!("{start}\n2 {key} {key}\n"), 4, LineFault::Unknown),
        (format!("{start}Tags {key}\n"), 3, LineFault::Unknown),
        (format!("{start}2\n"), 3, LineFault::Unknown),
        (format!("{start}2 {}\n", &key[2..]), 3, LineFault::TooShort { bytes: 31 }),
        (format!("{start}2 {}\n", &key[1..]), 3, LineFault::NotHexadecimal),
        (format!("{start}2 x{}\n", &key[1..]), 3, LineFault::NotHexadecimal),
        (format!("tags {key}x\n"), 1, LineFault::NotHexadecimal),
        (format!("{start}2 {key}\n01 {key}\n"), 4, LineFault::Duplicate { version: 1 }),
        (format!("{start}tags {tags}\n"), 3, LineFault::SecondTags),
        (format!("{start}#{}", " ".repeat(64 * 1024)), 1, LineFault::TooLong),
    ];
    for (content, line, fault) in cases {
        fs::write(&path, &content).unwrap();
        let error = Keys::from_file(&path).unwrap_err();
        let KeyError::Content { path: named, line: at, fault: what } = &error else {
            panic!("{error:?}");
        };
        assert_eq!((named, *at, *what), (&path, line, fault), "{content}");
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("my.keys") && shown.contains(&format!("line {line} ")), "{shown}");
        assert!(!shown.contains("7a7a") && !shown.contains("0b0b"), "{shown}");
        assert_eq!(fs::read_to_string(&path).unwrap(), content, "it is left as it is");
    }
}

#[test]
fn a_file_that_cannot_be_is_an_error_that_names_it_and_keeps_the_reason() {
    let directory = tempfile::tempdir().unwrap();
    for path in [directory.path().join("missing").join("my.keys"), directory.path().to_owned()] {
        let error = Keys::from_file(&path).unwrap_err();
        assert!(matches!(error, KeyError::File { .. }), "{error:?}");
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        assert!(std::error::Error::source(&error).is_some());
    }
}

proptest! {
    #[test]
    fn no_content_of_a_file_panics(
        content in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..300),
            "((tags|[0-9]{1,3}|#|\\+1) ?[0-9a-f]{60,70}[\r\n ]{0,3}){0,5}".prop_map(String::into_bytes),
        ],
    ) {
        let lines = content.split(|byte| *byte == b'\n').count();
        if let Err((line, _)) = parse(&content) {
            prop_assert!((1..=lines + 1).contains(&line), "{}", line);
        }
    }
}
