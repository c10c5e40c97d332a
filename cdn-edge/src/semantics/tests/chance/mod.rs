//! Decisions about messages by chance. What must hold is said of what the generator meant, never of what a parser
//! of this crate has read.
//!
//! Each property is run twice: over the decisions as they are, and over ones that have lost a
//! check, where it has to fail within as many cases.

mod answering;
mod messages;
mod serving;
mod storing;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

use self::messages::{Asked, Told, any_rules, asked, garbage, told};
use super::*;

/// What is judged: the functions of this crate, or ones with a hole.
#[derive(Clone, Copy)]
struct Decisions {
    admit: fn(&Exchange<'_>, StatusCode, &HeaderMap, &Rules) -> Admission,
    lookup: fn(&[Candidate<'_>], &Facts, &HeaderMap, Now, &Rules) -> Lookup,
    answer: fn(&Facts, &HeaderMap, &Stored, Option<u64>, Now) -> Answer,
    rescue: fn(&Stored, bool, Failure, &Facts, Now, &Rules) -> Option<Reason>,
    freshen: fn(&Stored, &HeaderMap, &Exchange<'_>, &HeaderMap, &Rules) -> Freshened,
    age: fn(&Stored, Now) -> u64,
}

const OURS: Decisions = Decisions { admit, lookup, answer, rescue, freshen, age: Stored::age };

/// Two requests for one thing: the origin answers the first, and the second meets what was stored.
#[derive(Clone, Debug)]
struct Case {
    rules: Rules,
    first: Asked,
    told: Told,
    /// How long the answer took, in seconds.
    delay: u64,
    next: Asked,
    /// How long after the answer the second request comes, in seconds.
    later: u64,
    purged: bool,
    length: u64,
    update: Told,
}

fn case() -> impl Strategy<Value = Case> {
    let times = (prop_oneof![Just(0u64), 0u64..5], prop_oneof![0u64..5, 0u64..120]);
    (any_rules(), asked(), told(), asked(), told(), times, prop::bool::weighted(0.2), 0u64..12)
        .prop_map(|(rules, first, told, next, update, (delay, later), purged, length)| Case {
            rules,
            first,
            told,
            delay,
            next,
            later,
            purged,
            length,
            update,
        })
}

impl Case {
    fn facts(&self, asked: &Asked) -> Facts {
        let method = if asked.is_head { Method::HEAD } else { Method::GET };
        Facts::of(&method, &asked.headers, &self.rules)
    }

    /// When the answer came.
    fn answered(&self) -> Now {
        after(self.delay)
    }

    /// When the second request comes.
    fn now(&self) -> Now {
        after(self.delay + self.later)
    }

    fn admitted(&self, by: &Decisions) -> Option<Admitted> {
        let facts = self.facts(&self.first);
        let exchange = Exchange {
            facts: &facts,
            request: &self.first.headers,
            asked: after(0),
            now: self.answered(),
        };
        match (by.admit)(&exchange, self.told.status, &self.told.headers, &self.rules) {
            Admission::Store(admitted) => Some(*admitted),
            Admission::Refuse(_) => None,
        }
    }

    fn looked(&self, by: &Decisions, stored: &Stored) -> Lookup {
        let facts = self.facts(&self.next);
        let candidates = [Candidate { stored, purged: self.purged }];
        (by.lookup)(&candidates, &facts, &self.next.headers, self.now(), &self.rules)
    }
}

type Property = fn(&Decisions, &Case) -> Result<(), TestCaseError>;

const CASES: u32 = 1500;

/// The controls' own seed: what they show is that the cases reach a check, once and for all.
const CONTROL: u64 = 1;

fn run<T: std::fmt::Debug>(
    seed: u64,
    shrinks: u32,
    cases: &impl Strategy<Value = T>,
    test: impl Fn(T) -> Result<(), TestCaseError>,
) -> Result<(), String> {
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        max_shrink_iters: shrinks,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    TestRunner::new_with_rng(config, rng).run(cases, test).map_err(|error| match error {
        TestError::Fail(reason, case) => format!("{reason}, in {case:#?}"),
        TestError::Abort(reason) => format!("aborted: {reason}"),
    })
}

/// That a property holds of our decisions, and of none of these others.
fn check(property: Property, broken: &[(&str, Decisions)]) {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    if let Err(failure) = run(seed, 500, &case(), |case| property(&OURS, &case)) {
        panic!("seed {seed}: {failure}");
    }
    for (what, broken) in broken {
        let read = run(CONTROL, 0, &case(), |case| property(broken, &case));
        assert!(read.is_err(), "nobody missed {what}");
    }
}

/// Whether a response says that it is never to be used stale.
fn never_stale(told: &Told) -> bool {
    ["must-revalidate", "proxy-revalidate", "s-maxage"].iter().any(|name| told.control.says(name))
}
