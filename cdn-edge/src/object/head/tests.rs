use http::header::{AGE, CACHE_CONTROL, CONTENT_TYPE, ETAG, SET_COOKIE, VARY};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

mod wire;

/// Ten fields, as an origin sends them.
pub(super) fn typical() -> HeaderMap {
    let fields = [
        ("date", "Tue, 01 Sep 2026 10:00:00 GMT"),
        ("content-type", "image/avif"),
        ("content-length", "48213"),
        ("cache-control", "public, max-age=31536000, immutable"),
        ("etag", "\"5f3c-61e0a9d4c2b40\""),
        ("last-modified", "Mon, 31 Aug 2026 07:12:44 GMT"),
        ("accept-ranges", "bytes"),
        ("vary", "accept-encoding"),
        ("surrogate-key", "cover cover-1024"),
        ("x-request-id", "01J8Y3Q4"),
    ];
    fields
        .into_iter()
        .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
        .collect()
}

fn fields(map: &HeaderMap) -> Vec<(HeaderName, Vec<u8>)> {
    map.iter().map(|(name, value)| (name.clone(), value.as_bytes().to_vec())).collect()
}

fn head_of(map: &HeaderMap) -> Head {
    Head::encode(StatusCode::OK, map, &Shapes::default()).unwrap()
}

/// Few names, so that they repeat; any bytes that a value may have, obs-text among them.
pub(super) fn any_headers() -> impl Strategy<Value = HeaderMap> {
    let name = prop_oneof!["(etag|vary|age|set-cookie|date)", "x-[a-c]"];
    let byte = prop_oneof![0x20..=0x7e_u8, 0x80..=0xff_u8, Just(b'\t')];
    vec((name, vec(byte, 0..40)), 0..24).prop_map(|fields| {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            let name: HeaderName = name.parse().unwrap();
            map.append(name, HeaderValue::from_bytes(&value).unwrap());
        }
        map
    })
}

proptest! {
    #[test]
    fn a_head_gives_back_the_fields_and_their_order(map in any_headers(), extra in 0..8_usize) {
        let head = head_of(&map);
        prop_assert_eq!(fields(&head.headers(extra)), fields(&map));
        prop_assert_eq!(head.len(), map.len());
        let listed: Vec<_> = head.iter().map(|(name, value)| (name.clone(), value.to_vec())).collect();
        prop_assert_eq!(listed, fields(&map));
        for name in map.keys() {
            prop_assert_eq!(head.get(name), map.get(name).map(HeaderValue::as_bytes));
            prop_assert!(head.get_all(name).eq(map.get_all(name).iter().map(HeaderValue::as_bytes)));
        }
    }
}

#[test]
fn a_name_that_is_not_there_has_no_value() {
    let head = head_of(&typical());
    assert_eq!(head.get(&SET_COOKIE), None);
    assert_eq!(head.get(&ETAG), Some(&b"\"5f3c-61e0a9d4c2b40\""[..]));
    assert_eq!(head.status(), StatusCode::OK);
    let empty = head_of(&HeaderMap::new());
    assert!(empty.is_empty() && empty.headers(0).is_empty() && empty.get(&AGE).is_none());
}

#[test]
fn a_hit_allocates_a_map_and_nothing_else() {
    let head = head_of(&typical());
    let mut map = HeaderMap::new();
    let counted = allocation_counter::measure(|| map = head.headers(3));
    assert_eq!(counted.count_total, 2, "the table and the entries of the map");
    // There is room: three more do not allocate, by names that are new.
    let value = HeaderValue::from_static("1");
    let more = allocation_counter::measure(|| {
        map.insert(AGE, value.clone());
        map.insert("cache-status", value.clone());
        map.insert("via", value);
    });
    assert_eq!(more.count_total, 0);
}

#[test]
fn any_number_of_extra_fields_can_be_asked_for() {
    for extra in [24_000, 1 << 20, usize::MAX] {
        assert_eq!(head_of(&typical()).headers(extra), typical());
    }
}

#[test]
fn values_of_a_hit_are_slices_of_the_block() {
    let head = head_of(&typical());
    let block = head.block.as_ptr_range();
    for value in head.headers(0).values() {
        assert!(block.contains(&value.as_bytes().as_ptr()));
    }
}

#[test]
fn values_above_64_kib_are_kept_by_wider_offsets() {
    let mut map = typical();
    let long = vec![b'x'; 70_000];
    map.insert("x-long", HeaderValue::from_bytes(&long).unwrap());
    map.append(SET_COOKIE, HeaderValue::from_static("a=1"));
    map.append(SET_COOKIE, HeaderValue::from_static("b=2"));
    let head = head_of(&map);
    assert!(head.wide && !head_of(&typical()).wide);
    assert_eq!(fields(&head.headers(0)), fields(&map));
    assert_eq!(head.get_all(&SET_COOKIE).collect::<Vec<_>>(), [b"a=1", b"b=2"]);
    // The last value ends at the largest offset of two bytes.
    for bytes in [65_535, 65_536] {
        let value = HeaderValue::from_bytes(&vec![b'x'; bytes]).unwrap();
        let map = HeaderMap::from_iter([(ETAG, value)]);
        assert_eq!(head_of(&map).wide, bytes > 65_535);
        assert_eq!(head_of(&map).headers(0), map);
    }
}

#[test]
fn a_head_over_a_limit_is_refused_with_the_number() {
    let shapes = Shapes::default();
    let encode = |map: &HeaderMap| Head::encode(StatusCode::OK, map, &shapes);
    let mut many = HeaderMap::new();
    for _ in 0..MAX_FIELDS {
        many.append(SET_COOKIE, HeaderValue::from_static("a=1"));
    }
    assert!(encode(&many).is_ok());
    many.append(SET_COOKIE, HeaderValue::from_static("a=1"));
    assert_eq!(encode(&many), Err(TooLarge::Fields));

    let of = |bytes: usize| {
        let value = HeaderValue::from_bytes(&vec![b'x'; bytes - "etag".len()]).unwrap();
        HeaderMap::from_iter([(ETAG, value)])
    };
    assert!(encode(&of(MAX_BYTES)).is_ok());
    let refused = encode(&of(MAX_BYTES + 1)).unwrap_err();
    assert_eq!(refused, TooLarge::Bytes { bytes: MAX_BYTES + 1 });
    assert!(refused.to_string().contains("1048577"), "{refused}");
}

#[test]
fn a_head_never_prints_its_values() {
    let map = HeaderMap::from_iter([(SET_COOKIE, HeaderValue::from_static("sid=secret"))]);
    let printed = format!("{:?}", head_of(&map));
    assert!(printed.contains("set-cookie") && !printed.contains("secret"), "{printed}");
}

#[test]
fn objects_with_the_same_names_share_them() {
    let shapes = Shapes::default();
    let mut map = typical();
    let one = Head::encode(StatusCode::OK, &map, &shapes).unwrap();
    map.insert(ETAG, HeaderValue::from_static("\"another\""));
    let two = Head::encode(StatusCode::NOT_FOUND, &map, &shapes).unwrap();
    assert!(Arc::ptr_eq(&one.names, &two.names));
    assert_ne!(one, two);
    map.remove(VARY);
    let three = Head::encode(StatusCode::OK, &map, &shapes).unwrap();
    assert!(!Arc::ptr_eq(&one.names, &three.names));
    assert_eq!(shapes.len(), 2);
    // And it costs them nothing: what the block holds, and the constant.
    let values: usize = one.iter().map(|(_, value)| value.len()).sum();
    assert_eq!(one.weight(), BLOCK + values as u64 + 2 * 10);
}

#[test]
fn a_head_weighs_what_it_takes() {
    let shapes = Shapes::default();
    let map = typical();
    let _first = Head::encode(StatusCode::OK, &map, &shapes);
    let mut head = None;
    let taken = allocation_counter::measure(|| {
        head = Some(Head::encode(StatusCode::OK, &map, &shapes).unwrap());
    });
    let (weight, taken) = (head.unwrap().weight(), u64::try_from(taken.bytes_current).unwrap());
    // The rest is what an allocator takes for two pieces.
    assert!(taken <= weight && weight <= taken + 32, "{taken} bytes, counted as {weight}");
}

/// As many heads as asked for, each with a name of its own.
fn made_up(shapes: &Shapes, count: usize, prefix: &str) -> Vec<Head> {
    let one = |index: usize| {
        let name = HeaderName::from_bytes(format!("{prefix}-{index}").as_bytes()).unwrap();
        let value = HeaderValue::from_static("1");
        Head::encode(StatusCode::OK, &HeaderMap::from_iter([(name, value)]), shapes).unwrap()
    };
    (0..count).map(one).collect()
}

#[test]
fn made_up_names_do_not_grow_the_table_and_weigh_on_their_objects() {
    let shapes = Shapes::new(8);
    let heads = made_up(&shapes, 100, "x");
    assert_eq!(shapes.len(), 8);
    assert!(heads[..8].iter().all(|head| head.interned && head.weight() < BLOCK + 8));
    assert!(heads[8..].iter().all(|head| !head.interned && head.weight() > BLOCK + 64));
    assert!(heads.iter().all(|head| head.headers(0).len() == 1));
    // Control: without a limit it does.
    let unlimited = Shapes::new(usize::MAX);
    let _heads = made_up(&unlimited, 100, "x");
    assert_eq!(unlimited.len(), 100);
}

#[test]
fn shapes_that_no_object_has_any_more_make_room() {
    let shapes = Shapes::new(8);
    drop(made_up(&shapes, 8, "gone"));
    assert!(made_up(&shapes, 8, "new").iter().all(|head| head.interned));
    // Also after some were refused, if not at once.
    let full = made_up(&shapes, 9, "full");
    assert!(!full[8].interned);
    drop(full);
    let later = made_up(&shapes, 16, "later");
    assert!(!later[0].interned && later[15].interned);
    assert_eq!(shapes.len(), 8);
}

#[test]
fn a_name_is_no_slice_of_the_buffer_it_was_read_from() {
    // The names of a list are copies; well-known ones have no bytes of their own.
    let map = HeaderMap::from_iter([
        ("x-own".parse().unwrap(), HeaderValue::from_static("1")),
        (CONTENT_TYPE, HeaderValue::from_static("text/css")),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ]);
    let head = head_of(&map);
    for (name, kept) in map.keys().zip(head.names.iter()) {
        let same = std::ptr::eq(name.as_str(), kept.as_str());
        assert_eq!(same, kept != "x-own", "{kept}");
    }
}
