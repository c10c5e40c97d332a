use std::convert::Infallible;
use std::sync::Mutex;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, stream};
use http::HeaderMap;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};

use super::*;
use crate::content::{BoxError, Resume, ResumedBody};

const LENGTH: u64 = 4 << 20;

/// An origin with ranges, which sends so many bytes more or less than it should.
#[derive(Default)]
struct Origin {
    wrong_by: i64,
    refuses: bool,
    asked: Mutex<Vec<(u64, Option<u64>)>>,
}

impl Resume for Origin {
    fn resume(
        &self,
        from: u64,
        until: Option<u64>,
    ) -> BoxFuture<'static, Result<ResumedBody, BoxError>> {
        self.asked.lock().unwrap().push((from, until));
        if self.refuses {
            return async { Err("412".into()) }.boxed();
        }
        let bytes = body(from..until.unwrap_or(LENGTH).saturating_add_signed(self.wrong_by));
        let half = bytes.len() / 2;
        let frames = [
            Frame::data(Bytes::copy_from_slice(&bytes[..half])),
            Frame::data(Bytes::new()),
            Frame::data(Bytes::copy_from_slice(&bytes[half..])),
            Frame::trailers(HeaderMap::new()),
        ];
        let frames = stream::iter(frames.map(Ok::<_, Infallible>));
        let body = StreamBody::new(frames).map_err(|never| match never {});
        async { Ok(body.boxed_unsync()) }.boxed()
    }
}

/// What a reader gets that was too slow after its first chunk, and how it ends.
fn resumed(
    origin: &Arc<Origin>,
    length: Option<u64>,
    until: Option<u64>,
) -> (Vec<u8>, Poll<Result<(), BodyError>>) {
    let (mut filler, content) =
        Content::filling(Expect { length, keep: 0, window: 1 << 20, budget: None });
    let (mut fast, mut slow) = (content.cursor(0, None), content.cursor(0, until));
    slow.resume_with(Arc::clone(origin) as Arc<dyn Resume>);
    let mut rest = Bytes::from(body(0..LENGTH));
    assert!(push(&mut filler, &mut rest).is_pending());
    let Poll::Ready(Some(Ok(first))) = poll(&mut slow) else { panic!("nothing to read") };
    while push(&mut filler, &mut rest).is_pending() {
        skip(&mut fast);
    }
    skip(&mut fast);
    let (read, end) = drain(&mut slow);
    assert!(slow.is_end_stream());
    assert_eq!(content.readers(), usize::from(length.is_none()), "it is not one of its readers");
    (first.iter().copied().chain(read).collect(), end)
}

#[test]
fn a_reader_that_fell_behind_goes_on_by_itself() {
    for length in [Some(LENGTH), None] {
        let origin = Arc::default();
        let (read, end) = resumed(&origin, length, None);
        assert!(read == body(0..LENGTH) && matches!(end, Poll::Ready(Ok(()))));
        assert_eq!(*origin.asked.lock().unwrap(), [(65_536, length)]);
    }
}

#[test]
fn a_range_that_fell_behind_asks_for_the_rest_of_the_range() {
    let origin = Arc::default();
    let (read, end) = resumed(&origin, None, Some(3_000_000));
    assert!(read == body(0..3_000_000) && matches!(end, Poll::Ready(Ok(()))));
    assert_eq!(*origin.asked.lock().unwrap(), [(65_536, Some(3_000_000))]);
}

#[test]
fn who_falls_behind_a_body_that_has_ended_knows_how_much_is_missing() {
    let (mut filler, content) = Content::filling(Expect { window: 1 << 20, ..Expect::default() });
    let (mut fast, mut slow) = (content.cursor(0, None), content.cursor(0, None));
    let origin = Arc::new(Origin::default());
    slow.resume_with(Arc::clone(&origin) as Arc<dyn Resume>);
    let mut rest = Bytes::from(body(0..LENGTH));
    while push(&mut filler, &mut rest).is_pending() {
        skip(&mut fast);
    }
    skip(&mut fast);
    filler.finish().unwrap();
    assert_eq!(skip(&mut slow), LENGTH);
    assert_eq!(*origin.asked.lock().unwrap(), [(0, Some(LENGTH))]);
}

#[test]
fn a_rest_that_is_too_short_is_an_error() {
    assert!(guarded_by(Rule::Resumed, || {
        let origin = Arc::new(Origin { wrong_by: -1, ..Origin::default() });
        let (_, end) = resumed(&origin, Some(LENGTH), None);
        matches!(end, Poll::Ready(Err(BodyError::Incomplete { expected: LENGTH, .. })))
    }));
}

#[test]
fn a_rest_that_is_too_long_is_an_error() {
    assert!(guarded_by(Rule::Resumed, || {
        let origin = Arc::new(Origin { wrong_by: 1, ..Origin::default() });
        let (_, end) = resumed(&origin, Some(LENGTH), None);
        matches!(end, Poll::Ready(Err(BodyError::TooLong)))
    }));
}

#[test]
fn a_refused_rest_is_an_error() {
    let origin = Arc::new(Origin { refuses: true, ..Origin::default() });
    let (read, end) = resumed(&origin, None, None);
    assert!(read == body(0..65_536));
    let Poll::Ready(Err(BodyError::Origin(error))) = end else { panic!("no error") };
    assert_eq!(error.to_string(), "412");
}
