//! What is kept under a name: a text, a number, or a number with receipts.
//!
//! In the session it is JSON, and its form says which of them:
//!
//! | JSON | is |
//! |---|---|
//! | `"blue"` | a text, by `/set` |
//! | `7` | a number, by `/incr` |
//! | `{"number":7,"ids":["a","b"]}` | a number, by `/incr` with ids; these were the last |
//!
//! Number and ids are one value on purpose. `Session::update` compares and swaps one value, so an increment and its id
//! are there together or not at all, whatever is killed in between; an id in a value of its own could be there without
//! its increment. An id is a receipt and nothing more: whoever sends one twice counts twice, and whoever is not sure
//! asks `/applied` before they send it again.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Ids that are remembered for a number, the last ones. At 64 bytes an id it is 8 KiB of the 64 that a session may
/// hold, and whoever asks for an id does it seconds later.
const IDS: usize = 128;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Kept {
    Text(String),
    Number(u64),
    Receipts { number: u64, ids: VecDeque<String> },
}

impl Kept {
    /// One more; `None` if it is no number, or the largest.
    pub(crate) fn incremented(&self, id: Option<&str>) -> Option<Self> {
        let number = self.number()?.checked_add(1)?;
        let mut ids = match self {
            Self::Receipts { ids, .. } => ids.clone(),
            _ => VecDeque::new(),
        };
        ids.extend(id.map(str::to_owned));
        while ids.len() > IDS {
            ids.pop_front();
        }
        Some(if ids.is_empty() { Self::Number(number) } else { Self::Receipts { number, ids } })
    }

    /// How many increments with this id there were, of the last ones.
    pub(crate) fn times(&self, id: &str) -> usize {
        match self {
            Self::Receipts { ids, .. } => ids.iter().filter(|one| *one == id).count(),
            Self::Text(_) | Self::Number(_) => 0,
        }
    }

    /// As people read it.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) | Self::Receipts { number, .. } => number.to_string(),
        }
    }

    fn number(&self) -> Option<u64> {
        match self {
            Self::Text(text) => text.parse().ok(),
            Self::Number(number) | Self::Receipts { number, .. } => Some(*number),
        }
    }
}
