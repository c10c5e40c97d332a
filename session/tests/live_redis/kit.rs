//! What every store promises.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use terrace_session::conformance::{self, Report};
use terrace_session::store::{Redis, Store};
use terrace_testkit::Redis as Server;

use crate::world::{builder, cluster, server};

/// Each check has a prefix of its own.
async fn run(server: &Server, in_cluster: bool) -> Report {
    let number = AtomicU32::new(0);
    // A patch is the same script there, and the longest check need not run twice.
    let chosen = |check: &str| !in_cluster || check != "ten_thousand_increments_are_ten_thousand";
    conformance::run_those(chosen, async |clock| {
        let prefix = format!("check-{}", number.fetch_add(1, Ordering::Relaxed));
        let builder = if in_cluster { builder(server).cluster() } else { builder(server) };
        let store: Redis = builder.prefix(prefix).clock(Arc::new(clock)).connect().await?;
        let store: Arc<dyn Store> = Arc::new(store);
        Ok(store)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_keeps_all_promises_on_one_server() {
    let Some(server) = server().await else { return };
    run(&server, false).await.assert();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_keeps_all_promises_on_a_cluster() {
    let Some(server) = cluster().await else { return };
    run(&server, true).await.assert();
}
