//! Messages between the two processes: lost, late and out of order, but numbered.

use super::Cache;
use super::mutant::Mutant;
use super::state::{Change, Message, State, Value};

impl State {
    /// `about` is the write behind it, which nobody but the promises looks at.
    pub(super) fn publish(&mut self, from: usize, change: Change, about: Value) {
        self.nodes[from].sent += 1;
        let number = self.nodes[from].sent;
        self.nodes[1 - from].incoming.push(Message { number, change });
        let published = &mut self.promise.published[from];
        published.push(about.max(published.last().copied().unwrap_or_default()));
    }

    /// Any message may come next.
    pub(super) fn deliver(&mut self, model: &Cache, to: usize, message: Message) {
        let next = self.nodes[to].heard + 1;
        if message.number == next {
            self.nodes[to].invalidate(message.change);
            self.hear(to, next);
        } else {
            self.gap(model, to, message.number);
        }
    }

    pub(super) fn drop_message(&mut self, to: usize, message: Message) {
        self.nodes[to].incoming.retain(|other| *other != message);
    }

    /// The publisher says how many there were.
    pub(super) fn heartbeat(&mut self, model: &Cache, to: usize) {
        let sent = self.nodes[1 - to].sent;
        if model.is(Mutant::NoHeartbeat) {
            // The others believe that they know of everything by now.
            self.tell(to, sent);
        } else {
            self.gap(model, to, sent);
        }
    }

    fn gap(&mut self, model: &Cache, to: usize, number: u8) {
        if !model.is(Mutant::NoFlushOnGap) {
            self.nodes[to].invalidate(Change::Clear);
        }
        self.hear(to, number);
    }

    /// What comes after all that is passed over: it was made good for.
    fn hear(&mut self, to: usize, number: u8) {
        self.nodes[to].heard = number;
        self.nodes[to].incoming.retain(|message| message.number > number);
        self.tell(to, number);
    }
}
