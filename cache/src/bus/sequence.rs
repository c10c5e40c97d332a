//! Whether something was missed, by the numbers that publishers give to what they say.
//!
//! A receiver remembers the last number of each publisher. The rules are on the safe side: a number
//! that was skipped is a loss, even if the frame comes late after all; a frame that comes late or
//! twice is delivered all the same, since an invalidation may be done twice; and a publisher who was
//! never heard of, and has said something already, may have said it after this process came.
//!
//! A heartbeat carries the last number, so that the loss of a publisher's last word shows with the
//! next one. A publisher that falls silent may have said something last, which no number will ever
//! tell: that is a loss as well, once. Its number is kept, and if it comes back with the same one,
//! nothing more is lost. Who ends in an orderly manner says farewell, and costs nothing.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::rule::{Rule, on};

/// Publishers remembered at most, the dead among them: more than there are processes, and little
/// memory for what strangers may make up. The longest silent one makes room.
pub(super) const MOST: usize = 4096;
/// Heartbeats that may be late or lost before a publisher counts as silent: a stopped machine, a
/// pause of a second or two and one lost datagram are no reason to forget all.
const BEATS: u32 = 5;
/// What a publisher may claim about its heartbeats, so that a made-up one is not remembered for ever.
const LONGEST_BEAT: Duration = Duration::from_secs(60);

/// What a frame says about numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Changes, as this number.
    Changes(u64),
    /// Nothing new: this was the last number.
    Beat(u64),
    /// The same, and there will be no more.
    Farewell(u64),
}

/// What follows for the receiver. Changes are delivered in every case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// What was to come.
    Next,
    /// Nothing that was not known: a copy, or late.
    Again,
    /// Something may be missing.
    Gap,
}

#[derive(Debug, Default)]
pub(super) struct Sequences {
    publishers: HashMap<u64, Publisher>,
}

#[derive(Clone, Copy, Debug)]
struct Publisher {
    last: u64,
    /// When it will have been silent for too long.
    silent_at: Instant,
    /// It has been, and that was reported; or it has said farewell.
    silent: bool,
}

impl Sequences {
    /// A frame has come.
    pub(super) fn hear(
        &mut self,
        publisher: u64,
        said: Said,
        beat: Duration,
        now: Instant,
    ) -> Heard {
        let known = self.publishers.get(&publisher).map(|publisher| publisher.last);
        let (heard, number) = match (known, said) {
            (Some(last), _) => judge(last, said),
            (None, Said::Changes(1)) => (Heard::Next, 1),
            (None, Said::Beat(0) | Said::Farewell(0)) => (Heard::Next, 0),
            (None, Said::Changes(number) | Said::Beat(number) | Said::Farewell(number)) => {
                (if on(Rule::FirstContact) { Heard::Gap } else { Heard::Next }, number)
            }
        };
        let crowded = known.is_none() && self.make_room();
        let silent_at = now + beat.min(LONGEST_BEAT) * BEATS;
        // Silence after a farewell means nothing.
        let silent = matches!(said, Said::Farewell(_));
        self.publishers.insert(publisher, Publisher { last: number, silent_at, silent });
        if crowded { Heard::Gap } else { heard }
    }

    /// How many have fallen silent since the last call: something may be missing of each.
    pub(super) fn fallen_silent(&mut self, now: Instant) -> usize {
        let mut fallen = 0;
        for publisher in self.publishers.values_mut() {
            if !publisher.silent && now >= publisher.silent_at {
                publisher.silent = true;
                fallen += 1;
            }
        }
        if on(Rule::Silence) { fallen } else { 0 }
    }

    /// Whether somebody had to be forgotten of whom something may be missing.
    fn make_room(&mut self) -> bool {
        if self.publishers.len() < MOST {
            return false;
        }
        let longest = self.publishers.iter().min_by_key(|(_, publisher)| publisher.silent_at);
        let Some(id) = longest.map(|(id, _)| *id) else { return false };
        self.publishers.remove(&id).is_some_and(|publisher| !publisher.silent)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.publishers.len()
    }
}

/// What a number means after `last`, and what is the last one now.
fn judge(last: u64, said: Said) -> (Heard, u64) {
    let (number, expected) = match said {
        Said::Changes(number) => (number, last.saturating_add(1)),
        Said::Beat(number) | Said::Farewell(number) => (number, last),
    };
    let counts = on(Rule::Beat) || matches!(said, Said::Changes(_));
    if number > expected && counts {
        return (if on(Rule::Gap) { Heard::Gap } else { Heard::Next }, number);
    }
    // Somebody else spoke in its name, or it began anew under it, or heartbeats overtake each other.
    // The publisher's own word is what counts.
    if number < last && !matches!(said, Said::Changes(_)) && on(Rule::Behind) {
        return (Heard::Gap, number);
    }
    if number > last && counts { (Heard::Next, number) } else { (Heard::Again, last) }
}
