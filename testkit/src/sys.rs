//! The only unsafe code of the workspace: what must happen in a child between `fork` and `exec`.
//!
//! Everything else goes through rustix and std. Review this file whole; it is kept small for that.
#![allow(unsafe_code)]

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal};

/// Makes the child of `command` receive `signal` when the *thread* that spawns it ends.
///
/// The kernel ties the signal to the thread that forked, not to its process, so the caller must
/// spawn from a thread that lives as long as the process (see `process::launch`). std runs the
/// hook after it changed user and group; a later change would clear the signal.
pub(crate) fn signal_when_parent_dies(command: &mut Command, signal: Signal) {
    let parent: Pid = getpid();
    let hook = move || {
        set_parent_process_death_signal(Some(signal))?;
        // The parent may have died between `fork` and the line above: then no signal ever comes.
        if getppid() != Some(parent) {
            return Err(io::Error::from_raw_os_error(rustix::io::Errno::SRCH.raw_os_error()));
        }
        Ok(())
    };
    // SAFETY: between fork and exec only async-signal-safe work is allowed, because another thread
    // may hold any lock at the fork. The hook makes two system calls (prctl, getppid) through
    // rustix and reads values captured by copy. It takes no lock and allocates nothing: the error
    // paths build `io::Error` from an OS code, which is stored inline.
    unsafe {
        command.pre_exec(hook);
    }
}
