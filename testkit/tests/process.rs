//! Children are watched, signalled, and never left behind.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, kill_process};
use terrace_testkit::Process;
use terrace_testkit::process::{Launch, Mark, Signal, Source, descendants, is_alive};
use terrace_testkit::tools;

/// Far more than anything here takes; reached only when a test fails.
const LONG: Duration = Duration::from_secs(20);
/// What a test waits for in vain, where nothing must happen.
const SHORT: Duration = Duration::from_millis(200);

fn shell(script: &str) -> Launch {
    Process::binary("/bin/sh").args(["-c", script])
}

/// Processes that this test did not start itself have no end to await: look until they are gone.
async fn gone(pids: &[u32]) -> bool {
    eventually(|| !pids.iter().any(|pid| is_alive(*pid))).await
}

async fn eventually(mut happened: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + LONG;
    while Instant::now() < deadline {
        if happened() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    false
}

fn number(line: &str) -> u32 {
    let last = line.split_whitespace().last();
    last.and_then(|word| word.parse().ok())
        .unwrap_or_else(|| panic!("no number at the end of {line:?}"))
}

#[tokio::test]
async fn a_line_is_found_whether_it_comes_before_or_after_the_wait() {
    let child = shell("echo first; echo to-stderr >&2; sleep 0.1; echo second; exec sleep 1000")
        .spawn()
        .unwrap();
    assert_eq!(child.wait_for_line("sec", LONG).await.unwrap(), "second");
    assert_eq!(child.wait_for_line("fir", LONG).await.unwrap(), "first");
    let stderr = |source, _: &str| source == Source::Stderr;
    let line = child.wait_for(Mark::default(), LONG, "stderr", stderr).await;
    assert_eq!(line.unwrap(), "to-stderr");
}

#[tokio::test]
async fn a_line_that_does_not_come_is_an_error_that_shows_the_log() {
    let child = shell("echo something else; exec sleep 1000").spawn().unwrap();
    child.wait_for_line("something", LONG).await.unwrap();
    let error = child.wait_for_line("listening on", SHORT).await.unwrap_err();
    let message = error.to_string();
    assert!(message.contains("listening on"), "{message}");
    assert!(message.contains("something else"), "{message}");
    assert!(error.exit_status().is_none());
}

#[tokio::test]
async fn a_child_that_ends_early_is_reported_at_once_with_its_status() {
    let child = shell("echo port in use >&2; exit 3").spawn().unwrap();
    let error = child.wait_for_line("listening on", LONG).await.unwrap_err();
    assert_eq!(error.exit_status().and_then(|status| status.code()), Some(3));
    assert!(error.to_string().contains("port in use"), "{error}");
}

#[tokio::test]
async fn a_program_that_does_not_exist_is_named() {
    let error = Process::binary("/no/such/program").spawn().unwrap_err();
    assert!(error.to_string().contains("/no/such/program"), "{error}");
}

#[tokio::test]
async fn the_end_of_a_child_is_awaited_and_told() {
    let child = shell("exec sleep 1000").spawn().unwrap();
    assert!(child.is_running());
    assert!(child.wait(SHORT).await.is_err());
    child.terminate();
    let status = child.wait(LONG).await.unwrap();
    assert_eq!(status.signal(), Some(15));
    assert_eq!(child.wait_blocking(LONG).unwrap(), status);
    assert!(!child.is_running());
}

#[tokio::test]
async fn a_dropped_child_takes_its_descendants_along() {
    let child = shell("sleep 1000 & echo descendant $!; wait").spawn().unwrap();
    let descendant = number(&child.wait_for_line("descendant", LONG).await.unwrap());
    assert_eq!(descendants(child.pid()), [descendant]);
    let pid = child.pid();
    drop(child);
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "not reaped");
    assert!(gone(&[descendant]).await);
}

#[tokio::test]
async fn control_killing_the_child_alone_leaves_its_descendants() {
    let child = shell("sleep 1000 & echo descendant $!; wait").spawn().unwrap();
    let descendant = number(&child.wait_for_line("descendant", LONG).await.unwrap());
    child.kill();
    child.wait(LONG).await.unwrap();
    assert!(is_alive(descendant));
    drop(child);
    assert!(gone(&[descendant]).await);
}

#[tokio::test]
async fn a_killed_tree_includes_descendants_in_sessions_of_their_own() {
    let child = shell("setsid sh -c 'echo descendant $$; exec sleep 1000' & wait").spawn().unwrap();
    let descendant = number(&child.wait_for_line("descendant", LONG).await.unwrap());
    child.kill_tree().await.unwrap();
    assert!(!is_alive(descendant));
}

#[tokio::test]
async fn a_stopped_tree_does_nothing_until_it_goes_on() {
    let script = "trap 'echo asked' TERM; echo ready; while :; do sleep 1000 & wait $!; done";
    let child = shell(script).spawn().unwrap();
    child.wait_for_line("ready", LONG).await.unwrap();
    // Control: it answers while it runs.
    child.signal(Signal::Term);
    child.wait_for_line("asked", LONG).await.unwrap();

    child.stop_tree().await.unwrap();
    let mark = child.log().mark();
    child.signal(Signal::Term);
    assert!(child.wait_for_line_since(mark, "asked", SHORT).await.is_err());
    assert!(child.is_running());
    child.cont_tree();
    child.wait_for_line_since(mark, "asked", LONG).await.unwrap();
}

#[tokio::test]
async fn a_reaped_child_keeps_its_log_and_takes_no_signals() {
    let child = shell("echo line; exec sleep 1000").spawn().unwrap();
    child.wait_for_line("line", LONG).await.unwrap();
    child.reap();
    assert!(!Path::new(&format!("/proc/{}", child.pid())).exists());
    child.signal_group(Signal::Kill);
    child.kill();
    assert_eq!(child.log().lines(), ["line"]);
    assert_eq!(child.exit_status().and_then(|status| status.signal()), Some(9));
}

#[test]
fn a_child_outlives_the_thread_that_started_it() {
    // The parent-death signal belongs to a thread; see `process::launch` for the control.
    let child = std::thread::spawn(|| shell("exec sleep 1000").spawn().unwrap()).join().unwrap();
    assert!(child.wait_blocking(SHORT).is_err());
}

/// Starts the example `servers` and returns it with the ids of all server processes below it.
async fn servers(args: &[&str]) -> Option<(Process, Vec<u32>)> {
    tools::require_or_skip("postgres")?;
    let example = Process::cargo_example("servers").unwrap();
    let servers = example.args(args).spawn().unwrap();
    servers.wait_for_line("ready", LONG).await.unwrap();
    let below = descendants(servers.pid());
    assert!(below.len() > 5, "{below:?}");
    Some((servers, below))
}

fn run_dir(servers: &Process) -> Option<std::path::PathBuf> {
    let prefix = format!("terrace-{}-", servers.pid());
    let entries = std::fs::read_dir(terrace_testkit::dirs::base()).unwrap();
    entries
        .map(|entry| entry.unwrap().path())
        .find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(&prefix))
}

#[tokio::test]
async fn nothing_is_left_when_the_owner_of_servers_ends_in_order() {
    let Some((servers, below)) = servers(&["--replicas", "1"]).await else {
        return;
    };
    assert!(run_dir(&servers).is_some());
    servers.terminate();
    assert!(servers.wait(LONG).await.unwrap().success());
    assert!(gone(&below).await);
    assert_eq!(run_dir(&servers), None);
}

#[tokio::test]
async fn nothing_is_left_when_the_owner_of_servers_is_killed() {
    let Some((servers, below)) = servers(&["--replicas", "1"]).await else {
        return;
    };
    servers.kill();
    assert!(gone(&below).await);
    assert!(eventually(|| run_dir(&servers).is_none()).await);
}

fn send(pids: &[u32], signal: rustix::process::Signal) {
    for pid in pids {
        let pid = i32::try_from(*pid).ok().and_then(Pid::from_raw).unwrap();
        // Some end while the others are told.
        let _ = kill_process(pid, signal);
    }
}

async fn freeze_server(servers: &Process) -> Vec<u32> {
    let postmaster = number(&servers.wait_for_line("node_0", LONG).await.unwrap());
    let mut frozen = vec![postmaster];
    frozen.extend(descendants(postmaster));
    send(&frozen, rustix::process::Signal::STOP);
    frozen
}

#[tokio::test]
async fn nothing_is_left_when_the_owner_of_frozen_servers_is_killed() {
    let Some((servers, below)) = servers(&[]).await else {
        return;
    };
    freeze_server(&servers).await;
    servers.kill();
    assert!(gone(&below).await);
    assert!(eventually(|| run_dir(&servers).is_none()).await);
}

#[tokio::test]
async fn control_without_the_guardian_frozen_servers_and_directories_stay() {
    let Some((servers, below)) = servers(&[]).await else {
        return;
    };
    let frozen = freeze_server(&servers).await;
    let is_shell = |pid: &u32| {
        std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "sh\n")
    };
    let guardian: Vec<u32> = below.iter().copied().filter(is_shell).collect();
    assert_eq!(guardian.len(), 1);
    send(&guardian, rustix::process::Signal::KILL);
    servers.kill();
    servers.wait(LONG).await.unwrap();
    tokio::time::sleep(SHORT).await;
    // A backend that was about to end when it was frozen may be gone; the postmaster is the first.
    let postmaster_stays = is_alive(frozen[0]);
    let dir = run_dir(&servers);

    // Awake, the postmaster takes the parent-death signal and ends in order.
    send(&frozen, rustix::process::Signal::CONT);
    assert!(gone(&frozen).await);
    std::fs::remove_dir_all(dir.expect("the directory stays")).unwrap();
    assert!(postmaster_stays);
}

#[tokio::test]
async fn an_example_refuses_bad_arguments_in_one_line() {
    for args in [["--replicas", "x"], ["--no-such", "flag"]] {
        let example = Process::cargo_example("servers").unwrap();
        let refused = example.args(args).spawn().unwrap();
        assert_eq!(refused.wait(LONG).await.unwrap().code(), Some(2));
    }
}
