//! Random interleavings: a store beside a plain model, and many tasks at once.

mod faulty;

use std::sync::Arc;

use faulty::{Fault, Faulty};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use terrace_session::conformance::{Failure, Step, replay, storm};
use terrace_session::store::{Memory, Store};
use terrace_session::{ManualClock, UnixMillis};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime")
}

fn replayed(fault: Fault, steps: &[Step]) -> Result<(), Failure> {
    let clock = ManualClock::at(UnixMillis(0));
    let inner = Memory::builder().clock(clock.clone()).build();
    let store: Arc<dyn Store> = match fault {
        Fault::None => Arc::new(inner),
        fault => Arc::new(Faulty::new(inner, clock.clone(), fault)),
    };
    runtime().block_on(replay(store, clock, steps))
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(any::<Step>(), 1..150)
}

#[test]
fn memory_answers_any_sequence_of_questions_as_the_model_does() {
    let mut runner =
        TestRunner::new(Config { cases: 400, failure_persistence: None, ..Config::default() });
    let result = runner.run(&steps(), |steps| {
        replayed(Fault::None, &steps)
            .map_err(|failure| TestCaseError::fail(format!("{failure:#?}")))
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

/// Whether random sequences find a fault.
fn finds(fault: Fault) -> bool {
    (0..400).any(|seed| {
        let mut chance = fastrand::Rng::with_seed(seed);
        let steps: Vec<Step> = (0..150).map(|_| std::array::from_fn(|_| chance.u8(..))).collect();
        replayed(fault, &steps).is_err()
    })
}

#[test]
fn the_model_sees_what_is_wrong() {
    for fault in [
        Fault::PatchCreates,
        Fault::IgnoresVersion,
        Fault::CreateOverwrites,
        Fault::RotationCopies,
        Fault::TouchesAlways,
        Fault::NoAbsoluteDeadline,
        Fault::LookIsUse,
        Fault::NoEpoch,
        Fault::NoException,
        Fault::GraceForEver,
        Fault::RenewalElevates,
        Fault::NoLimits,
        Fault::NoSubjectLimit,
        Fault::SweepsAll,
        Fault::RewritesJson,
        Fault::CutsNames,
        Fault::IndexByTag,
        Fault::ListUnordered,
        Fault::NeverDeletes,
    ] {
        assert!(finds(fault), "no sequence showed {fault:?}");
    }
}

async fn stormed(fault: Fault, seed: u64) -> Result<(), Failure> {
    let clock = ManualClock::at(UnixMillis(0));
    let inner = Memory::builder().clock(clock.clone()).build();
    let store: Arc<dyn Store> = match fault {
        Fault::None => Arc::new(inner),
        fault => Arc::new(Faulty::new(inner, clock.clone(), fault)),
    };
    storm(store, clock, seed, 200).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_acknowledged_is_lost_and_nothing_ended_comes_back() {
    for _ in 0..30 {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        if let Err(failure) = stormed(Fault::None, seed).await {
            panic!("{failure:#?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_storm_sees_what_is_lost_and_what_comes_back() {
    let faults = [
        Fault::WritesBackWhole,
        Fault::PatchCreates,
        Fault::RotationReadsFirst,
        Fault::RotationCopies,
        Fault::NeverDeletes,
    ];
    for fault in faults {
        let mut seen = false;
        for seed in 0..50 {
            seen = seen || stormed(fault, seed).await.is_err();
        }
        assert!(seen, "no storm showed {fault:?}");
    }
}
