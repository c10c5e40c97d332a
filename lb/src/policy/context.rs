//! What a picker sees: the request, the candidates with their load, what was tried, and its chance.

use std::fmt;
use std::sync::Arc;

use crate::EndpointId;
use crate::lease::{Lease, Member};

/// An endpoint that may take the request.
#[derive(Clone)]
pub struct Candidate {
    member: Arc<Member>,
    weight: u16,
}

impl Candidate {
    pub(crate) fn new(member: Arc<Member>, weight: u16) -> Self {
        Self { member, weight }
    }

    pub(crate) fn lease(&self) -> Lease {
        Lease::new(&self.member)
    }

    /// The endpoint's identity, stable while it stays a member.
    #[must_use]
    pub fn id(&self) -> EndpointId {
        self.member.id
    }

    /// The endpoint's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.member.name
    }

    /// Its weight, at least 1.
    #[must_use]
    pub fn weight(&self) -> u16 {
        self.weight
    }

    /// Requests that run on it now, through this balancer.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.member.load.in_flight()
    }

    /// Whether this endpoint has fewer requests in flight against its weight than `other`.
    ///
    /// Idle endpoints are equal whatever their weights: the policies draw by weight first, and
    /// counting the request to come (the "+ 1" of some balancers) would send every request of a
    /// quiet hour to the heaviest.
    pub(crate) fn is_less_loaded_than(&self, other: &Self) -> bool {
        // a / weight_a < b / weight_b without division; 24 + 16 bits never overflow 64.
        let cost = |load: u32, weight: u16| u64::from(load) * u64::from(weight);
        cost(self.in_flight(), other.weight) < cost(other.in_flight(), self.weight)
    }
}

impl fmt::Debug for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Candidate")
            .field("id", &self.id())
            .field("name", &self.name())
            .field("weight", &self.weight)
            .field("in_flight", &self.in_flight())
            .finish()
    }
}

/// The endpoints that already failed this request, at most [`Tried::MAX`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Tried {
    ids: [Option<EndpointId>; Tried::MAX],
}

impl Tried {
    /// How many endpoints are remembered: more attempts than this make an outage worse, not better.
    pub const MAX: usize = 4;

    /// Remembers an endpoint. Past [`Tried::MAX`] the rest is forgotten.
    pub fn insert(&mut self, id: EndpointId) {
        if let Some(free) = self.ids.iter_mut().find(|slot| slot.is_none()) {
            *free = Some(id);
        }
    }

    /// Whether this endpoint was tried.
    #[must_use]
    pub fn contains(&self, id: EndpointId) -> bool {
        self.ids.contains(&Some(id))
    }

    /// Whether nothing was tried yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids[0].is_none()
    }
}

/// A small, fast generator, reproducible from its seed. Not for secrets.
#[derive(Clone, Debug)]
pub struct Rng(fastrand::Rng);

impl Rng {
    /// The generator of this seed.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// A number below `bound`, or 0 if `bound` is 0.
    #[must_use]
    pub fn below(&mut self, bound: usize) -> usize {
        if bound == 0 { 0 } else { self.0.usize(..bound) }
    }

    /// Two different numbers below `bound`, every ordered pair as likely as any other; `None` if
    /// there are not two.
    ///
    /// One draw of 64 bits makes both, which is off the even share by less than one in 2³² / `bound`.
    #[must_use]
    pub fn two_below(&mut self, bound: usize) -> Option<(usize, usize)> {
        let bound = u32::try_from(bound).ok().filter(|&bound| bound >= 2)?;
        let bits = self.next_u64();
        let scale = |bits: u64, bound: u32| ((bits & 0xffff_ffff) * u64::from(bound)) >> 32;
        let first = scale(bits >> 32, bound);
        // From one fewer, and past the first: no draw is ever repeated.
        let second = scale(bits, bound - 1);
        let second = second + u64::from(second >= first);
        Some((usize::try_from(first).ok()?, usize::try_from(second).ok()?))
    }

    /// Any number.
    #[must_use]
    pub fn next_u64(&mut self) -> u64 {
        self.0.u64(..)
    }
}

/// One pick: the request, who may take it, who has failed it, and a source of chance.
#[derive(Debug)]
pub struct PickContext<'a, Req> {
    request: &'a Req,
    candidates: &'a [Candidate],
    tried: &'a Tried,
    rng: &'a mut Rng,
}

impl<'a, Req> PickContext<'a, Req> {
    /// Puts a pick together; a balancer does this for you, tests and simulations do it themselves.
    #[must_use]
    pub fn new(
        request: &'a Req,
        candidates: &'a [Candidate],
        tried: &'a Tried,
        rng: &'a mut Rng,
    ) -> Self {
        Self { request, candidates, tried, rng }
    }

    /// The request to place.
    #[must_use]
    pub fn request(&self) -> &'a Req {
        self.request
    }

    /// The endpoints that the picker was built for, in the same order.
    #[must_use]
    pub fn candidates(&self) -> &'a [Candidate] {
        self.candidates
    }

    /// Whether this candidate has failed the request before. Out of range counts as tried.
    #[must_use]
    pub fn is_tried(&self, index: usize) -> bool {
        match self.candidates.get(index) {
            Some(candidate) => !self.tried.is_empty() && self.tried.contains(candidate.id()),
            None => true,
        }
    }

    /// Whether this is the first attempt, for which nobody is excluded.
    #[must_use]
    pub fn is_first(&self) -> bool {
        self.tried.is_empty()
    }

    /// The source of chance, seeded by [`Builder::seed`](crate::balance::Builder::seed).
    pub fn rng(&mut self) -> &mut Rng {
        self.rng
    }
}
