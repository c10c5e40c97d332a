//! A server, a store on it, and sessions.

use std::collections::BTreeMap;
use std::time::Duration;

use redis::FromRedisValue;
use redis::aio::MultiplexedConnection;
use terrace_session::expiry::{Lifetime, Touch};
use terrace_session::record::{Device, Patch, Values};
use terrace_session::store::redis::RedisBuilder;
use terrace_session::store::{Authentication, Change, NewSession, Redis, Rotation, Subject};
use terrace_session::token::{SessionKey, Tag};
use terrace_session::{BoxError, Limits, Name, Value};
use terrace_testkit::Redis as Server;
use terrace_testkit::tools;
use tokio::time::{Instant, sleep};

/// Longer than anything takes on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(20);
pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const TOUCH: Touch = Touch::Use { idle: HOUR, after: Duration::ZERO };

pub(crate) type Outcome = Result<(), BoxError>;

/// A server, or nothing if there is none on this machine.
pub(crate) async fn server() -> Option<Server> {
    tools::require_or_skip("redis-server")?;
    Some(Server::start().await.unwrap())
}

pub(crate) async fn cluster() -> Option<Server> {
    tools::require_or_skip("redis-server")?;
    Some(Server::start_cluster().await.unwrap())
}

pub(crate) fn builder(server: &Server) -> RedisBuilder {
    Redis::builder(server.url()).timeout(Duration::from_secs(10))
}

pub(crate) async fn store(server: &Server) -> Redis {
    builder(server).connect().await.unwrap()
}

pub(crate) const ALICE: [u8; 4] = [0xa1, 0x1c, 0xe0, 1];

pub(crate) fn key(tag: [u8; 4], number: u32) -> SessionKey {
    let mut hash = [7; 32];
    hash[..4].copy_from_slice(&number.to_be_bytes());
    SessionKey::new(Tag(tag), hash)
}

pub(crate) fn alice() -> Subject {
    Subject { id: "alice".into(), tag: Tag(ALICE) }
}

pub(crate) fn subject(id: &str, tag: [u8; 4]) -> Subject {
    Subject { id: id.into(), tag: Tag(tag) }
}

pub(crate) fn login(subject: Subject) -> Authentication {
    let device = Device { label: Some("phone".into()), agent: None, network: None };
    Authentication { subject, device, epoch: None, limit: None }
}

pub(crate) fn stranger() -> NewSession {
    new(None, HOUR)
}

pub(crate) fn new(authentication: Option<Authentication>, idle: Duration) -> NewSession {
    let lifetime = Lifetime { idle, absolute: 12 * HOUR };
    NewSession { authentication, values: Values::new(), lifetime }
}

pub(crate) fn rotation(change: Change) -> Rotation {
    let lifetime = Lifetime { idle: HOUR, absolute: 12 * HOUR };
    Rotation { change, patch: Patch::default(), limits: Limits::default(), lifetime }
}

pub(crate) fn log_in(subject: Subject) -> Rotation {
    rotation(Change::Login { authentication: login(subject), keep_values: true })
}

pub(crate) fn set(name: &str, value: u64) -> Patch {
    let mut patch = Patch::default();
    patch.set(Name::new(name).unwrap(), Value::of(&value).unwrap());
    patch
}

pub(crate) fn session_name(prefix: &str, key: &SessionKey) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("{prefix}:{{{}}}:s:{}", hex(&key.tag().0), hex(key.hash()))
}

pub(crate) async fn ask<T: FromRedisValue>(
    connection: &mut MultiplexedConnection,
    line: &[&str],
) -> T {
    let (name, args) = line.split_first().unwrap();
    redis::cmd(name).arg(args).query_async(connection).await.unwrap()
}

/// How often the server was asked for each command.
pub(crate) async fn commands(connection: &mut MultiplexedConnection) -> BTreeMap<String, u64> {
    let info: String = ask(connection, &["INFO", "commandstats"]).await;
    let calls = |line: &str| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        Some((name.to_owned(), rest.split(',').next()?.parse().ok()?))
    };
    info.lines().filter_map(calls).collect()
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut is: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !is().await {
        assert!(Instant::now() < deadline, "waited too long for {what}");
        sleep(Duration::from_millis(10)).await;
    }
}
