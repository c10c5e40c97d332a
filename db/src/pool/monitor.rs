//! One task a node: asks it what it is, again and again, on a connection outside the pools.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use super::node::Member;
use super::shared::Shared;
use crate::backend::{Access, Backend, Fault, Observation};
use crate::cluster::{Failure, Writable};

/// How often idle connections are looked through.
const SWEEP: Duration = Duration::from_secs(15);

/// How often the number of connections is reported.
const REPORT: Duration = Duration::from_secs(1);

pub(crate) async fn watch<B: Backend>(shared: Arc<Shared<B>>, member: Arc<Member<B>>) {
    let config = shared.config.clone();
    let mut connection: Option<B::Connection> = None;
    let mut swept = Instant::now();
    let mut reported = swept;
    loop {
        let asked = Instant::now();
        let answer = probe(&shared, &member, &mut connection).await;
        let now = Instant::now();
        match answer {
            Ok(seen) => {
                member.answered(now.saturating_duration_since(asked));
                shared.learn(|belief| belief.cluster.observed(member.id, asked, now, &seen));
            }
            Err(failure) => {
                connection = None;
                shared.learn(|belief| belief.cluster.failed(member.id, now, failure));
            }
        }
        if now.saturating_duration_since(reported) >= REPORT {
            for access in [Access::ReadOnly, Access::ReadWrite] {
                let pool = member.pool(access).status();
                let used = pool.size.saturating_sub(pool.available);
                shared.telemetry.connections(member.name(), access, pool.available, used);
            }
            reported = now;
        }
        if now.saturating_duration_since(swept) >= SWEEP {
            member.sweep(config.max_idle);
            swept = now;
        }
        let orphaned = shared.snapshot().view.writable == Writable::Nobody;
        let pause = if orphaned { config.probe_interval / 4 } else { config.probe_interval };
        let changed = async {
            match &connection {
                Some(connection) => shared.backend.changed(connection).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = sleep_until(asked + pause) => {}
            () = member.wake.notified() => {}
            () = changed => {}
        }
        // However often it is woken, a node that just failed is given a moment.
        if connection.is_none() {
            sleep_until(now + config.probe_interval / 10).await;
        }
    }
}

/// Asks a node what it is.
///
/// A connection that broke says nothing of its node: somebody may have ended just this one. So a
/// second one is tried at once. Not so if no answer came in time; its connection is never asked again.
async fn probe<B: Backend>(
    shared: &Shared<B>,
    member: &Member<B>,
    connection: &mut Option<B::Connection>,
) -> Result<Observation, Failure> {
    let backend = &shared.backend;
    let deadline = shared.config.probe_deadline;
    if let Some(mut held) = connection.take().filter(|held| backend.is_open(held)) {
        match timeout(deadline, backend.observe(&mut held)).await {
            Ok(Ok(seen)) => {
                *connection = Some(held);
                return Ok(seen);
            }
            Ok(Err(error)) => member.note(&error),
            Err(_) => return Err(silent(member)),
        }
    }
    let connecting = backend.connect(&member.node.target, Access::ReadWrite);
    let mut made = match timeout(shared.config.connect, connecting).await {
        Ok(Ok(made)) => made,
        Ok(Err(error)) => return Err(failure(backend.as_ref(), member, &error)),
        Err(_) => return Err(silent(member)),
    };
    match timeout(deadline, backend.observe(&mut made)).await {
        Ok(Ok(seen)) => {
            *connection = Some(made);
            Ok(seen)
        }
        Ok(Err(error)) => Err(failure(backend.as_ref(), member, &error)),
        Err(_) => Err(silent(member)),
    }
}

fn silent<B: Backend>(member: &Member<B>) -> Failure {
    member.note(&NoAnswer);
    Failure::Silent
}

fn failure<B: Backend>(backend: &B, member: &Member<B>, error: &B::Error) -> Failure {
    member.note(error);
    match backend.fault(error) {
        Fault::Denied => Failure::Denied,
        Fault::Unavailable => Failure::Unavailable,
        _ => Failure::Silent,
    }
}

#[derive(Debug)]
struct NoAnswer;

impl std::fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no answer in time")
    }
}

impl std::error::Error for NoAnswer {}
