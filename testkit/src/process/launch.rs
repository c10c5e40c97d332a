//! Starting a child.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, OnceLock};

use super::{Log, Process, Signal, SpawnError, lock, short_name};
use crate::sys;

/// The user and group that a child runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The numeric user id.
    pub uid: u32,
    /// The numeric group id.
    pub gid: u32,
}

/// A child about to be started, from [`Process::binary`] and its siblings.
///
/// Defaults: no arguments, the environment and the directory of the test, empty stdin, output
/// captured, `SIGKILL` when the test dies, because nothing a test leaves behind is worth a drain.
#[derive(Debug)]
#[must_use = "nothing runs before `spawn`"]
pub struct Launch {
    name: String,
    program: PathBuf,
    args: Vec<OsString>,
    envs: Vec<(OsString, OsString)>,
    dir: Option<PathBuf>,
    owner: Option<Owner>,
    when_parent_dies: Signal,
}

impl Launch {
    pub(super) fn new(program: PathBuf) -> Launch {
        Launch {
            name: short_name(&program),
            program,
            args: Vec::new(),
            envs: Vec::new(),
            dir: None,
            owner: None,
            when_parent_dies: Signal::Kill,
        }
    }

    /// The name that errors and echoed logs carry; default: the program's file name.
    pub fn name(mut self, name: impl Into<String>) -> Launch {
        self.name = name.into();
        self
    }

    /// Adds one argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Launch {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Launch {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets one environment variable of the child.
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Launch {
        self.envs.push((key.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// The directory the child starts in; default: the test's.
    pub fn current_dir(mut self, dir: impl AsRef<Path>) -> Launch {
        self.dir = Some(dir.as_ref().to_owned());
        self
    }

    /// Runs the child as another user, without supplementary groups. Only root may.
    pub fn owner(mut self, owner: Owner) -> Launch {
        self.owner = Some(owner);
        self
    }

    /// The signal the child gets when the test process dies without cleaning up.
    pub fn when_parent_dies(mut self, signal: Signal) -> Launch {
        self.when_parent_dies = signal;
        self
    }

    /// Starts the child.
    ///
    /// # Errors
    ///
    /// [`SpawnError`] when the program cannot be executed.
    pub fn spawn(self) -> Result<Process, SpawnError> {
        let (name, program) = (self.name.clone(), self.program.clone());
        let child = spawn_thread(move || self.command().spawn())
            .map_err(|source| SpawnError { program, source })?;
        Ok(Process::supervise(name, child, Log::default()))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .envs(self.envs.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        if let Some(owner) = self.owner {
            command.gid(owner.gid).uid(owner.uid);
        }
        sys::signal_when_parent_dies(&mut command, self.when_parent_dies.raw());
        command
    }
}

type Spawn = Box<dyn FnOnce() + Send>;

/// Runs `spawn` on the one thread that forks, which lives as long as the process.
///
/// The parent-death signal fires when the forking *thread* ends. A test's own thread ends with the
/// test and a runtime's blocking thread after ten idle seconds, so neither may fork.
pub(crate) fn spawn_thread(
    spawn: impl FnOnce() -> io::Result<Child> + Send + 'static,
) -> io::Result<Child> {
    static FORKING: OnceLock<Mutex<Sender<Spawn>>> = OnceLock::new();
    let forking = FORKING.get_or_init(|| {
        let (sender, jobs) = channel::<Spawn>();
        std::thread::spawn(move || jobs.into_iter().for_each(|job| job()));
        Mutex::new(sender)
    });
    let (reply, result) = channel();
    let job: Spawn = Box::new(move || drop(reply.send(spawn())));
    let gone = || io::Error::other("the forking thread is gone");
    lock(forking).send(job).map_err(|_| gone())?;
    result.recv().map_err(|_| gone())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn control_a_child_forked_by_a_short_lived_thread_dies_with_that_thread() {
        let child = std::thread::spawn(|| {
            let launch = Process::binary("/bin/sleep").arg("1000");
            let child = launch.command().spawn().unwrap();
            Process::supervise("sleep".to_owned(), child, Log::default())
        });
        let child = child.join().unwrap();
        let status = child.wait_blocking(Duration::from_secs(20)).unwrap();
        assert!(!status.success());
    }

    #[tokio::test]
    async fn root_can_start_a_child_as_somebody_else() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let owner = Owner { uid: 65_534, gid: 65_533 };
        let script = "echo $(id -u) $(id -g) $(id -G)";
        let launch = Process::binary("/bin/sh").args(["-c", script]).owner(owner);
        let child = launch.current_dir("/").spawn().unwrap();
        let line = child.wait_for_line("", Duration::from_secs(20)).await;
        assert_eq!(line.unwrap(), "65534 65533 65533");
    }
}
