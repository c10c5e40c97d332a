//! What no read may be served.

use super::world::{Entry, STRANGER, TAGGED};
use super::*;

impl Simulation {
    /// Compares what a read was served with what is true, and notes what its session saw.
    pub(super) fn served(
        &mut self,
        s: usize,
        want: &Want<'_>,
        route: Route,
        i: usize,
    ) -> Result<(), Fault> {
        let (server, node) = (&self.world.servers[i], &self.view.nodes[i]);
        let visible = server.visible();
        let says = |what: &str| Err(format!("{what}: {want:?} -> {route:?} = {node:?}"));
        let has = |at: u64, id: u32| {
            at.checked_sub(1)
                .and_then(|at| visible.get(usize::try_from(at).unwrap()))
                .is_some_and(|entry| entry.id == id)
        };
        let primary = matches!(route, Route::Primary(_));
        match route {
            Route::Primary(_) => self.seldom.primary_reads += 1,
            Route::Check(..) => self.seldom.checks += 1,
            _ => self.seldom.replica_reads += 1,
        }
        if i == STRANGER {
            return says("a read went to another cluster");
        }
        let tag = (i == TAGGED).then_some("reports");
        if tag != want.tag && !(primary && want.tag.is_none()) {
            return says("a read went to the wrong side of a tag");
        }
        if primary && server.timeline < self.told {
            return says("a read went to a stale primary");
        }
        let lags = node.lag_bytes.is_some_and(|behind| behind > MAX_LAG_BYTES);
        let led = matches!(self.view.writable, Writable::Primary(place) if want.tried & (1 << place) == 0);
        if !primary && lags && led && want.tag.is_none() && node.state == NodeState::Replica {
            return says("a read went to a replica that lags too far");
        }
        if self.disorder {
            return Ok(());
        }

        let chief = &self.world.servers[self.world.chief];
        let lost = |id: u32| self.world.is_lost(id);
        let aware = self.view.timeline >= chief.timeline;
        let session = &mut self.sessions[s];
        for (at, id) in &session.writes {
            if !lost(*id) && !has(at.offset, *id) {
                return says(&format!("a session misses its write {id} at {at}"));
            }
            let standing = self.view.standing(*at);
            if lost(*id) && standing == Standing::Kept && aware && at.timeline < chief.timeline {
                return says(&format!("write {id} at {at} was lost, and nobody said so"));
            }
            if !lost(*id) && standing == Standing::Lost {
                return says(&format!("write {id} at {at} was called lost, and is not"));
            }
        }
        let before = session.saw.iter().take_while(|id| !lost(**id)).count();
        if before > 0 && !has(before as u64, session.saw[before - 1]) {
            return says(&format!("a session that saw {before} writes went back"));
        }
        if let Some(bound) = want.max_staleness.filter(|_| !primary && aware) {
            let oldest = self.now.saturating_sub(u64::try_from(bound.as_millis()).unwrap());
            let due = |entry: &&Entry| entry.at < oldest;
            let due = chief.log.iter().take_while(due).count();
            if due > 0 && !has(due as u64, chief.log[due - 1].id) {
                return says("a read is staler than its bound");
            }
        }
        session.saw = visible.iter().map(|entry| entry.id).collect();
        if server.timeline > self.view.timeline {
            session.saw.clear();
        }
        let at = self.begin + Duration::from_millis(self.now);
        if primary && self.random.bool() {
            session.written = session.written.max(Some(server.position()));
            session.seen = None;
        } else {
            session.seen = Some(Seen { incarnation: node.incarnation, at });
        }
        Ok(())
    }
}
