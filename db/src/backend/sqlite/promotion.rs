//! Who becomes the primary of a cluster of files, and who follows it.

use std::time::Duration;

use super::cluster::SqliteCluster;
use super::control::{Control, Liveness, NodeState, check_name};
use super::error::SqliteError;
use super::files::Held;
use crate::backend::{Fault, Role};
use crate::position::Position;

/// How often a rebuild looks whether another process has done it, and how many times.
const REBUILD: (Duration, u32) = (Duration::from_millis(5), 1000);

impl SqliteCluster {
    /// Makes a node the primary of a new timeline, which begins where its data ends. Shows first
    /// all that it has received.
    ///
    /// The old primary is not told. Replicas follow the new one; a replica that has received more
    /// than the new primary has goes out of service until it is rebuilt.
    ///
    /// # Errors
    ///
    /// [`SqliteError::Refused`] if the node is not up or waits to be rebuilt; else as
    /// [`kill`](Self::kill).
    pub fn promote(&self, name: &str) -> Result<u32, SqliteError> {
        let held = self.files.exclusive()?;
        let control = self.files.load()?;
        let node = ready(&control, name)?;
        if node.role == Role::Primary && control.leader().is_some_and(|leader| leader.name == name)
        {
            return Ok(node.timeline);
        }
        let mut end = {
            let mut applier = self.applier(name);
            applier.show_all(&held)?;
            applier.shown()?
        };
        if node.role == Role::Primary {
            end.timeline = node.timeline;
        }
        self.begin_timeline(&held, &control, name, end, None)
    }

    /// Hands the primary's role over without losing a commit: the old primary becomes a replica.
    ///
    /// # Errors
    ///
    /// [`SqliteError::NoPrimary`] if the primary is not up; else as [`promote`](Self::promote).
    pub fn switchover(&self, name: &str) -> Result<u32, SqliteError> {
        let held = self.files.exclusive()?;
        let control = self.files.load()?;
        ready(&control, name)?;
        let leader = control
            .leader()
            .filter(|leader| leader.liveness == Liveness::Up)
            .ok_or(SqliteError::NoPrimary)?;
        if leader.name == name {
            return Ok(leader.timeline);
        }
        // Nobody commits while the lock is held: this copy is all there is.
        let mut end = self.applier(name).copy_of(&held, leader)?;
        end.timeline = leader.timeline;
        self.begin_timeline(&held, &control, name, end, Some(&leader.name))
    }

    /// Turns a node into a replica of the primary, and rebuilds it: what it had and the primary has
    /// not is gone. Returns once it serves.
    ///
    /// # Errors
    ///
    /// [`SqliteError::NoPrimary`] if there is no other primary that is up,
    /// [`SqliteError::Refused`] if the node is not up, [`SqliteError::Rebuilding`] if the copy took
    /// longer than 5 s; else as [`kill`](Self::kill).
    pub fn follow(&self, name: &str) -> Result<(), SqliteError> {
        {
            let held = self.files.exclusive()?;
            let control = self.files.load()?;
            if control.node(name)?.liveness != Liveness::Up {
                return Err(SqliteError::Refused("the node is not up"));
            }
            control
                .leader()
                .filter(|leader| leader.name != name && leader.liveness == Liveness::Up)
                .ok_or(SqliteError::NoPrimary)?;
            self.files.update(&held, |control| {
                let node = control.node_mut(name)?;
                node.role = Role::Replica;
                node.stale = true;
                Ok(())
            })?;
        }
        self.rebuild(name)
    }

    /// Adds a replica, and copies the primary's data to it. Returns once it serves.
    ///
    /// # Errors
    ///
    /// [`SqliteError::Exists`] or [`SqliteError::Name`] for the name; else as
    /// [`follow`](Self::follow).
    pub fn add(&self, name: &str) -> Result<(), SqliteError> {
        check_name(name)?;
        {
            let held = self.files.exclusive()?;
            self.files.update(&held, |control| {
                control.join(name, Role::Replica)?;
                control.node_mut(name)?.stale = true;
                Ok(())
            })?;
        }
        self.rebuild(name)
    }

    /// Makes a replica writable on the timeline of its primary, which no database should ever do:
    /// two servers that were started from one backup look like this.
    ///
    /// # Errors
    ///
    /// As [`kill`](Self::kill).
    pub fn split(&self, name: &str) -> Result<(), SqliteError> {
        let held = self.files.exclusive()?;
        self.files.update(&held, |control| {
            let timeline = control.leader().map_or(1, |leader| leader.timeline);
            let node = control.node_mut(name)?;
            node.role = Role::Primary;
            node.timeline = timeline;
            Ok(())
        })
    }

    fn begin_timeline(
        &self,
        held: &Held<'_>,
        control: &Control,
        name: &str,
        end: Position,
        demoted: Option<&str>,
    ) -> Result<u32, SqliteError> {
        let mut ends = Vec::new();
        for node in &control.nodes {
            ends.push((node.name.clone(), self.ends(held, node)?.1));
        }
        self.files.update(held, |control| {
            if let Some(demoted) = demoted {
                control.node_mut(demoted)?.role = Role::Replica;
            }
            control.promote(name, end, &ends)
        })
    }

    fn rebuild(&self, name: &str) -> Result<(), SqliteError> {
        let (pause, times) = REBUILD;
        let mut applier = self.applier(name);
        for _ in 0..times {
            match applier.work() {
                // Another process may be at it.
                Err(error) if error.fault() == Fault::Conflict => {}
                done => done?,
            }
            if !self.files.load()?.node(name)?.stale {
                return Ok(());
            }
            std::thread::park_timeout(pause);
        }
        Err(SqliteError::Rebuilding)
    }
}

/// A node that may be promoted.
fn ready<'a>(control: &'a Control, name: &str) -> Result<&'a NodeState, SqliteError> {
    let node = control.node(name)?;
    if node.liveness != Liveness::Up {
        return Err(SqliteError::Refused("the node is not up"));
    }
    if node.stale {
        return Err(SqliteError::Refused("the node waits to be rebuilt"));
    }
    Ok(node)
}
