//! The bus over a real Redis, with the faults that a connection suffers. Each handle here is a
//! process: they share nothing but the server.

mod bus_told;

use std::net::SocketAddr;
use std::time::Duration;

use bus_told::{SOON, SPACE, Told, changed, key};
use futures_util::StreamExt;
use redis::aio::{MultiplexedConnection, PubSubStream};
use redis::cmd;
use terrace_cache::bus::{Bus, Change, Heartbeat, PubSub};
use terrace_testkit::fault::{Fault, FaultProxy};
use terrace_testkit::{Redis, tools};
use tokio::time::timeout;

const CHANNEL: &str = "terrace-cache:shop";

type Process = bus_told::Process<PubSub>;

fn installed() -> bool {
    tools::require_or_skip("redis-server").is_some()
}

fn url(addr: SocketAddr) -> String {
    format!("redis://{addr}")
}

fn fast() -> Heartbeat {
    Heartbeat::every(Duration::from_millis(100)).unwrap()
}

/// So slow that none comes during a test, but for the first one.
fn slow() -> Heartbeat {
    Heartbeat::every(Duration::from_secs(60)).unwrap()
}

/// A process that listens: it was told so, and of nothing else.
async fn listening(addr: SocketAddr, heartbeat: Heartbeat) -> Process {
    let mut process = start(addr, heartbeat);
    assert_eq!(process.next().await, Told::Missed);
    process
}

fn start(addr: SocketAddr, heartbeat: Heartbeat) -> Process {
    Process::on(PubSub::with_heartbeat(&url(addr), "shop", heartbeat).unwrap())
}

/// Says it until the server takes it: after a failure it is not asked at once.
async fn says_at_last(process: &Process, name: &str) {
    let said = async {
        while process.bus.publish(SPACE, &[key(name)]).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, said).await.expect("the server is there");
}

/// Waits for a change, whatever is missed before.
async fn hears(process: &mut Process, name: &str) {
    let before = process.until(changed(name)).await;
    assert!(before.iter().all(|told| *told == Told::Missed), "{before:?}");
}

/// A subscriber that believes the connection.
async fn naive(addr: SocketAddr) -> PubSubStream {
    let client = redis::Client::open(url(addr)).unwrap();
    let (mut sink, stream) = client.get_async_pubsub().await.unwrap().split();
    sink.subscribe(CHANNEL).await.unwrap();
    stream
}

async fn connect(server: &Redis) -> MultiplexedConnection {
    server.connect().await.unwrap()
}

#[tokio::test]
async fn what_one_process_says_all_others_hear_in_its_order() {
    if !installed() {
        return;
    }
    let server = Redis::start().await.unwrap();
    let speaker = listening(server.addr(), slow()).await;
    let mut listeners =
        [listening(server.addr(), slow()).await, listening(server.addr(), slow()).await];
    speaker.says("a").await;
    speaker.bus.publish(SPACE, &[Change::Tag([7; 16]), key("b\r\n\0")]).await.unwrap();
    speaker.bus.publish(SPACE, &[Change::Clear]).await.unwrap();
    for listener in &mut listeners {
        for told in [changed("a"), Told::Changed(Change::Tag([7; 16])), changed("b\r\n\0")] {
            assert_eq!(listener.next().await, told);
        }
        assert_eq!(listener.next().await, Told::Changed(Change::Clear));
    }
    let [mut first, _] = listeners;
    let mut speaker = speaker;
    first.says("c").await;
    assert_eq!(speaker.next().await, changed("c"), "and nothing of its own");
    speaker.says("d").await;
    assert_eq!(first.next().await, changed("d"));
}

#[tokio::test]
async fn a_bus_of_another_name_hears_nothing() {
    if !installed() {
        return;
    }
    let server = Redis::start().await.unwrap();
    let speaker = listening(server.addr(), slow()).await;
    let other = PubSub::with_heartbeat(&server.url(), "other", slow()).unwrap();
    let mut other = Process::on(other);
    assert_eq!(other.next().await, Told::Missed);
    let third = PubSub::with_heartbeat(&server.url(), "other", slow()).unwrap();
    speaker.says("a").await;
    third.publish(SPACE, &[key("b")]).await.unwrap();
    assert_eq!(other.next().await, changed("b"));
}

#[tokio::test]
async fn after_a_restart_of_the_server_processes_are_told_and_hear_again() {
    if !installed() {
        return;
    }
    let server = Redis::start().await.unwrap();
    let speaker = listening(server.addr(), slow()).await;
    let mut listener = listening(server.addr(), slow()).await;
    speaker.says("a").await;
    assert_eq!(listener.next().await, changed("a"));
    server.kill().await.unwrap();
    speaker.bus.publish(SPACE, &[key("lost")]).await.unwrap_err();
    server.restart().await.unwrap();
    assert_eq!(listener.next().await, Told::Missed);
    says_at_last(&speaker, "b").await;
    hears(&mut listener, "b").await;
}

#[tokio::test]
async fn a_publisher_that_was_idle_during_a_restart_of_the_server_does_not_fail() {
    if !installed() {
        return;
    }
    let server = Redis::start().await.unwrap();
    let speaker = listening(server.addr(), slow()).await;
    speaker.says("a").await;
    server.kill().await.unwrap();
    server.restart().await.unwrap();
    speaker.says("b").await;
}

#[tokio::test]
async fn who_may_not_listen_is_told_nothing_and_counts_its_failures() {
    if !installed() {
        return;
    }
    let server = Redis::start().await.unwrap();
    let mut connection = connect(&server).await;
    let deaf = ["SETUSER", "deaf", "on", "nopass", "+@all", "-subscribe", "allchannels"];
    cmd("ACL").arg(&deaf).exec_async(&mut connection).await.unwrap();
    let url = format!("redis://deaf:x@{}", server.addr());
    let mut process = Process::on(PubSub::with_heartbeat(&url, "shop", slow()).unwrap());
    // It may speak.
    process.says("a").await;
    let failed = async {
        while process.bus.counts().failures < 2 {
            process.says("a").await;
        }
    };
    timeout(SOON, failed).await.unwrap();
    assert!(process.told.try_recv().is_err());
}

#[tokio::test]
async fn a_connection_that_was_reset_is_a_loss_and_is_made_again() {
    if !installed() {
        return;
    }
    let server = Redis::start().await.unwrap();
    let proxy = FaultProxy::start(server.addr()).await.unwrap();
    let speaker = listening(server.addr(), slow()).await;
    let mut listener = listening(proxy.addr(), slow()).await;
    let mut naive = naive(proxy.addr()).await;
    proxy.set(Fault::Down).await;
    speaker.says("lost").await;
    proxy.set(Fault::Pass).await;
    assert_eq!(listener.next().await, Told::Missed);
    speaker.says("a").await;
    hears(&mut listener, "a").await;
    // Control: a subscriber that is not told has an end, and nothing that says what it missed.
    assert!(naive.next().await.is_none());
}

#[tokio::test]
async fn a_connection_that_is_dead_without_an_end_is_a_loss_and_is_made_again() {
    if !installed() {
        return;
    }
    let server = Redis::start().await.unwrap();
    let proxy = FaultProxy::start(server.addr()).await.unwrap();
    let speaker = listening(server.addr(), slow()).await;
    let mut listener = listening(proxy.addr(), fast()).await;
    let mut naive = naive(proxy.addr()).await;
    proxy.set(Fault::BlackHole).await;
    speaker.says("lost").await;
    let connections = proxy.counts().connections;
    // It has given the old connection up.
    timeout(SOON, proxy.until(|counts| counts.connections > connections)).await.unwrap();
    proxy.set(Fault::Pass).await;
    assert_eq!(listener.next().await, Told::Missed);
    speaker.says("a").await;
    hears(&mut listener, "a").await;

    // Control: the same connection without a look at whether anybody is there goes on as if nothing
    // had been. Heartbeats come through it, and then the next change.
    let next = async {
        loop {
            let frame = naive.next().await.expect("it has no end");
            let said = |name: &[u8]| {
                frame.get_payload_bytes().windows(name.len()).any(|part| part == name)
            };
            assert!(!said(b"lost"));
            if said(b"\0\x01a") {
                return;
            }
        }
    };
    timeout(SOON, next).await.unwrap();
}

#[tokio::test]
async fn a_subscription_that_the_server_ended_is_a_loss_and_is_made_again() {
    if !installed() {
        return;
    }
    let server = Redis::start().await.unwrap();
    let speaker = listening(server.addr(), slow()).await;
    let mut listener = listening(server.addr(), slow()).await;
    let mut connection = connect(&server).await;
    let killed: usize =
        cmd("CLIENT").arg(&["KILL", "TYPE", "pubsub"]).query_async(&mut connection).await.unwrap();
    assert_eq!(killed, 2);
    assert_eq!(listener.next().await, Told::Missed);
    speaker.says("a").await;
    hears(&mut listener, "a").await;
}

#[tokio::test]
async fn nobody_is_told_before_the_subscription_is_confirmed() {
    if !installed() {
        return;
    }
    let server = Redis::start().await.unwrap();
    let proxy = FaultProxy::start(server.addr()).await.unwrap();
    proxy.set(Fault::BlackHole).await;
    let mut listener = start(proxy.addr(), slow());
    // It is connected, has asked, and has no answer.
    timeout(SOON, proxy.until(|counts| counts.connections >= 3 && counts.swallowed > 0))
        .await
        .unwrap();
    assert!(listener.told.try_recv().is_err(), "told too early");
    assert_eq!(listener.bus.counts().connections, 0);
    proxy.set(Fault::Pass).await;
    assert_eq!(listener.next().await, Told::Missed);
    // Whatever is said from now on is heard.
    let speaker = start(server.addr(), slow());
    speaker.says("a").await;
    assert_eq!(listener.next().await, changed("a"));
}

#[tokio::test]
async fn a_server_that_is_down_at_the_start_is_one_that_comes_later() {
    if !installed() {
        return;
    }
    let server = Redis::start().await.unwrap();
    let proxy = FaultProxy::start(server.addr()).await.unwrap();
    proxy.set(Fault::Refuse).await;
    let mut early = start(proxy.addr(), slow());
    let error = early.bus.publish(SPACE, &[key("lost")]).await.unwrap_err();
    assert!(error.to_string().contains("not told"), "{error}");
    assert!(early.told.try_recv().is_err());
    let mut listener = listening(server.addr(), slow()).await;
    proxy.set(Fault::Pass).await;
    assert_eq!(early.next().await, Told::Missed);
    says_at_last(&early, "a").await;
    hears(&mut listener, "a").await;
}

#[tokio::test]
async fn what_a_publisher_could_not_say_others_notice_when_it_is_heard_again() {
    if !installed() {
        return;
    }
    let server = Redis::start().await.unwrap();
    let proxy = FaultProxy::start(server.addr()).await.unwrap();
    let speaker = listening(proxy.addr(), fast()).await;
    let mut listener = listening(server.addr(), slow()).await;
    let mut naive = naive(server.addr()).await;
    speaker.says("a").await;
    hears(&mut listener, "a").await;
    proxy.set(Fault::Down).await;
    speaker.bus.publish(SPACE, &[key("lost")]).await.unwrap_err();
    assert!(listener.told.try_recv().is_err(), "it was too early to know");
    proxy.set(Fault::Pass).await;
    assert_eq!(listener.next().await, Told::Missed);
    assert_eq!(listener.bus.counts().gaps, 1);

    // Control: without a look at the numbers, nothing but whole frames has come.
    let mut frames = 0;
    while let Ok(Some(frame)) = timeout(Duration::ZERO, naive.next()).await {
        assert!(frame.get_payload_bytes().starts_with(b"\xC7TRB"));
        frames += 1;
    }
    assert!(frames > 1);
}

#[tokio::test]
async fn a_frozen_server_delays_nobody_for_longer_than_the_bound() {
    if !installed() {
        return;
    }
    let server = Redis::start().await.unwrap();
    let speaker = listening(server.addr(), slow()).await;
    let mut listener = listening(server.addr(), slow()).await;
    server.stop().await.unwrap();
    // Half a second for the first, and none for those right after.
    let all = async {
        for _ in 0..100 {
            speaker.bus.publish(SPACE, &[key("lost")]).await.unwrap_err();
        }
    };
    timeout(SOON, all).await.unwrap();
    server.cont();
    says_at_last(&speaker, "a").await;
    // What it had received before it froze, it may deliver as well.
    listener.until(changed("a")).await;
}

#[tokio::test]
async fn what_others_put_into_the_channel_is_counted_and_damage_is_a_loss() {
    if !installed() {
        return;
    }
    let server = Redis::start().await.unwrap();
    let mut listener = listening(server.addr(), slow()).await;
    let mut connection = connect(&server).await;
    let before = listener.bus.counts();
    for foreign in [&b""[..], b"x", b"\xC7TR", b"{\"key\": 1}", &[0; 100_000]] {
        let publish = cmd("PUBLISH").arg(CHANNEL).arg(foreign).take();
        publish.exec_async(&mut connection).await.unwrap();
    }
    let damaged = cmd("PUBLISH").arg(CHANNEL).arg(b"\xC7TRB\x01\x02 and no more").take();
    damaged.exec_async(&mut connection).await.unwrap();
    assert_eq!(listener.next().await, Told::Missed);
    let counts = listener.bus.counts();
    assert_eq!((counts.foreign - before.foreign, counts.damaged - before.damaged), (5, 1));
}

#[tokio::test]
async fn with_the_last_handle_the_connections_end() {
    if !installed() {
        return;
    }
    let server = Redis::start().await.unwrap();
    let process = listening(server.addr(), slow()).await;
    process.says("a").await;
    let clients = async |connection: &mut MultiplexedConnection| {
        let list: String = cmd("CLIENT").arg("LIST").query_async(connection).await.unwrap();
        list.lines().count()
    };
    let mut connection = connect(&server).await;
    assert_eq!(clients(&mut connection).await, 3);
    let other = process.bus.clone();
    drop(process);
    other.publish(SPACE, &[key("b")]).await.unwrap();
    assert_eq!(clients(&mut connection).await, 3);
    drop(other);
    let ended = async { while clients(&mut connection).await > 1 {} };
    timeout(SOON, ended).await.unwrap();
}
