//! Running other programs: output streamed line by line, kept for the log, ended at a deadline.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

/// How long a program's output is still read after it has exited: a grandchild may hold the pipe
/// open for ever.
const DRAIN: Duration = Duration::from_secs(2);

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It exited with success.
    Success,
    /// It exited with this code, or was killed by a signal (`None`).
    Failure(Option<i32>),
    /// It was still running at the deadline, and was killed with its children.
    TimedOut,
}

/// The cargo that started this program, so that `cargo +toolchain xtask` stays on its toolchain.
pub(crate) fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

/// Runs `command` without input until it ends or `deadline` passes; every line of its output goes
/// to `line`, in the order of arrival.
pub(crate) fn run(
    command: &mut Command,
    deadline: Instant,
    mut line: impl FnMut(&str),
) -> std::io::Result<Ended> {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (sender, lines) = mpsc::channel();
    for pipe in [
        child.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
        child.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
    ] {
        let sender = sender.clone();
        thread::spawn(move || pipe.map(|pipe| forward(pipe, &sender)));
    }
    drop(sender);

    let mut exited: Option<(ExitStatus, Instant)> = None;
    loop {
        match lines.recv_timeout(Duration::from_millis(20)) {
            Ok(text) => line(&text),
            Err(RecvTimeoutError::Timeout) => {}
            // Both pipes are closed; the program itself may take a moment longer.
            Err(RecvTimeoutError::Disconnected) => {
                if exited.is_some() {
                    break;
                }
                thread::sleep(Duration::from_millis(5));
            }
        }
        match exited {
            Some((_, at)) if at.elapsed() > DRAIN => break,
            Some(_) => {}
            None => {
                exited = child.try_wait()?.map(|status| (status, Instant::now()));
                if exited.is_none() && Instant::now() > deadline {
                    kill_tree(&mut child);
                    for text in lines.try_iter() {
                        line(&text);
                    }
                    return Ok(Ended::TimedOut);
                }
            }
        }
    }
    Ok(match exited {
        Some((status, _)) if status.success() => Ended::Success,
        Some((status, _)) => Ended::Failure(status.code()),
        None => Ended::Failure(None),
    })
}

/// Sends each line of `pipe` on; bytes that are no text are replaced, not fatal.
fn forward(pipe: impl Read, lines: &Sender<String>) {
    let mut reader = BufReader::new(pipe);
    let mut bytes = Vec::new();
    while reader.read_until(b'\n', &mut bytes).is_ok_and(|count| count > 0) {
        let text = String::from_utf8_lossy(&bytes);
        if lines.send(text.trim_end_matches(['\n', '\r']).to_owned()).is_err() {
            return;
        }
        bytes.clear();
    }
}

/// Kills the program and everything it started: all at once, so that no child outlives its parent
/// unseen.
fn kill_tree(child: &mut Child) {
    let mut pids = vec![child.id().to_string()];
    pids.extend(descendants(child.id()).iter().map(ToString::to_string));
    // The shell's own `kill`: the program of that name is a package that may be missing. A process
    // that ended meanwhile is no error.
    let _ = Command::new("sh")
        .args(["-c", "kill -KILL \"$@\"", "sh"])
        .args(pids)
        .stderr(Stdio::null())
        .status();
    let _ = child.kill();
    let _ = child.wait();
}

/// The processes below `root`, parents first, as `/proc` shows them; none on other systems.
fn descendants(root: u32) -> Vec<u32> {
    let mut parents = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        if let Ok(stat) = std::fs::read_to_string(entry.path().join("stat"))
            && let Some(parent) = parent_of(&stat)
        {
            parents.push((pid, parent));
        }
    }
    let mut found = Vec::new();
    let mut queue = vec![root];
    while let Some(parent) = queue.pop() {
        let children = parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid);
        for pid in children {
            found.push(pid);
            queue.push(pid);
        }
    }
    found
}

/// The parent in a line of `/proc/PID/stat`; the program's name may itself hold `)` and spaces.
fn parent_of(stat: &str) -> Option<u32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// `text` without terminal colours.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            // A control sequence ends with its first letter.
            for rest in characters.by_ref() {
                if rest.is_ascii_alphabetic() {
                    break;
                }
            }
        } else {
            plain.push(character);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn collect(script: &str, limit: Duration) -> (Ended, Vec<String>) {
        let mut lines = Vec::new();
        let ended = run(&mut shell(script), Instant::now() + limit, |line| {
            lines.push(line.to_owned());
        });
        (ended.unwrap(), lines)
    }

    #[test]
    fn output_of_both_pipes_arrives_with_the_exit_code() {
        let (ended, mut lines) = collect("echo out; echo err >&2; exit 3", Duration::from_secs(30));
        lines.sort();
        assert_eq!(lines, ["err", "out"]);
        assert_eq!(ended, Ended::Failure(Some(3)));
    }

    #[test]
    fn success_is_told_apart() {
        assert_eq!(collect("true", Duration::from_secs(30)).0, Ended::Success);
    }

    #[test]
    fn a_program_is_killed_with_its_children_at_the_deadline() {
        let (ended, lines) = collect("sleep 600 & echo $!; wait", Duration::from_secs(1));
        assert_eq!(ended, Ended::TimedOut);
        let stat = format!("/proc/{}/stat", lines[0]);
        // Killed, it is gone, or waits as a zombie to be reaped by its new parent.
        let is_gone = || std::fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "));
        let asked = Instant::now();
        while !is_gone() {
            assert!(asked.elapsed() < Duration::from_secs(10), "the child still runs");
            thread::yield_now();
        }
    }

    #[test]
    fn a_name_with_brackets_does_not_hide_the_parent() {
        assert_eq!(parent_of("12 (a) b) c) S 7 12 12"), Some(7));
        assert_eq!(parent_of("nonsense"), None);
    }

    #[test]
    fn colours_are_removed() {
        assert_eq!(plain("\u{1b}[1m\u{1b}[32mok\u{1b}[0m."), "ok.");
    }
}
