//! `CacheLayer`: who is answered from the cache, who waits, and who must never share.

mod sharing;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use terrace_cache::freshness::Freshness;
use terrace_cache::layer::{Shareable, Sharing};
use terrace_cache::{Cache, CacheLayer};
use terrace_testkit::contract::{ControlledService, ServiceProbe};
use tokio::task::yield_now;

/// A question and who asks it.
#[derive(Clone, Copy, Debug)]
struct Ask {
    number: u64,
    token: Option<&'static str>,
}

fn ask(number: u64) -> Ask {
    Ask { number, token: None }
}

fn answer(ask: &Ask) -> Arc<str> {
    format!("{} for {}", ask.number, ask.token.unwrap_or("anyone")).into()
}

impl<Res> Shareable<Res> for Ask {
    fn sharing(&self) -> Sharing {
        if self.token.is_some() { Sharing::Principal } else { Sharing::Anyone }
    }
}

type Answers = CacheLayer<Ask, u64, Arc<str>>;
type Inner = ControlledService<Ask, Arc<str>>;

fn cache() -> Cache<u64, Arc<str>> {
    with(Freshness::default())
}

fn with(freshness: Freshness) -> Cache<u64, Arc<str>> {
    let freshness = freshness.jitter(0.0).early_refresh(0.0);
    Cache::builder("answers").seed(7).freshness(freshness).build().unwrap()
}

/// Numbers over 99 have no key.
fn key(ask: &Ask) -> Option<u64> {
    (ask.number < 100).then_some(ask.number)
}

fn answers() -> Answers {
    CacheLayer::new(cache(), key)
}

fn inner() -> (ServiceProbe, Inner) {
    ControlledService::new(answer)
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Lets what was spawned run as far as it comes.
async fn settle() {
    for _ in 0..32 {
        yield_now().await;
    }
}
