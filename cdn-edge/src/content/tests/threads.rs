use futures_util::future::BoxFuture;
use futures_util::{FutureExt, future};
use http_body_util::{BodyExt, Full};

use super::*;
use crate::content::{BoxError, Budget, Resume, ResumedBody};

const LENGTH: u64 = 600_000;

struct Origin;

impl Resume for Origin {
    fn resume(
        &self,
        from: u64,
        until: Option<u64>,
    ) -> BoxFuture<'static, Result<ResumedBody, BoxError>> {
        let rest = Full::new(Bytes::from(body(from..until.unwrap_or(LENGTH))));
        future::ok(rest.map_err(|never| match never {}).boxed_unsync()).boxed()
    }
}

/// Fills and reads on four threads, with everybody at a pace of their own.
async fn race(seed: u64, keep: u64, budget: Option<Arc<Budget>>) {
    let mut chance = fastrand::Rng::with_seed(seed);
    let expect = Expect { length: None, keep, window: 4096, budget };
    let (mut filler, content) = Content::filling_by(expect, 1024);
    let readers: Vec<_> = (0..8)
        .map(|_| {
            let from = chance.u64(..LENGTH / 2);
            let until = chance.bool().then(|| chance.u64(from..LENGTH));
            let mut cursor = content.cursor(from, until);
            cursor.resume_with(Arc::new(Origin));
            let mut chance = chance.fork();
            tokio::spawn(async move {
                let mut read = Vec::new();
                while let Some(frame) = cursor.frame().await {
                    read.extend_from_slice(&frame.unwrap().into_data().unwrap());
                    if chance.u8(..8) == 0 {
                        tokio::task::yield_now().await;
                    }
                }
                assert!(read == body(from..until.unwrap_or(LENGTH)), "{seed}: {from}..{until:?}");
            })
        })
        .collect();
    let mut at = 0;
    let filled = loop {
        if at == LENGTH {
            break filler.finish().is_ok();
        }
        let to = LENGTH.min(at + chance.u64(1..5000));
        match filler.push(Bytes::from(body(at..to))).await {
            Ok(()) => at = to,
            Err(error) => break error == PushError::Gone,
        }
    };
    assert!(filled, "{seed}");
    for reader in readers {
        // One that came too late for a fill that was given up goes on by itself as well.
        reader.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_on_many_threads_get_what_was_pushed() {
    let budget = Budget::new(100_000);
    for seed in 0..20 {
        race(seed, u64::MAX, None).await;
        race(seed, 0, None).await;
        race(seed, 200_000, Some(Arc::clone(&budget))).await;
    }
    assert_eq!(budget.used(), 0);
}
