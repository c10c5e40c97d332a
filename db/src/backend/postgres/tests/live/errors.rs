//! Every kind of error, from a real server.

use super::*;

#[tokio::test]
async fn live_who_may_not_come_in_is_denied() {
    let Some(cluster) = start(0).await else { return };
    let server = cluster.primary();
    let wrong = [
        server.database_url("nowhere"),
        server.url().replace("postgres@", "nobody@"),
        format!("{}?sslmode=require", server.url()),
        format!("{}?options=-c%20nonsense%3D1", server.url()),
    ];
    for url in wrong {
        let error = try_connect(&url, Access::ReadOnly).await.unwrap_err();
        assert_eq!(fault(&error), Fault::Denied, "{url}: {error:?}");
    }
    // A password, of which there are three kinds of wrong.
    let client = server.connect().await.unwrap();
    client.batch_execute("CREATE ROLE ann LOGIN PASSWORD 'right'").await.unwrap();
    let hba = server.data_dir().join("pg_hba.conf");
    let old = std::fs::read_to_string(&hba).unwrap();
    std::fs::write(&hba, format!("host all ann 127.0.0.1/32 scram-sha-256\n{old}")).unwrap();
    client.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    let with = |who: &str| server.url().replace("postgres@", who);
    until("a password is asked for", async || {
        try_connect(&with("ann@"), Access::ReadOnly).await.is_err()
    })
    .await;
    for who in ["ann@", "ann:wrong@"] {
        let error = try_connect(&with(who), Access::ReadOnly).await.unwrap_err();
        assert_eq!(fault(&error), Fault::Denied, "{who}: {error:?}");
        assert!(!format!("{error:?} {error}").contains("wrong@"));
    }
    try_connect(&with("ann:right@"), Access::ReadOnly).await.unwrap();
}

#[tokio::test]
async fn live_a_server_that_is_not_there_is_unreachable_and_a_full_one_unavailable() {
    let Some(cluster) = start(0).await else { return };
    let server = cluster.primary();
    let client = server.connect().await.unwrap();
    client.batch_execute("CREATE ROLE ann LOGIN CONNECTION LIMIT 1").await.unwrap();
    let url = server.url().replace("postgres@", "ann@");
    let first = try_connect(&url, Access::ReadOnly).await.unwrap();
    let error = try_connect(&url, Access::ReadOnly).await.unwrap_err();
    assert_eq!(fault(&error), Fault::Unavailable, "{error:?}");
    drop(first);
    server.kill().await.unwrap();
    let error = try_connect(&url, Access::ReadOnly).await.unwrap_err();
    assert_eq!(fault(&error), Fault::Unreachable, "{error:?}");
}

#[tokio::test]
async fn live_a_write_in_a_read_is_refused_also_on_the_primary() {
    let Some(cluster) = start(1).await else { return };
    for node in cluster.nodes() {
        let connection = connect(node, Access::ReadOnly).await;
        let error = connection.execute("INSERT INTO t VALUES (1)", &[]).await.unwrap_err();
        assert_eq!(fault(&error), Fault::ReadOnly, "{}", node.name());
        assert_eq!(count(&connection).await, 0);
    }
    let url =
        format!("{}?options=-c%20default_transaction_read_only%3Doff", cluster.primary().url());
    let connection = try_connect(&url, Access::ReadOnly).await.unwrap();
    let error = connection.execute("INSERT INTO t VALUES (1)", &[]).await.unwrap_err();
    assert_eq!(fault(&error), Fault::ReadOnly);
    // Control: for writing it is not refused.
    let connection = connect(cluster.primary(), Access::ReadWrite).await;
    connection.execute("INSERT INTO t VALUES (1)", &[]).await.unwrap();
}

#[tokio::test]
async fn live_a_terminated_session_is_broken_and_a_cancelled_statement_is_not() {
    let Some(cluster) = start(0).await else { return };
    let other = connect(cluster.primary(), Access::ReadOnly).await;
    for (end, expected) in [
        ("SELECT pg_cancel_backend($1)", Fault::Statement),
        ("SELECT pg_terminate_backend($1)", Fault::Broken),
    ] {
        let connection = connect(cluster.primary(), Access::ReadWrite).await;
        let pid: i32 = connection.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
        let asking = connection.query("SELECT pg_sleep(60)", &[]);
        let ending = async {
            until("it sleeps", async || {
                let sql = "SELECT wait_event FROM pg_stat_activity WHERE pid = $1";
                let row = other.query_one(sql, &[&pid]).await.unwrap();
                row.get::<_, Option<String>>(0).as_deref() == Some("PgSleep")
            })
            .await;
            other.query(end, &[&pid]).await.unwrap();
        };
        let (answer, ()) = futures_util::future::join(asking, ending).await;
        let error = answer.unwrap_err();
        assert_eq!(fault(&error), expected, "{error:?}");
        if expected == Fault::Broken {
            timeout(LONG, Postgres::new().changed(&connection)).await.unwrap();
            let error = connection.query("SELECT 1", &[]).await.unwrap_err();
            assert_eq!(fault(&error), Fault::Broken, "{error:?}");
        } else {
            connection.query("SELECT 1", &[]).await.unwrap();
        }
    }
}

#[tokio::test]
async fn live_a_recovery_conflict_is_a_conflict() {
    let Some(cluster) = start(1).await else { return };
    let replica = &cluster.nodes()[1];
    replica.configure("max_standby_streaming_delay", "0").await.unwrap();
    let primary = connect(cluster.primary(), Access::ReadWrite).await;
    primary.batch_execute("INSERT INTO t SELECT generate_series(1, 1000)").await.unwrap();
    cluster.catch_up().await.unwrap();
    let mut reader = connect(replica, Access::ReadOnly).await;
    reader.begin().await.unwrap();
    reader.batch_execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").await.unwrap();
    assert_eq!(count(&reader).await, 1000);
    // The rows go for good while the reader's snapshot still has them.
    primary.batch_execute("DELETE FROM t").await.unwrap();
    primary.batch_execute("VACUUM t").await.unwrap();
    let deadline = Instant::now() + LONG;
    let error = loop {
        assert!(Instant::now() < deadline, "no conflict");
        if let Err(error) = reader.query("SELECT count(*), pg_sleep(0.01) FROM t", &[]).await {
            break error;
        }
    };
    // It ends the statement, or the session, depending on what the reader is doing at that moment.
    let message = error.as_db_error().map(|error| error.message().to_owned());
    match fault(&error) {
        Fault::Conflict => {
            assert_eq!(error.code().unwrap().code(), "40001");
            reader.rollback().await.unwrap();
            assert_eq!(count(&reader).await, 0);
        }
        Fault::Broken => {}
        other => panic!("{other:?}: {message:?}"),
    }
}

#[tokio::test]
async fn live_what_the_caller_got_wrong_is_told_from_what_the_server_says() {
    let Some(cluster) = start(0).await else { return };
    let connection = connect(cluster.primary(), Access::ReadWrite).await;
    let insert = "INSERT INTO t VALUES ($1) RETURNING id";
    let unsent = [
        connection.query(insert, &[]).await.unwrap_err(),
        connection.query(insert, &[&1_i32, &2_i32]).await.unwrap_err(),
        connection.query(insert, &[&"one"]).await.unwrap_err(),
        connection.batch_execute("SELECT '\0'").await.unwrap_err(),
    ];
    for error in unsent {
        assert_eq!(fault(&error), Fault::Client, "{error:?}");
    }
    assert_eq!(count(&connection).await, 0);

    // These were carried out, which is not to be denied.
    let rows = "INSERT INTO t VALUES (1), (2) RETURNING id";
    let error = connection.query_one(rows, &[]).await.unwrap_err();
    assert_eq!(fault(&error), Fault::Unconfirmed, "{error:?}");
    assert_eq!(count(&connection).await, 2);
    let row = connection.query_one("INSERT INTO t VALUES (3) RETURNING id", &[]).await.unwrap();
    let error = PgError::from(row.try_get::<_, String>(0).unwrap_err());
    assert_eq!(fault(&error), Fault::Unconfirmed, "{error:?}");
    let error = PgError::from(row.try_get::<_, i32>("nope").unwrap_err());
    assert_eq!(fault(&error), Fault::Unconfirmed, "{error:?}");
    let many = connection.ask::<AtMostOne>("SELECT id FROM t", &[]).await.unwrap();
    assert!(matches!(many, Found::Many));
    let none = connection.ask::<AtMostOne>("SELECT id FROM t WHERE false", &[]).await.unwrap();
    assert!(matches!(none, Found::Nothing));

    let error = connection.query("SELECT nonsense", &[]).await.unwrap_err();
    assert_eq!(fault(&error), Fault::Statement);
    assert!(
        error.to_string().contains("nonsense") && error.to_string().contains("42703"),
        "{error}"
    );
}

#[tokio::test]
async fn live_a_statement_works_again_after_its_table_has_changed() {
    let Some(cluster) = start(0).await else { return };
    let connection = connect(cluster.primary(), Access::ReadWrite).await;
    let sql = "SELECT * FROM t";
    connection.query(sql, &[]).await.unwrap();
    connection.batch_execute("ALTER TABLE t ADD COLUMN name text").await.unwrap();
    let error = connection.query(sql, &[]).await.unwrap_err();
    assert_eq!(fault(&error), Fault::Statement, "{error:?}");
    connection.query(sql, &[]).await.unwrap();
    connection.batch_execute("DEALLOCATE ALL").await.unwrap();
    connection.query(sql, &[]).await.unwrap_err();
    connection.query(sql, &[]).await.unwrap();
}

#[tokio::test]
async fn live_any_tls_connector_will_do() {
    /// A connector of somebody else, with a type of its own.
    #[derive(Clone)]
    struct Custom;

    impl tokio_postgres::tls::MakeTlsConnect<tokio_postgres::Socket> for Custom {
        type Stream = tokio_postgres::tls::NoTlsStream;
        type TlsConnect = NoTls;
        type Error = tokio_postgres::tls::NoTlsError;

        fn make_tls_connect(&mut self, _: &str) -> Result<NoTls, Self::Error> {
            Ok(NoTls)
        }
    }

    let Some(cluster) = start(0).await else { return };
    let backend = Postgres::with_tls(Custom);
    let target = Postgres::target(&cluster.primary().url()).unwrap();
    let connection = backend.connect(&target, Access::ReadOnly).await.unwrap();
    assert_eq!(count(&connection).await, 0);
}
