//! Missing servers and tools: installed with apt-get where that is possible, else named with the
//! exact command.
//!
//! Debian starts a server as soon as its package is installed, on its standard port. A temporary
//! `policy-rc.d` forbids that for the time of the installation. It is written and removed by the
//! same shell that calls apt-get, from a trap, so that it goes away when this program is killed.

use std::path::Path;
use std::process::Command;

use crate::tools::{self, Tool};

/// Asked by `invoke-rc.d` before anything is started; 101 means "not allowed".
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// In our own policy file, so that one left behind by a killed run is known as ours.
const MARK: &str = "terrace: for the time of one installation";

/// What the comparisons of `cargo xtask bench lb` need.
pub(crate) const PEERS: [&str; 4] = ["nginx", "haproxy", "varnishd", "wrk"];

/// What the gate's tests need and this machine has not.
pub(crate) fn missing_for_tests() -> Vec<&'static Tool> {
    tools::ALL.iter().filter(|tool| tool.needed_by_tests && tool.find().is_none()).collect()
}

/// What the comparisons need and this machine has not.
pub(crate) fn missing_peers() -> Vec<&'static Tool> {
    let tools = PEERS.iter().filter_map(|name| Tool::named(name));
    tools.filter(|tool| tool.find().is_none()).collect()
}

/// The command a person types to install `tools`.
pub(crate) fn command_line(tools: &[&Tool]) -> String {
    let mut packages: Vec<&str> = tools.iter().map(|tool| tool.apt_package).collect();
    packages.sort_unstable();
    packages.dedup();
    format!("sudo apt-get update && sudo apt-get install --yes {}", packages.join(" "))
}

/// What may be done about missing packages on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Means {
    /// apt-get, under a policy of our own.
    OwnPolicy,
    /// apt-get, under a policy that is there and already forbids starting.
    TheirPolicy,
    /// Nothing: this person may not install packages.
    NotRoot,
    /// Nothing: there is no apt-get.
    NoApt,
    /// Nothing: a policy is there that lets servers start, and it is not ours to replace.
    PolicyInTheWay,
}

/// What is known about the machine before anything is installed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Machine {
    is_root: bool,
    has_apt: bool,
    policy: Policy,
}

/// The `policy-rc.d` that is there before we come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    Absent,
    /// Left behind by a killed run of ours.
    Ours,
    /// Somebody's, and it forbids starting.
    Forbids,
    /// Somebody's, and it does not.
    Allows,
}

impl Machine {
    pub(crate) fn look() -> Self {
        let succeeds = |program: &str, arguments: &[&str]| {
            Command::new(program).args(arguments).output().is_ok_and(|out| out.status.success())
        };
        let id = Command::new("id").arg("-u").output();
        Self {
            is_root: id.is_ok_and(|out| out.stdout.trim_ascii() == b"0"),
            has_apt: succeeds("apt-get", &["--version"]),
            policy: Policy::look(Path::new(POLICY)),
        }
    }

    /// The means this machine gives us.
    pub(crate) fn means(self) -> Means {
        match self {
            Self { has_apt: false, .. } => Means::NoApt,
            Self { is_root: false, .. } => Means::NotRoot,
            Self { policy: Policy::Absent | Policy::Ours, .. } => Means::OwnPolicy,
            Self { policy: Policy::Forbids, .. } => Means::TheirPolicy,
            Self { policy: Policy::Allows, .. } => Means::PolicyInTheWay,
        }
    }
}

impl Policy {
    fn look(path: &Path) -> Self {
        if path.symlink_metadata().is_err() {
            return Self::Absent;
        }
        if std::fs::read_to_string(path).is_ok_and(|text| text.contains(MARK)) {
            return Self::Ours;
        }
        let answer = Command::new(path).args(["redis-server", "start"]).status();
        match answer {
            Ok(status) if status.code() == Some(101) => Self::Forbids,
            _ => Self::Allows,
        }
    }
}

/// The shell command that installs `tools`; `None` where nothing can be installed.
pub(crate) fn installation(means: Means, tools: &[&Tool]) -> Option<Command> {
    let own_policy = match means {
        Means::OwnPolicy => true,
        Means::TheirPolicy => false,
        Means::NotRoot | Means::NoApt | Means::PolicyInTheWay => return None,
    };
    let packages = tools.iter().map(|tool| tool.apt_package);
    let mut command = Command::new("sh");
    command.arg("-c").arg(script(Path::new(POLICY), own_policy)).arg("sh").args(packages);
    command.env("DEBIAN_FRONTEND", "noninteractive");
    Some(command)
}

/// Installs its arguments; writes and removes the policy around that.
fn script(policy: &Path, own_policy: bool) -> String {
    let policy = policy.display();
    let guard = if own_policy {
        format!(
            "trap 'rm -f {policy}' EXIT\n\
             trap 'exit 130' HUP INT TERM\n\
             printf '#!/bin/sh\\n# {MARK}\\nexit 101\\n' > {policy}\n\
             chmod 755 {policy}\n"
        )
    } else {
        String::new()
    };
    format!(
        "set -eu\n{guard}\
         apt-get update\n\
         apt-get install --yes --no-install-recommends \"$@\"\n"
    )
}

/// Why nothing was installed, for people.
pub(crate) fn excuse(means: Means) -> &'static str {
    match means {
        Means::OwnPolicy | Means::TheirPolicy => "apt-get failed",
        Means::NotRoot => "only root installs packages",
        Means::NoApt => "there is no apt-get here",
        Means::PolicyInTheWay => {
            "/usr/sbin/policy-rc.d lets servers start on their standard ports, and is not ours to replace"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    /// Runs the script with an apt-get that does what `apt` says, and a policy in `folder`.
    fn install(folder: &Scratch, apt: &str, own_policy: bool) -> bool {
        let policy = folder.path().join("policy-rc.d");
        executable(
            folder,
            "bin/apt-get",
            &format!("#!/bin/sh\nPOLICY={}\n{apt}\n", policy.display()),
        );
        let path = format!(
            "{}:{}",
            folder.path().join("bin").display(),
            std::env::var("PATH").unwrap_or_default()
        );
        Command::new("sh")
            .args(["-c", &script(&policy, own_policy), "sh", "redis-server"])
            .env("PATH", path)
            .status()
            .unwrap()
            .success()
    }

    /// Another process writes the file: one of our own threads could be forking meanwhile, and a
    /// file that is open for writing cannot be run.
    fn executable(folder: &Scratch, file: &str, text: &str) {
        folder.write("source", text);
        let [source, target] = ["source", file].map(|name| folder.path().join(name));
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        let installed = Command::new("install").arg("-m755").args([source, target]).status();
        assert!(installed.unwrap().success());
    }

    const SEES_POLICY: &str = "case $1 in install) \"$POLICY\" redis start; [ $? = 101 ];; esac";

    #[test]
    fn nothing_may_start_while_packages_are_installed() {
        let folder = Scratch::new();
        assert!(install(&folder, SEES_POLICY, true));
        assert!(!folder.path().join("policy-rc.d").exists());
    }

    #[test]
    fn without_the_policy_a_server_could_start() {
        // The control of the test above: the same apt-get fails when no policy stops it.
        assert!(!install(&Scratch::new(), SEES_POLICY, false));
    }

    #[test]
    fn the_policy_goes_away_when_apt_fails() {
        let folder = Scratch::new();
        assert!(!install(&folder, "exit 100", true));
        assert!(!folder.path().join("policy-rc.d").exists());
    }

    #[test]
    fn the_policy_goes_away_when_the_installation_is_interrupted() {
        let folder = Scratch::new();
        assert!(!install(&folder, "kill -TERM $PPID; exit 1", true));
        assert!(!folder.path().join("policy-rc.d").exists());
    }

    #[test]
    fn somebodys_policy_is_never_touched() {
        let folder = Scratch::new();
        let path = folder.path().join("policy-rc.d");
        assert_eq!(Policy::look(&path), Policy::Absent);
        for (code, expected) in [(101, Policy::Forbids), (0, Policy::Allows)] {
            let text = format!("#!/bin/sh\nexit {code}\n");
            executable(&folder, "policy-rc.d", &text);
            assert_eq!(Policy::look(&path), expected);
            install(&folder, "exit 0", false);
            assert_eq!(folder.read("policy-rc.d"), text);
        }
        folder.write("policy-rc.d", &format!("# {MARK}\n"));
        assert_eq!(Policy::look(&path), Policy::Ours);
    }

    #[test]
    fn means_follow_from_the_machine() {
        let machine = |is_root, has_apt, policy| Machine { is_root, has_apt, policy }.means();
        assert_eq!(machine(true, true, Policy::Absent), Means::OwnPolicy);
        assert_eq!(machine(true, true, Policy::Ours), Means::OwnPolicy);
        assert_eq!(machine(true, true, Policy::Forbids), Means::TheirPolicy);
        assert_eq!(machine(true, true, Policy::Allows), Means::PolicyInTheWay);
        assert_eq!(machine(false, true, Policy::Absent), Means::NotRoot);
        assert_eq!(machine(true, false, Policy::Absent), Means::NoApt);
        assert!(installation(Means::NotRoot, &[]).is_none());
        assert!(installation(Means::PolicyInTheWay, &[]).is_none());
    }

    #[test]
    fn every_peer_is_a_known_tool() {
        assert!(PEERS.iter().all(|name| Tool::named(name).is_some()));
    }

    #[test]
    fn the_command_names_each_package_once() {
        let wrk = Tool::named("wrk").unwrap();
        assert_eq!(
            command_line(&[wrk, wrk]),
            "sudo apt-get update && sudo apt-get install --yes wrk"
        );
    }
}
