//! What a client knows of its increments, and what that says about the counter.
//!
//! An increment has one of three outcomes: acknowledged, refused, or unknown. Nothing is lost as long as
//! acknowledged ≤ counter ≤ acknowledged + unknown; and since each has an id that is kept together with it, each unknown one
//! can be resolved, and then the counter is known exactly.

/// The increments of one user, as the clients saw them.
#[derive(Debug, Clone, Default)]
pub(super) struct Account {
    /// Sent, whatever came of it.
    pub(super) begun: u64,
    /// Answered with 200.
    pub(super) acknowledged: u64,
    /// Answered with 409: others were faster, and nothing was done.
    pub(super) refused: Vec<String>,
    /// Not answered, or with something that leaves it open.
    pub(super) unknown: Vec<String>,
}

/// The increments of one user, after everything has come to rest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settled {
    /// How many were acknowledged.
    pub acknowledged: u64,
    /// What the counter says.
    pub counter: u64,
    /// For each that was unknown, how often it was applied.
    pub unknown: Vec<u64>,
    /// For each that was refused, how often it was applied.
    pub refused: Vec<u64>,
}

/// All counters together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Books {
    /// Increments that were acknowledged.
    pub acknowledged: u64,
    /// What the counters say, added up.
    pub counted: u64,
    /// Increments of which nobody knew.
    pub unknown: u64,
    /// Of these, those that turned out to be applied.
    pub resolved: u64,
    /// Increments that were refused.
    pub refused: u64,
    /// Counters that say less than was acknowledged: something was lost.
    pub below: u64,
    /// Counters that say more than could be.
    pub above: u64,
    /// Counters that say something else than acknowledged and resolved ones together.
    pub unexplained: u64,
    /// Increments that were applied more than once.
    pub twice: u64,
    /// Refused increments that were applied.
    pub applied_though_refused: u64,
}

impl Books {
    /// Adds one user's.
    pub fn add(&mut self, user: &Settled) {
        let unknown = user.unknown.len() as u64;
        let resolved = user.unknown.iter().filter(|times| **times > 0).count() as u64;
        self.acknowledged += user.acknowledged;
        self.counted += user.counter;
        self.unknown += unknown;
        self.resolved += resolved;
        self.refused += user.refused.len() as u64;
        self.below += u64::from(user.counter < user.acknowledged);
        self.above += u64::from(user.counter > user.acknowledged + unknown);
        self.unexplained += u64::from(user.counter != user.acknowledged + resolved);
        let both = user.unknown.iter().chain(&user.refused);
        self.twice += both.filter(|times| **times > 1).count() as u64;
        self.applied_though_refused +=
            user.refused.iter().filter(|times| **times > 0).count() as u64;
    }

    /// Adds those of other users.
    pub fn append(&mut self, others: &Self) {
        self.acknowledged += others.acknowledged;
        self.counted += others.counted;
        self.unknown += others.unknown;
        self.resolved += others.resolved;
        self.refused += others.refused;
        self.below += others.below;
        self.above += others.above;
        self.unexplained += others.unexplained;
        self.twice += others.twice;
        self.applied_though_refused += others.applied_though_refused;
    }

    /// What must not be.
    #[must_use]
    pub fn findings(&self) -> Vec<String> {
        let table = [
            (self.below, "counters say less than was acknowledged"),
            (self.above, "counters say more than was sent"),
            (self.unexplained, "counters are not what was acknowledged and resolved"),
            (self.twice, "increments were applied more than once"),
            (self.applied_though_refused, "increments were applied though they were refused"),
        ];
        let bad = table.into_iter().filter(|(count, _)| *count > 0);
        bad.map(|(count, what)| format!("{count} {what}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(acknowledged: u64, counter: u64, unknown: &[u64], refused: &[u64]) -> Vec<String> {
        let mut books = Books::default();
        let (unknown, refused) = (unknown.to_vec(), refused.to_vec());
        books.add(&Settled { acknowledged, counter, unknown, refused });
        books.findings()
    }

    #[test]
    fn a_counter_of_what_was_acknowledged_and_resolved_is_right() {
        assert_eq!(findings(0, 0, &[], &[]), Vec::<String>::new());
        assert_eq!(findings(3, 3, &[], &[]), Vec::<String>::new());
        assert_eq!(findings(3, 4, &[1, 0], &[0]), Vec::<String>::new());
    }

    #[test]
    fn each_way_to_be_wrong_is_found() {
        let of = |found: Vec<String>, what: &str| {
            assert!(found.iter().any(|line| line.contains(what)), "{what}: {found:?}");
        };
        of(findings(3, 2, &[], &[]), "less than was acknowledged");
        of(findings(3, 5, &[0], &[]), "more than was sent");
        // Within the bounds, and still not explained.
        of(findings(3, 4, &[0], &[]), "not what was acknowledged and resolved");
        of(findings(3, 3, &[1], &[]), "not what was acknowledged and resolved");
        of(findings(3, 5, &[2], &[]), "more than once");
        of(findings(3, 4, &[], &[1]), "though they were refused");
    }
}
