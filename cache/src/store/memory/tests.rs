use std::time::Duration;

use super::*;
use crate::key::KeyBuf;

async fn fill(store: &dyn Store, space: &crate::key::Space, n: u64) {
    let key = space.wire(&KeyBuf::of(&n));
    let want = Want { key: key.clone(), seen: None };
    let Ok(Leased::Won(lease)) = store.lease(&[want]).await.swap_remove(0) else {
        panic!("no lease of {n}")
    };
    let filled = store.fill(&key, &lease, Bytes::from_static(b"v"), 1_000).await;
    assert_eq!(filled, Ok(Filled::Kept));
}

#[tokio::test(start_paused = true)]
async fn what_is_over_does_not_pile_up() {
    let space = crate::key::Space::new("users", 3).unwrap();
    let memory = Memory::new();
    let lease = Duration::from_secs(1);
    let store = memory.open(Terms { prefix: space.prefix().to_owned(), lease });
    for n in 0..10_000 {
        fill(&*store, &space, n).await;
        tokio::time::advance(Duration::from_millis(10)).await;
    }
    let spaces = memory.shared.spaces.lock().unwrap();
    // A hundred are good at a time.
    assert!(spaces[space.prefix()].values.len() <= SWEEP_AT);
}
