//! Memory: what is on its way through is not kept.
//!
//! Counted are the live allocations of the thread, by an allocator that replaces the global one; everything runs
//! on one thread, so these are all there are.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, future, stream};
use http_body_util::BodyExt;
use tokio::time::sleep;

use super::support::{Origin, answer, ask, edge, frames, get};

const MIB: u64 = 1 << 20;
const PIECE: usize = 256 << 10;

/// A body of so many bytes that exist once.
fn download(bytes: u64, names_length: bool) -> Origin {
    let piece = Bytes::from(vec![7; PIECE]);
    Origin::new(move |_| {
        let piece = piece.clone();
        let count = usize::try_from(bytes).unwrap() / PIECE;
        async move {
            let length = bytes.to_string();
            let fields = [("cache-control", "max-age=60"), ("content-length", length.as_str())];
            let body = stream::repeat_with(move || Ok(piece.clone())).take(count);
            Ok(answer(&fields[..1 + usize::from(names_length)], frames(body)))
        }
    })
}

/// The most bytes that are alive at a time while this runs.
fn peak(work: impl Future<Output = ()>) -> u64 {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    let runtime = runtime.unwrap();
    allocation_counter::measure(|| runtime.block_on(work)).bytes_max
}

/// The peak while one client downloads this through a cache of 64 MiB.
fn peak_of(bytes: u64, names_length: bool) -> u64 {
    peak(async {
        let edge = edge(download(bytes, names_length), |edge| edge.memory(64 * MIB));
        let mut body = ask(&edge, get("/film")).await.into_body();
        let mut got = 0;
        while let Some(frame) = body.frame().await {
            got += frame.unwrap().into_data().unwrap().len() as u64;
        }
        assert_eq!(got, bytes);
        assert!(edge.handle().stats().bytes < MIB);
    })
}

#[test]
fn two_gibibytes_of_known_length_go_through_in_the_memory_of_a_few_pieces() {
    let peak = peak_of(2048 * MIB, true);
    println!("peak of 2 GiB with its length: {peak} bytes");
    assert!(peak < 2 * MIB, "{peak} bytes");
}

#[test]
fn two_gibibytes_of_unknown_length_go_through_in_the_memory_of_an_object_and_a_window() {
    let (less, more) = (peak_of(128 * MIB, false), peak_of(2048 * MIB, false));
    println!("peak of 128 MiB without a length: {less} bytes, of 2 GiB: {more} bytes");
    // An eighth of the memory, and the window.
    assert!(more < 18 * MIB, "{more} bytes");
    assert!(more < less + MIB, "{less} bytes became {more}");
}

#[test]
fn a_body_that_is_kept_shows_in_the_peak() {
    let peak = peak(async {
        let edge = edge(download(128 * MIB, false), |edge| edge.memory(1024 * MIB));
        ask(&edge, get("/film")).await.into_body().collect().await.unwrap();
    });
    assert!(peak > 128 * MIB, "{peak} bytes");
}

/// The peak of 200 fills of 512 KiB at once, whose readers all wait for the last piece.
fn peak_of_many(memory: u64) -> u64 {
    let piece = Bytes::from(vec![7; PIECE / 4]);
    let origin = Origin::new(move |_| {
        let piece = piece.clone();
        async move {
            let body = stream::iter(0..9).then(move |number| {
                let piece = piece.clone();
                async move {
                    let pause = if number == 8 { 1000 } else { 10 };
                    sleep(Duration::from_millis(pause)).await;
                    Ok(piece)
                }
            });
            Ok(answer(&[("cache-control", "max-age=60")], frames(body)))
        }
    });
    peak(async {
        let edge = edge(origin, |edge| edge.memory(memory).max_object(MIB));
        let calls = (0..200).map(|number| {
            let (edge, path) = (edge.clone(), format!("/{number}"));
            async move {
                let mut body = ask(&edge, get(&path)).await.into_body();
                let mut got = 0;
                while let Some(frame) = body.frame().await {
                    got += frame.unwrap().into_data().unwrap().len();
                }
                assert_eq!(got, 9 * PIECE / 4);
            }
        });
        future::join_all(calls).await;
    })
}

#[test]
fn two_hundred_fills_at_once_keep_to_the_budget_of_bodies_on_their_way() {
    let (bounded, unbounded) = (peak_of_many(16 * MIB), peak_of_many(1024 * MIB));
    println!("peak of 200 fills: {bounded} bytes, with room for all: {unbounded} bytes");
    assert!(unbounded > 100 * MIB, "{unbounded} bytes");
    // A quarter of the memory on the way, the memory itself, and a piece or two for each.
    assert!(bounded < 4 * MIB + 16 * MIB + 200 * MIB / 8, "{bounded} bytes");
}
