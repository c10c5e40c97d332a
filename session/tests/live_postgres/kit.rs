//! The conformance kit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use terrace_session::Store;
use terrace_session::conformance;
use terrace_session::store::Postgres;

use super::server;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn postgres_keeps_every_promise_of_a_store() {
    let Some(server) = server().await else { return };
    let (url, opened) = (server.url(), AtomicUsize::new(0));
    let report = conformance::run(async |clock| {
        let number = opened.fetch_add(1, Ordering::Relaxed);
        let builder = Postgres::builder(&url).schema(format!("check_{number}")).pool_size(8);
        let store: Arc<dyn Store> = Arc::new(builder.clock(clock).connect().await?);
        Ok(store)
    })
    .await;
    println!("{report}");
    report.assert();
}
