//! A task that keeps replicas up to date.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::{AbortHandle, spawn_blocking};
use tokio::time::{Instant, sleep};

use super::apply::Applier;
use super::files::{Files, WallClock};
use crate::backend::Role;

/// The pause between two rounds: what an idle replica is behind at most.
const ROUND: Duration = Duration::from_millis(2);

/// Replication runs until this is dropped.
#[derive(Debug)]
#[must_use = "replication ends when this is dropped"]
pub struct Replication {
    task: AbortHandle,
}

impl Replication {
    pub(crate) fn start(files: &Arc<Files>, clock: &WallClock) -> Self {
        let (files, clock) = (Arc::clone(files), clock.clone());
        let task = tokio::spawn(async move {
            let mut appliers: Vec<Applier> = Vec::new();
            loop {
                let begun = Instant::now();
                let (files, clock) = (Arc::clone(&files), clock.clone());
                let round = spawn_blocking(move || {
                    work(&files, &clock, &mut appliers);
                    appliers
                });
                match round.await {
                    Ok(same) => appliers = same,
                    // It panicked, or the runtime ends.
                    Err(_) => return,
                }
                // A cluster whose copies take long is not kept busy with them all the time.
                let took = Instant::now().saturating_duration_since(begun);
                sleep(ROUND.max(took)).await;
            }
        });
        Self { task: task.abort_handle() }
    }
}

fn work(files: &Arc<Files>, clock: &WallClock, appliers: &mut Vec<Applier>) {
    let Ok(control) = files.load() else { return };
    let replica = |name: &str| control.node(name).is_ok_and(|node| node.role == Role::Replica);
    appliers.retain(|applier| replica(applier.name()));
    for node in control.nodes.iter().filter(|node| node.role == Role::Replica) {
        if !appliers.iter().any(|applier| applier.name() == node.name) {
            appliers.push(Applier::new(Arc::clone(files), clock.clone(), &node.name));
        }
    }
    for applier in appliers {
        // What fails now is tried again in the next round.
        let _ = applier.work();
    }
}

impl Drop for Replication {
    fn drop(&mut self) {
        self.task.abort();
    }
}
