//! The connection that listens.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use redis::aio::{PubSubSink, PubSubStream};
use redis::{Client, RedisResult};
use tokio::time::{Instant, sleep, timeout};

use super::BUDGET;
use super::pause::Pause;
use crate::bus::Heartbeat;
use crate::bus::counts::Event;
use crate::bus::hub::Hub;

/// Listens for ever, on one connection after another.
pub(super) async fn listen(
    client: Client,
    channel: String,
    hub: Arc<Hub>,
    heartbeat: Heartbeat,
    seed: u64,
) {
    let mut pause = Pause::new(seed);
    loop {
        if let Ok(Ok((sink, stream))) = timeout(BUDGET, subscribe(&client, &channel)).await {
            let began = Instant::now();
            hub.tally.count(Event::Connection);
            // Only now: what is published from here on waits in the stream.
            hub.missed();
            tokio::select! {
                () = receive(stream, &hub) => {}
                () = watch(sink, heartbeat.pause()) => {}
            }
            pause.lasted(Instant::now().saturating_duration_since(began));
        } else {
            hub.tally.count(Event::Failure);
        }
        sleep(pause.failed()).await;
    }
}

/// Returns when the server has confirmed.
async fn subscribe(client: &Client, channel: &str) -> RedisResult<(PubSubSink, PubSubStream)> {
    let (mut sink, stream) = client.get_async_pubsub().await?.split();
    sink.subscribe(channel).await?;
    Ok((sink, stream))
}

/// Returns when the connection has ended.
async fn receive(mut stream: PubSubStream, hub: &Hub) {
    while let Some(message) = stream.next().await {
        hub.receive(&Bytes::copy_from_slice(message.get_payload_bytes()), Instant::now());
    }
}

/// Returns when the server does not answer any more.
async fn watch(mut sink: PubSubSink, every: Duration) {
    loop {
        sleep(every).await;
        let answered = timeout(BUDGET, sink.ping::<redis::Value>()).await;
        if !matches!(answered, Ok(Ok(_))) {
            return;
        }
    }
}
