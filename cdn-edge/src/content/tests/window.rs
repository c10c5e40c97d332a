use std::sync::Arc;
use std::task::{Poll, Waker};

use super::*;
use crate::content::{Incomplete, State};

const KIB: u64 = 1024;
const HALF: u64 = 512 * KIB;

/// A window of 1 MiB, from the first push on.
fn window() -> Expect {
    Expect { length: None, keep: 0, window: 2 * HALF, budget: None }
}

/// Pushes this many bytes, as far as the readers let it. Returns how many are left.
fn pour(filler: &mut Filler, content: &Content, bytes: u64) -> u64 {
    let from = content.received();
    let mut rest = Bytes::from(body(from..from + bytes));
    assert!(!matches!(push(filler, &mut rest), Poll::Ready(Err(_))));
    rest.len() as u64
}

/// Whether a reader that does not read leaves the other one alone.
fn the_slow_one_slows_nobody() -> bool {
    let (mut filler, content) = Content::filling(window());
    let (mut fast, _slow) = (content.cursor(0, None), content.cursor(0, None));
    (0..64).all(|_| {
        let left = pour(&mut filler, &content, 64 * KIB);
        skip(&mut fast) == 64 * KIB && left == 0
    })
}

#[test]
fn a_slow_reader_does_not_slow_others() {
    assert!(guarded_by(Rule::Fastest, the_slow_one_slows_nobody));
}

/// Whether 64 MiB go through a window of 1 MiB without taking much more, once the 2 MiB are read
/// that were kept before.
fn memory_is_flat() -> bool {
    let (mut filler, content) = Content::filling(Expect { keep: 4 * HALF, ..window() });
    let mut cursor = content.cursor(0, None);
    let (mut turning, mut later, mut read) = (0, 0, 0);
    let piece = Bytes::from(vec![7; 48 * 1024]);
    while read < 64 * KIB * KIB {
        let mut bytes = piece.clone();
        while !matches!(push(&mut filler, &mut bytes), Poll::Ready(Ok(()))) {
            let Poll::Ready(Some(Ok(frame))) = poll(&mut cursor) else { panic!("no frame") };
            read += frame.len() as u64;
        }
        let peak = if read < 4 * HALF { &mut turning } else { &mut later };
        *peak = content.weight().max(*peak);
    }
    turning <= 4 * HALF + 100 * KIB && later <= 2 * HALF + 100 * KIB
}

#[test]
fn memory_is_flat_while_a_large_body_goes_through() {
    assert!(guarded_by(Rule::Forget, memory_is_flat));
}

#[test]
fn the_filler_is_at_most_half_a_window_ahead() {
    assert!(guarded_by(Rule::Pace, || {
        let (mut filler, content) = Content::filling(window());
        let _reader = content.cursor(0, None);
        pour(&mut filler, &content, 4 * HALF);
        content.received() == HALF
    }));
}

#[test]
fn a_reader_half_a_window_behind_keeps_its_place() {
    assert!(guarded_by(Rule::Behind, || {
        let (mut filler, content) = Content::filling(window());
        let (mut fast, mut slow) = (content.cursor(0, None), content.cursor(0, None));
        pour(&mut filler, &content, HALF);
        assert_eq!(skip(&mut fast), HALF);
        let (read, end) = drain(&mut slow);
        read == body(0..HALF) && end.is_pending()
    }));
}

#[test]
fn a_reader_that_is_further_behind_is_told_so() {
    let (mut filler, content) = Content::filling(window());
    let (mut fast, mut slow) = (content.cursor(0, None), content.cursor(0, None));
    assert!(poll(&mut slow).is_pending());
    for _ in 0..3 {
        pour(&mut filler, &content, HALF);
        skip(&mut fast);
    }
    assert_eq!(content.readers(), 2);
    assert!(matches!(drain(&mut slow).1, Poll::Ready(Err(BodyError::FellBehind))));
    assert_eq!(content.readers(), 1);
    let (_, end) = drain(&mut content.cursor(0, None));
    assert!(matches!(end, Poll::Ready(Err(BodyError::FellBehind))), "who comes now came too late");
}

#[test]
fn what_was_kept_before_the_turn_is_there_until_the_fastest_has_read_it() {
    let (mut filler, content) = Content::filling(Expect { keep: 8 * HALF, ..window() });
    let (mut first, mut second) = (content.cursor(0, None), content.cursor(0, None));
    assert_eq!(pour(&mut filler, &content, 8 * HALF), 0);
    assert_eq!(content.state(), State::Filling);
    assert_eq!(pour(&mut filler, &content, 1), 1, "nobody has read anything");
    assert_eq!(content.state(), State::Windowed);
    // They take turns, so none is behind.
    for at in (0..8 * HALF).step_by(64 * 1024) {
        for cursor in [&mut first, &mut second] {
            let Poll::Ready(Some(Ok(frame))) = poll(cursor) else { panic!("no frame") };
            assert!(frame == body(at..at + 64 * KIB));
        }
    }
    assert!(content.weight() <= HALF + 100 * KIB);
}

#[test]
fn a_reader_that_has_left_before_the_turn_takes_nobodys_place() {
    let (mut filler, content) = Content::filling(Expect { keep: 8 * HALF, ..window() });
    pour(&mut filler, &content, 8 * HALF);
    assert_eq!(skip(&mut content.cursor(0, None)), 8 * HALF);
    let mut cursor = content.cursor(0, None);
    assert_eq!(pour(&mut filler, &content, 1), 1);
    assert!(drain(&mut cursor).0 == body(0..8 * HALF));
}

#[test]
fn an_announced_length_that_cannot_be_kept_makes_a_window_at_once() {
    let expect = Expect { length: Some(10 * HALF), keep: 9 * HALF, ..window() };
    let (mut filler, content) = Content::filling(expect);
    let mut cursor = content.cursor(0, None);
    assert_eq!(pour(&mut filler, &content, 1), 0);
    assert_eq!(content.state(), State::Windowed);
    let mut read = skip(&mut cursor);
    while read < 10 * HALF {
        pour(&mut filler, &content, (128 * KIB).min(10 * HALF - content.received()));
        read += skip(&mut cursor);
    }
    assert_eq!(filler.finish(), Ok(10 * HALF));
    assert_eq!(content.state(), State::Windowed, "and it is never whole");
}

#[test]
fn a_window_that_nobody_reads_is_over_at_once() {
    let (mut filler, content) = Content::filling(window());
    let pushed = push(&mut filler, &mut Bytes::from_static(b"x"));
    assert_eq!(pushed, Poll::Ready(Err(PushError::Gone)));
    assert_eq!(content.state(), State::Failed);
    assert!(matches!(drain(&mut content.cursor(0, None)).1, Poll::Ready(Err(BodyError::Aborted))));
    assert_eq!(filler.finish(), Err(Incomplete { expected: 1, got: 0 }));
}

/// A filler that waits in a window, with its bell.
fn waiting() -> (Filler, Arc<Content>, Bytes, Arc<Bell>, [Cursor; 2]) {
    let (mut filler, content) = Content::filling(window());
    let readers = [content.cursor(0, None), content.cursor(0, None)];
    let bell = Arc::new(Bell::default());
    let mut rest = Bytes::from(body(0..2 * HALF));
    let waker = Waker::from(Arc::clone(&bell));
    assert!(filler.poll_push(&mut Context::from_waker(&waker), &mut rest).is_pending());
    (filler, content, rest, bell, readers)
}

#[test]
fn a_filler_that_waits_is_woken_by_the_fastest_once() {
    let (mut filler, content, mut rest, bell, [mut fast, _slow]) = waiting();
    assert!(poll(&mut fast).is_ready());
    assert_eq!(bell.rings(), 1);
    skip(&mut fast);
    assert_eq!(bell.rings(), 1);
    assert_eq!(push(&mut filler, &mut rest), Poll::Ready(Ok(())));
    assert_eq!(content.received(), 2 * HALF);
}

#[test]
fn a_filler_that_waits_is_woken_by_who_begins_further_on() {
    let (mut filler, content, mut rest, bell, _readers) = waiting();
    let _range = content.cursor(2 * HALF, None);
    assert_eq!(bell.rings(), 1);
    assert_eq!(push(&mut filler, &mut rest), Poll::Ready(Ok(())));
}

#[test]
fn a_filler_that_waits_hears_that_the_last_reader_has_left() {
    let (mut filler, _content, mut rest, bell, [first, second]) = waiting();
    drop(first);
    drop(second);
    assert_eq!(bell.rings(), 1);
    assert_eq!(push(&mut filler, &mut rest), Poll::Ready(Err(PushError::Gone)));
}

#[test]
fn a_filler_does_not_wait_for_readers_that_have_lost_their_place() {
    let (mut filler, content) = Content::filling(window());
    let (mut fast, _lost) = (content.cursor(0, None), content.cursor(0, None));
    for _ in 0..3 {
        assert_eq!(pour(&mut filler, &content, HALF), 0);
        skip(&mut fast);
    }
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    let mut rest = Bytes::from(body(3 * HALF..5 * HALF));
    assert!(filler.poll_push(&mut Context::from_waker(&waker), &mut rest).is_pending());
    drop(fast);
    assert_eq!((bell.rings(), content.readers()), (1, 1));
    assert_eq!(push(&mut filler, &mut rest), Poll::Ready(Err(PushError::Gone)));
}

#[test]
fn a_reader_that_has_its_range_holds_up_nobody() {
    let (mut filler, content) = Content::filling(window());
    let (mut range, mut other) = (content.cursor(0, Some(10)), content.cursor(0, None));
    pour(&mut filler, &content, 100);
    assert_eq!(drain(&mut range).0, body(0..10));
    for _ in 0..5 {
        skip(&mut other);
        assert_eq!(pour(&mut filler, &content, HALF), 0);
    }
    drop(other);
    let gone = push(&mut filler, &mut Bytes::from_static(b"x"));
    assert_eq!(gone, Poll::Ready(Err(PushError::Gone)), "though its cursor is still there");
    drop(range);
}

#[test]
fn a_range_far_ahead_is_reached_with_the_memory_of_a_window() {
    let (mut filler, content) = Content::filling(window());
    let mut cursor = content.cursor(20 * HALF, Some(20 * HALF + 10));
    let bell = Arc::new(Bell::default());
    assert!(poll_with(&mut cursor, &Waker::from(Arc::clone(&bell))).is_pending());
    for _ in 0..20 {
        assert_eq!(pour(&mut filler, &content, HALF), 0);
        assert!(content.weight() <= 2 * HALF + 100 * KIB);
    }
    assert_eq!(bell.rings(), 0, "there was nothing for it yet");
    pour(&mut filler, &content, 10);
    assert_eq!(bell.rings(), 1);
    assert_eq!(drain(&mut cursor).0, body(20 * HALF..20 * HALF + 10));
}

#[test]
fn the_rest_of_a_window_is_read_after_its_end() {
    let (mut filler, content) = Content::filling(window());
    let mut cursor = content.cursor(0, None);
    pour(&mut filler, &content, HALF);
    assert_eq!(filler.finish(), Ok(HALF));
    assert_eq!((content.state(), content.length()), (State::Windowed, Some(HALF)));
    let (read, end) = drain(&mut cursor);
    assert!(read == body(0..HALF) && matches!(end, Poll::Ready(Ok(()))));
    assert_eq!(content.slices(0..1), None);
}
