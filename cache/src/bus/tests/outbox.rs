use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::{Recorder, key, weak};
use crate::bus::frame::{Body, changes, read};
use crate::bus::hub::Hub;
use crate::bus::outbox::{Carrier, Outbox};
use crate::bus::publisher::Publisher;
use crate::bus::{BusError, Change, Heartbeat};

const SPACE: &str = "users:1:";
const WITHIN: Duration = Duration::from_secs(2);

/// Each frame goes to the test, which says what becomes of it.
struct Asks(mpsc::UnboundedSender<(Bytes, oneshot::Sender<bool>)>);

impl Carrier for Asks {
    async fn carry(&mut self, frame: &Bytes) -> Result<(), BusError> {
        let (answer, answered) = oneshot::channel();
        let lost = || BusError { reason: "lost".into() };
        self.0.send((frame.clone(), answer)).map_err(|_| lost())?;
        if answered.await.unwrap_or(false) { Ok(()) } else { Err(lost()) }
    }

    fn part(&mut self, farewell: &Bytes) {
        let _ = self.0.send((farewell.clone(), oneshot::channel().0));
    }
}

type Asked = mpsc::UnboundedReceiver<(Bytes, oneshot::Sender<bool>)>;

fn outbox() -> (Outbox, tokio::task::JoinHandle<()>, Asked) {
    let (asks, asked) = mpsc::unbounded_channel();
    let publisher = Publisher::new(Duration::from_secs(1), 4_096);
    let hub = Arc::new(Hub::new(publisher.id()));
    let runtime = Handle::current();
    let (outbox, task) =
        Outbox::start(&runtime, publisher, Asks(asks), hub, Heartbeat::default(), WITHIN);
    (outbox, task, asked)
}

fn found(frame: &Bytes) -> Vec<Change> {
    match read(frame).unwrap().body {
        Body::Changes { changes: found, .. } => changes(&found).unwrap(),
        _ => Vec::new(),
    }
}

#[tokio::test(start_paused = true)]
async fn it_says_at_once_and_again_that_it_is_there() {
    let (_outbox, _task, mut asked) = outbox();
    let began = Instant::now();
    for second in 0..3 {
        let (frame, answer) = asked.recv().await.unwrap();
        answer.send(true).unwrap();
        assert_eq!(read(&frame).unwrap().body, Body::Beat);
        assert_eq!(Instant::now() - began, Duration::from_secs(second));
    }
}

#[tokio::test(start_paused = true)]
async fn what_many_ask_for_during_a_send_goes_out_in_one_frame() {
    let (outbox, _task, mut asked) = outbox();
    let (_, hello) = asked.recv().await.unwrap();
    let publications: Vec<_> = (0..100)
        .map(|number| {
            let outbox = outbox.clone();
            let change = key(&number.to_string());
            tokio::spawn(async move { outbox.publish(SPACE, &[change]).await })
        })
        .collect();
    // They are all in the queue when nothing else can happen.
    tokio::time::sleep(Duration::from_millis(1)).await;
    hello.send(true).unwrap();
    let (frame, answer) = asked.recv().await.unwrap();
    assert_eq!(found(&frame).len(), 100);
    answer.send(true).unwrap();
    for publication in publications {
        assert_eq!(publication.await.unwrap(), Ok(()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_publication_that_fails_says_so_and_others_notice_at_the_next_heartbeat() {
    let (outbox, _task, mut asked) = outbox();
    let hub = Hub::new(0);
    let recorder = Recorder::new();
    hub.subscribe(SPACE, weak(&recorder));
    let (hello, answer) = asked.recv().await.unwrap();
    answer.send(true).unwrap();
    hub.receive(&hello, Instant::now());
    let changes = [key("a")];
    let (published, ()) = tokio::join!(outbox.publish(SPACE, &changes), async {
        let (frame, answer) = asked.recv().await.unwrap();
        assert_eq!(found(&frame), [key("a")]);
        answer.send(false).unwrap();
    });
    assert_eq!(published.unwrap_err().reason, "lost");
    let (beat, answer) = asked.recv().await.unwrap();
    answer.send(true).unwrap();
    assert_eq!(recorder.missed(), 0);
    hub.receive(&beat, Instant::now());
    assert_eq!(recorder.missed(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_publication_that_nobody_waits_for_any_more_is_sent() {
    let (outbox, _task, mut asked) = outbox();
    let (_, hello) = asked.recv().await.unwrap();
    let changes = [key("a")];
    let waited = tokio::time::timeout(Duration::ZERO, outbox.publish(SPACE, &changes)).await;
    assert!(waited.is_err());
    hello.send(true).unwrap();
    let (frame, _) = asked.recv().await.unwrap();
    assert_eq!(found(&frame), [key("a")]);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_longer_than_the_bound() {
    let (outbox, _task, mut asked) = outbox();
    let (_, _hello) = asked.recv().await.unwrap();
    let began = Instant::now();
    let error = outbox.publish(SPACE, &[key("a")]).await.unwrap_err();
    assert_eq!(Instant::now() - began, WITHIN, "{error}");
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_the_rest_of_a_batch_fails_at_once() {
    let (outbox, _task, mut asked) = outbox();
    let (_, hello) = asked.recv().await.unwrap();
    let publications: Vec<_> = (0..5)
        .map(|number| {
            let outbox = outbox.clone();
            let space = format!("users:{number}:");
            tokio::spawn(async move { outbox.publish(&space, &[Change::Clear]).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(1)).await;
    hello.send(true).unwrap();
    let (_, answer) = asked.recv().await.unwrap();
    answer.send(false).unwrap();
    for publication in publications {
        assert!(publication.await.unwrap().is_err());
    }
    // The numbers of all five are used up.
    let (beat, _) = asked.recv().await.unwrap();
    assert_eq!(read(&beat).unwrap().head.number, 5);
}

#[tokio::test(start_paused = true)]
async fn with_the_last_handle_it_says_farewell_and_ends() {
    let (outbox, task, mut asked) = outbox();
    asked.recv().await.unwrap().1.send(true).unwrap();
    let other = outbox.clone();
    drop(outbox);
    let changes = [key("a")];
    let (published, ()) = tokio::join!(other.publish(SPACE, &changes), async {
        asked.recv().await.unwrap().1.send(true).unwrap();
    });
    published.unwrap();
    drop(other);
    let (frame, answer) = asked.recv().await.unwrap();
    assert_eq!(read(&frame).unwrap().body, Body::Farewell);
    assert_eq!(read(&frame).unwrap().head.number, 1);
    answer.send(true).unwrap();
    task.await.unwrap();
    assert!(asked.recv().await.is_none(), "one farewell is enough");
}

#[test]
fn when_the_runtime_ends_first_it_says_farewell_and_publications_fail() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = runtime();
    let (outbox, _, mut asked) = first.block_on(async {
        let mut all = outbox();
        all.2.recv().await.unwrap().1.send(true).unwrap();
        tokio::task::yield_now().await;
        all
    });
    drop(first);
    let (frame, _) = asked.blocking_recv().unwrap();
    assert_eq!(read(&frame).unwrap().body, Body::Farewell);
    let error = runtime().block_on(outbox.publish(SPACE, &[key("a")])).unwrap_err();
    assert!(error.reason.contains("runtime"), "{error}");
}
