//! How many fills may be under way at once.
//!
//! Without a bound, a purge of everything sends every visitor's request to the origin at the same
//! moment, which is when it can least bear it. A bound alone only moves the crowd into a queue that
//! grows without end; so the queue is bounded in length and in time, and who does not get a place in
//! time hears so while there is still something stale to serve.
//!
//! # Examples
//!
//! ```
//! use terrace_cdn_edge::origin::{Cap, CapSettings};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cap = Cap::new(CapSettings::default().in_flight(1))?;
//! let place = cap.enter().await?;
//! assert!(cap.enter().await.is_err()); // after a second
//! drop(place);
//! assert!(cap.enter().await.is_ok());
//! # Ok(())
//! # }
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::{Invalid, OriginError};

/// How many fills, how many that wait for one to end, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapSettings {
    in_flight: usize,
    queue: usize,
    wait: Duration,
}

impl Default for CapSettings {
    fn default() -> Self {
        Self { in_flight: 512, queue: 1_024, wait: Duration::from_secs(1) }
    }
}

impl CapSettings {
    /// How many may be under way at once, at least 1.
    ///
    /// Default 512: at 50 ms each that is 10,000 fills a second, more than most origins bear, and
    /// their sockets fit into the 1,024 files that a process may open as a rule.
    #[must_use]
    pub fn in_flight(self, in_flight: usize) -> Self {
        Self { in_flight, ..self }
    }

    /// How many may wait; 0 lets nobody wait.
    ///
    /// Default 1,024: who is further behind than two rounds of fills rarely gets a place in time.
    #[must_use]
    pub fn queue(self, queue: usize) -> Self {
        Self { queue, ..self }
    }

    /// How long one waits.
    ///
    /// Default 1 s: a visitor bears it, and an origin that frees no place in a second will not in
    /// two.
    #[must_use]
    pub fn wait(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }

    /// Whether these settings mean something.
    ///
    /// # Errors
    ///
    /// [`Invalid`], which names the first that does not, and its value.
    pub fn check(&self) -> Result<(), Invalid> {
        if !(1..=Semaphore::MAX_PERMITS).contains(&self.in_flight) {
            let rule = format!("be 1 to {}", Semaphore::MAX_PERMITS);
            return Err(Invalid::new("in_flight", rule, self.in_flight));
        }
        Invalid::check_time("wait", self.wait)
    }
}

/// Places for fills, and a bounded queue for them: first come, first served.
///
/// # Clone
///
/// Clones share the places.
#[derive(Clone, Debug)]
pub struct Cap(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: CapSettings,
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// One fill's place; dropping it frees it.
#[derive(Debug)]
#[must_use = "dropping the place gives it to the next"]
pub struct Place {
    _permit: OwnedSemaphorePermit,
}

impl Cap {
    /// With all its places free.
    ///
    /// # Errors
    ///
    /// [`Invalid`] if a setting means nothing.
    pub fn new(settings: CapSettings) -> Result<Self, Invalid> {
        settings.check()?;
        Ok(Self::of(settings))
    }

    fn of(settings: CapSettings) -> Self {
        let places = Arc::new(Semaphore::new(settings.in_flight));
        Self(Arc::new(Shared { settings, places, waiting: AtomicUsize::new(0) }))
    }

    /// Takes a place, and waits for one if it must.
    ///
    /// # Errors
    ///
    /// [`OriginError::Overloaded`] if the queue is full, or no place was free in time.
    ///
    /// # Cancel safety
    ///
    /// Dropping it leaves the queue; a place that was just given goes to the next.
    pub async fn enter(&self) -> Result<Place, OriginError> {
        let shared = &*self.0;
        if let Ok(permit) = Arc::clone(&shared.places).try_acquire_owned() {
            return Ok(Place { _permit: permit });
        }
        let Some(_waiting) = Waiting::begin(shared) else {
            return Err(OriginError::Overloaded { waited: Duration::ZERO });
        };
        let since = Instant::now();
        let place = Arc::clone(&shared.places).acquire_owned();
        match timeout(shared.settings.wait, place).await {
            Ok(Ok(permit)) => Ok(Place { _permit: permit }),
            // The semaphore is never closed; if it were, there would be no place either.
            Ok(Err(_)) | Err(_) => {
                let waited = Instant::now().saturating_duration_since(since);
                Err(OriginError::Overloaded { waited })
            }
        }
    }

    /// How many places are taken.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.0.settings.in_flight.saturating_sub(self.0.places.available_permits())
    }

    /// How many wait for one.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.waiting.load(Ordering::Relaxed)
    }
}

/// With the default settings.
impl Default for Cap {
    fn default() -> Self {
        Self::of(CapSettings::default())
    }
}

/// One that waits, counted until the drop.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(shared: &'a Shared) -> Option<Self> {
        let waiting = Self(&shared.waiting);
        let before = shared.waiting.fetch_add(1, Ordering::Relaxed);
        (before < shared.settings.queue).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn cap(in_flight: usize, queue: usize) -> Cap {
        Cap::new(CapSettings::default().in_flight(in_flight).queue(queue)).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn who_gets_no_place_in_time_hears_how_long_it_waited() {
        let cap = cap(1, 1);
        let _place = cap.enter().await.unwrap();
        let error = cap.enter().await.unwrap_err();
        assert!(matches!(error, OriginError::Overloaded { waited } if waited.as_secs() == 1));
        assert_eq!((cap.in_flight(), cap.waiting()), (1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn who_finds_the_queue_full_hears_it_at_once() {
        let cap = cap(1, 1);
        let _place = cap.enter().await.unwrap();
        let mut first = Box::pin(cap.enter());
        assert!(first.as_mut().now_or_never().is_none());
        let error = cap.enter().now_or_never().expect("waits").unwrap_err();
        assert!(matches!(error, OriginError::Overloaded { waited } if waited.is_zero()));
        assert_eq!(cap.waiting(), 1);
        // The control: with room for two it would wait.
        let wide = self::cap(1, 2);
        let _place = wide.enter().await.unwrap();
        let mut first = Box::pin(wide.enter());
        assert!(first.as_mut().now_or_never().is_none());
        assert!(wide.enter().now_or_never().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_that_is_dropped_leaves_nothing_behind() {
        let cap = cap(1, 8);
        let place = cap.enter().await.unwrap();
        let mut waiters: Vec<_> = (0..3).map(|_| Box::pin(cap.enter())).collect();
        for waiter in &mut waiters {
            assert!(waiter.as_mut().now_or_never().is_none());
        }
        // The first is given the place, and goes before it hears of it.
        drop(place);
        drop(waiters.remove(0));
        let second = waiters.remove(0).now_or_never().expect("still waits").unwrap();
        drop((second, waiters));
        assert_eq!((cap.in_flight(), cap.waiting()), (0, 0));
    }

    #[test]
    fn the_default_settings_are_valid() {
        assert_eq!(CapSettings::default().check(), Ok(()));
    }

    #[test]
    fn a_setting_that_means_nothing_is_refused_by_name() {
        let none = Cap::new(CapSettings::default().in_flight(0)).unwrap_err();
        assert_eq!(none.setting(), "in_flight");
        let all = Cap::new(CapSettings::default().in_flight(usize::MAX)).unwrap_err();
        assert_eq!(all.setting(), "in_flight");
        let ever = Cap::new(CapSettings::default().wait(Duration::MAX)).unwrap_err();
        assert_eq!(ever.setting(), "wait");
    }
}
