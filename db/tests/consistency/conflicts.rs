//! PostgreSQL cancels reads on replicas that stand in the way of replication.

use futures_util::future::{join, join_all};
use terrace_db::ErrorKind;
use terrace_db::backend::Role;

use crate::load::Mishap;
use crate::real::Real;
use crate::world::{Network, World, config, seed, until};

/// Long enough to be in the way of the truncation that follows.
const LOOK: &str = "SELECT count(*), pg_sleep(0.05) FROM log";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_loses_against_replication_says_so() {
    let seed = seed::<Real>("recovery conflicts");
    let Some(world) = Real::start(Network::Direct).await else { return };
    world.configure_replicas("max_standby_streaming_delay", "10ms").await;
    let pool = &world.pool(config(), seed).await;
    let conflicts = &std::cell::Cell::new(0_u32);
    let (answers, over) = (&std::cell::Cell::new(0_u32), &std::cell::Cell::new(false));
    let reader = |_| async move {
        while !over.get() {
            let read = async {
                let mut connection = pool.read().await?;
                let role = connection.role();
                connection.run(async |c| c.query_one(LOOK, &[]).await).await.map(|_| role)
            };
            match read.await {
                Ok(Role::Replica | Role::Primary) => answers.set(answers.get() + 1),
                Err(error) => {
                    let mishap = Mishap::new(false, &error);
                    assert!(mishap.fits(), "seed {seed}: {mishap}");
                    if error.kind() == ErrorKind::Conflict {
                        assert!(error.is_retryable(), "{error}");
                        conflicts.set(conflicts.get() + 1);
                    }
                }
            }
        }
    };
    let writer = async {
        // A truncation meets a read only if one runs on a replica just then.
        for _ in 0..200 {
            let (lost, answered) = (conflicts.get(), answers.get());
            let mut connection = pool.write().await.expect("the primary is well");
            let done = connection.run(async |c| c.batch_execute("TRUNCATE log").await).await;
            done.expect("the primary is well");
            drop(connection);
            until("reads are answered again", || answers.get() > answered + 5).await;
            if lost >= 5 {
                break;
            }
        }
        over.set(true);
    };
    join(join_all((0..4).map(reader)), writer).await;
    assert!(conflicts.get() >= 5, "seed {seed}: {} conflicts", conflicts.get());
    println!("  {} reads answered, {} lost against replication", answers.get(), conflicts.get());
}
