//! What a creation and a rotation make of a record: decisions, for stores that make them in Rust.

use std::sync::Arc;

use super::{Change, NewSession, Rotation};
use crate::clock::UnixMillis;
use crate::record::{self, Record};

/// The record of a new session.
pub(crate) fn begin(new: &NewSession, now: UnixMillis) -> Record {
    let login = new.authentication.as_ref();
    let absolute = now.after(new.lifetime.absolute);
    Record {
        version: 1,
        created: now,
        last_seen: now,
        expires: now.after(new.lifetime.idle).min(absolute),
        absolute,
        subject: login.map(|login| Arc::clone(&login.subject.id)),
        authenticated: login.map(|_| now),
        renewed: now,
        device: login.map(|login| login.device.clone()).unwrap_or_default(),
        values: Arc::new(new.values.clone()),
    }
}

/// The record under its new key, or nothing if there is no room for its values.
pub(crate) fn rotate(record: &Record, rotation: &Rotation, now: UnixMillis) -> Option<Record> {
    let mut next = record.clone();
    next.last_seen = now;
    next.renewed = now;
    let absolute = now.after(rotation.lifetime.absolute);
    match &rotation.change {
        Change::Login { authentication, keep_values } => {
            next.created = now;
            next.absolute = absolute;
            next.subject = Some(Arc::clone(&authentication.subject.id));
            next.authenticated = Some(now);
            next.device = authentication.device.clone();
            if !keep_values && !next.values.is_empty() {
                next.values = Arc::default();
                next.version = next.version.saturating_add(1);
            }
        }
        Change::Elevate => {
            next.absolute = absolute;
            next.authenticated = next.subject.is_some().then_some(now);
        }
        Change::Renew { .. } => {}
    }
    next.expires = now.after(rotation.lifetime.idle).min(next.absolute);
    let changed = rotation.patch.is_empty() || {
        next.version = next.version.saturating_add(1);
        record::apply(Arc::make_mut(&mut next.values), &rotation.patch, rotation.limits)
    };
    changed.then_some(next)
}
