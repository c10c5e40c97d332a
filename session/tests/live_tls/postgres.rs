//! PostgreSQL by a connector of the application's.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use terrace_session::StoreError;
use terrace_session::expiry::{Lifetime, Touch};
use terrace_session::store::{NewSession, Postgres, PostgresBuilder, Store};
use terrace_session::token::{SessionKey, Tag};
use terrace_testkit::{Postgres as Server, tools};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{Authority, Certified, PATIENCE};

/// Makes a server speak TLS that is running already.
async fn certified(server: &Server, Certified { certificate, key }: Certified) {
    let directory = server.data_dir();
    let owner = fs::metadata(&directory).unwrap();
    for (name, content) in [("server.crt", certificate), ("server.key", key)] {
        let path = directory.join(name);
        fs::write(&path, content).unwrap();
        // The server runs as somebody else if the tests run as root, and takes no key that others may read.
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
    }
    let client = server.connect().await.unwrap();
    client.batch_execute("ALTER SYSTEM SET ssl = on").await.unwrap();
    client.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    let on = async {
        // The postmaster reads its settings when it gets to it, and new connections have them.
        while server
            .connect()
            .await
            .unwrap()
            .query_one("SHOW ssl", &[])
            .await
            .unwrap()
            .get::<_, &str>(0)
            != "on"
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, on).await.unwrap();
}

/// A store that takes nothing but TLS, and trusts this authority.
fn trusting(server: &Server, authority: &Authority) -> PostgresBuilder {
    let mut roots = RootCertStore::empty();
    roots.add(authority.0.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Postgres::builder(&format!("{}?sslmode=require", server.url()))
        .tls(MakeRustlsConnect::new(config))
}

#[tokio::test]
async fn sessions_are_kept_over_tls_by_the_connector_of_the_application() {
    let Some(_) = tools::require_or_skip("postgres") else { return };
    let server = Server::start().await.unwrap();
    let authority = Authority::new();
    certified(&server, authority.certify()).await;

    let store = trusting(&server, &authority).connect().await.unwrap();
    let key = SessionKey::new(Tag([1; 4]), [2; 32]);
    let hour = Duration::from_secs(3600);
    let lifetime = Lifetime { idle: hour, absolute: hour };
    let new = NewSession { authentication: None, values: Default::default(), lifetime };
    store.create(&key, &new).await.unwrap();
    assert!(store.load(&key, Touch::Never).await.unwrap().is_some());

    let encrypted = "SELECT count(*) FILTER (WHERE ssl), count(*) FROM pg_stat_ssl JOIN pg_stat_activity \
                     USING (pid) WHERE application_name = 'terrace-session'";
    let row = server.connect().await.unwrap().query_one(encrypted, &[]).await.unwrap();
    let (over_tls, all): (i64, i64) = (row.get(0), row.get(1));
    assert!(all > 0 && over_tls == all, "{over_tls} of {all} connections");
}

#[tokio::test]
async fn a_database_whose_certificate_nobody_has_signed_is_not_used() {
    let Some(_) = tools::require_or_skip("postgres") else { return };
    let server = Server::start().await.unwrap();
    certified(&server, Authority::new().certify()).await;
    let refused = trusting(&server, &Authority::new()).connect().await;
    let error = refused.err().unwrap();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert!(format!("{error:?}").contains("InvalidCertificate"), "{error:?}");
}

#[tokio::test]
async fn a_database_without_tls_is_not_used_by_whom_it_was_promised() {
    let Some(_) = tools::require_or_skip("postgres") else { return };
    let server = Server::start().await.unwrap();
    let refused = trusting(&server, &Authority::new()).connect().await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
}
