//! Where a read goes. This is on the path of every read: nothing is allocated, cloned or sorted.

use std::time::Duration;

use tokio::time::Instant;

use super::lag::fresh;
use super::rule::{self, Rule};
use super::{NodeState, NodeView, Sample, Standing, View, Writable};
use crate::position::Position;

/// A read that was served: no later read of the same context may see less.
///
/// It says no position, because asking for one would cost each read a round trip. The same node, in
/// the same incarnation, has at least as much; so has everybody who has reached what that node has
/// been seen to have since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Of the node that served it.
    pub(crate) incarnation: u32,
    /// When it was served, or later.
    pub(crate) at: Instant,
}

impl Seen {
    /// Stands for several incarnations at once. No node has it, so that a read which asks for it
    /// goes where everything can be seen.
    const SEVERAL: u32 = u32::MAX;

    /// What was seen in both of two reads.
    pub(crate) fn both(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(a), Some(b)) => {
                let same = a.incarnation == b.incarnation;
                let incarnation = if same { a.incarnation } else { Self::SEVERAL };
                Some(Self { incarnation, at: a.at.max(b.at) })
            }
            (a, b) => a.or(b),
        }
    }
}

/// What a read asks for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Want<'a> {
    /// At least this.
    pub(crate) after: Option<Position>,
    /// At least what this read saw.
    pub(crate) seen: Option<Seen>,
    /// Data that is older is an error.
    pub(crate) max_staleness: Option<Duration>,
    /// A node with this tag, and no other.
    pub(crate) tag: Option<&'a str>,
    /// The primary, and no other.
    pub(crate) primary: bool,
    /// Places in the view that were tried already, as bits. Place 63 and those behind it share one.
    pub(crate) tried: u64,
}

/// Where a read goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// To the replica at this place. It is known to have what is asked for.
    Replica(usize),
    /// To the replica at this place, if it turns out to have reached this offset.
    Check(usize, u64),
    /// To the primary at this place.
    Primary(usize),
    /// Nowhere: no node is left that could serve it.
    NoNode,
    /// Nowhere: nodes are there, and none of them is fresh enough.
    TooStale,
}

/// Whether a node has what is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cover {
    Known,
    /// It has if it has reached this offset.
    Check(u64),
    No,
}

/// The position that every node must have reached which is not the one that served the last read.
#[derive(Clone, Copy, Debug)]
enum Floor {
    At(Position),
    /// Nothing is known yet of what that read may have seen.
    Unknown,
}

/// A [`Want`], with what the view knows of it.
struct Need<'a> {
    view: &'a View,
    want: &'a Want<'a>,
    now: Instant,
    after: Option<Position>,
    /// The incarnation that served the last read, and what holds for others.
    floor: Option<(u32, Floor)>,
}

impl View {
    /// Where a read goes. `load` says how busy the node at a place is; of two replicas drawn with
    /// `draw`, the less busy one is taken.
    ///
    /// In this order: replicas of the read set that are known to have what is asked for, those that
    /// may have it, the same in other zones, the primary, and replicas that are too far behind,
    /// the freshest first. The last ones only serve what nobody else is left for; the lag that a
    /// pool tolerates by default is a preference, [`Want::max_staleness`] a promise.
    ///
    /// A tag keeps replicas apart. A node with a tag that became the primary is the primary, for
    /// writes and for reads that need it. A read that asks for a tag is never served without it.
    ///
    /// While two nodes claim the same timeline, positions on that timeline mean nothing: the same
    /// offset is two different places. Replicas still serve reads that need no such position; others,
    /// and those that ask for the primary, go nowhere.
    pub(crate) fn route(
        &self,
        want: &Want<'_>,
        now: Instant,
        draw: u64,
        load: impl Fn(usize) -> u64,
    ) -> Route {
        let need = Need::new(self, want, now);
        if want.primary {
            return need.primary().map_or(Route::NoNode, Route::Primary);
        }
        if want.tag.is_none()
            && let Some(route) = need.choose(self.read_set.iter().copied(), draw, &load)
        {
            return route;
        }
        let serving = self.places(want, NodeState::Replica);
        if let Some(route) = need.choose(serving, draw, &load) {
            return route;
        }
        if let Some(primary) = need.primary() {
            return Route::Primary(primary);
        }
        need.last_resort().unwrap_or_else(|| need.nowhere())
    }

    /// The places of nodes in this state that stand on the right side of the tag.
    fn places<'a>(
        &'a self,
        want: &'a Want<'_>,
        state: NodeState,
    ) -> impl Iterator<Item = usize> + Clone + 'a {
        let fits = move |node: &NodeView| node.state == state && may(node, want.tag);
        self.nodes.iter().enumerate().filter(move |(_, node)| fits(node)).map(|(place, _)| place)
    }
}

impl<'a> Need<'a> {
    fn new(view: &'a View, want: &'a Want<'a>, now: Instant) -> Self {
        let after = want.after.filter(|_| rule::on(Rule::Writes));
        let seen = want.seen.filter(|_| rule::on(Rule::Monotonic));
        let floor = seen.map(|seen| (seen.incarnation, view.floor(seen)));
        Self { view, want, now, after, floor }
    }

    fn untried(&self, place: usize) -> bool {
        self.want.tried & (1 << place.min(63)) == 0
    }

    /// Whether it has what the reader has written and seen.
    fn cover(&self, node: &NodeView) -> Cover {
        let written = self.after.map_or(Cover::Known, |after| self.view.reaches(node, after));
        let read = match self.floor {
            Some((incarnation, _)) if node.incarnation == incarnation => Cover::Known,
            Some((_, Floor::At(position))) => self.view.reaches(node, position),
            Some((_, Floor::Unknown)) => Cover::No,
            None => Cover::Known,
        };
        match (written, read) {
            (Cover::No, _) | (_, Cover::No) => Cover::No,
            (Cover::Check(a), Cover::Check(b)) => Cover::Check(a.max(b)),
            (Cover::Check(offset), _) | (_, Cover::Check(offset)) => Cover::Check(offset),
            (Cover::Known, Cover::Known) => Cover::Known,
        }
    }

    /// The same, for a node that was not tried and is fresh enough.
    fn candidate(&self, place: usize) -> Cover {
        match self.view.nodes.get(place) {
            Some(node) if self.untried(place) && self.fresh(node) => self.cover(node),
            _ => Cover::No,
        }
    }

    fn fresh(&self, node: &NodeView) -> bool {
        self.want.max_staleness.is_none_or(|bound| fresh(node.complete_until, self.now, bound))
    }

    fn choose(
        &self,
        places: impl Iterator<Item = usize> + Clone,
        draw: u64,
        load: &impl Fn(usize) -> u64,
    ) -> Option<Route> {
        let known = places.clone().filter(|place| self.candidate(*place) == Cover::Known);
        if let Some(place) = better_of_two(known, draw, load) {
            return Some(Route::Replica(place));
        }
        if self.after.is_none() && self.floor.is_none() {
            return None;
        }
        let maybe = places.filter(|place| matches!(self.candidate(*place), Cover::Check(_)));
        let place = better_of_two(maybe, draw, load)?;
        match self.candidate(place) {
            Cover::Check(offset) => Some(Route::Check(place, offset)),
            Cover::Known | Cover::No => None,
        }
    }

    /// The primary, if it may serve this.
    fn primary(&self) -> Option<usize> {
        let Writable::Primary(place) = self.view.writable else { return None };
        let node = self.view.nodes.get(place)?;
        let tag = self.want.tag.is_none() || may(node, self.want.tag);
        // Somebody has written on a newer timeline: this primary's has ended, and it does not know.
        let ended = self.after.is_some_and(|after| self.view.standing(after) == Standing::Ahead)
            && rule::on(Rule::Ahead);
        (tag && !ended && self.untried(place)).then_some(place)
    }

    /// The freshest of those that lag. One that has diverged serves only readers who need nothing
    /// in particular, when there is nobody else.
    fn last_resort(&self) -> Option<Route> {
        let needs = self.after.is_some() || self.floor.is_some();
        let candidates = self.view.places(self.want, NodeState::Lagging).filter_map(|place| {
            let position = self.view.nodes.get(place)?.sample?.position;
            let sound = self.view.standing(position) != Standing::Lost;
            let (known, route) = match self.candidate(place) {
                Cover::Known => (true, Route::Replica(place)),
                Cover::Check(offset) => (false, Route::Check(place, offset)),
                Cover::No => return None,
            };
            (sound || !needs).then_some(((sound, known, position), route))
        });
        candidates.max_by_key(|(key, _)| *key).map(|(_, route)| route)
    }

    fn nowhere(&self) -> Route {
        let stale = |place: usize| {
            self.untried(place) && self.view.nodes.get(place).is_some_and(|node| !self.fresh(node))
        };
        let mut replicas = self
            .view
            .places(self.want, NodeState::Replica)
            .chain(self.view.places(self.want, NodeState::Lagging));
        if replicas.any(stale) { Route::TooStale } else { Route::NoNode }
    }
}

impl View {
    fn floor(&self, seen: Seen) -> Floor {
        let since = |sample: &Sample| sample.asked > seen.at || !rule::on(Rule::SampleAfter);
        let served = self.nodes.iter().find(|node| node.incarnation == seen.incarnation);
        // A replica may understate its timeline, and behind a fork that would ask for too little.
        let sound = |sample: &Sample| self.standing(sample.position) == Standing::Kept;
        let own = served.and_then(|node| node.sample).filter(since).filter(sound);
        // One that answers will soon say how far it is; until then it serves its reader itself.
        // For one that does not, the primary's word is as good: what it had, it had from there.
        let answers = served.is_some_and(|node| {
            matches!(node.state, NodeState::Primary | NodeState::Replica | NodeState::Lagging)
        });
        let sample = own.or_else(|| self.written.filter(|sample| !answers && since(sample)));
        sample.map_or(Floor::Unknown, |sample| Floor::At(sample.position))
    }

    /// Whether a replica has this position, by what was last seen of it.
    fn reaches(&self, node: &NodeView, want: Position) -> Cover {
        let Some(have) = node.sample.map(|sample| sample.position) else { return Cover::No };
        let disputed =
            want.timeline == self.timeline && matches!(self.writable, Writable::SplitBrain(_));
        if disputed || self.history.standing(want, have.timeline) != Standing::Kept {
            Cover::No
        } else if have.offset >= want.offset {
            Cover::Known
        } else {
            Cover::Check(want.offset)
        }
    }
}

/// Whether a node may serve a read with this tag, or with none.
pub(super) fn may(node: &NodeView, tag: Option<&str>) -> bool {
    node.tag.as_deref() == tag || !rule::on(Rule::Tags)
}

/// Draws two, and takes the one with less to do.
fn better_of_two(
    places: impl Iterator<Item = usize> + Clone,
    draw: u64,
    load: &impl Fn(usize) -> u64,
) -> Option<usize> {
    let mut others = places.clone();
    let only = others.next()?;
    let count = 1 + others.count() as u64;
    if count == 1 {
        return Some(only);
    }
    let pick = |of: u64, chance: u64| ((chance & 0xFFFF_FFFF) * of) >> 32;
    let first = pick(count, draw);
    let second = pick(count - 1, draw >> 32);
    let second = second + u64::from(second >= first);
    let (mut a, mut b) = (None, None);
    for (i, place) in (0u64..).zip(places) {
        if i == first {
            a = Some(place);
        } else if i == second {
            b = Some(place);
        }
    }
    match (a, b) {
        (Some(a), Some(b)) => Some(if load(b) < load(a) { b } else { a }),
        (one, other) => one.or(other),
    }
}
