mod budget;
mod cost;
mod filling;
mod leaving;
mod model;
mod resume;
mod threads;
mod window;

use std::ops::Range;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use http_body::Body;

use super::rule::{Rule, without};
use super::{BodyError, Content, Cursor, Expect, Filler, PushError};

/// Counts how often it was woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Bell {
    fn rings(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn poll_with(cursor: &mut Cursor, waker: &Waker) -> Poll<Option<Result<Bytes, BodyError>>> {
    let frame = Pin::new(cursor).poll_frame(&mut Context::from_waker(waker));
    frame.map(|frame| Some(frame?.map(|frame| frame.into_data().unwrap_or_default())))
}

fn poll(cursor: &mut Cursor) -> Poll<Option<Result<Bytes, BodyError>>> {
    poll_with(cursor, Waker::noop())
}

/// What there is to be read now, and how it ends: `Pending`, at the end, or with an error.
fn drain(cursor: &mut Cursor) -> (Vec<u8>, Poll<Result<(), BodyError>>) {
    let mut read = Vec::new();
    loop {
        match poll(cursor) {
            Poll::Pending => return (read, Poll::Pending),
            Poll::Ready(None) => return (read, Poll::Ready(Ok(()))),
            Poll::Ready(Some(Err(error))) => return (read, Poll::Ready(Err(error))),
            Poll::Ready(Some(Ok(bytes))) => {
                assert!(!bytes.is_empty());
                read.extend_from_slice(&bytes);
            }
        }
    }
}

/// Pushes as much of this as goes without waiting.
fn push(filler: &mut Filler, bytes: &mut Bytes) -> Poll<Result<(), PushError>> {
    filler.poll_push(&mut Context::from_waker(Waker::noop()), bytes)
}

fn push_all(filler: &mut Filler, bytes: &[u8]) {
    let mut bytes = Bytes::copy_from_slice(bytes);
    assert_eq!(push(filler, &mut bytes), Poll::Ready(Ok(())));
}

/// The bytes of a body that repeats itself, but not by chunks.
fn body(range: Range<u64>) -> Vec<u8> {
    const PERIOD: u64 = 65_521;
    static PIECE: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let mut chance = fastrand::Rng::with_seed(1);
        (0..PERIOD).map(|_| chance.u8(..)).collect()
    });
    let mut bytes = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let piece = &PIECE[usize::try_from(at % PERIOD).unwrap()..];
        let len = piece.len().min(usize::try_from(range.end - at).unwrap());
        bytes.extend_from_slice(&piece[..len]);
        at += len as u64;
    }
    bytes
}

/// Does not look at what comes, nor how it ends.
fn skip(cursor: &mut Cursor) -> u64 {
    drain(cursor).0.len() as u64
}

fn kept(length: Option<u64>) -> Expect {
    Expect { length, keep: 1 << 30, window: 1 << 20, budget: None }
}

/// Whether a safeguard is what makes this work: not without it.
fn guarded_by(rule: Rule, works: impl Fn() -> bool) -> bool {
    assert!(works(), "it does not work");
    !without(rule, works)
}
