//! A bus over a Redis or Valkey server's `PUBLISH` and `SUBSCRIBE`.
//!
//! The server keeps nothing for who is away. So whenever listening begins, at the start and after
//! each lost connection, everybody is told that something may have been missed: after the server
//! has confirmed, since what is published before that is not heard, and what is published after it
//! is. A connection that is dead without an end shows when the server does not answer a `PING`. One
//! that does not keep up is ended by the server (`client-output-buffer-limit`), and made again.
//!
//! Publishing has a connection of its own, made when it is needed. When the server cannot be
//! reached, publishing fails, at first after the time that it may take, then at once until the next
//! attempt. The number of what was not sent is used up: others that hear this process again know
//! that they have missed something.
//!
//! Not for Redis Cluster, where a message goes to every node: give it one node, or a server of its
//! own.

mod listener;
mod pause;
mod speaker;

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use redis::Client;
use tokio::runtime::Handle;

use self::listener::listen;
use self::speaker::Speaker;
use super::hub::Hub;
use super::outbox::Outbox;
use super::publisher::Publisher;
use super::{Bus, BusError, Change, Counts, Heartbeat, OpenError, Subscriber, frame};

/// How long a connection, a subscription, a publication or an answer to a `PING` may take: a
/// hundred times what a server of the same data centre takes.
const BUDGET: Duration = Duration::from_millis(500);
/// A publication may wait for one before it, for a connection and for its own answer.
const WITHIN: Duration = Duration::from_secs(2);
const CHANNEL: &str = "terrace-cache:";
const LONGEST_NAME: usize = 64;

/// A bus over one Redis or Valkey server. A clone is another handle; with the last one both
/// connections end.
///
/// # Examples
///
/// ```no_run
/// use terrace_cache::bus::PubSub;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let bus = PubSub::new("redis://cache.internal:6379", "shop")?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct PubSub {
    name: Arc<str>,
    outbox: Outbox,
    hub: Arc<Hub>,
}

impl PubSub {
    /// Joins those who have the same server and the same name, on the channel
    /// `terrace-cache:NAME`. Connects in the background: a server that is down is one that comes
    /// later.
    ///
    /// # Errors
    ///
    /// [`OpenError`] for a URL that is none, for a name that is not 1 to 64 of `A-Z a-z 0-9 _ . -`,
    /// and outside of a Tokio runtime (which must have I/O and time enabled).
    pub fn new(url: &str, name: &str) -> Result<Self, OpenError> {
        Self::with_heartbeat(url, name, Heartbeat::default())
    }

    /// The same, with a heartbeat of this process' own. As often it looks whether the server still
    /// answers.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_heartbeat(url: &str, name: &str, heartbeat: Heartbeat) -> Result<Self, OpenError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(plain) {
            let name = name.chars().take(LONGEST_NAME + 1).collect();
            return Err(OpenError::Name { name });
        }
        let client = Client::open(url).map_err(|error| OpenError::Url {
            url: without_password(url),
            reason: error.to_string(),
        })?;
        let runtime = Handle::try_current().map_err(|_| OpenError::NoRuntime)?;
        let channel = format!("{CHANNEL}{name}");
        let publisher = Publisher::new(heartbeat.pause(), frame::LONGEST);
        let seed = publisher.id();
        let hub = Arc::new(Hub::new(seed));
        let listening = listen(client.clone(), channel.clone(), Arc::clone(&hub), heartbeat, seed);
        let speaker = Speaker::new(client, channel, seed, runtime.spawn(listening));
        let (outbox, _) =
            Outbox::start(&runtime, publisher, speaker, Arc::clone(&hub), heartbeat, WITHIN);
        Ok(Self { name: name.into(), outbox, hub })
    }

    /// What it has seen so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.hub.tally.counts()
    }
}

#[async_trait]
impl Bus for PubSub {
    /// Fails if the server does not confirm within two seconds.
    async fn publish(&self, space: &str, changes: &[Change]) -> Result<(), BusError> {
        self.outbox.publish(space, changes).await
    }

    fn subscribe(&self, space: &str, subscriber: Weak<dyn Subscriber>) {
        self.hub.subscribe(space, subscriber);
    }
}

impl fmt::Debug for PubSub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PubSub")
            .field("name", &self.name)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

/// A URL to show: whatever stands before the host is left out.
fn without_password(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let secret = if host.len() < rest.len() { "***@" } else { "" };
    let separator = if url.contains("://") { "://" } else { "" };
    format!("{scheme}{separator}{secret}{host}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_password() {
        for (url, shown) in [
            ("redis://host:1", "redis://host:1"),
            ("redis://user:pass@host:1/0", "redis://***@host:1/0"),
            ("redis://:p@ss@host", "redis://***@host"),
            ("user:pass@host", "***@host"),
            ("", ""),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }

    #[tokio::test]
    async fn a_url_that_is_none_is_an_error_without_its_password() {
        let error = PubSub::new("http://user:secret@host", "shop").unwrap_err();
        let shown = error.to_string();
        assert!(shown.contains("***@host") && !shown.contains("secret"), "{shown}");
    }

    #[tokio::test]
    async fn a_name_that_is_none_is_an_error_that_shows_it() {
        for name in ["", "a b", "a:b", "a\r\nb", &"n".repeat(65)] {
            let error = PubSub::new("redis://127.0.0.1:1", name).unwrap_err();
            assert!(matches!(error, OpenError::Name { .. }), "{error}");
        }
    }

    #[test]
    fn outside_of_a_runtime_it_is_an_error_and_no_panic() {
        let error = PubSub::new("redis://127.0.0.1:1", "shop").unwrap_err();
        assert!(matches!(error, OpenError::NoRuntime), "{error}");
    }
}
