use std::sync::Arc;
use std::task::Waker;

use super::*;

fn leaves_nothing() -> bool {
    let (filler, content) = Content::filling(kept(None));
    let bell = Arc::new(Bell::default());
    for _ in 0..100 {
        let mut cursor = content.cursor(0, None);
        assert!(poll_with(&mut cursor, &Waker::from(Arc::clone(&bell))).is_pending());
    }
    let held = Arc::strong_count(&bell) - 1;
    drop(filler);
    content.readers() == 0 && held == 0 && bell.rings() == 0
}

#[test]
fn a_reader_that_is_dropped_while_it_waits_leaves_nothing_behind() {
    assert!(guarded_by(Rule::Leave, leaves_nothing));
}

#[test]
fn a_reader_that_moves_to_another_task_wakes_that_one() {
    let (mut filler, content) = Content::filling(kept(None));
    let mut cursor = content.cursor(0, None);
    let (old, new) = (Arc::new(Bell::default()), Arc::new(Bell::default()));
    for bell in [&old, &new, &new] {
        assert!(poll_with(&mut cursor, &Waker::from(Arc::clone(bell))).is_pending());
    }
    push_all(&mut filler, b"x");
    assert_eq!((old.rings(), new.rings()), (0, 1));
}

#[tokio::test]
async fn a_fill_hears_when_its_last_reader_has_left() {
    let (filler, content) = Content::filling(kept(None));
    let readers = [content.cursor(0, None), content.cursor(0, None)];
    let abandoned = content.abandoned();
    tokio::pin!(abandoned);
    let [first, second] = readers;
    drop(first);
    assert!(futures_util::poll!(&mut abandoned).is_pending());
    drop(second);
    abandoned.await;
    content.abandoned().await;
    drop(filler);
}

#[tokio::test]
async fn who_waits_for_the_last_reader_hears_that_the_body_has_ended() {
    let (filler, content) = Content::filling(kept(None));
    let _reader = content.cursor(0, None);
    let abandoned = content.abandoned();
    tokio::pin!(abandoned);
    assert!(futures_util::poll!(&mut abandoned).is_pending());
    drop(filler);
    abandoned.await;
}
