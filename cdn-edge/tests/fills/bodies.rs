//! Readers of one body that are not equally fast.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Response, StatusCode};
use http_body_util::BodyExt;
use terrace_cdn_edge::content::BodyError;
use terrace_cdn_edge::{BoxError, Edge, EdgeBody};
use tokio::time::{Instant, sleep};

use super::support::{Answer, Asked, Origin, answer, ask, edge, frames, get, page, settle};

const PIECE: u64 = 64 << 10;
/// More than the object that is kept and the window together.
const PIECES: u64 = 400;
const TICK: Duration = Duration::from_millis(1);

/// Each piece is of its own number, so that whoever gets another one notices.
fn piece(number: u64) -> Bytes {
    Bytes::from(vec![u8::try_from(number % 251).unwrap(); usize::try_from(PIECE).unwrap()])
}

/// A body of unknown length, one piece a millisecond; the rest of it if a range asks for that.
async fn download(asked: Asked, tag: Option<&'static str>) -> Answer {
    let range = asked.field("range").strip_prefix("bytes=").and_then(|it| it.strip_suffix('-'));
    let from: u64 = range.map_or(0, |from| from.parse().unwrap());
    let pieces = stream::iter(from / PIECE..PIECES).then(move |number| async move {
        sleep(TICK).await;
        let skip = from.saturating_sub(number * PIECE);
        Ok(piece(number).slice(usize::try_from(skip).unwrap()..))
    });
    let mut fields = vec![("cache-control", "max-age=60")];
    fields.extend(tag.map(|tag| ("etag", tag)));
    let total = PIECES * PIECE;
    let place = format!("bytes {from}-{}/{total}", total - 1);
    if range.is_some() {
        assert_eq!(Some(asked.field("if-range")), tag);
        fields.push(("content-range", &place));
    }
    let mut response = answer(&fields, frames(pieces));
    if range.is_some() {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(response)
}

fn small(origin: Origin) -> Edge<Origin> {
    edge(origin, |edge| edge.memory(8 << 20).max_object(1 << 20))
}

/// Reads at its own pace, and checks each byte. How many there were, and how it ended.
async fn read(response: Response<EdgeBody>, pause: Duration) -> (u64, Result<(), BoxError>) {
    let mut body = response.into_body();
    let mut at = 0;
    while let Some(frame) = body.frame().await {
        let data = match frame {
            Ok(frame) => frame.into_data().unwrap(),
            Err(error) => return (at, Err(error)),
        };
        for byte in data.iter().step_by(1024) {
            assert_eq!(u64::from(*byte), at / PIECE % 251, "at byte {at}");
            at += 1024;
        }
        if !pause.is_zero() {
            sleep(pause).await;
        }
    }
    (at, Ok(()))
}

/// A fast reader and a slow one: how long the fast one takes, and what the slow one gets.
async fn fast_and_slow(
    tag: Option<&'static str>,
    pause: Duration,
) -> (Duration, (u64, Result<(), BoxError>), usize) {
    let origin = Origin::new(move |asked| download(asked, tag));
    let edge = small(origin.clone());
    let start = Instant::now();
    let fast = async {
        let (got, how) = read(ask(&edge, get("/film")).await, Duration::ZERO).await;
        how.unwrap();
        assert_eq!(got, PIECES * PIECE);
        Instant::now().saturating_duration_since(start)
    };
    let slow = async { read(ask(&edge, get("/film")).await, pause).await };
    let (took, slow) = tokio::join!(fast, slow);
    (took, slow, origin.asked())
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_of_a_body_too_large_to_keep_goes_on_by_a_request_of_its_own() {
    let alone = fast_and_slow(Some("\"a\""), Duration::ZERO).await;
    assert_eq!((alone.1.0, alone.2), (PIECES * PIECE, 1), "as fast, they share all of it");
    let (took, (got, how), asked) = fast_and_slow(Some("\"a\""), TICK * 20).await;
    how.unwrap();
    assert_eq!(got, PIECES * PIECE);
    assert_eq!(took, alone.0, "nobody waits for the slow one");
    assert_eq!(asked, 2);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_of_a_body_without_a_strong_validator_is_cut_off_with_an_error() {
    for tag in [None, Some("W/\"a\"")] {
        let (_, (got, how), asked) = fast_and_slow(tag, TICK * 20).await;
        let error = how.unwrap_err();
        assert!(matches!(error.downcast_ref(), Some(BodyError::FellBehind)), "{error}");
        assert!(got < PIECES * PIECE);
        assert_eq!(asked, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_not_given_the_rest_of_another_version() {
    let origin = Origin::new(|asked| async move {
        // There is a new version, so that the range does not count.
        let mut asked = asked;
        if asked.headers.remove("if-range").is_some() {
            asked.headers.remove("range");
            return download(asked, Some("\"b\"")).await;
        }
        download(asked, Some("\"a\"")).await
    });
    let edge = small(origin.clone());
    let fast = async { read(ask(&edge, get("/film")).await, Duration::ZERO).await };
    let slow = async { read(ask(&edge, get("/film")).await, TICK * 20).await };
    let ((got, how), (cut, error)) = tokio::join!(fast, slow);
    how.unwrap();
    assert_eq!(got, PIECES * PIECE);
    error.unwrap_err();
    assert!(cut < PIECES * PIECE);
    assert_eq!(origin.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn who_comes_late_to_a_body_too_large_to_keep_gets_it_from_its_beginning() {
    for tag in [None, Some("\"a\"")] {
        let origin = Origin::new(move |asked| download(asked, tag));
        let edge = small(origin.clone());
        let early = async { read(ask(&edge, get("/film")).await, Duration::ZERO).await };
        let late = async {
            sleep(TICK * 300).await;
            read(ask(&edge, get("/film")).await, Duration::ZERO).await
        };
        let (early, late) = tokio::join!(early, late);
        for (got, how) in [early, late] {
            how.unwrap();
            assert_eq!(got, PIECES * PIECE);
        }
        assert_eq!(origin.asked(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_of_a_body_that_is_kept_slows_nobody_and_gets_all_of_it() {
    let origin = Origin::new(|asked| download(asked, None));
    let edge = edge(origin.clone(), |edge| edge);
    let start = Instant::now();
    let fast = async {
        read(ask(&edge, get("/film")).await, Duration::ZERO).await.1.unwrap();
        Instant::now().saturating_duration_since(start)
    };
    let slow = async { read(ask(&edge, get("/film")).await, TICK * 20).await };
    let (took, (got, how)) = tokio::join!(fast, slow);
    how.unwrap();
    assert_eq!(got, PIECES * PIECE);
    assert!(took < TICK * 2 * u32::try_from(PIECES).unwrap(), "{took:?}");
    assert_eq!(origin.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_head_fills_nothing_and_is_answered_from_what_a_get_has_filled() {
    let origin = Origin::new(|asked| async move {
        let fields = [("cache-control", "max-age=60"), ("content-length", "4")];
        let is_head = asked.method == http::Method::HEAD;
        let body = super::support::full(if is_head { "" } else { "page" });
        Ok(answer(&fields, body))
    });
    let edge = edge(origin.clone(), |edge| edge);
    let head = || {
        let mut request = get("/");
        *request.method_mut() = http::Method::HEAD;
        request
    };
    let response = ask(&edge, head()).await;
    assert_eq!(response.headers()["content-length"], "4");
    assert_eq!((origin.asked(), edge.handle().stats().objects), (1, 0));
    assert_eq!(page(&edge, "/").await, (StatusCode::OK, "page".to_owned()));
    settle().await;
    let response = ask(&edge, head()).await;
    assert_eq!(response.headers()["content-length"], "4");
    assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
    assert_eq!(origin.asked(), 2);
}
