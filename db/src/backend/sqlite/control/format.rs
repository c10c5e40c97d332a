//! The control file: a few lines of text, strict on purpose.
//!
//! ```text
//! terrace-cluster 1
//! generation 7
//! system 6012973410293
//! quorum 1 1000
//! timeline 2 1 57
//! node a primary 1 1 up replaying 0 open current
//! node b primary 2 1 up replaying 0 open current
//! end
//! ```
//!
//! A `timeline` line holds its number, its parent's, and the offset where it branched off; a `node`
//! line name, role, timeline, incarnation, liveness, replay, delay in milliseconds, fence and
//! freshness. Every file has exactly one spelling, so that a damaged one is noticed.

use std::fmt;
use std::fmt::Write as _;

use super::{Branch, Control, Liveness, MAX_NODES, MAX_TIMELINES, NodeState, check_name};
use crate::backend::Role;
use crate::position::SystemId;

/// The control file is damaged, or not one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub kind: ControlErrorKind,
}

/// What is wrong with a line of the control file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ControlErrorKind {
    /// Another program's file, or a later version's.
    Header,
    /// Another line should stand here.
    Unexpected,
    /// A line has too few or too many words.
    Words,
    /// Not a number, out of range, or not spelled the one way.
    Number,
    /// A word that means nothing here.
    Word,
    /// A name that cannot be a node's, or stands twice.
    Name,
    /// A timeline that does not exist, stands out of order, or branches off a later one.
    Timeline,
    /// More nodes or timelines than a cluster can have, or no node.
    Count,
    /// The file stops before its end.
    Truncated,
    /// Something stands behind the end.
    Trailing,
}

impl ControlErrorKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Header => "not a control file of this version",
            Self::Unexpected => "another line should stand here",
            Self::Words => "too few or too many words",
            Self::Number => "not a number in range",
            Self::Word => "a word that means nothing here",
            Self::Name => "a bad name, or one that stands twice",
            Self::Timeline => "a timeline out of order",
            Self::Count => "too many nodes or timelines, or no node",
            Self::Truncated => "the file stops before its end",
            Self::Trailing => "something stands behind the end",
        }
    }
}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "control file, line {}: {}", self.line, self.kind.as_str())
    }
}

impl std::error::Error for ControlError {}

const HEADER: &str = "terrace-cluster 1";

impl Control {
    pub(crate) fn to_text(&self) -> String {
        let mut text = format!(
            "{HEADER}\ngeneration {}\nsystem {}\nquorum {} {}\n",
            self.generation, self.system.0, self.quorum, self.quorum_wait
        );
        // Writing to a string does not fail.
        for Branch { timeline, parent, offset } in &self.branches {
            let _ = writeln!(text, "timeline {timeline} {parent} {offset}");
        }
        for node in &self.nodes {
            let _ = writeln!(
                text,
                "node {} {} {} {} {} {} {} {} {}",
                node.name,
                match node.role {
                    Role::Primary => "primary",
                    Role::Replica => "replica",
                },
                node.timeline,
                node.incarnation,
                match node.liveness {
                    Liveness::Up => "up",
                    Liveness::Down => "down",
                    Liveness::Frozen => "frozen",
                },
                if node.paused { "paused" } else { "replaying" },
                node.delay,
                if node.fenced { "fenced" } else { "open" },
                if node.stale { "stale" } else { "current" },
            );
        }
        text.push_str("end\n");
        text
    }

    pub(crate) fn parse(text: &str) -> Result<Self, ControlError> {
        let mut lines = Lines { rest: text, line: 0 };
        if lines.next()? != HEADER {
            return Err(lines.wrong(ControlErrorKind::Header));
        }
        let [generation] = lines.words("generation")?;
        let generation = lines.number(generation)?;
        let [system] = lines.words("system")?;
        let system = SystemId(lines.number(system)?);
        let [quorum, wait] = lines.words("quorum")?;
        let quorum = lines.number32(quorum)?;
        let quorum_wait = lines.number(wait)?;
        let mut control = Self {
            generation,
            system,
            quorum,
            quorum_wait,
            branches: Vec::new(),
            nodes: Vec::new(),
        };
        loop {
            let line = lines.next()?;
            match line.split(' ').next() {
                Some("timeline") if control.nodes.is_empty() => {
                    let branch = lines.branch(line, control.newest())?;
                    control.branches.push(branch);
                }
                Some("node") => {
                    let node = lines.node(line, &control)?;
                    control.nodes.push(node);
                }
                Some("end") if line == "end" => break,
                _ => return Err(lines.wrong(ControlErrorKind::Unexpected)),
            }
            if control.branches.len() > MAX_TIMELINES || control.nodes.len() > MAX_NODES {
                return Err(lines.wrong(ControlErrorKind::Count));
            }
        }
        if control.nodes.is_empty() {
            return Err(lines.wrong(ControlErrorKind::Count));
        }
        if lines.rest.is_empty() {
            Ok(control)
        } else {
            Err(ControlError { line: lines.line + 1, kind: ControlErrorKind::Trailing })
        }
    }
}

struct Lines<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Lines<'a> {
    fn wrong(&self, kind: ControlErrorKind) -> ControlError {
        ControlError { line: self.line, kind }
    }

    fn next(&mut self) -> Result<&'a str, ControlError> {
        self.line += 1;
        // A line counts only with its end: the last one might be half of it.
        let (line, rest) =
            self.rest.split_once('\n').ok_or(self.wrong(ControlErrorKind::Truncated))?;
        self.rest = rest;
        Ok(line)
    }

    /// The words of the next line, which begins with `name`.
    fn words<const N: usize>(&mut self, name: &str) -> Result<[&'a str; N], ControlError> {
        let line = self.next()?;
        match line.strip_prefix(name).and_then(|rest| rest.strip_prefix(' ')) {
            Some(rest) => self.split(rest),
            None => Err(self.wrong(ControlErrorKind::Unexpected)),
        }
    }

    fn split<const N: usize>(&self, line: &'a str) -> Result<[&'a str; N], ControlError> {
        let words: Vec<&str> = line.split(' ').collect();
        words.try_into().map_err(|_| self.wrong(ControlErrorKind::Words))
    }

    fn number(&self, word: &str) -> Result<u64, ControlError> {
        let value: u64 = word.parse().map_err(|_| self.wrong(ControlErrorKind::Number))?;
        // One spelling: no plus sign, no leading zeros.
        let plain =
            word.bytes().all(|b| b.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
        if plain { Ok(value) } else { Err(self.wrong(ControlErrorKind::Number)) }
    }

    fn number32(&self, word: &str) -> Result<u32, ControlError> {
        u32::try_from(self.number(word)?).map_err(|_| self.wrong(ControlErrorKind::Number))
    }

    fn either(&self, word: &str, no: &str, yes: &str) -> Result<bool, ControlError> {
        if word == yes {
            Ok(true)
        } else if word == no {
            Ok(false)
        } else {
            Err(self.wrong(ControlErrorKind::Word))
        }
    }

    fn branch(&self, line: &'a str, newest: u32) -> Result<Branch, ControlError> {
        let [_, timeline, parent, offset] = self.split(line)?;
        let (timeline, parent) = (self.number32(timeline)?, self.number32(parent)?);
        if newest.checked_add(1) != Some(timeline) || parent == 0 || parent >= timeline {
            return Err(self.wrong(ControlErrorKind::Timeline));
        }
        Ok(Branch { timeline, parent, offset: self.number(offset)? })
    }

    fn node(&self, line: &'a str, control: &Control) -> Result<NodeState, ControlError> {
        let [_, name, role, timeline, incarnation, liveness, replay, delay, fence, freshness] =
            self.split(line)?;
        if check_name(name).is_err() || control.node(name).is_ok() {
            return Err(self.wrong(ControlErrorKind::Name));
        }
        let timeline = self.number32(timeline)?;
        if timeline == 0 || timeline > control.newest() {
            return Err(self.wrong(ControlErrorKind::Timeline));
        }
        let liveness = match liveness {
            "up" => Liveness::Up,
            "down" => Liveness::Down,
            "frozen" => Liveness::Frozen,
            _ => return Err(self.wrong(ControlErrorKind::Word)),
        };
        let primary = self.either(role, "replica", "primary")?;
        Ok(NodeState {
            name: name.to_owned(),
            role: if primary { Role::Primary } else { Role::Replica },
            timeline,
            incarnation: self.number(incarnation)?,
            liveness,
            paused: self.either(replay, "replaying", "paused")?,
            delay: self.number(delay)?,
            fenced: self.either(fence, "open", "fenced")?,
            stale: self.either(freshness, "current", "stale")?,
        })
    }
}
