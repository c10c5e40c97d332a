//! Loads that wait for loads, and the circles among them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

tokio::task_local! {
    /// The load that this task works for.
    pub(crate) static CURRENT: Arc<Node>;
}

/// One task that loads, and what it waits for.
///
/// The nodes of all caches make one graph: a loader may ask another cache, whose loader asks this one.
/// A circle in it would wait until the time is over; here the one who closes it gets an error at
/// once. Both ends of an edge are written before anybody searches, so of two that close a circle at
/// the same moment at least one finds it.
///
/// A loader that spawns tasks of its own is not followed into them: a circle through those ends at
/// the hard timeout.
#[derive(Debug, Default)]
pub(crate) struct Node {
    waits: Mutex<Vec<Weak<Self>>>,
}

impl Node {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Notes that the load of this task waits for another one, until the guard is dropped.
    ///
    /// `Err` if that one waits for this one already.
    pub(crate) fn wait_for(target: &Arc<Self>) -> Result<Option<Waiting>, Circle> {
        let Ok(current) = CURRENT.try_with(Arc::clone) else {
            return Ok(None);
        };
        current.edges().push(Arc::downgrade(target));
        let waiting = Waiting { current, target: Arc::downgrade(target) };
        match target.reaches(&waiting.current) {
            true => Err(Circle),
            false => Ok(Some(waiting)),
        }
    }

    fn reaches(self: &Arc<Self>, goal: &Arc<Self>) -> bool {
        let mut seen = vec![Arc::clone(self)];
        let mut next = 0;
        while let Some(node) = seen.get(next).cloned() {
            if Arc::ptr_eq(&node, goal) {
                return true;
            }
            let edges: Vec<_> = node.edges().iter().filter_map(Weak::upgrade).collect();
            for edge in edges {
                if !seen.iter().any(|node| Arc::ptr_eq(node, &edge)) {
                    seen.push(edge);
                }
            }
            next += 1;
        }
        false
    }

    fn edges(&self) -> MutexGuard<'_, Vec<Weak<Self>>> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A load would wait for itself.
#[derive(Debug)]
pub(crate) struct Circle;

/// A load waits for another one.
#[derive(Debug)]
pub(crate) struct Waiting {
    current: Arc<Node>,
    target: Weak<Node>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut edges = self.current.edges();
        // One of them: it may wait for the same load twice.
        if let Some(at) = edges.iter().position(|edge| edge.ptr_eq(&self.target)) {
            edges.swap_remove(at);
        }
    }
}
