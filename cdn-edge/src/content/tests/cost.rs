use std::task::Waker;

use allocation_counter::measure;

use super::*;

const SMALL: usize = 1000;

fn stored(bytes: usize) -> Arc<Content> {
    let (mut filler, content) = Content::filling(kept(Some(bytes as u64)));
    push_all(&mut filler, &vec![7; bytes]);
    filler.finish().unwrap();
    content
}

#[test]
fn a_hit_does_not_allocate() {
    let contents = [stored(SMALL), stored(1 << 20), Content::whole(Bytes::from(vec![0; SMALL]))];
    for content in contents {
        let used = measure(|| {
            let mut cursor = content.cursor(0, None);
            while let Poll::Ready(Some(frame)) = poll(&mut cursor) {
                assert!(frame.is_ok());
            }
        });
        assert_eq!(used.count_total, 0);
    }
}

#[test]
#[cfg(target_pointer_width = "64")]
fn a_small_whole_body_takes_at_most_100_bytes_more_than_it_has() {
    let mut content = None;
    let used = measure(|| content = Some(stored(SMALL)));
    let held = u64::try_from(used.bytes_current).unwrap();
    assert!(held <= SMALL as u64 + 100, "{held}");
    assert_eq!(content.unwrap().weight(), held);
}

#[test]
fn a_body_weighs_what_it_holds() {
    for bytes in [0, 1, 65_536, 65_537, 200_000, 1 << 20] {
        let mut content = None;
        let used = measure(|| content = Some(stored(bytes)));
        let held = u64::try_from(used.bytes_current).unwrap();
        let weight = content.unwrap().weight();
        assert!(weight.abs_diff(held) <= 32, "{bytes}: {weight} for {held}");
    }
}

#[test]
#[cfg(target_pointer_width = "64")]
fn a_cursor_is_small_and_goes_everywhere() {
    fn everywhere<T: Send + Sync + Unpin + 'static>() {}
    everywhere::<Cursor>();
    everywhere::<Content>();
    everywhere::<Filler>();
    assert!(size_of::<Cursor>() <= 80, "{}", size_of::<Cursor>());
}

#[test]
fn a_push_wakes_10_000_readers_once_each() {
    assert!(guarded_by(Rule::Wake, || {
        let (mut filler, content) = Content::filling(kept(None));
        let mut readers: Vec<_> =
            (0..10_000).map(|_| (content.cursor(0, None), Arc::new(Bell::default()))).collect();
        for (cursor, bell) in &mut readers {
            assert!(poll_with(cursor, &Waker::from(Arc::clone(bell))).is_pending());
        }
        push_all(&mut filler, b"first");
        push_all(&mut filler, b"second");
        let woken = readers.iter().all(|(_, bell)| bell.rings() == 1);
        let read = readers.iter_mut().all(|(cursor, _)| drain(cursor).0 == b"firstsecond");
        assert!(read);
        woken
    }));
}

#[test]
fn waiting_and_waking_allocate_only_while_the_lists_grow() {
    let (mut filler, content) = Content::filling(kept(None));
    let mut readers: Vec<_> = (0..1000).map(|_| content.cursor(0, None)).collect();
    let mut round = |filler: &mut Filler| {
        readers.iter_mut().for_each(|cursor| assert!(drain_quietly(cursor) <= 1));
        push_all(filler, b"x");
    };
    round(&mut filler);
    round(&mut filler);
    let used = measure(|| (0..10).for_each(|_| round(&mut filler)));
    // Two for each push: what is pushed, and the part it becomes with its count.
    assert!(used.count_total <= 60, "{}", used.count_total);
}

fn drain_quietly(cursor: &mut Cursor) -> usize {
    let mut frames = 0;
    while let Poll::Ready(Some(_)) = poll(cursor) {
        frames += 1;
    }
    frames
}
