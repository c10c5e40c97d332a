//! Histories of a right store pass, whatever the interleaving; with one fault put in, they do not.

use super::simulate::{Bank, ListStore, PROCESSES, Registers, run};
use crate::history::append::{self, Anomaly, ListOp, Lists, Step};
use crate::history::bank::{self, Answer, BankOp, Books};
use crate::history::register::{self, Call, RegisterOp, Stored};
use crate::history::{OPEN, Op, Outcome, durability, session};
use fastrand::Rng;
use proptest::prelude::{ProptestConfig, Strategy, any, prop_assert, prop_assume, proptest};

const STEPS: usize = 400;

fn registers(seed: u64, replicas: usize, tokens: bool) -> Vec<RegisterOp> {
    run(&mut Registers::new(replicas, tokens), &mut Rng::with_seed(seed), STEPS)
}

/// A pair that `fits`, by chance.
fn pick<T: Copy>(rng: &mut Rng, fits: Vec<T>) -> Option<T> {
    rng.choice(fits)
}

fn written(op: &RegisterOp) -> Option<u64> {
    match op.call {
        Call::Write { value, .. } => Some(value),
        Call::Read { .. } => None,
    }
}

#[derive(Clone, Copy, Debug)]
enum Lie {
    Stale,
    Lost,
    Future,
    ThinAir,
    Failed,
}

const LIES: [Lie; 5] = [Lie::Stale, Lie::Lost, Lie::Future, Lie::ThinAir, Lie::Failed];

/// Makes one read lie; false when the history has no room for this lie.
fn lie(ops: &mut [RegisterOp], rng: &mut Rng, lie: Lie) -> bool {
    let mut rooms: Vec<(usize, Option<u64>)> = Vec::new();
    let reads = ops.iter().filter(|op| op.is_ok() && written(op).is_none());
    for read in reads {
        let key = read.call.key();
        let of_key = || ops.iter().filter(|op| op.call.key() == key && written(op).is_some());
        let before = || of_key().filter(|op| op.is_ok() && op.ended < read.began);
        let lies: Vec<Option<u64>> = match lie {
            Lie::Stale => before()
                .filter(|old| before().any(|new| old.ended < new.began))
                .map(written)
                .collect(),
            Lie::Lost => before().take(1).map(|_| None).collect(),
            Lie::Future => of_key()
                .filter(|op| !op.is_failed() && op.began > read.ended)
                .map(written)
                .collect(),
            Lie::ThinAir => vec![Some(u64::MAX)],
            Lie::Failed => of_key().filter(|op| op.is_failed()).map(written).collect(),
        };
        rooms.extend(lies.into_iter().map(|value| (read.index, value)));
    }
    let Some((index, value)) = pick(rng, rooms) else { return false };
    ops[index].outcome = Outcome::Ok(value.map(|value| Stored { value, version: 0 }));
    true
}

/// Breaks a history of transactions, or the final lists, in one of seven ways.
fn break_lists(ops: &mut Vec<ListOp>, finals: &mut Lists, rng: &mut Rng, way: usize) -> bool {
    let mut add = |steps: &[Step], reads: &[&[u64]]| {
        let (index, began) = (ops.len(), 1_000_000 + ops.len() as u64);
        let outcome = Outcome::Ok(reads.iter().map(|list| list.to_vec()).collect());
        let call = append::Call(steps.to_vec());
        ops.push(Op { index, process: PROCESSES, call, began, ended: began + 1, outcome });
    };
    let put = |key, element| Step::Append { key, element };
    let get = |key| Step::Read { key };
    const NEW: [u64; 2] = [1_000_001, 1_000_002];
    let (one, two) = (100, 101);
    match way {
        0 => {
            add(&[put(one, NEW[0])], &[]);
        }
        1 => {
            add(&[put(one, NEW[0])], &[]);
            finals.insert(one, vec![NEW[0], NEW[0]]);
        }
        2 => {
            add(&[put(one, NEW[0]), put(two, NEW[0])], &[]);
            add(&[put(one, NEW[1]), put(two, NEW[1])], &[]);
            finals.insert(one, NEW.to_vec());
            finals.insert(two, vec![NEW[1], NEW[0]]);
        }
        3 => {
            add(&[put(one, NEW[0]), get(two)], &[&NEW[1..]]);
            add(&[put(two, NEW[1]), get(one)], &[&NEW[..1]]);
            finals.insert(one, vec![NEW[0]]);
            finals.insert(two, vec![NEW[1]]);
        }
        4 => {
            add(&[put(one, NEW[0]), put(one, NEW[1])], &[]);
            add(&[get(one)], &[&NEW[..1]]);
            finals.insert(one, NEW.to_vec());
        }
        5 => return swap_in_a_read(ops, rng),
        _ => return show_a_failed_append(ops, finals),
    }
    true
}

fn swap_in_a_read(ops: &mut [ListOp], rng: &mut Rng) -> bool {
    let long = ops.iter_mut().filter_map(|op| match &mut op.outcome {
        Outcome::Ok(lists) => lists.iter_mut().find(|list| list.len() > 1),
        _ => None,
    });
    let Some(list) = rng.choice(long.collect::<Vec<_>>()) else { return false };
    let at = rng.usize(1..list.len());
    list.swap(at - 1, at);
    true
}

fn show_a_failed_append(ops: &[ListOp], finals: &mut Lists) -> bool {
    let failed = ops.iter().filter(|op| op.is_failed()).find_map(|op| {
        op.call.0.iter().find_map(|step| match *step {
            Step::Append { key, element } => Some((key, element)),
            Step::Read { .. } => None,
        })
    });
    let Some((key, element)) = failed else { return false };
    finals.entry(key).or_default().push(element);
    true
}

/// Breaks the books or an audit in one of five ways.
fn break_bank(ops: &mut [BankOp], books: &mut Books, rng: &mut Rng, way: usize) -> bool {
    let stored = books.transfers.clone();
    let moves = |id: &u64| {
        ops.iter().any(|op| {
            matches!(op.call, bank::Call::Transfer { id: i, from, to, .. } if i == *id && from != to)
        })
    };
    let unmoved = ops.iter().find_map(|op| match op.call {
        bank::Call::Transfer { id, from, to, .. } if from != to && !stored.contains(&id) => {
            Some(id)
        }
        _ => None,
    });
    match way {
        0 => {
            let audits = ops.iter_mut().filter_map(|op| match &mut op.outcome {
                Outcome::Ok(Answer::Balances(balances)) => Some(balances),
                _ => None,
            });
            let Some(balances) = rng.choice(audits.collect::<Vec<_>>()) else { return false };
            *balances.entry(0).or_default() += 1;
        }
        1 => {
            *books.balances.entry(0).or_default() -= 1;
            *books.balances.entry(1).or_default() += 1;
        }
        2 => {
            let Some(id) = rng.choice(stored.iter().copied().filter(moves).collect::<Vec<_>>())
            else {
                return false;
            };
            books.transfers.retain(|&stored| stored != id);
        }
        3 => {
            let Some(&id) = rng.choice(&stored) else { return false };
            books.transfers.push(id);
        }
        _ => {
            let Some(id) = unmoved else { return false };
            books.transfers.push(id);
        }
    }
    true
}

/// Up to seven operations on one key at any times, answered anyhow.
fn few_operations() -> impl Strategy<Value = Vec<RegisterOp>> {
    let line = (0..40u64, 1..20u64, any::<bool>(), 0..4u64, 0..8u8);
    proptest::collection::vec(line, 1..8).prop_map(|lines| {
        let op =
            |(index, (began, lasts, reads, value, fate)): (usize, (u64, u64, bool, u64, u8))| {
                let value = if reads { value } else { index as u64 };
                let call =
                    if reads { Call::Read { key: 1 } } else { Call::Write { key: 1, value } };
                let (ended, outcome) = match fate {
                    0 => (OPEN, Outcome::Unknown),
                    1 => (began + lasts, Outcome::Failed),
                    2 => (began + lasts, Outcome::Ok(None)),
                    _ => (began + lasts, Outcome::Ok(Some(Stored { value, version: 0 }))),
                };
                // No two events at one time, as in a recorded history.
                let apart = |at: u64, bit: u64| {
                    if at == OPEN { at } else { at * 32 + index as u64 * 2 + bit }
                };
                let (began, ended) = (apart(began, 0), apart(ended, 1));
                Op { index, process: 0, call, began, ended, outcome }
            };
        lines.into_iter().enumerate().map(op).collect()
    })
}

/// Whether some order of the operations after those `done` explains every answer.
fn any_order(ops: &[RegisterOp], done: &mut Vec<usize>) -> bool {
    let left = || ops.iter().filter(|op| !op.is_failed() && !done.contains(&op.index));
    if left().all(RegisterOp::is_unknown) {
        return true;
    }
    let soonest = left().map(|op| op.ended).min().unwrap_or(OPEN);
    let value = done.iter().rev().find_map(|&index| written(&ops[index]));
    let fits = |op: &&RegisterOp| {
        let read = op.answer().map(|answer| answer.map(|stored| stored.value));
        let explained = written(op).is_some() || read.is_none_or(|read| read == value);
        op.began < soonest && explained
    };
    let next: Vec<usize> = left().filter(fits).map(|op| op.index).collect();
    next.into_iter().any(|index| {
        done.push(index);
        let found = any_order(ops, done);
        done.pop();
        found
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_right_register_is_linearizable(seed in any::<u64>()) {
        let report = register::check(&registers(seed, 0, false));
        prop_assert!(report.is_ok(), "seed {seed}: {report}");
    }

    #[test]
    fn a_lying_read_is_reported(seed in any::<u64>(), which in 0..LIES.len()) {
        let mut ops = registers(seed, 0, false);
        prop_assume!(lie(&mut ops, &mut Rng::with_seed(seed), LIES[which]));
        let report = register::check(&ops);
        prop_assert!(report.offences.len() == 1, "seed {seed} {:?}: {report}", LIES[which]);
    }

    #[test]
    fn reads_on_late_replicas_are_not_linearizable(seed in any::<u64>()) {
        let report = register::check(&registers(seed, 2, false));
        prop_assert!(!report.is_ok(), "seed {seed}: {report}");
    }

    #[test]
    fn the_search_agrees_with_trying_every_order(ops in few_operations()) {
        let report = register::check(&ops);
        prop_assert!(report.is_ok() == any_order(&ops, &mut Vec::new()), "{ops:?}: {report}");
    }

    #[test]
    fn sessions_with_tokens_keep_their_guarantees(seed in any::<u64>()) {
        let report = session::check(&registers(seed, 2, true));
        prop_assert!(report.is_ok(), "seed {seed}: {report}");
        prop_assert!(report.bound > 0);
    }

    #[test]
    fn sessions_without_tokens_are_reported(seed in any::<u64>()) {
        let report = session::check(&registers(seed, 2, false));
        prop_assert!(!report.is_ok(), "seed {seed}: {report}");
    }

    #[test]
    fn one_read_that_goes_backwards_is_reported(seed in any::<u64>()) {
        let mut ops = registers(seed, 2, true);
        let bound: Vec<usize> = ops.iter().filter(|read| {
            written(read).is_none() && read.is_ok() && ops.iter().any(|known| {
                let same = known.process == read.process && known.call.key() == read.call.key();
                same && known.ended < read.began && matches!(known.answer(), Some(Some(_)))
            })
        }).map(|op| op.index).collect();
        let read = pick(&mut Rng::with_seed(seed), bound);
        prop_assume!(read.is_some());
        ops[read.unwrap_or_default()].outcome = Outcome::Ok(None);
        let report = session::check(&ops);
        let reads = report.breaches.iter().map(|breach| Some(breach.read.index));
        prop_assert!(!report.is_ok(), "seed {seed}");
        prop_assert!(reads.into_iter().all(|index| index == read), "seed {seed}: {report}");
    }

    #[test]
    fn serial_transactions_on_lists_pass(seed in any::<u64>()) {
        let mut store = ListStore::default();
        let ops = run(&mut store, &mut Rng::with_seed(seed), STEPS);
        let report = append::check(&ops, &store.lists);
        prop_assert!(report.is_ok(), "seed {seed}: {report}");
    }

    #[test]
    fn broken_lists_are_reported(seed in any::<u64>(), way in 0..7usize) {
        let mut store = ListStore::default();
        let mut rng = Rng::with_seed(seed);
        let mut ops = run(&mut store, &mut rng, STEPS);
        prop_assume!(break_lists(&mut ops, &mut store.lists, &mut rng, way));
        let report = append::check(&ops, &store.lists);
        prop_assert!(!report.is_ok(), "seed {seed}, way {way}: {report}");
        let cycle = match way {
            2 => report.anomalies.iter().any(|found| matches!(found, Anomaly::WriteCycle(_))),
            3 => report.anomalies.iter().any(|found| matches!(found, Anomaly::ReadCycle(_))),
            _ => true,
        };
        prop_assert!(cycle, "seed {seed}, way {way}: {report}");
    }

    #[test]
    fn a_right_bank_passes(seed in any::<u64>()) {
        let mut bank = Bank::new();
        let ops = run(&mut bank, &mut Rng::with_seed(seed), STEPS);
        let report = bank::check(&ops, &Bank::opening(), &bank.books);
        prop_assert!(report.is_ok(), "seed {seed}: {report}");
    }

    #[test]
    fn a_broken_bank_is_reported(seed in any::<u64>(), way in 0..5usize) {
        let mut bank = Bank::new();
        let mut rng = Rng::with_seed(seed);
        let mut ops = run(&mut bank, &mut rng, STEPS);
        prop_assume!(break_bank(&mut ops, &mut bank.books, &mut rng, way));
        let report = bank::check(&ops, &Bank::opening(), &bank.books);
        prop_assert!(!report.is_ok(), "seed {seed}, way {way}: {report}");
    }

    #[test]
    fn stored_writes_are_told_from_lost_and_strange_ones(
        fates in proptest::collection::vec((0..3u8, any::<bool>()), 1..60),
        strange in 0..4u8,
        at in any::<proptest::sample::Index>(),
    ) {
        let mut stored = Vec::new();
        let mut ops = Vec::new();
        for (index, &(fate, applied)) in fates.iter().enumerate() {
            let (id, began) = (index as u64, index as u64 * 2);
            let outcome = match fate {
                0 => Outcome::Ok(()),
                1 => Outcome::Failed,
                _ => Outcome::Unknown,
            };
            if fate == 0 || (fate == 2 && applied) {
                stored.push(id);
            }
            let ended = if fate == 2 { OPEN } else { began + 1 };
            ops.push(Op { index, process: 0, call: id, began, ended, outcome });
        }
        let audit = |stored: &[u64]| durability::audit(&ops, |&id| Some(id), stored);
        prop_assert!(audit(&stored).is_ok(), "{}", audit(&stored));
        let of = |fate| ops.iter().filter(|op| fates[op.index].0 == fate).map(|op| op.call).collect::<Vec<u64>>();
        match strange {
            0 if !of(0).is_empty() => {
                let lost = *at.get(&of(0));
                stored.retain(|&id| id != lost);
                prop_assert!(audit(&stored).lost == [lost]);
            }
            1 if !stored.is_empty() => {
                let twice = *at.get(&stored);
                stored.push(twice);
                prop_assert!(audit(&stored).doubled == [twice]);
            }
            2 if !of(1).is_empty() => {
                let refused = *at.get(&of(1));
                stored.push(refused);
                prop_assert!(audit(&stored).refused_but_stored == [refused]);
            }
            _ => {
                stored.push(u64::MAX);
                prop_assert!(audit(&stored).strangers == [u64::MAX]);
            }
        }
    }
}
