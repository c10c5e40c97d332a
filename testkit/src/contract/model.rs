//! A small layer that keeps every law: the one to open when a law seems impossible to keep.
//!
//! It admits a number of requests at once and lets the others wait, for at most a second. Not for
//! use in a service; the blocks have real ones.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::Semaphore;
use tower::util::ServiceExt;
use tower_layer::Layer;
use tower_service::Service;

/// Admits a limited number of requests at once.
///
/// # Clone
///
/// Clones, and all products of `layer()`, share one limit.
#[derive(Clone, Debug)]
pub struct Admission {
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    places: Semaphore,
    in_flight: AtomicUsize,
}

/// The limit was 0: nothing would ever be admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidLimit(usize);

impl fmt::Display for InvalidLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a limit of {} admits nothing; use 1 or more", self.0)
    }
}

impl std::error::Error for InvalidLimit {}

/// Why a request was not answered.
#[derive(Debug)]
#[non_exhaustive]
pub enum AdmissionError<E> {
    /// No place became free in time. The inner service was not called: a retry is safe.
    Refused,
    /// The inner service failed.
    Inner(E),
}

impl<E> fmt::Display for AdmissionError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "no place became free in time",
            Self::Inner(_) => "the admitted request failed",
        })
    }
}

impl<E: std::error::Error + 'static> std::error::Error for AdmissionError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Refused => None,
            Self::Inner(error) => Some(error),
        }
    }
}

impl Admission {
    /// A limit of this many requests at once.
    ///
    /// # Errors
    ///
    /// If `limit` is 0.
    pub fn new(limit: usize) -> Result<Self, InvalidLimit> {
        if limit == 0 {
            return Err(InvalidLimit(limit));
        }
        let places = Semaphore::new(limit.min(Semaphore::MAX_PERMITS));
        Ok(Self { state: Arc::new(State { places, in_flight: AtomicUsize::new(0) }) })
    }

    /// Requests that were admitted and did not end yet.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.state.in_flight.load(Ordering::SeqCst)
    }
}

impl<S> Layer<S> for Admission {
    type Service = Admitted<S>;

    fn layer(&self, inner: S) -> Admitted<S> {
        Admitted { inner, state: self.state.clone() }
    }
}

/// The service of [`Admission`].
#[derive(Clone, Debug)]
pub struct Admitted<S> {
    inner: S,
    state: Arc<State>,
}

/// Counts a request out, however it ends.
struct InFlight(Arc<State>);

impl InFlight {
    fn new(state: Arc<State>) -> Self {
        state.in_flight.fetch_add(1, Ordering::SeqCst);
        Self(state)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

impl<S, Req> Service<Req> for Admitted<S>
where
    S: Service<Req, Future: Send> + Clone + Send + 'static,
    Req: Send + 'static,
{
    type Response = S::Response;
    type Error = AdmissionError<S::Error>;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, Self::Error>> + Send>>;

    // Ready, for a refused call never reaches the inner service (law 2), and axum would not ask.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let (inner, state) = (self.inner.clone(), self.state.clone());
        Box::pin(async move {
            let turn = tokio::time::timeout(Duration::from_secs(1), state.places.acquire());
            // The semaphore is never closed, so both failures mean: no place in time.
            let Ok(Ok(_place)) = turn.await else {
                return Err(AdmissionError::Refused);
            };
            let _in_flight = InFlight::new(state.clone());
            inner.oneshot(request).await.map_err(AdmissionError::Inner)
        })
    }
}
