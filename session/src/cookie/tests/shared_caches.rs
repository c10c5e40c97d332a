use http::header::{CACHE_CONTROL, VARY};
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::cookie::shared_caches::keep_out;

fn lines(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.get_all(name).iter().map(text).collect()
}

fn with(name: &HeaderName, lines: &[impl AsRef<str>]) -> HeaderMap {
    let value = |line: &str| HeaderValue::from_bytes(line.as_bytes()).unwrap();
    lines.iter().map(|line| (name.clone(), value(line.as_ref()))).collect()
}

fn kept_out(name: &HeaderName, before: &[&str]) -> Vec<String> {
    let mut headers = with(name, before);
    keep_out(&mut headers);
    lines(&headers, name)
}

#[test]
fn a_response_that_says_enough_keeps_its_cache_control() {
    for line in [
        "private",
        "PRIVATE",
        "no-store",
        "no-store, max-age=0",
        "private, max-age=60",
        "max-age=60,private,must-revalidate",
        "no-cache, no-store, must-revalidate",
        " , private,,",
        "private, must-understand, no-store",
    ] {
        assert_eq!(kept_out(&CACHE_CONTROL, &[line]), [line]);
    }
}

#[test]
fn a_response_that_does_not_is_made_private() {
    let changed: [(&[&str], &str); _] = [
        (&[], "private"),
        (&[""], "private"),
        (&["max-age=60"], "private, max-age=60"),
        (&["public, max-age=60, immutable"], "private, max-age=60, immutable"),
        (&["Public, S-MaxAge=600"], "private"),
        (&["s-maxage=600, private"], "private"),
        (&["no-store, public"], "private, no-store"),
        (&["max-age=5, proxy-revalidate"], "private, max-age=5"),
        (&["no-cache"], "private, no-cache"),
        // What is said about some fields leaves the others to shared caches.
        (&["private=\"set-cookie\""], "private"),
        (&["private=set-cookie, max-age=1"], "private, max-age=1"),
        (&["private=\"a, private\", max-age=1"], "private, max-age=1"),
        (&["no-cache=\"set-cookie, x\""], "private, no-cache=\"set-cookie, x\""),
        (&["ext=\"a, private\""], "private, ext=\"a, private\""),
        (&["ext=\"\\\", private\""], "private, ext=\"\\\", private\""),
        (&["ext=\"\\\"\", private"], "private, ext=\"\\\"\""),
        (&["no-store=1"], "private, no-store=1"),
        (&["not-private, xprivate"], "private, not-private, xprivate"),
        // Who understands the status may ignore it.
        (&["must-understand, no-store"], "private, must-understand, no-store"),
        // One line for who reads one.
        (&["max-age=60", "private"], "private, max-age=60"),
        (&["no-store", "public"], "private, no-store"),
        // Nobody can say what this allows.
        (&["max-age=60, ext=\"private"], "private, no-store"),
        (&["max-age=60, a b"], "private, no-store"),
        (&["private =\"x\""], "private, no-store"),
        (&["=private"], "private, no-store"),
        (&["ext=\"", "private"], "private, no-store"),
        (&["max-age=60, \u{e4}"], "private, no-store"),
    ];
    for (before, after) in changed {
        assert_eq!(kept_out(&CACHE_CONTROL, before), [after], "{before:?}");
    }
}

#[test]
fn vary_names_the_cookie_once() {
    let kept: [&[&str]; 6] = [
        &["*"],
        &["Cookie"],
        &["accept, cookie"],
        &["Accept", "COOKIE"],
        &["accept,*"],
        &["accept", "*"],
    ];
    for before in kept {
        assert_eq!(kept_out(&VARY, before), before);
    }
    let changed: [(&[&str], &str); _] = [
        (&[], "Cookie"),
        (&[""], "Cookie"),
        (&["accept-encoding"], "accept-encoding, Cookie"),
        (&["accept", "origin"], "accept, origin, Cookie"),
        (&["cookies, x-cookie"], "cookies, x-cookie, Cookie"),
        (&["accept", "", "origin"], "accept, origin, Cookie"),
        (&["\u{e4}"], "\u{e4}, Cookie"),
    ];
    for (before, after) in changed {
        assert_eq!(kept_out(&VARY, before), [after], "{before:?}");
    }
}

#[test]
fn what_overrules_cache_control_is_removed_and_nothing_else() {
    let mut headers = HeaderMap::new();
    let removed = [
        "cdn-cache-control",
        "cloudflare-cdn-cache-control",
        "vercel-cdn-cache-control",
        "surrogate-control",
        "edge-control",
        "x-accel-expires",
        "x-litespeed-cache-control",
    ];
    let kept = [
        "surrogate-key",
        "cache-tag",
        "etag",
        "expires",
        "not-cdn-cache-controls",
        "xcdn-cache-control",
    ];
    for name in removed.into_iter().chain(kept) {
        headers.append(HeaderName::from_static(name), HeaderValue::from_static("max-age=600"));
        headers.append(HeaderName::from_static(name), HeaderValue::from_static("public"));
    }
    keep_out(&mut headers);
    for name in removed {
        assert!(!headers.contains_key(name), "{name}");
    }
    for name in kept {
        assert_eq!(headers.get_all(name).iter().count(), 2, "{name}");
    }
}

/// Another reading of RFC 9111, section 5.2: members in lower case, or nothing if a quote does not end.
fn read(lines: &[String]) -> Option<Vec<String>> {
    let mut members = Vec::new();
    for line in lines {
        let mut member = String::new();
        let mut chars = line.chars();
        while let Some(char) = chars.next() {
            match char {
                ',' => members.push(std::mem::take(&mut member)),
                '"' => {
                    member.push('"');
                    loop {
                        match chars.next()? {
                            '"' => break,
                            '\\' => member.extend(['\\', chars.next()?]),
                            other => member.push(other),
                        }
                    }
                    member.push('"');
                }
                other => member.push(other),
            }
        }
        members.push(member);
    }
    let trimmed = members.iter().map(|member| member.trim().to_lowercase());
    Some(trimmed.filter(|member| !member.is_empty()).collect())
}

fn judge(keep_out: fn(&mut HeaderMap), before: &[String]) -> Result<(), TestCaseError> {
    let mut headers = with(&CACHE_CONTROL, before);
    keep_out(&mut headers);
    let after = lines(&headers, &CACHE_CONTROL);
    let members = read(&after).expect("it can be read");
    let has = |name: &str| members.iter().any(|member| member == name);
    prop_assert!(has("private") || (has("no-store") && !has("must-understand")), "{:?}", after);
    for member in &members {
        let name = member.split('=').next().unwrap_or_default();
        prop_assert!(!["public", "s-maxage", "proxy-revalidate"].contains(&name), "{:?}", after);
        prop_assert!(member == "private" || name != "private", "{:?}", after);
    }
    // Who reads one line, and no quotes.
    let naive = after.first().into_iter().flat_map(|line| line.split(',')).map(str::trim);
    prop_assert!(
        naive.clone().any(|member| member.eq_ignore_ascii_case("private"))
            || naive.clone().any(|member| member.eq_ignore_ascii_case("no-store")),
        "{:?}",
        after
    );
    // Browsers may keep no more than before.
    let forbidden = read(before).is_some_and(|members| members.iter().any(|of| of == "no-store"));
    prop_assert!(!forbidden || has("no-store"), "{:?}", after);
    keep_out(&mut headers);
    prop_assert_eq!(lines(&headers, &CACHE_CONTROL), after, "twice is once");
    Ok(())
}

fn any_lines() -> impl Strategy<Value = Vec<String>> {
    let directive = prop_oneof![
        Just("private"),
        Just("Private"),
        Just("no-store"),
        Just("must-understand"),
        Just("public"),
        Just("S-maxage=60"),
        Just("proxy-revalidate"),
        Just("max-age=60"),
        Just("no-cache=\"a, private\""),
        Just("private=\"set-cookie\""),
        Just("ext=\"\\\", no-store\""),
        Just("private="),
        Just("\""),
        Just("\\"),
        Just("="),
        Just(""),
    ];
    let between = prop_oneof![5 => Just(", "), 1 => Just(","), 1 => Just(" "), 1 => Just("")];
    let known = prop::collection::vec((directive, between), 0..6)
        .prop_map(|parts| parts.into_iter().flat_map(|(of, between)| [of, between]).collect());
    prop::collection::vec(prop_oneof![6 => known, 1 => "[ -~]{0,30}"], 0..4)
}

proptest! {
    #[test]
    fn after_it_every_cache_reads_that_it_is_kept_out(before in any_lines()) {
        judge(keep_out, &before)?;
    }

    #[test]
    fn no_bytes_of_any_header_panic(
        control in prop::collection::vec(prop_oneof![32..=126_u8, 128..=255_u8], 0..30),
        vary in prop::collection::vec(prop_oneof![32..=126_u8, 128..=255_u8], 0..30),
    ) {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_bytes(&control).unwrap());
        headers.insert(VARY, HeaderValue::from_bytes(&vary).unwrap());
        keep_out(&mut headers);
        let first = headers.clone();
        keep_out(&mut headers);
        prop_assert_eq!(headers, first);
    }
}

/// What frameworks do.
fn only_if_absent(headers: &mut HeaderMap) {
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("private"));
}

fn unless_it_says_private_somewhere(headers: &mut HeaderMap) {
    if !lines(headers, &CACHE_CONTROL).concat().to_lowercase().contains("private") {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    }
}

fn another_line(headers: &mut HeaderMap) {
    headers.append(CACHE_CONTROL, HeaderValue::from_static("private"));
}

#[test]
fn simpler_ways_are_found_out() {
    for simpler in [only_if_absent, unless_it_says_private_somewhere, another_line] {
        let config = Config { failure_persistence: None, cases: 1000, ..Config::default() };
        let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let mut runner = TestRunner::new_with_rng(config, rng);
        // The control may also fail at what cannot be read.
        let result = runner.run(&any_lines(), |before| {
            prop_assume!(read(&before).is_some());
            judge(simpler, &before)
        });
        assert!(matches!(result, Err(proptest::test_runner::TestError::Fail(..))), "{result:?}");
    }
}
