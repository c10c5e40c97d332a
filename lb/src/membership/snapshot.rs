//! The immutable view of the members that every request reads.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::health::Status;
use crate::lease::{Lease, Member};
use crate::policy::{Candidate, PickContext, Picker, Policy, Rng, Tried};
use crate::{BalanceError, EndpointId};

/// Where the driver puts the newest snapshot and requests find it.
pub(crate) type Published<S, Req> = ArcSwap<Snapshot<S, Req>>;

/// Available endpoints with the picker that was built for them, and a view of all.
pub(crate) struct Snapshot<S, Req> {
    candidates: Box<[Candidate]>,
    services: Box<[S]>,
    picker: Arc<dyn Picker<Req>>,
    all: Box<[EndpointView]>,
}

pub(super) struct SnapshotParts<S> {
    pub(super) candidates: Vec<Candidate>,
    pub(super) services: Vec<S>,
    pub(super) all: Vec<EndpointView>,
}

pub(super) struct EndpointView {
    pub(super) member: Arc<Member>,
    pub(super) weight: u16,
    pub(super) status: Status,
    pub(super) available: bool,
}

impl<S, Req> Snapshot<S, Req> {
    pub(super) fn new(parts: SnapshotParts<S>, policy: &dyn Policy<Req>) -> Self
    where
        Req: 'static,
    {
        let picker = policy.build(&parts.candidates);
        Self {
            candidates: parts.candidates.into(),
            services: parts.services.into(),
            picker,
            all: parts.all.into(),
        }
    }

    /// Chooses an endpoint for the request and takes a lease on it.
    pub(crate) fn pick<E>(
        &self,
        request: &Req,
        tried: &Tried,
        rng: &mut Rng,
    ) -> Result<(Lease, S), BalanceError<E>>
    where
        S: Clone,
    {
        let mut cx = PickContext::new(request, &self.candidates, tried, rng);
        let picked = self.picker.pick(&mut cx);
        let Some(index) = picked.filter(|&index| !cx.is_tried(index)) else {
            return Err(self.no_pick());
        };
        Ok((self.candidates[index].lease(), self.services[index].clone()))
    }

    /// Whether there is more than one endpoint to choose from.
    pub(crate) fn has_choice(&self) -> bool {
        self.candidates.len() > 1
    }

    fn no_pick<E>(&self) -> BalanceError<E> {
        if self.all.is_empty() {
            return BalanceError::NoEndpoints;
        }
        let count = |with: fn(&EndpointView) -> bool| self.all.iter().filter(|e| with(e)).count();
        match self.candidates.len() {
            0 => BalanceError::AllUnavailable {
                down: count(|endpoint| endpoint.weight > 0),
                draining: count(|endpoint| endpoint.weight == 0),
            },
            available => BalanceError::Refused { available },
        }
    }

    pub(crate) fn statuses(&self) -> Vec<EndpointStatus> {
        let statuses = self.all.iter().map(|endpoint| EndpointStatus {
            id: endpoint.member.id,
            name: Arc::clone(&endpoint.member.name),
            weight: endpoint.weight,
            health: endpoint.status,
            available: endpoint.available,
            in_flight: endpoint.member.load.in_flight(),
            picked: endpoint.member.load.picked(),
        });
        statuses.collect()
    }
}

/// One endpoint as the balancer sees it now.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EndpointStatus {
    /// The identity of this stay.
    pub id: EndpointId,
    /// The name.
    pub name: Arc<str>,
    /// The weight; 0 is draining.
    pub weight: u16,
    /// What its checks say; [`Status::Up`] if nobody checks.
    pub health: Status,
    /// Whether requests may be sent to it now.
    pub available: bool,
    /// Requests that run on it now.
    pub in_flight: u32,
    /// Requests that were sent to it, modulo 2⁴⁰.
    pub picked: u64,
}
