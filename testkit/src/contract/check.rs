//! From the typed description of a subject to the kit that the laws run on.

use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use tower_layer::Layer;
use tower_service::Service;

use super::kit::{BoxError, Input, Kit, Typed, World};
use super::laws;
use super::service::ControlledService;
use super::subject::{Inner, Protocol, Subject};
use super::verdict::Verdict;

impl<L, Req, Res, P> Subject<L, Req, Res, P> {
    /// Checks every law, each scenario on a paused single-threaded tokio runtime of its own.
    ///
    /// It runs on its own thread, so that a test may call it with or without a runtime around.
    pub fn check(&self) -> Verdict
    where
        L: Layer<Inner<Req, Res>> + 'static,
        L::Service:
            Service<Req, Error: Into<BoxError> + 'static, Future: 'static> + Clone + Send + 'static,
        P: Protocol<<L::Service as Service<Req>>::Response> + 'static,
        Req: 'static,
        Res: 'static,
    {
        std::thread::scope(|scope| {
            scope
                .spawn(|| laws::check(&self.name, &self.kit(), &self.refusals))
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    fn kit(&self) -> Kit
    where
        L: Layer<Inner<Req, Res>> + 'static,
        L::Service:
            Service<Req, Error: Into<BoxError> + 'static, Future: 'static> + Clone + 'static,
        P: Protocol<<L::Service as Service<Req>>::Response> + 'static,
        Req: 'static,
        Res: 'static,
    {
        let (layer, respond) = (self.layer.clone(), self.respond.clone());
        let (in_flight, shared_state) = (self.in_flight.clone(), self.shared_state.clone());
        let plain = self.request.clone();
        let hostile: Vec<_> = self.hostile.iter().map(|(_, make)| make.clone()).collect();
        let new_world = move || {
            let (plain, hostile) = (plain.clone(), hostile.clone());
            let request: Rc<dyn Fn(Input) -> Req> = Rc::new(move |input| match input {
                Input::Plain(n) => plain(n),
                Input::Hostile(n) => hostile[n](),
            });
            let layer = Rc::new(layer());
            let (probe, inner) = ControlledService::from_arc(respond.clone());
            let (wrap_layer, wrap_inner) = (layer.clone(), inner.clone());
            let (held_layer, in_flight) = (layer.clone(), in_flight.clone());
            let shared_state = shared_state.clone();
            World {
                probe,
                wrap: Box::new(move || {
                    Box::new(Typed::<_, _, P> {
                        service: wrap_layer.layer(wrap_inner.clone()),
                        request: request.clone(),
                        protocol: PhantomData,
                    })
                }),
                held: Box::new(move || in_flight.as_ref().map(|read| read(&held_layer))),
                shared_state: Box::new(move || match &shared_state {
                    Some(check) => check(&layer, inner.clone()),
                    None => Box::pin(async { Ok(()) }),
                }),
            }
        };
        Kit {
            http: P::HTTP,
            capacity: self.capacity,
            deadline: self.deadline,
            skips_inner: self.skips_inner,
            reserves: self.reserves,
            answers_errors: self.answers_errors,
            names_errors: self.names_errors,
            counts: self.in_flight.is_some(),
            hostile: self.hostile.iter().map(|(what, _)| what.clone()).collect(),
            has_shared_state_check: self.shared_state.is_some(),
            new_world: Box::new(new_world),
        }
    }
}

/// Runs `work` and turns a panic into its message.
pub(super) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "(not a text)".to_owned())
    })
}
