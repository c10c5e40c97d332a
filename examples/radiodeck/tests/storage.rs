//! Every store keeps the contract, and fills itself once however many start at once.

use std::sync::Arc;

use radiodeck::{Seed, SqliteStore, Store, contract};

mod sqlite {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn keeps_the_contract() {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&directory.path().join("db"), 3).await.unwrap();
        store.fill(&Seed::small()).await.unwrap();
        contract::check(Arc::new(store)).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn two_that_start_at_once_fill_the_file_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("db");
        let start = async || {
            let store = SqliteStore::open(&path, 1).await?;
            store.fill(&Seed::default()).await?;
            Ok::<_, radiodeck::storage::StoreError>(store)
        };
        let (one, two, three) = tokio::join!(start(), start(), start());
        for store in [one.unwrap(), two.unwrap(), three.unwrap()] {
            let all = radiodeck::storage::StationQuery::all(radiodeck::storage::Window::page(1, 1));
            assert_eq!(store.stations(&all).await.unwrap().total, 2_400);
        }
    }

    #[tokio::test]
    async fn a_filled_file_is_left_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("db");
        let (listener, station) = (1.try_into().unwrap(), 9.try_into().unwrap());
        let store = SqliteStore::open(&path, 1).await.unwrap();
        store.fill(&Seed::small()).await.unwrap();
        let kept = store.keep(listener, station, 1).await.unwrap().unwrap();
        drop(store);
        let store = SqliteStore::open(&path, 1).await.unwrap();
        store.fill(&Seed { number: 2, ..Seed::small() }).await.unwrap();
        assert_eq!(store.station(station).await.unwrap().unwrap().favourites, kept.favourites);
    }

    #[tokio::test]
    async fn a_file_that_is_no_database_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("db");
        std::fs::write(&path, "not a database, just some text that is long enough").unwrap();
        let error = SqliteStore::open(&path, 1).await.unwrap_err().to_string();
        assert!(error.contains("file is not a database"), "{error}");
        assert!(SqliteStore::open(directory.path(), 1).await.is_err());
    }
}

mod postgres {
    use super::*;
    use radiodeck::PostgresStore;
    use radiodeck::storage::{StationQuery, StoreErrorKind, Window};
    use terrace_testkit::{Postgres, tools};

    #[tokio::test(flavor = "multi_thread")]
    async fn keeps_the_contract_and_fills_itself_once() {
        let Some(_) = tools::require_or_skip("postgres") else {
            return;
        };
        let server = Postgres::start().await.unwrap();

        let url = server.create_database("contract").await.unwrap();
        let store = PostgresStore::connect(&url, 4).await.unwrap();
        store.fill(&Seed::small()).await.unwrap();
        contract::check(Arc::new(store)).await;

        let url = server.create_database("race").await.unwrap();
        let start = async || {
            let store = PostgresStore::connect(&url, 2).await?;
            store.fill(&Seed::default()).await?;
            Ok::<_, radiodeck::storage::StoreError>(store)
        };
        let (one, two, three) = tokio::join!(start(), start(), start());
        for store in [one.unwrap(), two.unwrap(), three.unwrap()] {
            let all = StationQuery::all(Window::page(1, 1));
            assert_eq!(store.stations(&all).await.unwrap().total, 2_400);
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_server_that_comes_back_is_used_again() {
        let Some(_) = tools::require_or_skip("postgres") else {
            return;
        };
        let server = Postgres::start().await.unwrap();
        let store = PostgresStore::connect(&server.url(), 2).await.unwrap();
        store.fill(&Seed::small()).await.unwrap();
        server.kill().await.unwrap();
        let error = store.ping().await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
        assert!(error.is_retryable());
        server.restart().await.unwrap();
        // At most one answer is lost on a connection that nobody had looked at since.
        if store.ping().await.is_err() {
            store.ping().await.unwrap();
        }
    }

    #[tokio::test]
    async fn an_address_that_leads_nowhere_is_an_error_without_the_password() {
        for (url, part) in [
            ("mysql://localhost/x", "must start with postgres://"),
            ("postgres://localhost:port/x", "read the address"),
            ("postgres://me:geheim@127.0.0.1:1/x", "PostgreSQL at 127.0.0.1:1/x"),
        ] {
            let error = PostgresStore::connect(url, 1).await.unwrap_err().to_string();
            assert!(error.contains(part) && !error.contains("geheim"), "{url}: {error}");
        }
    }
}

mod replicated {
    use std::time::Duration;

    use super::*;
    use axum::http::Extensions;
    use radiodeck::PostgresStore;
    use terrace_db::backend::postgres::Postgres;
    use terrace_db::backend::sqlite::{Sqlite, SqliteCluster};
    use terrace_db::{CausalContext, Node, NodeState, RwPool};
    use terrace_testkit::{PostgresCluster, tools};

    /// Long enough that a read comes before its write has arrived, if nothing keeps it from that.
    const DELAY: Duration = Duration::from_millis(100);

    /// The store as a listener's request sees it.
    fn bound(store: &impl Store) -> Arc<dyn Store> {
        let mut request = Extensions::new();
        request.insert(CausalContext::new());
        store.within(&request).expect("a replicated store is bound to a request")
    }

    /// Whether a favourite that was just kept is missing from a read, in any of some rounds.
    async fn misses_its_own_writes(store: &dyn Store) -> bool {
        let listener = 1.try_into().unwrap();
        let mut missed = false;
        for station in 1..=10 {
            let station = station.try_into().unwrap();
            store.drop_favourite(listener, station).await.unwrap();
            missed |= store.kept(listener, &[station]).await.unwrap().contains(&station);
            store.keep(listener, station, 1).await.unwrap();
            missed |= !store.kept(listener, &[station]).await.unwrap().contains(&station);
        }
        missed
    }

    async fn both_replicas<B: terrace_db::Backend>(pool: &RwPool<B>) {
        let serve = || {
            let nodes = pool.status().nodes;
            nodes.iter().filter(|node| node.state == NodeState::Replica).count() == 2
        };
        while !serve() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn files_keep_the_contract_for_each_request() {
        let directory = tempfile::tempdir().unwrap();
        let names = ["a", "b", "c"];
        let cluster = SqliteCluster::create(directory.path(), &names).unwrap();
        let nodes = names.map(|name| Node::new(name, cluster.target(name)));
        let pool = RwPool::builder(Sqlite::new()).nodes(nodes).connect().await.unwrap();
        let store = SqliteStore::replicated(pool.clone());
        store.fill(&Seed::small()).await.unwrap();
        contract::check(bound(&store)).await;
        both_replicas(&pool).await;
        for replica in ["b", "c"] {
            cluster.delay(replica, DELAY).unwrap();
        }
        assert!(!misses_its_own_writes(&*bound(&store)).await);
        assert!(misses_its_own_writes(&store).await, "the control: no context");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn servers_keep_the_contract_for_each_request() {
        let Some(_) = tools::require_or_skip("postgres") else {
            return;
        };
        let cluster = PostgresCluster::start(2).await.unwrap();
        let nodes = cluster
            .nodes()
            .iter()
            .map(|node| Node::new(node.addr().to_string(), Postgres::target(&node.url()).unwrap()));
        let pool = RwPool::builder(Postgres::new()).nodes(nodes).connect().await.unwrap();
        let store = PostgresStore::replicated(pool.clone());
        store.fill(&Seed::small()).await.unwrap();
        contract::check(bound(&store)).await;
        both_replicas(&pool).await;
        for replica in cluster.replicas() {
            replica.apply_delay(DELAY).await.unwrap();
        }
        assert!(!misses_its_own_writes(&*bound(&store)).await);
        assert!(misses_its_own_writes(&store).await, "the control: no context");
    }
}
