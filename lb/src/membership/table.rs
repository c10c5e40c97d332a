//! The members, by slot and by name. Pure: it decides nothing about time and does no I/O.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::Change;
use super::snapshot::{EndpointView, Snapshot, SnapshotParts};
use crate::health::{Health, Status};
use crate::lease::Member;
use crate::policy::{Candidate, Policy};
use crate::{Endpoint, EndpointId, MembershipError};

/// All members of a balancer, and their health.
///
/// A slot is reused after its member has left, with the next generation, so that an
/// [`EndpointId`] means one stay of one endpoint for ever.
pub(crate) struct Table<S> {
    slots: Vec<Slot<S>>,
    free: Vec<u32>,
    by_name: HashMap<Arc<str>, u32>,
    /// Whether new members must pass a check before they count as up.
    checked: bool,
}

struct Slot<S> {
    generation: u32,
    occupant: Option<Occupant<S>>,
}

struct Occupant<S> {
    member: Arc<Member>,
    service: S,
    weight: u16,
    health: Health,
}

impl<S: Clone> Table<S> {
    pub(crate) fn new(checked: bool) -> Self {
        Self { slots: Vec::new(), free: Vec::new(), by_name: HashMap::new(), checked }
    }

    /// Makes a change, whole or not at all; returns the members that joined.
    pub(crate) fn apply(&mut self, change: Change<S>) -> Result<Vec<EndpointId>, MembershipError> {
        match change {
            Change::Replace(endpoints) => {
                self.replace(endpoints).map_err(|name| MembershipError::Duplicate { name })
            }
            Change::Add(endpoint) if self.by_name.contains_key(&endpoint.name) => {
                Err(MembershipError::Duplicate { name: endpoint.name })
            }
            Change::Add(endpoint) => Ok(vec![self.join(endpoint)]),
            Change::Remove(name) => match self.by_name.remove(&name) {
                Some(slot) => {
                    self.vacate(slot);
                    Ok(Vec::new())
                }
                None => Err(MembershipError::Unknown { name }),
            },
            Change::Weight(name, weight) => match self.by_name.get(&name) {
                Some(&slot) => {
                    self.weigh(slot, weight);
                    Ok(Vec::new())
                }
                None => Err(MembershipError::Unknown { name }),
            },
        }
    }

    /// Makes this the whole list; returns the members that joined.
    ///
    /// # Errors
    ///
    /// The name that stands twice in it.
    pub(crate) fn replace(
        &mut self,
        endpoints: Vec<Endpoint<S>>,
    ) -> Result<Vec<EndpointId>, Arc<str>> {
        let mut names = HashSet::with_capacity(endpoints.len());
        for endpoint in &endpoints {
            if !names.insert(Arc::clone(&endpoint.name)) {
                return Err(Arc::clone(&endpoint.name));
            }
        }
        let leaving: Vec<u32> = self
            .by_name
            .extract_if(|name, _| !names.contains(name))
            .map(|(_, slot)| slot)
            .collect();
        for slot in leaving {
            self.vacate(slot);
        }
        let mut joined = Vec::new();
        for endpoint in endpoints {
            match self.by_name.get(&endpoint.name) {
                Some(&slot) => self.weigh(slot, endpoint.weight),
                None => joined.push(self.join(endpoint)),
            }
        }
        Ok(joined)
    }

    /// Seats an endpoint whose name nobody has.
    fn join(&mut self, endpoint: Endpoint<S>) -> EndpointId {
        let Endpoint { name, weight, service } = endpoint;
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, occupant: None });
            // Four thousand million endpoints do not fit into memory.
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        let id = EndpointId { slot, generation: self.slots[slot as usize].generation };
        let member = Member::new(id, Arc::clone(&name));
        let health = if self.checked { Health::unchecked() } else { Health::assumed() };
        self.slots[slot as usize].occupant = Some(Occupant { member, service, weight, health });
        self.by_name.insert(name, slot);
        id
    }

    fn vacate(&mut self, slot: u32) {
        let freed = &mut self.slots[slot as usize];
        freed.occupant = None;
        freed.generation = freed.generation.wrapping_add(1);
        self.free.push(slot);
    }

    fn weigh(&mut self, slot: u32, weight: u16) {
        if let Some(occupant) = &mut self.slots[slot as usize].occupant {
            occupant.weight = weight;
        }
    }

    /// The service of a stay, if it is not over.
    pub(crate) fn service(&self, id: EndpointId) -> Option<&S> {
        self.occupant(id).map(|occupant| &occupant.service)
    }

    /// The name of a stay, if it is not over.
    pub(crate) fn name(&self, id: EndpointId) -> Option<&Arc<str>> {
        self.occupant(id).map(|occupant| &occupant.member.name)
    }

    /// Takes in a check's result; returns the new status if it changed.
    pub(crate) fn observe(
        &mut self,
        id: EndpointId,
        ok: bool,
        rise: u32,
        fall: u32,
    ) -> Option<Status> {
        let slot = self.slots.get_mut(id.slot as usize)?;
        let occupant = slot.occupant.as_mut().filter(|_| slot.generation == id.generation)?;
        occupant.health.observe(ok, rise, fall)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    fn occupant(&self, id: EndpointId) -> Option<&Occupant<S>> {
        let slot = self.slots.get(id.slot as usize)?;
        slot.occupant.as_ref().filter(|_| slot.generation == id.generation)
    }

    /// What requests may read from now on.
    pub(crate) fn snapshot<Req: 'static>(&self, policy: &dyn Policy<Req>) -> Snapshot<S, Req> {
        let members = || self.slots.iter().filter_map(|slot| slot.occupant.as_ref());
        let serving = |status| {
            move |member: &&Occupant<S>| member.weight > 0 && member.health.status() == status
        };
        // Unchecked endpoints stand in only while nobody is known to be up.
        let status = if members().any(|member| serving(Status::Up)(&member)) {
            Status::Up
        } else {
            Status::Unchecked
        };
        let mut candidates = Vec::new();
        let mut services = Vec::new();
        for occupant in members().filter(serving(status)) {
            candidates.push(Candidate::new(Arc::clone(&occupant.member), occupant.weight));
            services.push(occupant.service.clone());
        }
        let all = members()
            .map(|occupant| EndpointView {
                member: Arc::clone(&occupant.member),
                weight: occupant.weight,
                status: occupant.health.status(),
                available: occupant.weight > 0 && occupant.health.status() == status,
            })
            .collect();
        Snapshot::new(SnapshotParts { candidates, services, all }, policy)
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
