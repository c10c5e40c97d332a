use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use http::Method;
use tokio::time::Instant;

use super::error::AdminError;
use super::key::Key;
use super::quota::{Quota, Rate, WINDOW};
use super::refusal::Refusal;
use super::rule::{self, Rule};
use super::signature::Claim;

/// Who may come in.
#[derive(Debug)]
pub(super) struct Gate {
    keys: HashMap<Arc<str>, (Key, Mutex<Quota>)>,
    /// Signs for IDs that no key has, so that they take as long as the others.
    decoy: Key,
}

/// When a request came, on both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) unix: u64,
    pub(super) now: Instant,
}

impl Gate {
    pub(super) fn new(keys: Vec<Key>, rate: Rate, room: usize) -> Result<Self, AdminError> {
        let decoy = keys.first().ok_or(AdminError::NoKey)?.clone();
        if rate.per_second == 0 || rate.burst == 0 {
            return Err(AdminError::Rate);
        }
        let mut known = HashMap::new();
        for key in keys {
            key.check()?;
            let quota = Mutex::new(Quota::new(rate, room));
            if let Some((key, _)) = known.insert(key.shared_id(), (key, quota)) {
                return Err(AdminError::DuplicateKey(key.id().to_owned()));
            }
        }
        Ok(Self { keys: known, decoy })
    }

    /// What can be said before the body is read.
    pub(super) fn in_time(claim: &Claim, unix: u64) -> Result<(), Refusal> {
        match claim.at.abs_diff(unix) > WINDOW && rule::on(Rule::Window) {
            true => Err(Refusal::Stale),
            false => Ok(()),
        }
    }

    /// Whose request it is. Only one that is signed rightly counts against a key.
    pub(super) fn enter(
        &self,
        claim: &Claim,
        method: &Method,
        path: &str,
        body: &[u8],
        moment: Moment,
    ) -> Result<&Key, Refusal> {
        let Some((key, quota)) = self.keys.get(claim.key.as_str()) else {
            let _ = claim.proves(self.decoy.mac(), method, path, body);
            return Err(Refusal::UnknownKey);
        };
        if !claim.proves(key.mac(), method, path, body) {
            return Err(Refusal::WrongMac);
        }
        // Again, for a body may have been long in coming.
        Self::in_time(claim, moment.unix)?;
        let mut quota = quota.lock().unwrap_or_else(PoisonError::into_inner);
        quota.admit(claim.at, claim.nonce, moment.unix, moment.now)?;
        Ok(key)
    }
}
