//! Asking the CDN now and then.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::{Request, Response, Uri};
use http_body::Body;
use http_body_util::{BodyExt, Empty};
use tokio::time::{Instant, sleep, timeout};
use tower::ServiceExt;
use tower_service::Service;

use super::urls::Shared;
use super::{AssetUrls, Invalid, Outcome};

/// How much of an asset is read: who has come so far is served.
const ENOUGH: usize = 64 * 1024;

/// What is asked for, how often, and how patiently.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeSettings {
    period: Duration,
    jitter: f64,
    timeout: Duration,
    seed: u64,
}

impl Default for ProbeSettings {
    fn default() -> Self {
        Self {
            period: Duration::from_secs(5),
            jitter: 0.2,
            timeout: Duration::from_secs(3),
            seed: 0,
        }
    }
}

impl ProbeSettings {
    /// How long from one probe to the next.
    ///
    /// Default 5 s: with three bad outcomes in a row, a dead CDN is left after 15 to 25 s, at the
    /// price of one small request in 5 s, which the CDN answers from its cache.
    #[must_use]
    pub fn period(self, period: Duration) -> Self {
        Self { period, ..self }
    }

    /// By which share of the period each wait is varied, 0 to 1.
    ///
    /// Default 0.2: processes that were started together do not go on asking together.
    #[must_use]
    pub fn jitter(self, jitter: f64) -> Self {
        Self { jitter, ..self }
    }

    /// How long one probe may take, to the last byte.
    ///
    /// Default 3 s: a page whose images take longer looks broken.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// What the jitter is drawn from. Default 0; give each process a seed of its own.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Whether these settings mean something.
    ///
    /// # Errors
    ///
    /// [`Invalid`], which names the first that does not, and its value.
    pub fn check(&self) -> Result<(), Invalid> {
        Invalid::check_time("period", self.period)?;
        Invalid::check_time("timeout", self.timeout)?;
        // Not a number is in no range.
        if !(0.0..=1.0).contains(&self.jitter) {
            return Err(Invalid::new("jitter", "be 0 to 1", self.jitter));
        }
        Ok(())
    }
}

/// Asks the CDN for this asset, at once and then again and again, and tells these URLs what came of
/// it. Spawn the future; it ends within a period after the last clone of `urls` was dropped.
///
/// The service gets `GET` with the asset's whole URL at the CDN, so any HTTP client will do, such as
/// [`Client::to`](crate::origin::Client::to) the CDN's host. The asset is to be small and to be in
/// the CDN's cache: good is a 2xx status and a body that arrives, up to its first 64 KiB, in time.
///
/// # Examples
///
/// ```
/// use http::{Request, Response};
/// use http_body_util::Empty;
/// use std::time::Duration;
/// use terrace_cdn_edge::failover::{AssetUrls, CdnHost, ProbeSettings, probe};
/// use tower::service_fn;
/// # use bytes::Bytes;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let urls = AssetUrls::same_host(CdnHost::new("https://cdn.example.com")?);
/// let dead = service_fn(|request: Request<Empty<Bytes>>| async move {
///     assert_eq!(request.uri(), "https://cdn.example.com/alive.txt");
///     Err::<Response<Empty<Bytes>>, _>("no route to host")
/// });
/// tokio::spawn(probe(dead, "/alive.txt", &urls, ProbeSettings::default())?);
///
/// assert!(urls.is_up());
/// tokio::time::sleep(Duration::from_secs(15)).await;
/// assert!(!urls.is_up());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`Invalid`] if a setting means nothing, or the path is too long for a URL.
///
/// # Cancel safety
///
/// Dropping the future ends the probes; the URLs stay as they are.
pub fn probe<S, B>(
    service: S,
    path: &str,
    urls: &AssetUrls,
    settings: ProbeSettings,
) -> Result<impl Future<Output = ()> + Send + use<S, B>, Invalid>
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Send,
{
    settings.check()?;
    let url = urls.0.cdn_url(path);
    let uri: Uri = url.parse().map_err(|_| Invalid::new("path", "make a URL", path))?;
    Ok(watch(service, uri, Arc::downgrade(&urls.0), settings))
}

async fn watch<S, B>(service: S, uri: Uri, urls: Weak<Shared>, settings: ProbeSettings)
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>> + Clone,
    B: Body,
{
    let mut state = settings.seed;
    while urls.strong_count() > 0 {
        let served = timeout(settings.timeout, ask(service.clone(), uri.clone())).await;
        let outcome = match served {
            Ok(Some(())) => Outcome::Good,
            Ok(None) | Err(_) => Outcome::Bad,
        };
        let Some(urls) = urls.upgrade() else { return };
        urls.observe(Instant::now(), outcome);
        drop(urls);
        sleep(pause(&settings, draw(&mut state))).await;
    }
}

/// Whether the asset is served: nothing if not.
async fn ask<S, B>(service: S, uri: Uri) -> Option<()>
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>>,
    B: Body,
{
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = uri;
    let response = service.oneshot(request).await.ok()?;
    if !response.status().is_success() {
        return None;
    }
    let mut body = pin!(response.into_body());
    let mut read = 0_usize;
    while read < ENOUGH
        && let Some(frame) = body.frame().await
    {
        read = read.saturating_add(frame.ok()?.data_ref().map_or(0, Buf::remaining));
    }
    Some(())
}

/// The wait until the next probe, for a chance of 0 to 1.
fn pause(settings: &ProbeSettings, chance: f64) -> Duration {
    // Settings are valid: the factor is 0 to 2, the product at most two days.
    settings.period.mul_f64(1.0 + settings.jitter * (2.0 * chance - 1.0))
}

/// A chance of 0 to 1, by SplitMix64: enough to spread waits.
fn draw(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    // 32 bits, which a float holds exactly.
    f64::from(u32::try_from(mixed >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_pause_is_as_far_from_the_period_as_the_jitter_says(
            millis in 1_u64..86_400_000, jitter in 0.0..=1.0_f64, seed: u64,
        ) {
            let period = Duration::from_millis(millis);
            let settings = ProbeSettings::default().period(period).jitter(jitter);
            prop_assert_eq!(settings.check(), Ok(()));
            let chance = draw(&mut { seed });
            prop_assert!((0.0..=1.0).contains(&chance));
            let off = pause(&settings, chance).abs_diff(period);
            prop_assert!(off <= period.mul_f64(jitter) + Duration::from_micros(1));
        }
    }

    #[test]
    fn two_seeds_do_not_ask_together() {
        let pauses = |mut seed: u64| -> Vec<Duration> {
            (0..5).map(|_| pause(&ProbeSettings::default(), draw(&mut seed))).collect()
        };
        assert_ne!(pauses(1), pauses(2));
        assert_eq!(pauses(1), pauses(1));
    }

    #[test]
    fn a_setting_that_means_nothing_is_refused_by_name() {
        let good = ProbeSettings::default;
        for (settings, name) in [
            (good().period(Duration::ZERO), "period"),
            (good().timeout(Duration::MAX), "timeout"),
            (good().jitter(1.5), "jitter"),
            (good().jitter(f64::NAN), "jitter"),
        ] {
            assert_eq!(settings.check().unwrap_err().setting(), name);
        }
    }
}
