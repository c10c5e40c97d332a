use std::collections::HashMap;

use http::{HeaderMap, HeaderValue, Uri};
use proptest::prelude::*;

use super::*;
use crate::field::no_vary_search;

const SEED: u64 = 1;

fn host(value: &str) -> HeaderMap {
    HeaderMap::from_iter([(header::HOST, HeaderValue::from_bytes(value.as_bytes()).unwrap())])
}

fn key_by(rules: &KeyRules, target: &str, headers: &HeaderMap) -> Result<Key, BadTarget> {
    Key::of(&target.parse().unwrap(), headers, rules, SEED)
}

fn key(target: &str) -> Key {
    key_by(&KeyRules::default(), target, &host("a.example")).unwrap()
}

fn form(query: Query, target: &str) -> String {
    let key = key_by(&KeyRules::default().query(query), target, &host("a.example")).unwrap();
    String::from_utf8(key.target().to_vec()).unwrap()
}

#[test]
fn a_key_has_scheme_authority_path_and_query() {
    let key = key_by(&KeyRules::default().https(), "/a/b?c=d", &host("A.Example:443")).unwrap();
    assert_eq!(key.bytes(), b"https://a.example/a/b?c=d");
    assert_eq!(key.authority(), b"a.example");
    assert_eq!(key.without_query(), b"a.example/a/b");
    assert_eq!(key.origin(), b"https://a.example");
    assert_eq!(key.target(), b"/a/b?c=d");
}

#[test]
fn the_default_port_of_the_scheme_and_no_other_is_left_out() {
    for (target, wanted) in [
        ("http://a.example:80/", &b"a.example"[..]),
        ("https://a.example:443/", b"a.example"),
        ("http://a.example:443/", b"a.example:443"),
        ("https://a.example:80/", b"a.example:80"),
        ("http://a.example:8080/", b"a.example:8080"),
        ("http://[::1]:80/", b"[::1]"),
        ("http://[::80]/", b"[::80]"),
    ] {
        let key = key_by(&KeyRules::default(), target, &HeaderMap::new()).unwrap();
        assert_eq!(key.authority(), wanted, "{target}");
    }
}

#[test]
fn hosts_that_are_not_one_are_refused() {
    let of = |target: &str, headers: &HeaderMap| {
        key_by(&KeyRules::default(), target, headers).map(|_| ()).unwrap_err()
    };
    let mut twice = host("a.example");
    twice.append(header::HOST, HeaderValue::from_static("a.example"));
    assert_eq!(of("/", &twice), BadTarget::SeveralHosts);
    assert_eq!(of("http://b.example/", &host("a.example")), BadTarget::HostMismatch);
    for bad in ["a b", "a/b", "a?b", "a#b", "a@b", "a,b", "a\\b", "\u{e4}", "a\tb"] {
        assert_eq!(of("/", &host(bad)), BadTarget::MalformedHost, "{bad:?}");
    }
    // The control.
    assert!(key_by(&KeyRules::default(), "http://A.example/", &host("a.EXAMPLE")).is_ok());
}

#[test]
fn a_query_is_kept_allowed_denied_and_sorted_by_rule() {
    for (query, target, wanted) in [
        (Query::keep(), "/?b=2&a=1&&", "/?b=2&a=1&&"),
        (Query::keep(), "/?", "/?"),
        (Query::ignore(), "/?b=2&a=1", "/"),
        (Query::only(["a"]), "/?b=2&a=1&a=0&A=3", "/?a=1&a=0"),
        (Query::only(["a"]), "/?b=2", "/"),
        (Query::only(["a"]), "/?aa=1&a", "/?a"),
        (Query::without(["utm_*", "fbclid"]), "/?utm_x=1&a=1&fbclid=2&utm_=3&utm=4", "/?a=1&utm=4"),
        (Query::without(["*"]), "/?a=1&b", "/"),
        (Query::keep().sorted(), "/?b=2&a=2&a=1&c", "/?a=2&a=1&b=2&c"),
        (Query::only(["b", "a"]).sorted(), "/?b=2&x&a=1", "/?a=1&b=2"),
        (Query::without(["x"]).sorted(), "/?b=2&x&a=1", "/?a=1&b=2"),
    ] {
        assert_eq!(form(query.clone(), target), wanted, "{query:?} {target}");
    }
}

#[test]
fn of_a_path_the_versions_asked_for_last_are_kept() {
    let versions = Versions::new(VersionParam::new("v", 2));
    let stored = |target: &str| versions.stored(&key(target), SEED).to_vec();
    assert!(stored("/x?v=1").is_empty());
    assert!(stored("/x?v=2").is_empty());
    assert!(stored("/x?v=2").is_empty(), "it was there");
    assert!(stored("/y?v=3").is_empty(), "another path");
    assert!(stored("/x?w=3").is_empty(), "no version");
    assert!(stored("/x?v=3&v=4").is_empty(), "not one version");
    assert_eq!(stored("/x?v=3"), [key("/x?v=1").hash()]);
    assert!(stored("/x?v=2").is_empty());
    assert_eq!(stored("/x?v=4"), [key("/x?v=3").hash()], "the second was stored again since");
    // The control: without a bound none is too many.
    let free = Versions::new(VersionParam::new("v", usize::MAX));
    assert!((0..100).all(|at| free.stored(&key(&format!("/x?v={at}")), SEED).is_empty()));
}

#[test]
fn a_sibling_is_at_the_same_host_by_the_same_rules() {
    let rules = KeyRules::default().query(Query::without(["x"]));
    let first = key_by(&rules, "https://a.example:8443/a?x=1", &HeaderMap::new()).unwrap();
    let other = first.sibling("/b?c=1&x=2", &rules, SEED).unwrap();
    let wanted = key_by(&rules, "https://a.example:8443/b?c=1", &HeaderMap::new()).unwrap();
    assert_eq!((other.bytes(), other.hash()), (wanted.bytes(), wanted.hash()));
}

fn rule(field: &'static str) -> NoVarySearch {
    no_vary_search::parse([&HeaderValue::from_static(field)])
}

#[test]
fn a_learned_rule_is_of_one_path_until_the_next() {
    let learned = Learned::default();
    let settle = |target: &str| learned.settle(key(target), SEED);
    assert_eq!(settle("/p?a=1&b=2").bytes(), key("/p?a=1&b=2").bytes(), "nothing is known");
    let home = learned.learn(key("/p?a=1&b=2"), &rule("params=(\"a\")"), SEED);
    assert_eq!(home.hash(), settle("/p?b=2&a=7").hash());
    assert_eq!(home.target(), b"/p?b=2", "the rule's number is not part of the target");
    assert_eq!(settle("/q?a=1").bytes(), key("/q?a=1").bytes());
    assert_ne!(settle("/p?b=3").hash(), home.hash());

    let same = learned.learn(key("/p?b=2"), &rule("params=(\"a\")"), SEED);
    assert_eq!(same.hash(), home.hash(), "said again it is the same rule");
    learned.learn(key("/p"), &rule("params=(\"b\")"), SEED);
    assert_ne!(settle("/p?b=2").hash(), home.hash());
    let back = learned.learn(key("/p?a=1&b=2"), &rule("params=(\"a\")"), SEED);
    assert_ne!(back.hash(), home.hash(), "what was stored before is not found again");
    let plain = learned.learn(key("/p?a=1"), &NoVarySearch::default(), SEED);
    assert_eq!(plain.bytes(), key("/p?a=1").bytes());
    assert_eq!((learned.len(), settle("/p?a=1").bytes()), (0, plain.bytes()));
}

#[test]
fn rules_of_many_paths_push_out_the_oldest_and_no_more() {
    let learned = Learned::default();
    for at in 0..5000 {
        learned.learn(key(&format!("/{at}?a=1")), &rule("params"), SEED);
    }
    assert_eq!(learned.len(), 4096);
    let is_known = |at: usize| {
        let own = key(&format!("/{at}?a=1"));
        learned.settle(own.clone(), SEED).hash() != own.hash()
    };
    assert!(!is_known(0) && !is_known(903) && is_known(904) && is_known(4999));
}

/// What a key is compared by, in the plainest way.
type Parts = (String, String, String, Option<String>);

fn parts(scheme: &str, authority: &str, path: &str, query: Option<&str>) -> Parts {
    let authority = authority.to_ascii_lowercase();
    let default = if scheme == "https" { ":443" } else { ":80" };
    let authority = authority.strip_suffix(default).unwrap_or(&authority).to_owned();
    (scheme.to_owned(), authority, path.to_owned(), query.map(str::to_owned))
}

prop_compose! {
    fn target()(
        scheme in prop::sample::select(&["http", "https"][..]),
        name in prop::sample::select(&["a.example", "A.example", "b.example", "a", "[::1]"][..]),
        port in prop::sample::select(&["", ":80", ":443", ":8080"][..]),
        path in "/[aA/.;%2f]{0,4}",
        query in prop::option::of("[ab=&?/]{0,4}"),
    ) -> (String, Parts) {
        let authority = format!("{name}{port}");
        let search = query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        let uri = format!("{scheme}://{authority}{path}{search}");
        (uri, parts(scheme, &authority, &path, query.as_deref()))
    }
}

proptest! {
    #[test]
    fn keys_are_equal_if_and_only_if_their_parts_are(targets in prop::collection::vec(target(), 2..40)) {
        let mut seen: HashMap<Vec<u8>, Parts> = HashMap::new();
        let mut keys: HashMap<Parts, Vec<u8>> = HashMap::new();
        for (uri, parts) in targets {
            let Ok(uri) = uri.parse::<Uri>() else { continue };
            let key = Key::of(&uri, &HeaderMap::new(), &KeyRules::default(), SEED).unwrap();
            prop_assert_eq!(key.hash(), xxh3_128_with_seed(key.bytes(), SEED));
            let bytes = key.bytes().to_vec();
            prop_assert_eq!(seen.entry(bytes.clone()).or_insert_with(|| parts.clone()), &parts);
            prop_assert_eq!(keys.entry(parts).or_insert_with(|| bytes.clone()), &bytes);
        }
    }

    #[test]
    fn keys_by_a_rule_are_equal_if_and_only_if_the_canonical_queries_are(
        one in "[abx=&]{0,8}", other in "[abx=&]{0,8}",
    ) {
        let canonical = |query: &str| {
            let mut kept: Vec<_> = query.split('&').filter(|pair| {
                pair.split('=').next() != Some("x")
            }).collect();
            kept.sort_by_key(|pair| pair.split('=').next());
            // A query of which nothing is left is none.
            if query.is_empty() { None } else { Some(kept).filter(|kept| !kept.is_empty()).map(|kept| kept.join("&")) }
        };
        let rules = KeyRules::default().query(Query::without(["x"]).sorted());
        let of = |query: &str| {
            let search = if query.is_empty() { String::new() } else { format!("?{query}") };
            key_by(&rules, &format!("http://a.example/p{search}"), &HeaderMap::new()).unwrap()
        };
        let (first, second) = (of(&one), of(&other));
        prop_assert_eq!(first.bytes() == second.bytes(), canonical(&one) == canonical(&other));
        prop_assert_eq!(first.hash() == second.hash(), first.bytes() == second.bytes());
    }

    #[test]
    fn no_target_and_no_host_panic(
        target in "\\PC{0,60}", hosts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..30), 0..3),
        query in prop::sample::select(vec![
            Query::keep(), Query::ignore(), Query::only(["a"]), Query::without(["*"]), Query::keep().sorted(),
        ]),
    ) {
        let mut headers = HeaderMap::new();
        for host in hosts {
            if let Ok(value) = HeaderValue::from_bytes(&host) {
                headers.append(header::HOST, value);
            }
        }
        let rules = KeyRules::default().query(query).version(VersionParam::new("a", 0));
        for text in [target.clone(), format!("/{target}"), format!("http://a.example/?{target}")] {
            let Ok(uri) = text.parse::<Uri>() else { continue };
            let Ok(key) = Key::of(&uri, &headers, &rules, SEED) else { continue };
            Versions::new(VersionParam::new("a", 0)).stored(&key, SEED);
            let learned = Learned::default();
            let home = learned.learn(key.clone(), &rule("key-order, params=(\"a\")"), SEED);
            prop_assert_eq!(learned.settle(key.clone(), SEED).hash(), home.hash());
            let _ = (home.target(), home.authority(), home.without_query(), home.origin());
            let _ = key.sibling(&target, &rules, SEED);
        }
    }
}
