//! What an error on a connection means for the caller, for the connection and for the node.

use crate::backend::{Access, Fault};
use crate::error::{ErrorKind, Outcome};

/// What an exchange with the database may have changed when its answer is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing.
    Read,
    /// A statement that commits by itself.
    Write,
    /// A statement inside a transaction: without the commit it leaves nothing.
    InTransaction,
    /// The commit.
    Commit,
}

/// What the pool does about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Nothing: the connection is as good as before.
    Keep,
    /// The connection is thrown away, and the node is looked at.
    Suspect,
    /// The node is not the primary.
    NotPrimary,
}

/// What to say and do about a fault.
pub(crate) fn verdict(fault: Fault, effect: Effect, access: Access) -> (ErrorKind, Outcome, Mark) {
    match fault {
        Fault::Unreachable | Fault::Unavailable => {
            (ErrorKind::Disconnected, Outcome::NotExecuted, Mark::Suspect)
        }
        Fault::Denied => (ErrorKind::Denied, Outcome::NotExecuted, Mark::Suspect),
        Fault::Broken => (ErrorKind::Disconnected, unanswered(effect), Mark::Suspect),
        Fault::ReadOnly if access == Access::ReadWrite => {
            (ErrorKind::NotPrimary, Outcome::NotExecuted, Mark::NotPrimary)
        }
        Fault::ReadOnly => (ErrorKind::ReadOnly, Outcome::Refused, Mark::Keep),
        Fault::Conflict if effect == Effect::Read => {
            (ErrorKind::Conflict, Outcome::NotExecuted, Mark::Keep)
        }
        Fault::Conflict => (ErrorKind::Conflict, Outcome::Refused, Mark::Keep),
        Fault::Unconfirmed => (ErrorKind::Unconfirmed, Outcome::Unknown, Mark::Keep),
        // What the client got wrong was never sent: as good as refused.
        Fault::Statement | Fault::Client => (ErrorKind::Statement, Outcome::Refused, Mark::Keep),
    }
}

/// What is known when no answer comes.
pub(crate) fn unanswered(effect: Effect) -> Outcome {
    match effect {
        Effect::Read | Effect::InTransaction => Outcome::NotExecuted,
        Effect::Write | Effect::Commit => Outcome::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_answer_leaves_a_doubt_only_where_something_may_have_been_committed() {
        let outcome = |effect| verdict(Fault::Broken, effect, Access::ReadWrite).1;
        assert_eq!(outcome(Effect::Read), Outcome::NotExecuted);
        assert_eq!(outcome(Effect::InTransaction), Outcome::NotExecuted);
        assert_eq!(outcome(Effect::Write), Outcome::Unknown);
        assert_eq!(outcome(Effect::Commit), Outcome::Unknown);
    }

    #[test]
    fn a_write_on_a_node_that_takes_none_is_the_nodes_fault_or_the_callers() {
        let (kind, outcome, mark) = verdict(Fault::ReadOnly, Effect::Write, Access::ReadWrite);
        assert_eq!(
            (kind, outcome, mark),
            (ErrorKind::NotPrimary, Outcome::NotExecuted, Mark::NotPrimary)
        );
        let (kind, outcome, mark) = verdict(Fault::ReadOnly, Effect::Read, Access::ReadOnly);
        assert_eq!((kind, outcome, mark), (ErrorKind::ReadOnly, Outcome::Refused, Mark::Keep));
    }

    #[test]
    fn an_unconfirmed_commit_is_never_called_refused() {
        let (_, outcome, _) = verdict(Fault::Unconfirmed, Effect::Commit, Access::ReadWrite);
        assert_eq!(outcome, Outcome::Unknown);
    }
}
