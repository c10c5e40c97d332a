//! An HTTP admission layer with one safeguard switched off at a time.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tower::util::ServiceExt;
use tower_layer::Layer;
use tower_service::Service;

use crate::contract::{ProbeBody, ProbeError};

pub(super) const LIMIT: usize = 2;
pub(super) const WAIT: Duration = Duration::from_secs(1);

/// The safeguard that is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    None,
    StatePerProduct,
    WaitsForInnerReadiness,
    SwallowsFailures,
    CloneKeepsReservation,
    ReservesAtEachPoll,
    CallsUndrivenClone,
    WakesItself,
    WakesItselfWhileQueued,
    SpawnsInPollReady,
    EndsAtHead,
    EndsAtBodyDropOnly,
    CountsWithoutGuard,
    ForgetsPlaceOfDroppedWaiter,
    RefusesWithoutReason,
    UnwrapsHeaders,
    WaitsForEver,
    GivesUpEarly,
    QueuesInPollReady,
}

#[derive(Clone, Debug)]
pub(super) struct GateLayer {
    pub state: Arc<GateState>,
    pub flaw: Flaw,
}

#[derive(Debug)]
pub(super) struct GateState {
    places: Arc<Semaphore>,
    pub in_flight: AtomicUsize,
    /// Home-made hand-over for `ForgetsPlaceOfDroppedWaiter`: free places and waiters.
    queue: Mutex<(usize, VecDeque<oneshot::Sender<()>>)>,
}

impl GateState {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            places: Arc::new(Semaphore::new(LIMIT)),
            in_flight: AtomicUsize::new(0),
            queue: Mutex::new((LIMIT, VecDeque::new())),
        })
    }
}

impl GateLayer {
    pub(super) fn new(flaw: Flaw) -> Self {
        Self { state: GateState::new(), flaw }
    }
}

impl<S> Layer<S> for GateLayer {
    type Service = Gate<S>;
    fn layer(&self, inner: S) -> Gate<S> {
        let state = match self.flaw {
            Flaw::StatePerProduct => GateState::new(),
            _ => self.state.clone(),
        };
        Gate { inner, state, flaw: self.flaw, reserved: Vec::new(), acquiring: None }
    }
}

type Acquire = Pin<Box<dyn Future<Output = OwnedSemaphorePermit> + Send>>;

pub(super) struct Gate<S> {
    inner: S,
    state: Arc<GateState>,
    flaw: Flaw,
    reserved: Vec<Arc<OwnedSemaphorePermit>>,
    acquiring: Option<Acquire>,
}

impl<S: Clone> Clone for Gate<S> {
    fn clone(&self) -> Self {
        let reserved = match self.flaw {
            Flaw::CloneKeepsReservation => self.reserved.clone(),
            _ => Vec::new(),
        };
        let (inner, state) = (self.inner.clone(), self.state.clone());
        Self { inner, state, flaw: self.flaw, reserved, acquiring: None }
    }
}

/// What a request holds while it is unfinished.
pub(super) enum Hold {
    Guard(Arc<GateState>, #[expect(dead_code, reason = "held")] Arc<OwnedSemaphorePermit>),
    HandedOver(Arc<GateState>),
}

impl Drop for Hold {
    fn drop(&mut self) {
        let (Self::Guard(state, _) | Self::HandedOver(state)) = self;
        state.in_flight.fetch_sub(1, Ordering::SeqCst);
        if let Self::HandedOver(state) = self {
            let mut queue = state.queue.lock().unwrap();
            loop {
                let Some(next) = queue.1.pop_front() else {
                    queue.0 += 1;
                    break;
                };
                // Handed over: whoever was sent it may be dropped before it looks.
                if next.send(()).is_ok() {
                    break;
                }
            }
        }
    }
}

pub(super) struct GateBody {
    body: ProbeBody,
    hold: Option<Hold>,
    flaw: Flaw,
}

impl Body for GateBody {
    type Data = Bytes;
    type Error = ProbeError;
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ProbeError>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) && self.flaw != Flaw::EndsAtBodyDropOnly {
            self.hold = None;
        }
        Poll::Ready(frame)
    }
}

#[derive(Clone, Copy, Debug)]
struct Refused;

impl<S> Service<Request<ProbeBody>> for Gate<S>
where
    S: Service<
            Request<ProbeBody>,
            Response = Response<ProbeBody>,
            Error = ProbeError,
            Future: Send,
        > + Clone
        + Send
        + 'static,
{
    type Response = Response<GateBody>;
    type Error = ProbeError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<GateBody>, ProbeError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ProbeError>> {
        match self.flaw {
            Flaw::WaitsForInnerReadiness => return self.inner.poll_ready(cx),
            Flaw::SpawnsInPollReady => {
                tokio::spawn(tokio::time::sleep(WAIT));
            }
            Flaw::ReservesAtEachPoll => {
                let place = self.state.places.clone().try_acquire_owned();
                self.reserved.extend(place.ok().map(Arc::new));
            }
            Flaw::CloneKeepsReservation if self.reserved.is_empty() => {
                let place = self.state.places.clone().try_acquire_owned();
                self.reserved.extend(place.ok().map(Arc::new));
            }
            Flaw::QueuesInPollReady if self.reserved.is_empty() => {
                let places = self.state.places.clone();
                let place = std::task::ready!(
                    self.acquiring
                        .get_or_insert_with(|| Box::pin(async move {
                            places.acquire_owned().await.unwrap()
                        }))
                        .as_mut()
                        .poll(cx)
                );
                self.acquiring = None;
                self.reserved.push(Arc::new(place));
            }
            _ => {}
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<ProbeBody>) -> Self::Future {
        let (mut inner, state, flaw) = (self.inner.clone(), self.state.clone(), self.flaw);
        if flaw == Flaw::WaitsForInnerReadiness {
            // Else correct: the readied original goes, its clone stays.
            std::mem::swap(&mut inner, &mut self.inner);
        }
        if flaw == Flaw::UnwrapsHeaders
            && let Some(value) = request.headers().get("accept-encoding")
        {
            let _ = value.to_str().unwrap();
        }
        let reserved = self.reserved.pop();
        let future = async move {
            let Some(hold) = admit(&state, flaw, reserved).await else {
                let mut response =
                    Response::new(GateBody { body: ProbeBody::default(), hold: None, flaw });
                *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                if flaw != Flaw::RefusesWithoutReason {
                    response.extensions_mut().insert(Refused);
                }
                return Ok(response);
            };
            let result = match flaw {
                Flaw::CallsUndrivenClone | Flaw::WaitsForInnerReadiness => {
                    inner.call(request).await
                }
                _ => inner.oneshot(request).await,
            };
            if flaw == Flaw::CountsWithoutGuard {
                // The guard was forgotten; this line is not reached by a dropped future.
                state.in_flight.fetch_sub(1, Ordering::SeqCst);
            }
            let hold = (flaw != Flaw::EndsAtHead).then_some(hold).flatten();
            match result {
                Ok(response) => Ok(response.map(|body| GateBody { body, hold, flaw })),
                Err(_) if flaw == Flaw::SwallowsFailures => {
                    Ok(Response::new(GateBody { body: ProbeBody::default(), hold: None, flaw }))
                }
                Err(error) => Err(error),
            }
        };
        match flaw {
            Flaw::WakesItself => Box::pin(Restless(Box::pin(future))),
            _ => Box::pin(future),
        }
    }
}

/// A place in the gate, or None after the wait. The inner option is the hold, if the flaw has one.
async fn admit(
    state: &Arc<GateState>,
    flaw: Flaw,
    reserved: Option<Arc<OwnedSemaphorePermit>>,
) -> Option<Option<Hold>> {
    if flaw == Flaw::ForgetsPlaceOfDroppedWaiter {
        let turn = {
            let mut queue = state.queue.lock().unwrap();
            if queue.0 > 0 {
                queue.0 -= 1;
                None
            } else {
                let (sender, turn) = oneshot::channel();
                queue.1.push_back(sender);
                Some(turn)
            }
        };
        if let Some(turn) = turn {
            tokio::time::timeout(WAIT, turn).await.ok()?.ok()?;
        }
        state.in_flight.fetch_add(1, Ordering::SeqCst);
        return Some(Some(Hold::HandedOver(state.clone())));
    }
    let place = match reserved {
        Some(place) => place,
        None => {
            let acquire = state.places.clone().acquire_owned();
            let place = match flaw {
                Flaw::WaitsForEver => acquire.await.ok()?,
                Flaw::GivesUpEarly => tokio::time::timeout(WAIT / 10, acquire).await.ok()?.ok()?,
                Flaw::WakesItselfWhileQueued => {
                    tokio::time::timeout(WAIT, Restless(Box::pin(acquire))).await.ok()?.ok()?
                }
                _ => tokio::time::timeout(WAIT, acquire).await.ok()?.ok()?,
            };
            Arc::new(place)
        }
    };
    state.in_flight.fetch_add(1, Ordering::SeqCst);
    let hold = Hold::Guard(state.clone(), place);
    if flaw == Flaw::CountsWithoutGuard {
        // Leaks the permit too, as a forgotten `release()` does.
        std::mem::forget(hold);
        return Some(None);
    }
    Some(Some(hold))
}

/// Wakes its task whenever it is Pending.
struct Restless<F>(Pin<Box<F>>);

impl<F: Future> Future for Restless<F> {
    type Output = F::Output;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let poll = self.0.as_mut().poll(cx);
        if poll.is_pending() {
            cx.waker().wake_by_ref();
        }
        poll
    }
}
