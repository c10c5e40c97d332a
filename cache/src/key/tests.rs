mod tree;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::*;

use self::tree::{Reader, joined, small, trees};
use super::*;

fn text<K: CacheKey + ?Sized>(key: &K) -> String {
    String::from_utf8(KeyBuf::of(key).bytes().to_vec()).unwrap()
}

proptest! {
    #[test]
    fn every_encoding_can_be_read_back(tree in trees()) {
        let key = KeyBuf::of(&tree);
        prop_assert_eq!(Reader::root(key.bytes()), tree);
    }

    #[test]
    fn every_key_is_short_and_printable_on_the_wire(tree in trees(), tenant: bool) {
        let space = Space::new(&"n".repeat(64), u32::MAX).unwrap();
        let space = if tenant { space.tenant(&"t".repeat(64)).unwrap() } else { space };
        let key = KeyBuf::of(&tree);
        let wire = space.wire(&key);
        prop_assert!(wire.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
        prop_assert!(wire.as_str().len() <= 237);
        let rest = wire.as_str().strip_prefix(space.prefix()).unwrap();
        match wire.full() {
            Some(full) => {
                prop_assert_eq!(full, key.bytes());
                prop_assert_eq!(rest.len(), 33);
                prop_assert!(rest.starts_with('#'));
            }
            None => prop_assert_eq!(rest.as_bytes(), key.bytes()),
        }
    }
}

#[test]
fn no_two_of_many_keys_encode_alike_and_joined_with_colons_they_do() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let space = Space::new("all", 1).unwrap();
    let (mut encoded, mut wired, mut naive) = (HashMap::new(), HashMap::new(), HashMap::new());
    let mut met = 0;
    for _ in 0..20_000 {
        let tree = small(&mut random, 3);
        let key = KeyBuf::of(&tree);
        let wire = space.wire(&key);
        let same = encoded.entry(key).or_insert_with(|| tree.clone());
        assert_eq!(*same, tree);
        let same = wired.entry(wire).or_insert_with(|| tree.clone());
        assert_eq!(*same, tree);
        met += usize::from(*naive.entry(joined(&tree)).or_insert_with(|| tree.clone()) != tree);
    }
    // The control: these are keys that do meet, given the chance.
    assert!(met > 1000, "{met}");
}

#[test]
fn the_encoding_is_what_it_was_in_every_release() {
    let vectors = [
        (text(&42_u8), "i42,"),
        (text(&-1_i8), "i-1,"),
        (text(&0_usize), "i0,"),
        (text(&u128::MAX), "i340282366920938463463374607431768211455,"),
        (text(&i128::MIN), "i-170141183460469231731687303715884105728,"),
        (text(&true), "t"),
        (text(&false), "f"),
        (text(&'x'), "c1,x"),
        (text(&'é'), "c2,é"),
        (text("alice"), "s5,alice"),
        (text(""), "s0,"),
        (text(&b"abc"[..]), "b3,abc"),
        (text(&[1_u8; 3]), "b3,\u{1}\u{1}\u{1}"),
        (text(&vec![b'a']), "b1,a"),
        (text(&None::<u8>), "n"),
        (text(&Some("")), "os0,"),
        (text(&Some(Some(1))), "ooi1,"),
        (text(&Some((1, 2))), "o(i1,i2,)"),
        (text(&[1_u16, 2]), "[i1,i2,]"),
        (text(&vec!["a", "b"]), "[s1,as1,b]"),
        (text(&[(1, 2)]), "[(i1,i2,)]"),
        (text(&()), ""),
        (text(&((), 1)), "()i1,"),
        (text(&(7_u64, "a")), "i7,s1,a"),
        (text(&((1, 2), 3)), "(i1,i2,)i3,"),
        (text(&(1, (2, 3))), "i1,(i2,i3,)"),
        (text(&(1, true, 'c', "s", [0_u16; 0], None::<u8>)), "i1,tc1,cs1,s[]n"),
    ];
    for (encoded, expected) in vectors {
        assert_eq!(encoded, expected);
    }
}

#[test]
fn a_wrapper_is_what_it_wraps_and_an_integer_is_its_value() {
    let one = text("one");
    assert_eq!(text(&"one".to_owned()), one);
    assert_eq!(text(&&&"one"), one);
    assert_eq!(text(&Box::<str>::from("one")), one);
    assert_eq!(text(&Arc::<str>::from("one")), one);
    assert_eq!(text(&Cow::Borrowed("one")), one);
    assert_eq!(text(&("one",)), one);
    for same in [text(&1_u8), text(&1_u64), text(&1_i32), text(&1_i128), text(&1_usize)] {
        assert_eq!(same, "i1,");
    }
    // The control: text, bytes, letters and numbers that look the same are not.
    let alike = [text("1"), text(&b"1"[..]), text(&'1'), text(&1), text(&Some(1)), text(&[1])];
    for (index, key) in alike.iter().enumerate() {
        assert!(!alike[..index].contains(key), "{key}");
    }
}

#[test]
fn what_stands_left_of_a_colon_does_not_leak_to_its_right() {
    assert_ne!(text(&("a:b", "c")), text(&("a", "b:c")));
    assert_ne!(text(&("ab", "")), text(&("a", "b")));
    assert_ne!(text(&Some("")), text(&None::<&str>));
    assert_ne!(text(&(("a", "b"), "c")), text(&("a", ("b", "c"))));
}

#[test]
fn a_struct_inside_of_a_key_stays_apart_from_what_stands_beside_it() {
    struct Words(&'static [&'static str]);
    impl CacheKey for Words {
        fn encode(&self, key: &mut KeyBuf) {
            for word in self.0 {
                key.part(word);
            }
        }
    }
    let left = text(&(Words(&["a", "b"]), Words(&["c"])));
    assert_eq!(left, "(s1,as1,b)s1,c");
    assert_ne!(left, text(&(Words(&["a"]), Words(&["b", "c"]))));
    // The control: without `part`, fields run into each other.
    let mut flat = [KeyBuf::new(), KeyBuf::new()];
    for words in [Words(&["a", "b"]), Words(&["c"])] {
        words.encode(&mut flat[0]);
    }
    for words in [Words(&["a"]), Words(&["b", "c"])] {
        words.encode(&mut flat[1]);
    }
    assert_eq!(flat[0], flat[1]);
}

#[test]
fn a_cleared_buffer_is_like_new() {
    let mut key = KeyBuf::of(&("a", 1));
    key.clear();
    assert_eq!(key, KeyBuf::new());
    key.part(&(1, 2));
    assert_eq!(key.bytes(), b"(i1,i2,)");
}

#[test]
fn line_ends_and_nul_never_reach_the_wire() {
    let space = Space::new("users", 3).unwrap();
    for bad in ["a\r\nDEL *", "a\0b", "a b", "\u{7f}", "é", "{slot}"] {
        let key = KeyBuf::of(bad);
        let wire = space.wire(&key);
        assert_eq!(wire.as_str().len(), "users:3:#".len() + 32, "{wire}");
        assert!(wire.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
        assert_eq!(wire.full().unwrap(), key.bytes());
    }
}

#[test]
fn a_long_key_is_a_hash_on_the_wire_and_a_short_one_can_be_read() {
    let space = Space::new("users", 3).unwrap().tenant("acme").unwrap();
    // 4 bytes stand before the letters.
    let longest = space.wire(&KeyBuf::of(&"x".repeat(92)));
    assert_eq!(longest.as_str(), format!("users@acme:3:s92,{}", "x".repeat(92)));
    assert_eq!(longest.full(), None);
    let hashed = space.wire(&KeyBuf::of(&"x".repeat(93)));
    assert_eq!(hashed.as_str(), "users@acme:3:#bbf4aed25e09c26a59e5f5e78f4e5274");
    assert_eq!(hashed.full().unwrap(), &format!("s93,{}", "x".repeat(93)));
    // What looks like a hash is text.
    let spoof = space.wire(&KeyBuf::of("#00"));
    assert_eq!(spoof.as_str(), "users@acme:3:s3,#00");
}

#[test]
fn no_two_spaces_share_a_key() {
    let space = |name: &str, schema| Space::new(name, schema).unwrap();
    let spaces = [
        space("users", 1),
        space("users", 11),
        space("users.1", 1),
        space("users", 1).tenant("1").unwrap(),
        space("users", 1).tenant("2").unwrap(),
        space("users", 1).tenant("1.1").unwrap(),
    ];
    for (index, one) in spaces.iter().enumerate() {
        for other in &spaces[..index] {
            // Neither stands in front of the other, so no key of one is ever a key of the other.
            assert!(!one.prefix().starts_with(other.prefix()), "{one:?} {other:?}");
            assert!(!other.prefix().starts_with(one.prefix()), "{one:?} {other:?}");
        }
    }
    let tenant = &spaces[3];
    assert_eq!((tenant.name(), tenant.tenant_name(), tenant.schema()), ("users", Some("1"), 1));
    // A tenant's tenant is the cache's other tenant.
    assert_eq!(tenant.tenant("2").unwrap(), spaces[4]);
}

#[test]
fn a_bad_name_is_refused_and_named() {
    for bad in ["", "a:b", "a@b", "a b", "a\nb", "é", &"x".repeat(65), "a{b}", "a/b"] {
        let error = Space::new(bad, 1).unwrap_err().to_string();
        assert!(error.contains(&format!("name {bad:?}")), "{error}");
        let error = Space::new("users", 1).unwrap().tenant(bad).unwrap_err().to_string();
        assert!(error.contains(&format!("tenant {bad:?}")), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
    for good in ["a", "A-z_0.9", &"x".repeat(64)] {
        assert!(Space::new(good, 0).unwrap().tenant(good).is_ok());
    }
    // Of a huge one, enough to find it by.
    let error = Space::new(&"x".repeat(1 << 20), 1).unwrap_err().to_string();
    assert!(error.len() < 300 && error.contains("1048576"), "{error}");
}
