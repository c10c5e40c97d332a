//! How a database gets its tables.

use std::sync::Arc;

use terrace_session::store::Postgres;
use terrace_testkit::Postgres as Server;

use super::{at, create, kind, load, server, stranger, together};

const LOCK: &str = "SELECT pg_advisory_xact_lock(32762639518098277);";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn twenty_that_connect_to_an_empty_database_at_once_all_succeed() {
    let Some(server) = server().await else { return };
    let url = server.url();
    let stores = together(20, |_| {
        let builder = Postgres::builder(&url).schema("sessions").pool_size(1);
        Box::pin(builder.connect())
    })
    .await;
    for store in &stores {
        assert!(store.is_ok(), "{store:?}");
    }
    let client = server.connect().await.unwrap();
    let sql = "SELECT count(*) FROM sessions.terrace_migrations";
    assert_eq!(client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0), 1);
    let [first, .., last] = stores.as_slice() else { panic!("twenty") };
    create(first.as_ref().unwrap(), 1, &stranger()).await;
    assert!(load(last.as_ref().unwrap(), 1).await.is_some());
}

/// How many of ten that make the tables at once, without the lock, fail.
async fn failures(server: &Arc<Server>, schema: &str) -> usize {
    let sql = at(server).schema(schema).sql().unwrap();
    let made = together(10, |_| {
        let sql = sql.replace(LOCK, "");
        let server = Arc::clone(server);
        Box::pin(async move { server.connect().await.unwrap().batch_execute(&sql).await.is_err() })
    })
    .await;
    made.into_iter().filter(|failed| *failed).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_the_lock_some_of_those_fail() {
    let Some(server) = server().await else { return };
    assert!(at(&server).sql().unwrap().contains(LOCK));
    let server = Arc::new(server);
    for round in 0..20 {
        if failures(&server, &format!("round_{round}")).await > 0 {
            return;
        }
    }
    panic!("the lock makes no difference");
}

#[tokio::test]
async fn who_may_not_make_tables_uses_those_that_somebody_else_has_made() {
    let Some(server) = server().await else { return };
    let client = server.connect().await.unwrap();
    client.batch_execute("CREATE ROLE app LOGIN; CREATE SCHEMA sessions").await.unwrap();
    let url = server.url().replace("postgres@", "app@");
    let builder = || Postgres::builder(&url).schema("sessions").migrate(false);
    assert_eq!(kind(builder().connect().await), "invalid", "there is nothing");
    let sql = builder().sql().unwrap();
    client.batch_execute(&sql).await.unwrap();
    client.batch_execute(&sql).await.unwrap();
    let grants = "GRANT USAGE ON SCHEMA sessions TO app; \
                  GRANT ALL ON ALL TABLES IN SCHEMA sessions TO app";
    client.batch_execute(grants).await.unwrap();
    let store = builder().connect().await.unwrap();
    create(&store, 1, &stranger()).await;
    assert!(load(&store, 1).await.is_some());
}

#[tokio::test]
async fn newer_tables_are_used_if_they_serve_this_version() {
    let Some(server) = server().await else { return };
    at(&server).connect().await.unwrap();
    let client = server.connect().await.unwrap();
    client.batch_execute("INSERT INTO terrace_migrations VALUES (98, 1)").await.unwrap();
    let store = at(&server).connect().await.unwrap();
    create(&store, 1, &stranger()).await;
    client.batch_execute("INSERT INTO terrace_migrations VALUES (99, 97)").await.unwrap();
    let refused = at(&server).connect().await.unwrap_err();
    let cause = std::error::Error::source(&refused).unwrap().to_string();
    assert!(cause.contains("version 99") && cause.contains("version 97"), "{cause}");
}

#[tokio::test]
async fn two_prefixes_share_a_schema_and_no_session() {
    let Some(server) = server().await else { return };
    let one = at(&server).prefix("one_").connect().await.unwrap();
    let two = at(&server).prefix("two_").connect().await.unwrap();
    create(&one, 1, &stranger()).await;
    assert!(load(&one, 1).await.is_some());
    assert!(load(&two, 1).await.is_none());
}

#[tokio::test]
async fn names_that_would_end_up_in_the_sql_are_refused() {
    for name in ["a\"b", "A", "a b", "ä", &"x".repeat(33)] {
        let builder = || Postgres::builder("host=127.0.0.1");
        assert_eq!(kind(builder().schema(name).sql()), "invalid", "{name}");
        assert_eq!(kind(builder().prefix(name).sql()), "invalid", "{name}");
    }
    assert_eq!(kind(Postgres::builder("host=127.0.0.1").schema("").sql()), "invalid");
}
