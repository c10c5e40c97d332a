//! The connection that publishes.

use bytes::Bytes;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError, cmd};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::BUDGET;
use super::pause::Pause;
use crate::bus::BusError;
use crate::bus::outbox::Carrier;

pub(super) struct Speaker {
    client: Client,
    channel: String,
    connection: Option<MultiplexedConnection>,
    /// After a failure nobody tries again before.
    not_before: Option<(Instant, BusError)>,
    pause: Pause,
    listener: JoinHandle<()>,
}

impl Speaker {
    pub(super) fn new(
        client: Client,
        channel: String,
        seed: u64,
        listener: JoinHandle<()>,
    ) -> Self {
        let pause = Pause::new(seed);
        Self { client, channel, connection: None, not_before: None, pause, listener }
    }

    async fn publish(&mut self, frame: &Bytes) -> Result<(), RedisError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let config = AsyncConnectionConfig::new()
                    .set_connection_timeout(Some(BUDGET))
                    .set_response_timeout(Some(BUDGET));
                self.client.get_multiplexed_async_connection_with_config(&config).await?
            }
        };
        let publish = cmd("PUBLISH").arg(&self.channel).arg(&frame[..]).take();
        publish.exec_async(&mut connection).await?;
        // One that failed is not used again: its answer may still come.
        self.connection = Some(connection);
        Ok(())
    }
}

impl Carrier for Speaker {
    async fn carry(&mut self, frame: &Bytes) -> Result<(), BusError> {
        if let Some((at, error)) = &self.not_before
            && Instant::now() < *at
        {
            return Err(error.clone());
        }
        // A connection that the server has closed in the meantime says so at once. That is worth a
        // second attempt; if the first one went through after all, twice is as good as once.
        let had_one = self.connection.is_some();
        let mut sent = timeout(BUDGET, self.publish(frame)).await;
        if had_one && matches!(&sent, Ok(Err(error)) if !error.is_timeout()) {
            sent = timeout(BUDGET, self.publish(frame)).await;
        }
        let reason = match sent {
            Ok(Ok(())) => {
                self.pause.succeeded();
                self.not_before = None;
                return Ok(());
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {BUDGET:?}"),
        };
        self.connection = None;
        let error = BusError { reason };
        self.not_before = Some((Instant::now() + self.pause.failed(), error.clone()));
        Err(error)
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        self.listener.abort();
    }
}
