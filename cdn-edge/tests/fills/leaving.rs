//! Clients that leave: they take nothing away from the others, and a fill that nobody wants ends if much is missing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{future, stream};
use http_body_util::BodyExt;
use terrace_cdn_edge::Edge;
use tokio::time::{advance, sleep};

use super::support::{Origin, answer, ask, edge, frames, get, page, settle, text};

const HEAD: Duration = Duration::from_millis(200);
const PIECE: usize = 64 << 10;

/// A body of so many pieces of 64 KiB, one each 10 ms. It says when it is given up.
fn pieces(count: usize, names_length: bool) -> (Origin, Arc<AtomicBool>) {
    struct Over(Arc<AtomicBool>, bool);
    impl Drop for Over {
        fn drop(&mut self) {
            self.0.fetch_or(!self.1, Ordering::SeqCst);
        }
    }
    let given_up = Arc::new(AtomicBool::new(false));
    let tell = Arc::clone(&given_up);
    let origin = Origin::new(move |_| {
        let state = (0, Over(Arc::clone(&tell), false));
        async move {
            sleep(HEAD).await;
            let body = stream::unfold(state, move |(sent, mut over)| async move {
                sleep(Duration::from_millis(10)).await;
                over.1 = sent == count;
                (sent < count).then(|| (Ok(Bytes::from(vec![b'x'; PIECE])), (sent + 1, over)))
            });
            let length = (count * PIECE).to_string();
            let fields = [("cache-control", "max-age=60"), ("content-length", length.as_str())];
            Ok(answer(&fields[..1 + usize::from(names_length)], frames(body)))
        }
    });
    (origin, given_up)
}

async fn whole(edge: &Edge<Origin>) -> usize {
    text(ask(edge, get("/file")).await).await.unwrap().len()
}

#[tokio::test(start_paused = true)]
async fn who_leaves_before_the_head_takes_nothing_from_those_who_wait() {
    // A small body, which is worth finishing, and one that is not.
    for (count, names_length) in [(2, true), (2, false), (64, true), (64, false)] {
        let (origin, _) = pieces(count, names_length);
        let edge = edge(origin.clone(), |edge| edge);
        let leader = tokio::spawn({
            let edge = edge.clone();
            async move { whole(&edge).await }
        });
        settle().await;
        let waiters = future::join_all((0..10).map(|_| whole(&edge)));
        let leaves = async {
            sleep(HEAD / 2).await;
            leader.abort();
        };
        let (lengths, ()) = tokio::join!(waiters, leaves);
        assert_eq!(lengths, [count * PIECE; 10]);
        assert_eq!(origin.asked(), 1, "{count} pieces, length named: {names_length}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_leaves_with_the_head_takes_nothing_from_those_who_wait() {
    for (count, names_length) in [(2, true), (64, true), (64, false)] {
        let (origin, _) = pieces(count, names_length);
        let edge = edge(origin.clone(), |edge| edge);
        let leader = tokio::spawn({
            let edge = edge.clone();
            async move { drop(ask(&edge, get("/file")).await) }
        });
        settle().await;
        let lengths = future::join_all((0..10).map(|_| whole(&edge))).await;
        leader.await.unwrap();
        assert_eq!(lengths, [count * PIECE; 10]);
        assert_eq!(origin.asked(), 1, "{count} pieces, length named: {names_length}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_leaves_with_the_first_piece_takes_nothing_from_the_others() {
    let (origin, _) = pieces(64, true);
    let edge = edge(origin.clone(), |edge| edge);
    let leaves = async {
        let mut response = ask(&edge, get("/file")).await;
        response.body_mut().frame().await.unwrap().unwrap();
    };
    let ((), length, late) = tokio::join!(leaves, whole(&edge), async {
        sleep(HEAD * 2).await;
        whole(&edge).await
    });
    assert_eq!((length, late), (64 * PIECE, 64 * PIECE));
    assert_eq!(origin.asked(), 1);
}

/// What is left when the only client leaves after so many pieces.
async fn left_after(read: usize, count: usize, names_length: bool) -> (bool, usize) {
    let (origin, given_up) = pieces(count, names_length);
    let edge = edge(origin.clone(), |edge| edge);
    let mut response = ask(&edge, get("/file")).await;
    for _ in 0..read {
        response.body_mut().frame().await.unwrap().unwrap();
    }
    drop(response);
    for _ in 0..count + 10 {
        advance(Duration::from_millis(10)).await;
        settle().await;
    }
    (given_up.load(Ordering::SeqCst), edge.handle().stats().objects)
}

#[tokio::test(start_paused = true)]
async fn a_small_body_is_finished_for_the_next_one_and_a_large_one_given_up() {
    // A mebibyte is sixteen pieces.
    for (read, count, names_length, is_kept) in [
        (0, 16, true, true),
        (0, 17, true, false),
        (1, 17, true, true),
        (0, 16, false, true),
        (1, 64, true, false),
        (31, 64, true, false),
        (32, 64, true, true),
        (17, 64, false, false),
    ] {
        let left = left_after(read, count, names_length).await;
        let case = format!("{read} of {count} read, length named: {names_length}");
        assert_eq!(left, (!is_kept, usize::from(is_kept)), "{case}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_given_up_is_asked_for_again() {
    let (origin, given_up) = pieces(64, true);
    let edge = edge(origin.clone(), |edge| edge);
    drop(ask(&edge, get("/file")).await);
    settle().await;
    assert!(given_up.load(Ordering::SeqCst));
    assert_eq!(whole(&edge).await, 64 * PIECE);
    assert_eq!(origin.asked(), 2);
    page(&edge, "/file").await;
    assert_eq!(origin.asked(), 2);
}

/// Clients that leave at any moment of an answer, beside one that stays. How often it got all.
async fn crowd(edge: &Edge<Origin>, path: String, seed: u64, length: usize) -> usize {
    let clients = (0..6).map(|client| {
        let (edge, path) = (edge.clone(), path.clone());
        let mut random = fastrand::Rng::with_seed(seed ^ client);
        tokio::spawn(async move {
            for _ in 0..random.u8(..8) {
                tokio::task::yield_now().await;
            }
            if client == 0 {
                return text(ask(&edge, get(&path)).await).await.unwrap().len();
            }
            let mut call = Box::pin(ask(&edge, get(&path)));
            let mut patience = random.u8(..16);
            let answered = future::poll_fn(|cx| {
                use std::future::Future;
                use std::task::Poll;
                let polled = call.as_mut().poll(cx).map(Some);
                if polled.is_pending() && patience == 0 {
                    return Poll::Ready(None);
                }
                if polled.is_pending() {
                    patience -= 1;
                    cx.waker().wake_by_ref();
                }
                polled
            });
            if let Some(mut response) = answered.await {
                for _ in 0..random.u8(..3) {
                    response.body_mut().frame().await.unwrap().unwrap();
                }
            }
            0
        })
    });
    let got: Vec<_> = future::join_all(clients).await.into_iter().map(Result::unwrap).collect();
    usize::from(got[0] == length)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whenever_the_others_leave_who_stays_gets_all_of_it() {
    const ROUNDS: usize = 1000;
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    // Large enough to be given up at its beginning.
    let piece = Bytes::from(vec![b'x'; PIECE]);
    let origin = Origin::new(move |asked| {
        let (piece, mut random) =
            (piece.clone(), fastrand::Rng::with_seed(seed ^ asked.number as u64));
        async move {
            for _ in 0..random.u8(..8) {
                tokio::task::yield_now().await;
            }
            let body = stream::unfold(0, move |sent| {
                let piece = piece.clone();
                async move {
                    tokio::task::yield_now().await;
                    (sent < 20).then(|| (Ok(piece), sent + 1))
                }
            });
            let length = (20 * PIECE).to_string();
            Ok(answer(
                &[("cache-control", "max-age=60"), ("content-length", &length)],
                frames(body),
            ))
        }
    });
    let edge = edge(origin.clone(), |edge| edge.memory(32 << 20).max_object(4 << 20));
    let mut whole = 0;
    for round in 0..ROUNDS {
        let seed = seed.wrapping_add(round as u64 * 64);
        whole += crowd(&edge, format!("/{round}"), seed, 20 * PIECE).await;
    }
    assert_eq!(whole, ROUNDS, "seed {seed}");
    // Both happened: some read what another had asked for, and some fills were given up. How many is up to chance:
    // where everybody has left before the next one comes, that one asks anew.
    let collapsed = edge.handle().stats().collapsed;
    assert!(collapsed > 100 && origin.asked() > ROUNDS, "{collapsed}, {}", origin.asked());
}
