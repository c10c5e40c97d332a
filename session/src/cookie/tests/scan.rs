use std::collections::BTreeSet;

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{keys, token};
use crate::cookie::scan::{Found, find, scan};
use crate::token::{SessionKey, Token, is_plausible};

pub(super) const NAME: &str = "__Host-id";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    None,
    One(SessionKey),
    Ambiguous,
}

impl From<Found> for Outcome {
    fn from(found: Found) -> Self {
        match found {
            Found::None => Self::None,
            Found::One(token) => Self::One(token.key()),
            Found::Ambiguous => Self::Ambiguous,
        }
    }
}

pub(super) fn headers<L: AsRef<[u8]>>(lines: &[L]) -> HeaderMap {
    let value = |line: &L| HeaderValue::from_bytes(line.as_ref()).unwrap();
    lines.iter().map(|line| (COOKIE, value(line))).collect()
}

pub(super) fn found(headers: &HeaderMap) -> Outcome {
    find(headers, NAME, &keys()).into()
}

/// Letters like those of a token, which no key has signed.
pub(super) fn forged(n: u8) -> String {
    format!("{n:02x}").repeat(23)
}

type Verify<'a> = &'a mut dyn FnMut(&[u8]) -> Option<Token>;
type Scan = fn(&HeaderMap, Verify<'_>) -> Outcome;

fn ours(headers: &HeaderMap, verify: Verify<'_>) -> Outcome {
    scan(headers, NAME, verify).into()
}

/// What most write at first.
fn all(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers.get_all(COOKIE).iter().flat_map(|line| texts(line.as_bytes()))
}

fn texts(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let pairs = line.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    pairs.filter_map(|pair| pair.strip_prefix(NAME.as_bytes())?.strip_prefix(b"=")).map(|value| {
        value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value)
    })
}

fn first_that_is_valid(headers: &HeaderMap, verify: Verify<'_>) -> Outcome {
    all(headers).take(4).find_map(verify).map_or(Outcome::None, |token| Outcome::One(token.key()))
}

fn without_a_limit(headers: &HeaderMap, verify: Verify<'_>) -> Outcome {
    let keys: BTreeSet<_> = all(headers).filter_map(verify).map(|token| token.key()).collect();
    match keys.len() {
        0 => Outcome::None,
        1 => keys.first().map_or(Outcome::None, |key| Outcome::One(*key)),
        _ => Outcome::Ambiguous,
    }
}

fn of_text_alone(headers: &HeaderMap, verify: Verify<'_>) -> Outcome {
    let lines = headers.get_all(COOKIE).iter().filter(|line| line.to_str().is_ok());
    ours(&lines.map(|line| (COOKIE, line.clone())).collect(), verify)
}

fn of_one_line(headers: &HeaderMap, verify: Verify<'_>) -> Outcome {
    ours(&headers.get(COOKIE).into_iter().map(|line| (COOKIE, line.clone())).collect(), verify)
}

/// A part of a header, and the text of our cookie that is in it.
#[derive(Clone, Debug)]
struct Part {
    bytes: Vec<u8>,
    ours: Option<String>,
    begins_a_line: bool,
}

fn part() -> impl Strategy<Value = Part> {
    let named = |text: String, quote: &str| {
        (format!("{NAME}={quote}{text}{quote}").into_bytes(), Some(text))
    };
    let others = prop::collection::vec(prop_oneof![33..=58_u8, 60..=126_u8, 128..=255_u8], 0..70);
    let bytes = prop_oneof![
        4 => (0..2_u8).prop_map(move |n| named(token(n).text(), "")),
        1 => (0..2_u8).prop_map(move |n| named(token(n).text(), "\"")),
        3 => (0..6_u8).prop_map(move |n| named(forged(n), "")),
        1 => (0..2_u8).prop_map(|n| (format!("__host-id={}", token(n).text()).into_bytes(), None)),
        1 => (0..2_u8).prop_map(|n| (format!("x{NAME}={}", token(n).text()).into_bytes(), None)),
        1 => (0..2_u8).prop_map(|n| (format!("{NAME} ={}", token(n).text()).into_bytes(), None)),
        1 => (0..2_u8).prop_map(|n| (format!("{NAME}={}x", token(n).text()).into_bytes(), None)),
        1 => Just((NAME.as_bytes().to_vec(), None)),
        4 => others.prop_map(|bytes| (bytes, None)),
    ];
    (bytes, any::<bool>()).prop_map(|((bytes, ours), begins_a_line)| Part {
        bytes,
        ours,
        begins_a_line,
    })
}

/// Holds a scan against what the parts say.
fn judge(scan: Scan, parts: &[Part]) -> Result<(), TestCaseError> {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    for part in parts {
        match lines.last_mut().filter(|_| !part.begins_a_line) {
            Some(line) => line.extend([b"; ", &part.bytes[..]].concat()),
            None => lines.push(part.bytes.clone()),
        }
    }
    let texts: BTreeSet<_> = parts.iter().filter_map(|part| part.ours.as_ref()).collect();
    let valid: Vec<_> =
        texts.iter().filter_map(|text| keys().verify(text.as_bytes())).map(|t| t.key()).collect();
    let expected = match valid[..] {
        _ if texts.len() > 4 => Outcome::Ambiguous,
        [] => Outcome::None,
        [key] => Outcome::One(key),
        _ => Outcome::Ambiguous,
    };
    let mut asked = 0;
    let outcome = scan(&headers(&lines), &mut |text| {
        asked += 1;
        keys().verify(text)
    });
    prop_assert_eq!(outcome, expected);
    prop_assert!(asked <= 4, "the keys were asked {} times", asked);
    Ok(())
}

proptest! {
    #[test]
    fn one_valid_token_is_found_wherever_it_is_and_of_two_neither(parts in prop::collection::vec(part(), 0..14)) {
        judge(ours, &parts)?;
    }
}

#[test]
fn scans_without_one_of_the_rules_are_found_out() {
    let strategy = prop::collection::vec(part(), 0..14);
    let without: [(&str, Scan); 4] = [
        ("ambiguity", first_that_is_valid),
        ("a limit", without_a_limit),
        ("other bytes", of_text_alone),
        ("several lines", of_one_line),
    ];
    for (rule, scan) in without {
        let config = Config { failure_persistence: None, cases: 1000, ..Config::default() };
        let mut runner = TestRunner::new_with_rng(
            config,
            proptest::test_runner::TestRng::deterministic_rng(
                proptest::test_runner::RngAlgorithm::ChaCha,
            ),
        );
        let result = runner.run(&strategy, |parts| judge(scan, &parts));
        assert!(result.is_err(), "without {rule}");
    }
}

#[test]
fn a_cookie_is_found_among_a_hundred_and_in_sixteen_kibibytes() {
    let text = token(1).text();
    let others = |n: usize| (0..n).map(|n| format!("c{n}=v{n}")).collect::<Vec<_>>().join("; ");
    let wide = "x".repeat(8 * 1024);
    for line in [
        format!("{}; {NAME}={text}; {}", others(50), others(49)),
        format!("{}; {NAME}={text}", others(99)),
        format!("a={wide}; {NAME}={text}; b={wide}"),
        format!("{}{NAME}={text}", ";".repeat(16 * 1024)),
        format!("{}{NAME}={text}", " ;\t".repeat(5 * 1024)),
    ] {
        assert_eq!(found(&headers(&[line])), Outcome::One(token(1).key()));
    }
}

/// How often the keys are asked about a header that is full of texts that could be tokens.
fn asked(scan: Scan) -> usize {
    let line = (0..=255).map(|n| format!("{NAME}={}", forged(n))).collect::<Vec<_>>().join("; ");
    let mut asked = 0;
    let outcome = scan(&headers(&[line]), &mut |_| {
        asked += 1;
        None
    });
    assert!(matches!(outcome, Outcome::Ambiguous | Outcome::None));
    asked
}

#[test]
fn a_header_full_of_forged_tokens_costs_four_codes() {
    assert_eq!(asked(ours), 4);
    // The control.
    assert_eq!(asked(without_a_limit), 256);
}

#[test]
fn looking_for_a_cookie_allocates_nothing() {
    let keys = keys();
    let text = token(1).text();
    for lines in [
        vec![],
        vec!["theme=dark; lang=de".to_owned()],
        vec![format!("theme=dark; {NAME}={text}"), format!("{NAME}=\"{}\"", forged(1))],
    ] {
        let headers = headers(&lines);
        let info = allocation_counter::measure(|| {
            assert!(!matches!(find(&headers, NAME, &keys), Found::Ambiguous));
        });
        assert_eq!(info.count_total, 0, "{lines:?}");
    }
}

#[test]
fn what_no_key_could_have_signed_is_not_shown_to_them() {
    let line = format!("{NAME}=x; {NAME}=; {NAME}={}=; {NAME}={}", forged(1), "+".repeat(46));
    let mut asked = 0;
    let outcome = scan(&headers(&[line]), NAME, |text| {
        asked += usize::from(is_plausible(text)) + 1;
        None
    });
    assert_eq!((Outcome::from(outcome), asked), (Outcome::None, 0));
}
