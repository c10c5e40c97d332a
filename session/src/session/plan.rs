//! What is to be done: plain functions of what is known.

use http::StatusCode;

use super::state::{Place, Send, State};
use crate::error::SessionError;
use crate::expiry::Expiry;
use crate::layer::GRACE;
use crate::store::Loaded;

/// For whom a response is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readers {
    /// There was no token, so that this is what everybody without one is shown.
    Strangers,
    /// Nobody else.
    One,
}

/// What a commit asks of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Commit {
    Nothing,
    /// There was no session, and there is something to keep.
    Create,
    Patch,
    /// The id is old: a new one, with the changes on the way.
    Renew,
}

/// What a commit has to do.
pub(crate) fn commit(state: &State, expiry: &Expiry) -> Commit {
    match &state.place {
        Place::Here(_, loaded) if !state.closed && is_renewal_due(loaded, expiry) => Commit::Renew,
        Place::Nowhere if state.log.sets() => Commit::Create,
        Place::Nowhere | Place::Unread => Commit::Nothing,
        _ if state.log.is_empty() => Commit::Nothing,
        // Also where nothing can be written: who asks is told so.
        _ => Commit::Patch,
    }
}

/// A session that comes with the key from before a renewal, and longer after it than requests take, belongs to a browser
/// that the new key may not have reached. The store knows, and renews it again only then.
fn is_renewal_due(loaded: &Loaded, expiry: &Expiry) -> bool {
    let Loaded { record, now, moved, .. } = loaded;
    match moved {
        true => now.since(record.renewed) >= GRACE,
        false => expiry.is_renewal_due(record.renewed, *now),
    }
}

/// Whether the values that a handler set are kept, going by what it answered.
pub(crate) fn keeps_values(status: StatusCode, commit_on_server_error: bool) -> bool {
    commit_on_server_error || !status.is_server_error()
}

/// How somebody logs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// With a new session.
    Create,
    /// With the one that there is.
    Rotate {
        /// Whether it keeps its values.
        keep_values: bool,
    },
}

/// How `subject` logs in over what there is. A stranger's values are theirs; another subject's are not.
pub(crate) fn login(state: &State, subject: &str) -> Result<Start, SessionError> {
    match &state.place {
        Place::Here(_, loaded) => {
            let before = loaded.record.subject.as_deref();
            Ok(Start::Rotate { keep_values: before.is_none_or(|before| before == subject) })
        }
        Place::Gone => Ok(Start::Create),
        _ => state.writable().map(|()| Start::Create),
    }
}

/// What the failure of a commit, or of the request before it, makes of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is sent as it is.
    Pass,
    /// It is replaced: it may promise what was not done.
    Replace(StatusCode),
}

/// A response of 500 and more promises nothing, and is kept. So is one whose session has ended: its user is told at
/// the next request.
pub(crate) fn verdict(status: StatusCode, failure: &SessionError) -> Verdict {
    match failure {
        SessionError::Gone => Verdict::Pass,
        _ if status.is_server_error() => Verdict::Pass,
        SessionError::Unavailable(_) | SessionError::Unknown(_) | SessionError::Full => {
            Verdict::Replace(failure.status())
        }
        _ => Verdict::Replace(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// For whom the response to a request is that asked for its session.
pub(crate) fn readers(state: &State, failed: bool) -> Readers {
    // A login, a logout, and whatever a commit has created say something about this one visitor.
    let changed = failed || state.written || !matches!(state.send, Send::Keep);
    if state.stranger && !changed { Readers::Strangers } else { Readers::One }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
