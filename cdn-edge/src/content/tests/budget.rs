use super::*;
use crate::content::{Budget, State};

const KIB: u64 = 1024;
const HALF: u64 = 512 * KIB;

/// Whether 20 fills of 1 MiB, each read by one, stay within 4 MiB and a chunk each.
fn fills_stay_within_a_budget() -> bool {
    let budget = Budget::new(4096 * KIB);
    let mut fills: Vec<_> = (0..20)
        .map(|_| {
            let budget = Some(Arc::clone(&budget));
            let (filler, content) = Content::filling(Expect { budget, ..kept(Some(2 * HALF)) });
            let cursor = content.cursor(0, None);
            (filler, content, cursor, Bytes::from(body(0..2 * HALF)), Vec::new())
        })
        .collect();
    let mut peak = 0;
    for _ in 0..40 {
        for (filler, _, cursor, rest, read) in &mut fills {
            assert!(!matches!(push(filler, rest), Poll::Ready(Err(_))));
            peak = peak.max(budget.used());
            read.extend(drain(cursor).0);
        }
    }
    let mut states = Vec::new();
    for (filler, content, _, _, read) in fills {
        assert!(read == body(0..2 * HALF), "every reader gets all of it");
        assert_eq!(filler.finish(), Ok(2 * HALF));
        states.push(content.state());
    }
    assert_eq!(budget.used(), 0, "all is given back");
    assert!(states.contains(&State::Whole));
    peak <= 4096 * KIB + 20 * 64 * KIB && states.contains(&State::Windowed)
}

#[test]
fn fills_that_get_no_memory_go_on_without_keeping_the_body() {
    assert!(guarded_by(Rule::Budget, fills_stay_within_a_budget));
}

#[test]
fn a_fill_without_any_memory_waits_for_its_own_reader_only() {
    let budget = Some(Budget::new(0));
    let (mut filler, content) = Content::filling(Expect { budget, ..kept(None) });
    let mut cursor = content.cursor(0, None);
    let mut rest = Bytes::from(body(0..2 * HALF));
    let mut read = Vec::new();
    for _ in 0..16 {
        assert_ne!(push(&mut filler, &mut rest), Poll::Ready(Err(PushError::Gone)));
        assert!(content.weight() <= 70 * KIB);
        read.extend(drain(&mut cursor).0);
    }
    assert!(rest.is_empty() && read == body(0..2 * HALF));
}
