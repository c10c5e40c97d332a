use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use proptest::prelude::*;
use tokio::time::{Instant, advance};

use super::*;
use crate::expiry::Touch;
use crate::record::{Limits, Patch};
use crate::store::{
    Capabilities, Created, Epoch, Guard, Listed, Loaded, NewSession, Patched, Rotated, Rotation,
    Subject,
};
use crate::token::SessionKey;

/// A store of which only what is over counts.
#[derive(Debug, Default)]
struct Heap {
    over: AtomicUsize,
    swept: AtomicUsize,
    fails: bool,
    cleans_up_itself: bool,
}

impl Heap {
    fn sweeps(&self) -> usize {
        self.swept.load(Ordering::SeqCst)
    }

    fn left(&self) -> usize {
        self.over.load(Ordering::SeqCst)
    }
}

fn nothing<T>() -> Result<T, StoreError> {
    Err(StoreError::Invalid("only swept".into()))
}

#[async_trait]
impl Store for Heap {
    async fn load(&self, _: &SessionKey, _: Touch) -> Result<Option<Loaded>, StoreError> {
        nothing()
    }

    async fn create(&self, _: &SessionKey, _: &NewSession) -> Result<Created, StoreError> {
        nothing()
    }

    async fn patch(
        &self,
        _: &SessionKey,
        _: &Patch,
        _: Guard,
        _: Limits,
    ) -> Result<Patched, StoreError> {
        nothing()
    }

    async fn rotate(
        &self,
        _: &SessionKey,
        _: &SessionKey,
        _: &Rotation,
    ) -> Result<Rotated, StoreError> {
        nothing()
    }

    async fn delete(&self, _: &SessionKey) -> Result<bool, StoreError> {
        nothing()
    }

    async fn list(&self, _: &Subject) -> Result<Vec<Listed>, StoreError> {
        nothing()
    }

    async fn revoke(&self, _: &Subject, _: Option<&SessionKey>) -> Result<u64, StoreError> {
        nothing()
    }

    async fn epoch(&self, _: &Subject) -> Result<Epoch, StoreError> {
        nothing()
    }

    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        self.swept.fetch_add(1, Ordering::SeqCst);
        if self.fails {
            return Err(StoreError::Unavailable("down".into()));
        }
        let removed = limit.min(self.left());
        self.over.fetch_sub(removed, Ordering::SeqCst);
        Ok(removed)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::in_process().needs_sweep(!self.cleans_up_itself)
    }
}

const EVERY: Duration = Duration::from_secs(60);

/// Lets this much time pass, and what is due then happen.
async fn pass(time: Duration) {
    sleep(time).await;
}

fn sweeper(heap: Heap) -> (Arc<Heap>, Sweeper) {
    let heap = Arc::new(heap);
    let store: Arc<dyn Store> = Arc::<Heap>::clone(&heap);
    (heap, Sweeper::spawn(store, Sweeping::default()))
}

#[tokio::test(start_paused = true)]
async fn all_that_is_over_is_gone_within_a_pause_and_a_quarter_in_batches() {
    let (heap, _sweeper) = sweeper(Heap { over: 2_500.into(), ..Heap::default() });
    pass(EVERY / 4 * 3 - Duration::from_millis(100)).await;
    assert_eq!(heap.sweeps(), 0, "a process that starts has other things to do first");
    pass(EVERY).await;
    assert_eq!((heap.left(), heap.sweeps()), (0, 3));
}

#[tokio::test(start_paused = true)]
async fn a_full_batch_is_followed_by_another_one_after_a_breath() {
    let heap = Heap { over: 20.into(), ..Heap::default() };
    let began = Instant::now();
    sweep(&heap, 10).await.unwrap();
    // Only the third one finds that there is no more.
    assert_eq!((heap.left(), heap.sweeps()), (0, 3));
    assert_eq!(Instant::now() - began, BREATH * 2);
}

#[tokio::test(start_paused = true)]
async fn it_goes_on_every_minute() {
    let (heap, _sweeper) = sweeper(Heap::default());
    pass(EVERY * 100).await;
    assert!((90..=110).contains(&heap.sweeps()), "{}", heap.sweeps());
}

#[tokio::test(start_paused = true)]
async fn it_ends_when_it_is_dropped() {
    let (heap, sweeper) = sweeper(Heap::default());
    pass(EVERY * 2).await;
    drop(sweeper);
    let before = heap.sweeps();
    assert!(before > 0);
    pass(EVERY * 10).await;
    assert_eq!(heap.sweeps(), before);
    assert_eq!(Arc::strong_count(&heap), 1, "it lets the store go");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_cleans_up_itself_is_not_swept() {
    let (heap, _sweeper) = sweeper(Heap { cleans_up_itself: true, ..Heap::default() });
    pass(EVERY * 10).await;
    assert_eq!(heap.sweeps(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_asked_less_and_less_and_never_given_up() {
    let (heap, _sweeper) = sweeper(Heap { fails: true, ..Heap::default() });
    pass(EVERY * 20).await;
    assert!((3..=5).contains(&heap.sweeps()), "{}", heap.sweeps());
    let before = heap.sweeps();
    advance(LONGEST * 100).await;
    pass(LONGEST * 100).await;
    assert!(heap.sweeps() >= before + 70, "{}", heap.sweeps());
}

#[test]
fn seeds_sweep_at_times_of_their_own() {
    let first = |seed| pause(EVERY, 0, fastrand::Rng::with_seed(seed).f64());
    assert_eq!(first(7), first(7));
    assert_ne!(first(7), first(8));
}

proptest! {
    #[test]
    fn a_pause_is_a_quarter_more_or_less(millis in 1_024..u64::MAX, chance in 0.0..1.0_f64) {
        let every = Duration::from_millis(millis);
        let pause = pause(every, 0, chance);
        prop_assert!(pause >= every / 8 * 5 && pause <= every.saturating_mul(2));
        prop_assert!(pause <= every.saturating_add(every / 4));
    }

    #[test]
    fn a_pause_does_not_panic_and_failures_do_not_make_it_shorter(
        nanos in any::<u64>(),
        failed in any::<u32>(),
        chance in any::<f64>(),
    ) {
        let every = Duration::from_nanos(nanos);
        prop_assert!(pause(every, failed, chance) >= pause(every, 0, chance));
        prop_assert!(pause(Duration::MAX, failed, chance) > LONGEST);
    }
}
