use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::{Boarding, Flights, Landing, Node, Outcome};
use crate::error::LoadError;
use crate::place::{Placed, Places};
use crate::version::Versions;

struct Airport {
    flights: Arc<Flights<()>>,
    versions: Versions,
    placed: Placed,
}

impl Airport {
    fn new() -> Self {
        let placed = Places::new(1).placed(&7);
        Self { flights: Flights::new(), versions: Versions::new(), placed }
    }

    fn board(&self, node: &Arc<Node>) -> Boarding<()> {
        let captured = self.versions.capture(self.placed.place);
        self.flights.board(&self.placed, &captured, &self.versions, node)
    }

    /// Whether a reader who has seen how a flight ended can join it once more. Its second look would
    /// take what it has just refused for a load that began after it came.
    fn is_joined_after_its_end(&self) -> bool {
        let node = Node::new();
        let Boarding::Joined(flight) = self.board(&node) else { return false };
        let mut looks = 0_u32;
        while flight.outcome.get().is_none() {
            looks += 1;
            // What is to be seen takes less time than a change of threads; but there may be one core.
            match looks % 4096 {
                0 => thread::yield_now(),
                _ => std::hint::spin_loop(),
            }
        }
        matches!(self.board(&node), Boarding::Joined(again) if Arc::ptr_eq(&again, &flight))
    }
}

fn over() -> Outcome<()> {
    Outcome { result: Err(LoadError::NoLoader) }
}

/// Lets one thread land flights and another one look at them, until a fault is seen or the rounds
/// are over.
fn play(rounds: usize, land: impl Fn(Landing<()>) + Send + Sync) -> bool {
    let airport = Airport::new();
    let (seen, ended) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                if airport.is_joined_after_its_end() {
                    seen.store(true, Ordering::Relaxed);
                }
            }
        });
        for _ in 0..rounds {
            if let Boarding::Leads(landing) = airport.board(&Node::new()) {
                land(landing);
            }
            if seen.load(Ordering::Relaxed) {
                break;
            }
        }
        ended.store(true, Ordering::Relaxed);
    });
    seen.into_inner()
}

#[test]
fn who_has_seen_how_a_flight_ended_cannot_join_it_again() {
    assert!(!play(200_000, |landing| landing.land(over())));
}

#[test]
fn control_a_flight_that_ends_before_it_leaves_is_joined_again() {
    assert!(play(100_000_000, |landing| {
        let _ = landing.flight().outcome.set(over());
        drop(landing);
    }));
}
