#[cfg(target_os = "linux")]
mod live;

use std::time::Duration;

use super::error::without_password;
use super::{NodesError, Redis};

#[test]
fn a_bad_url_is_named_without_its_password() {
    for url in ["redis://u:secret@host:notaport", "http://u:secret@host", "u:secret@host", ""] {
        let Err(error) = Redis::new([url]) else { panic!("{url:?} was taken") };
        let message = error.to_string();
        assert!(!message.contains("secret"), "{message}");
        assert!(matches!(error, NodesError::Unreadable { .. }), "{message}");
        assert!(url.is_empty() || message.contains("host"), "{message}");
    }
}

#[test]
fn the_same_node_twice_and_no_node_at_all_are_refused() {
    let twice = Redis::new(["redis://host", "redis://other", "redis://u:p@host:6379/0"]);
    assert_eq!(twice.unwrap_err(), NodesError::Twice { node: "host:6379/0".into() });
    assert_eq!(Redis::new([""; 0]).unwrap_err(), NodesError::None);
}

#[cfg(not(feature = "tls-rustls"))]
#[test]
fn tls_without_the_feature_is_refused_by_name() {
    let message = Redis::new(["rediss://host"]).unwrap_err().to_string();
    assert!(message.contains("rediss://host") && message.contains("TLS"), "{message}");
}

#[test]
fn nothing_that_is_printed_holds_a_password() {
    let redis = Redis::new(["redis://u:secret@host"]).unwrap().budget(Duration::ZERO);
    assert!(!format!("{redis:?}").contains("secret"));
    assert_eq!(redis.budget, Duration::from_millis(1));
    assert!(!format!("{:?}", redis.links()).contains("secret"));
    assert_eq!(without_password("redis://a:b@c@host/1"), "redis://…@host/1");
}

/// A server that speaks no TLS.
#[cfg(feature = "tls-rustls")]
#[tokio::test]
async fn a_node_without_tls_is_unreachable_and_no_panic() {
    use crate::key::{KeyBuf, Space};
    use crate::store::{OpenStore, StoreError, Terms};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("rediss://{}", listener.local_addr().unwrap());
    let redis = Redis::new([url]).unwrap().budget(Duration::from_secs(60));
    let lease = Duration::from_secs(1);
    let store = redis.open(Terms { prefix: "users:3:".into(), lease });
    let key = Space::new("users", 3).unwrap().wire(&KeyBuf::of(&7));
    let hang_up = async {
        let (mut client, _) = listener.accept().await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut client, b"-ERR what?\r\n").await.unwrap();
    };
    let keys = [key];
    let (fetched, ()) = tokio::join!(store.fetch(&keys), hang_up);
    let error = fetched.into_iter().next().unwrap().unwrap_err();
    assert!(
        matches!(&error, StoreError::Unreachable { reason, .. } if !reason.contains("given up")),
        "{error}"
    );
}
