//! The kit on the store in memory.

use std::sync::Arc;

use terrace_session::conformance;
use terrace_session::store::{Memory, Store};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_keeps_every_promise_of_a_store() {
    let report = conformance::run(async |clock| {
        let store: Arc<dyn Store> = Arc::new(Memory::builder().clock(clock).build());
        Ok(store)
    })
    .await;
    println!("{report}");
    report.assert();
}
