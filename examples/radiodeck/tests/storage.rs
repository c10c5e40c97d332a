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
