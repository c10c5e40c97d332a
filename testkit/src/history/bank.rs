//! Is money neither made nor lost? Every snapshot sums to the same, no account is overdrawn, and
//! the balances at the end are exactly those that the stored transfers lead to.
//!
//! A transfer writes a row with its id in its own transaction. So a transfer without an answer is
//! resolved by looking: its row is there and the money has moved, or neither.

use super::durability::{self, DurabilityReport};
use super::{Op, Outcome};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What was asked of the bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Move money, and leave a row with `id`.
    Transfer {
        /// The transfer's own id.
        id: u64,
        /// Who pays.
        from: u64,
        /// Who is paid.
        to: u64,
        /// How much.
        amount: i64,
    },
    /// All balances in one snapshot.
    Audit,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Call::Transfer { id, from, to, amount } => {
                write!(f, "transfer {id}: {amount} from {from} to {to}")
            }
            Call::Audit => f.write_str("audit"),
        }
    }
}

/// Balance by account.
pub type Balances = BTreeMap<u64, i64>;

/// What the bank answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The transfer is done. A transfer that the bank declines has failed instead.
    Moved,
    /// The snapshot.
    Balances(Balances),
}

/// An operation on the bank.
pub type BankOp = Op<Call, Answer>;

/// What the bank holds when all is quiet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// The balances.
    pub balances: Balances,
    /// The ids of all stored transfers.
    pub transfers: Vec<u64>,
}

/// What is wrong with the money.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Anomaly {
    /// A snapshot (`None`: the books at the end) has another sum than the bank began with.
    WrongSum {
        /// The audit, by its place in the history.
        audit: Option<usize>,
        /// Its sum.
        sum: i64,
        /// The sum it should have.
        total: i64,
    },
    /// A snapshot has an overdrawn account.
    Negative {
        /// The audit, by its place in the history.
        audit: Option<usize>,
        /// The account.
        account: u64,
        /// Its balance.
        balance: i64,
    },
    /// A snapshot has other accounts than the bank.
    WrongAccounts {
        /// The audit, by its place in the history.
        audit: Option<usize>,
    },
    /// An account does not hold what the stored transfers lead to.
    WrongBalance {
        /// The account.
        account: u64,
        /// What it holds.
        balance: i64,
        /// What it should hold.
        expected: i64,
    },
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let snapshot = |audit: &Option<usize>| match audit {
            Some(index) => format!("audit #{index}"),
            None => "the books".to_owned(),
        };
        match self {
            Anomaly::WrongSum { audit, sum, total } => {
                write!(f, "{} sum to {sum}, not {total}", snapshot(audit))
            }
            Anomaly::Negative { audit, account, balance } => {
                write!(f, "{}: account {account} holds {balance}", snapshot(audit))
            }
            Anomaly::WrongAccounts { audit } => {
                write!(f, "{}: other accounts than the bank's", snapshot(audit))
            }
            Anomaly::WrongBalance { account, balance, expected } => {
                write!(f, "account {account} holds {balance}; its transfers lead to {expected}")
            }
        }
    }
}

/// What [`check`] found.
#[derive(Clone, Debug)]
pub struct BankReport {
    /// How many audits were answered.
    pub audits: usize,
    /// What is wrong with the money.
    pub anomalies: Vec<Anomaly>,
    /// The transfers beside the stored rows.
    pub transfers: DurabilityReport,
}

impl BankReport {
    /// Whether the money is right and every acknowledged transfer is stored.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.anomalies.is_empty() && self.transfers.is_ok()
    }

    /// As [`is_ok`](BankReport::is_ok), though acknowledged transfers may be lost as a whole.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.anomalies.is_empty() && self.transfers.is_exact()
    }
}

impl fmt::Display for BankReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bank: {} audits, {} anomalies", self.audits, self.anomalies.len())?;
        super::list(f, "wrong money", &self.anomalies, 10)?;
        write!(f, "\ntransfers: {}", self.transfers)
    }
}

/// Checks every answered audit, and the books at the end, against what the bank began with.
#[must_use]
pub fn check(ops: &[BankOp], began: &Balances, books: &Books) -> BankReport {
    let mut anomalies = Vec::new();
    let mut audits = 0;
    for op in ops {
        if let Outcome::Ok(Answer::Balances(balances)) = &op.outcome {
            audits += 1;
            snapshot(Some(op.index), balances, began, &mut anomalies);
        }
    }
    snapshot(None, &books.balances, began, &mut anomalies);
    let mut expected = began.clone();
    let stored: BTreeSet<u64> = books.transfers.iter().copied().collect();
    let mut counted = BTreeSet::new();
    for op in ops {
        let Call::Transfer { id, from, to, amount } = op.call else { continue };
        if stored.contains(&id) && counted.insert(id) {
            *expected.entry(from).or_default() -= amount;
            *expected.entry(to).or_default() += amount;
        }
    }
    for (&account, &expected) in &expected {
        let balance = books.balances.get(&account).copied().unwrap_or_default();
        if balance != expected {
            anomalies.push(Anomaly::WrongBalance { account, balance, expected });
        }
    }
    let transfers = durability::audit(ops, id, &books.transfers);
    BankReport { audits, anomalies, transfers }
}

fn id(call: &Call) -> Option<u64> {
    match *call {
        Call::Transfer { id, .. } => Some(id),
        Call::Audit => None,
    }
}

fn snapshot(audit: Option<usize>, got: &Balances, began: &Balances, found: &mut Vec<Anomaly>) {
    if !got.keys().eq(began.keys()) {
        found.push(Anomaly::WrongAccounts { audit });
    }
    let (sum, total) = (got.values().sum(), began.values().sum());
    if sum != total {
        found.push(Anomaly::WrongSum { audit, sum, total });
    }
    let negative = got.iter().filter(|&(_, &balance)| balance < 0);
    found.extend(negative.map(|(&account, &balance)| Anomaly::Negative {
        audit,
        account,
        balance,
    }));
}
