//! One request's hold on an endpoint, and the counter it moves.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::EndpointId;

/// What all parties share about one stay of an endpoint. Leases keep it alive after the endpoint
/// has left.
///
/// In an `Arc` it fills two cache lines, and all that requests write, its counts and the `Arc`'s
/// own, stands in the first 24 bytes. So a pick misses the cache once an endpoint, which is what
/// its time consists of when there are thousands, and requests on one endpoint do not slow down
/// those on the next.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Member {
    pub(crate) load: Load,
    pub(crate) id: EndpointId,
    pub(crate) name: Arc<str>,
    apart: [u64; 10],
}

impl Member {
    pub(crate) fn new(id: EndpointId, name: Arc<str>) -> Arc<Self> {
        Arc::new(Self { load: Load::default(), id, name, apart: [0; 10] })
    }
}

/// In-flight and picked counts in one word, so that a pick costs a single atomic write.
///
/// The lower 24 bits count requests in flight (16 million at once on one endpoint is more than its
/// memory holds), the upper 40 count picks and may wrap round.
#[derive(Debug, Default)]
pub(crate) struct Load(AtomicU64);

const IN_FLIGHT_BITS: u32 = 24;
const IN_FLIGHT: u64 = (1 << IN_FLIGHT_BITS) - 1;
const PICKED: u64 = 1 << IN_FLIGHT_BITS;

impl Load {
    pub(crate) fn in_flight(&self) -> u32 {
        // Masked to 24 bits, so the cast keeps every bit.
        #[allow(clippy::cast_possible_truncation)]
        let in_flight = (self.0.load(Ordering::Acquire) & IN_FLIGHT) as u32;
        in_flight
    }

    pub(crate) fn picked(&self) -> u64 {
        self.0.load(Ordering::Relaxed) >> IN_FLIGHT_BITS
    }

    fn begin(&self) {
        self.0.fetch_add(PICKED + 1, Ordering::Relaxed);
    }

    fn end(&self) {
        // Release: whoever reads "nothing in flight" also sees what the requests did.
        self.0.fetch_sub(1, Ordering::Release);
    }
}

/// One request's hold on an endpoint: counted in flight from the pick until the drop.
///
/// [`Balance`](crate::Balance) makes one for each attempt and gives it to the
/// [`Completion`](crate::Completion), which keeps it until the request is over. Dropping it, for
/// whatever reason (an answer, an error, a cancelled future, a panic), releases it once.
///
/// There is no `Clone`: one request is counted once. Where several owners must hold it, share it in
/// an `Arc`.
#[must_use = "dropping the lease ends the request it stands for"]
pub struct Lease {
    member: Arc<Member>,
}

impl Lease {
    pub(crate) fn new(member: &Arc<Member>) -> Self {
        member.load.begin();
        Self { member: Arc::clone(member) }
    }

    /// The endpoint this request runs on.
    #[must_use]
    pub fn endpoint(&self) -> EndpointId {
        self.member.id
    }

    /// The endpoint's name.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.member.name
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.member.load.end();
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("endpoint", &self.member.id)
            .field("name", &self.member.name)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member() -> Arc<Member> {
        Member::new(EndpointId { slot: 0, generation: 0 }, "a".into())
    }

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn a_member_and_its_reference_counts_fill_two_cache_lines() {
        assert_eq!(2 * size_of::<usize>() + size_of::<Member>(), 128);
    }

    #[test]
    fn counts_in_flight_until_the_drop_and_picks_for_ever() {
        let member = member();
        let first = Lease::new(&member);
        let second = Lease::new(&member);
        assert_eq!((member.load.in_flight(), member.load.picked()), (2, 2));
        drop(first);
        assert_eq!((member.load.in_flight(), member.load.picked()), (1, 2));
        drop(second);
        assert_eq!((member.load.in_flight(), member.load.picked()), (0, 2));
    }

    #[test]
    fn a_wrapped_pick_counter_leaves_in_flight_alone() {
        let member = member();
        member.load.0.store(u64::MAX - IN_FLIGHT, Ordering::Relaxed);
        let lease = Lease::new(&member);
        assert_eq!((member.load.in_flight(), member.load.picked()), (1, 0));
        drop(lease);
        assert_eq!(member.load.in_flight(), 0);
    }
}
