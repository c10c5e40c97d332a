//! A write, step by step.

use super::Cache;
use super::mutant::Mutant;
use super::state::{Age, Change, State, Write};

/// How something is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The write goes past the cache, and an invalidation follows it.
    Invalidate(Change),
    /// The cache is given the value that was written.
    PutThrough,
}

/// What a write does next. Each is one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum WriteStep {
    Capture,
    LeaseForWrite,
    Commit,
    HoldTags,
    Fill,
    RemoveIfRefused,
    Put,
    InvalidateMemory,
    InvalidateStore,
    Acknowledge,
    Publish,
}

use WriteStep as Step;

/// Before the store, so that nobody is served the old value while that takes its time; and after it,
/// for a reader that has fetched the old value there in between.
const INVALIDATE: &[Step] = &[
    Step::Commit,
    Step::InvalidateMemory,
    Step::InvalidateStore,
    Step::InvalidateMemory,
    Step::Acknowledge,
    Step::Publish,
];

const PUT_THROUGH: &[Step] = &[
    Step::Capture,
    Step::LeaseForWrite,
    Step::Commit,
    Step::HoldTags,
    Step::Fill,
    Step::RemoveIfRefused,
    Step::Put,
    Step::Acknowledge,
    Step::Publish,
];

impl Kind {
    fn steps(self, model: &Cache) -> &'static [Step] {
        match (self, model.mutant) {
            (Self::PutThrough, _) => PUT_THROUGH,
            (Self::Invalidate(_), Some(Mutant::InvalidateBeforeCommit)) => &[
                Step::InvalidateMemory,
                Step::InvalidateStore,
                Step::InvalidateMemory,
                Step::Commit,
                Step::Acknowledge,
                Step::Publish,
            ],
            (Self::Invalidate(_), Some(Mutant::NotAgainAfterTheStore)) => &[
                Step::Commit,
                Step::InvalidateMemory,
                Step::InvalidateStore,
                Step::Acknowledge,
                Step::Publish,
            ],
            (Self::Invalidate(_), Some(Mutant::NotBeforeTheStore)) => &[
                Step::Commit,
                Step::InvalidateStore,
                Step::InvalidateMemory,
                Step::Acknowledge,
                Step::Publish,
            ],
            (Self::Invalidate(_), _) => INVALIDATE,
        }
    }

    fn change(self) -> Change {
        match self {
            Self::Invalidate(change) => change,
            Self::PutThrough => Change::Key,
        }
    }
}

impl Write {
    pub(super) fn new(node: usize, kind: Kind) -> Self {
        Self {
            node,
            kind,
            done: 0,
            value: 0,
            captured: None,
            age: Age::New,
            lease: None,
            tag: None,
            refused: false,
        }
    }

    pub(super) fn next(&self, model: &Cache) -> Option<Step> {
        self.kind.steps(model).get(self.done).copied()
    }
}

impl State {
    /// The write does its next step.
    pub(super) fn write(&mut self, model: &Cache, writer: usize) {
        let mut write = self.writes[writer].clone();
        let Some(step) = write.next(model) else {
            return;
        };
        let (node, change) = (write.node, write.kind.change());
        match step {
            Step::Capture => write.captured = Some(self.nodes[node].capture()),
            Step::LeaseForWrite => write.lease = Some(self.lease_for_write(model)),
            Step::Commit => {
                self.source += 1;
                write.value = self.source;
            }
            Step::HoldTags => {
                write.tag = write.lease.and_then(|lease| self.store.hold_tag(model, &lease));
                write.refused = write.tag.is_none();
            }
            Step::Fill => {
                if let (Some(lease), Some(tag)) = (write.lease, write.tag.take()) {
                    write.refused = !self.store.fill(model, &lease, write.value, tag);
                }
                write.lease = None;
            }
            Step::RemoveIfRefused => {
                if write.refused && !model.is(Mutant::RefusedWriterLeaves) {
                    self.store.invalidate(model, change);
                }
                write.refused = false;
            }
            Step::Put => {
                if let Some(captured) = write.captured.take() {
                    let from_the_end = model.is(Mutant::PutAgeFromTheEnd);
                    let age = if from_the_end { Age::New } else { write.age };
                    self.nodes[node].put(model, write.value, &captured, age);
                }
            }
            Step::InvalidateMemory => self.nodes[node].invalidate(change),
            Step::InvalidateStore => self.store.invalidate(model, change),
            Step::Acknowledge => {
                let acknowledged = &mut self.promise.acknowledged[node];
                *acknowledged = write.value.max(*acknowledged);
            }
            Step::Publish => self.publish(node, change, write.value),
        }
        write.done += 1;
        self.writes[writer] = write;
    }
}
