use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use super::*;
use crate::content::chunks::Tail;
use crate::content::{Incomplete, State};

#[test]
fn a_reader_gets_bytes_as_they_come_and_then_the_end() {
    let (mut filler, content) = Content::filling(kept(None));
    let mut cursor = content.cursor(0, None);
    assert_eq!(drain(&mut cursor).0, b"");
    push_all(&mut filler, b"hello");
    assert_eq!(drain(&mut cursor).0, b"hello");
    push_all(&mut filler, b"world");
    let (bytes, end) = drain(&mut cursor);
    assert_eq!(bytes, b"world");
    assert!(end.is_pending());
    assert_eq!(filler.finish(), Ok(10));
    assert!(matches!(drain(&mut cursor), (rest, Poll::Ready(Ok(()))) if rest.is_empty()));
    assert!(cursor.is_end_stream());
}

#[test]
fn who_comes_later_and_who_comes_afterwards_read_the_same() {
    let (mut filler, content) = Content::filling(kept(None));
    let mut first = content.cursor(0, None);
    let all = body(0..200_000);
    push_all(&mut filler, &all[..70_000]);
    let mut second = content.cursor(0, None);
    push_all(&mut filler, &all[70_000..]);
    filler.finish().unwrap();
    let mut third = content.cursor(0, None);
    for cursor in [&mut first, &mut second, &mut third] {
        let (read, end) = drain(cursor);
        assert!(read == all && matches!(end, Poll::Ready(Ok(()))));
    }
}

#[test]
fn a_range_ends_where_it_should_while_the_body_is_on_its_way() {
    let (mut filler, content) = Content::filling(kept(Some(100)));
    let mut cursor = content.cursor(5, Some(15));
    assert_eq!(cursor.size_hint().exact(), Some(10));
    push_all(&mut filler, &body(0..50));
    let (read, end) = drain(&mut cursor);
    assert_eq!(read, body(5..15));
    assert!(matches!(end, Poll::Ready(Ok(()))));
    assert!(cursor.is_end_stream());
    assert_eq!(content.readers(), 0, "it has all it wants");
}

#[test]
fn a_size_is_told_as_soon_as_it_is_known() {
    let (mut filler, content) = Content::filling(kept(None));
    let cursor = content.cursor(2, None);
    assert_eq!(cursor.size_hint().exact(), None);
    push_all(&mut filler, b"12345");
    filler.finish().unwrap();
    assert_eq!(cursor.size_hint().exact(), Some(3));
    let (_filler, content) = Content::filling(kept(Some(7)));
    assert_eq!(content.cursor(2, None).size_hint().exact(), Some(5));
    assert_eq!(
        Content::whole(Bytes::from_static(b"abc")).cursor(1, None).size_hint().exact(),
        Some(2)
    );
}

#[test]
fn an_empty_body_ends_at_once() {
    let (filler, content) = Content::filling(kept(Some(0)));
    let early = content.cursor(0, None);
    assert!(early.is_end_stream());
    assert_eq!(filler.finish(), Ok(0));
    assert_eq!(content.state(), State::Whole);
    assert_eq!(content.slices(0..0), Some(Vec::new()));
    let mut late = content.cursor(0, None);
    assert!(late.is_end_stream());
    assert!(matches!(poll(&mut late), Poll::Ready(None)));
}

#[test]
fn a_range_that_begins_after_the_end_is_empty_or_an_error_but_never_a_panic() {
    let content = Content::whole(Bytes::from_static(b"abc"));
    assert!(
        matches!(drain(&mut content.cursor(9, None)), (read, Poll::Ready(Ok(()))) if read.is_empty())
    );
    assert!(
        matches!(drain(&mut content.cursor(2, Some(1))), (read, Poll::Ready(Ok(()))) if read.is_empty())
    );
    let (_, end) = drain(&mut content.cursor(u64::MAX, Some(u64::MAX)));
    assert!(matches!(end, Poll::Ready(Ok(()))));
    let (_, end) = drain(&mut content.cursor(1, Some(9)));
    assert!(matches!(end, Poll::Ready(Err(BodyError::Incomplete { expected: 9, got: 3 }))));
    let (filler, content) = Content::filling(kept(None));
    let mut cursor = content.cursor(9, None);
    assert!(drain(&mut cursor).1.is_pending());
    filler.finish().unwrap();
    let (_, end) = drain(&mut cursor);
    assert!(matches!(end, Poll::Ready(Err(BodyError::Incomplete { expected: 9, got: 0 }))));
}

/// Whether a reader of a filler that is dropped is told that something is missing.
fn a_drop_is_an_error() -> bool {
    let (mut filler, content) = Content::filling(kept(None));
    let mut cursor = content.cursor(0, None);
    push_all(&mut filler, b"half");
    drop(filler);
    let (read, end) = drain(&mut cursor);
    assert_eq!(read, b"half");
    matches!(end, Poll::Ready(Err(BodyError::Aborted))) && content.state() == State::Failed
}

#[test]
fn readers_of_a_body_that_was_given_up_see_an_error_and_not_its_end() {
    assert!(guarded_by(Rule::Abort, a_drop_is_an_error));
}

/// Whether a body that is too short is neither whole nor ended.
fn short_is_an_error() -> bool {
    let (mut filler, content) = Content::filling(kept(Some(10)));
    let mut cursor = content.cursor(0, None);
    push_all(&mut filler, b"half");
    let finished = filler.finish();
    let (_, end) = drain(&mut cursor);
    finished == Err(Incomplete { expected: 10, got: 4 })
        && matches!(end, Poll::Ready(Err(BodyError::Incomplete { expected: 10, got: 4 })))
        && content.state() == State::Failed
        && content.to_bytes().is_none()
}

#[test]
fn a_body_shorter_than_announced_is_an_error_and_never_whole() {
    assert!(guarded_by(Rule::Length, short_is_an_error));
}

fn long_is_an_error() -> bool {
    let (mut filler, content) = Content::filling(kept(Some(4)));
    let mut cursor = content.cursor(0, None);
    let pushed = push(&mut filler, &mut Bytes::from_static(b"too long"));
    let (_, end) = drain(&mut cursor);
    pushed == Poll::Ready(Err(PushError::TooLong))
        && matches!(end, Poll::Ready(Err(BodyError::TooLong)))
        && filler.finish() == Err(Incomplete { expected: 4, got: 8 })
        && content.state() == State::Failed
}

#[test]
fn a_body_longer_than_announced_is_an_error_and_never_whole() {
    assert!(guarded_by(Rule::Length, long_is_an_error));
}

#[test]
fn the_origins_error_reaches_all_readers_with_its_source() {
    let (filler, content) = Content::filling(kept(None));
    let readers = [content.cursor(0, None), content.cursor(7, None)];
    filler.fail(Arc::new(std::io::Error::other("reset")));
    for mut cursor in readers {
        let (_, end) = drain(&mut cursor);
        let Poll::Ready(Err(error)) = end else { panic!("no error") };
        assert_eq!(error.to_string(), "the origin's body failed: reset");
        assert_eq!(error.source().unwrap().to_string(), "reset");
        assert!(matches!(poll(&mut cursor), Poll::Ready(None)), "an error is the last thing");
        assert!(cursor.is_end_stream());
    }
    assert!(matches!(content.failure(), Some(BodyError::Origin(_))));
}

/// A read buffer that knows whether somebody keeps it.
struct Buffer(Vec<u8>, Arc<AtomicBool>);

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.1.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_small_slice_of_a_large_buffer_does_not_keep_the_buffer() {
    assert!(guarded_by(Rule::Copy, || {
        let freed = Arc::new(AtomicBool::new(false));
        let buffer = Bytes::from_owner(Buffer(vec![0; 1 << 20], Arc::clone(&freed)));
        let (mut filler, _content) = Content::filling(kept(None));
        assert!(push(&mut filler, &mut buffer.slice(..100)).is_ready());
        drop(buffer);
        freed.load(Ordering::Relaxed)
    }));
}

#[test]
fn single_bytes_do_not_become_a_part_each() {
    assert!(guarded_by(Rule::Join, || {
        let mut tail = Tail::new(4096);
        let (mut most, mut sealed) = (0, Vec::new());
        for byte in body(0..10_000) {
            sealed.extend(tail.add(&Bytes::copy_from_slice(&[byte])));
            most = most.max(tail.parts());
        }
        sealed.extend(tail.into_last());
        assert!(sealed.concat() == body(0..10_000));
        most <= 32
    }));
}

#[test]
fn a_small_body_in_many_pushes_is_one_piece_in_the_end() {
    let (mut filler, content) = Content::filling(kept(None));
    for at in (0..60_000).step_by(100) {
        push_all(&mut filler, &body(at..at + 100));
    }
    filler.finish().unwrap();
    assert_eq!(content.slices(0..60_000).unwrap().len(), 1);
    assert!(content.to_bytes().unwrap() == body(0..60_000));
}

#[test]
fn a_part_of_a_whole_body_is_slices_of_it() {
    let (mut filler, content) = Content::filling(kept(None));
    push_all(&mut filler, &body(0..150_000));
    assert_eq!(content.slices(0..1), None, "it is not whole");
    filler.finish().unwrap();
    assert!(content.slices(65_000..140_000).unwrap().concat() == body(65_000..140_000));
    assert_eq!(content.slices(0..150_001), None);
    let backwards = Range { start: 3, end: 2 };
    assert_eq!(content.slices(backwards), None);
    assert!(content.to_bytes().unwrap() == body(0..150_000));
}

#[test]
fn the_filler_of_what_is_kept_never_waits_for_readers() {
    let (mut filler, content) = Content::filling(kept(None));
    let _slow = content.cursor(0, None);
    push_all(&mut filler, &body(0..5_000_000));
    assert_eq!(filler.finish(), Ok(5_000_000));
}

/// Whether another task gets its turn while a large body is pushed at once.
async fn lets_others_run(unconstrained: bool) -> bool {
    let (mut filler, content) = Content::filling(kept(None));
    let push = async move { filler.push(Bytes::from(vec![7; 32 << 20])).await };
    let pushing = match unconstrained {
        true => tokio::spawn(tokio::task::unconstrained(push)),
        false => tokio::spawn(push),
    };
    let other = tokio::spawn(async move { content.received() < 32 << 20 });
    assert_eq!(pushing.await.unwrap(), Ok(()));
    other.await.unwrap()
}

#[tokio::test]
async fn a_large_push_lets_other_tasks_run() {
    assert!(lets_others_run(false).await);
}

#[tokio::test]
async fn control_a_push_that_does_not_count_as_work_lets_nobody_run() {
    assert!(!lets_others_run(true).await);
}
