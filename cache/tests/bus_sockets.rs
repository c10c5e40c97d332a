//! Processes that tell each other through a directory of sockets. Each handle here is one: they
//! share nothing but the directory.

#![cfg(unix)]

mod bus_told;

use std::error::Error;
use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bus_told::{SOON, SPACE, Told, changed, key};
use terrace_cache::bus::{Bus, Change, Heartbeat, OpenError, Sockets};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

type Process = bus_told::Process<Sockets>;

fn start(dir: &Path, heartbeat: Heartbeat) -> Process {
    Process::on(Sockets::with_heartbeat(dir, heartbeat).unwrap())
}

/// So slow that none comes during a test, but for the first one.
fn slow() -> Heartbeat {
    Heartbeat::every(Duration::from_secs(60)).unwrap()
}

fn fast() -> Heartbeat {
    Heartbeat::every(Duration::from_millis(50)).unwrap()
}

/// A directory that does not exist yet.
fn dir() -> (tempfile::TempDir, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("bus");
    (parent, dir)
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn sockets(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket()));
    paths
}

async fn only_one_is_left(dir: &Path) {
    let left = async {
        while sockets(dir).len() > 1 {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, left).await.unwrap();
}

/// Fills the queue of a socket with what is no frame.
fn fill(to: &Path) {
    let socket = UnixDatagram::unbound().unwrap();
    socket.set_nonblocking(true).unwrap();
    while socket.send_to(b"not for you", to).is_ok() {}
}

#[tokio::test]
async fn what_one_process_says_all_others_hear_in_its_order() {
    let (_parent, dir) = dir();
    let mut processes = [(); 3].map(|()| start(&dir, slow()));
    processes[0].says("a").await;
    processes[0].bus.publish(SPACE, &[Change::Tag([7; 16]), key("b")]).await.unwrap();
    processes[0].bus.publish(SPACE, &[Change::Clear]).await.unwrap();
    for process in &mut processes[1..] {
        for told in [changed("a"), Told::Changed(Change::Tag([7; 16])), changed("b")] {
            assert_eq!(process.next().await, told);
        }
        assert_eq!(process.next().await, Told::Changed(Change::Clear));
    }
    processes[1].says("c").await;
    assert_eq!(processes[0].next().await, changed("c"), "and nothing of its own");
}

#[tokio::test]
async fn a_publication_reaches_whoever_was_there_before_it_began() {
    let (_parent, dir) = dir();
    let first = start(&dir, slow());
    for name in ["a", "b", "c", "d"] {
        let mut newcomer = start(&dir, slow());
        first.says(name).await;
        // It may have missed what was said before it came.
        assert!(newcomer.until(changed(name)).await.iter().all(|told| *told == Told::Missed));
    }
}

#[tokio::test]
async fn a_newcomer_is_told_by_the_next_heartbeat_that_something_was_said_before() {
    let (_parent, dir) = dir();
    let first = start(&dir, fast());
    first.says("a").await;
    let mut newcomer = start(&dir, slow());
    assert_eq!(newcomer.next().await, Told::Missed);
}

#[tokio::test]
async fn a_process_that_died_leaves_a_socket_that_the_next_publication_removes() {
    let (_parent, dir) = dir();
    let process = start(&dir, slow());
    let mut other = start(&dir, slow());
    let dead = dir.join("terrace-00000000000000aa.sock");
    drop(UnixDatagram::bind(&dead).unwrap());
    assert!(dead.exists());
    process.says("a").await;
    assert_eq!(other.next().await, changed("a"));
    assert!(!dead.exists());
    assert_eq!(sockets(&dir).len(), 2);
}

/// Where [`another_process`] finds its directory.
const DIR: &str = "TERRACE_TEST_BUS_DIR";

#[tokio::test]
#[ignore = "the other side of the test below, in a process of its own"]
async fn another_process() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let process = start(Path::new(&dir), fast());
    loop {
        process.says("from another process").await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_killed_process_is_noticed_by_its_silence_and_its_socket_is_removed() {
    let (_parent, dir) = dir();
    let mut process = start(&dir, fast());
    let other = terrace_testkit::process::Process::binary(std::env::current_exe().unwrap())
        .args(["--exact", "another_process", "--ignored"])
        .env(DIR, &dir)
        .spawn()
        .unwrap();
    process.until(changed("from another process")).await;
    assert_eq!(sockets(&dir).len(), 2);
    other.kill_tree().await.unwrap();
    let before = process.bus.counts().silences;
    while process.bus.counts().silences == before {
        process.until(Told::Missed).await;
    }
    only_one_is_left(&dir).await;
}

#[tokio::test]
async fn files_that_are_no_sockets_of_the_bus_are_left_alone() {
    let (parent, dir) = dir();
    let process = start(&dir, slow());
    let elsewhere = parent.path().join("elsewhere.sock");
    drop(UnixDatagram::bind(&elsewhere).unwrap());
    let names = [
        "terrace-00000000000000aa.sock",
        "terrace-.._.._.._.._etc_passwd",
        "terrace-00000000000000AA.sock",
        "terrace-0.sock",
        "note",
    ];
    let made: Vec<_> = names
        .iter()
        .map(|name| dir.join(name))
        .inspect(|path| fs::write(path, "kept").unwrap())
        .collect();
    let link = dir.join("terrace-00000000000000bb.sock");
    symlink(&elsewhere, &link).unwrap();
    let of_somebody_else = dir.join("postgres.sock");
    drop(UnixDatagram::bind(&of_somebody_else).unwrap());
    process.says("a").await;
    for path in made.iter().chain([&elsewhere, &link, &of_somebody_else]) {
        assert!(fs::symlink_metadata(path).is_ok(), "{}", path.display());
    }
}

#[tokio::test]
async fn a_socket_goes_with_its_last_handle() {
    let (_parent, dir) = dir();
    let process = start(&dir, slow());
    let mut other = start(&dir, slow());
    let again = process.bus.clone();
    drop(process);
    again.publish(SPACE, &[key("a")]).await.unwrap();
    assert_eq!(other.next().await, changed("a"));
    assert_eq!(sockets(&dir).len(), 2);
    drop(again);
    only_one_is_left(&dir).await;
}

#[test]
fn a_socket_goes_with_its_runtime() {
    let (_parent, dir) = dir();
    let runtime = runtime();
    let _bus = runtime.block_on(async { Sockets::in_dir(&dir).unwrap() });
    assert_eq!(sockets(&dir).len(), 1);
    drop(runtime);
    assert_eq!(sockets(&dir).len(), 0);
}

/// A process on a runtime of its own, which runs when the test wants it to.
struct Stoppable {
    runtime: Runtime,
    process: Process,
    socket: PathBuf,
}

impl Stoppable {
    fn start(dir: &Path) -> Self {
        let runtime = runtime();
        let process = runtime.block_on(async { start(dir, slow()) });
        let [socket] = sockets(dir).try_into().unwrap();
        Self { runtime, process, socket }
    }

    fn until(&mut self, told: Told) -> Vec<Told> {
        self.runtime.block_on(self.process.until(told))
    }
}

#[test]
fn a_process_whose_queue_was_full_is_told_by_the_next_number_that_it_missed_something() {
    let (_parent, dir) = dir();
    let mut stopped = Stoppable::start(&dir);
    let other = runtime();
    let speaker = other.block_on(async {
        let speaker = start(&dir, slow());
        speaker.says("a").await;
        speaker
    });
    assert_eq!(stopped.until(changed("a")), []);
    fill(&stopped.socket);
    other.block_on(async {
        speaker.says("b").await;
        speaker.says("c").await;
    });
    assert_eq!(speaker.bus.counts().refused, 2);

    let goes_on = std::thread::spawn(move || {
        let before = stopped.until(changed("d"));
        (before, stopped.process.bus.counts())
    });
    let (before, counts) = other.block_on(async {
        // The first ones may still meet a full queue.
        while !goes_on.is_finished() {
            speaker.says("d").await;
        }
        goes_on.join().unwrap()
    });
    assert_eq!(before, [Told::Missed], "{counts:?}");
    assert!(counts.gaps > 0 && counts.foreign > 0, "{counts:?}");
}

#[test]
fn a_process_whose_queue_was_full_is_told_by_a_heartbeat_if_nothing_more_is_said() {
    let (_parent, dir) = dir();
    let mut stopped = Stoppable::start(&dir);
    let other = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let speaker = other.block_on(async {
        let speaker = start(&dir, fast());
        speaker.says("a").await;
        speaker
    });
    assert_eq!(stopped.until(changed("a")), []);
    fill(&stopped.socket);
    other.block_on(speaker.says("b"));
    assert!(speaker.bus.counts().refused > 0);
    assert_eq!(stopped.until(Told::Missed), []);
}

#[tokio::test]
async fn control_a_listener_without_numbers_does_not_notice_that_its_queue_was_full() {
    let (_parent, dir) = dir();
    let speaker = start(&dir, slow());
    speaker.says("a").await;
    // It reads datagrams and believes that these are all.
    let naive = dir.join("terrace-00000000000000aa.sock");
    let listener = UnixDatagram::bind(&naive).unwrap();
    listener.set_nonblocking(true).unwrap();
    fill(&naive);
    speaker.says("b").await;
    let mut frame = [0; 4096];
    while listener.recv(&mut frame).is_ok() {}
    speaker.says("c").await;
    let length = listener.recv(&mut frame).unwrap();
    let said = |name: &str| frame[..length].windows(1).any(|byte| byte == name.as_bytes());
    assert!(speaker.bus.counts().refused == 1 && said("c"));
    assert!(listener.recv(&mut frame).is_err(), "as if there had been no b");
}

#[tokio::test]
async fn a_process_that_stands_still_delays_others_once_and_not_at_each_publication() {
    let (_parent, dir) = dir();
    let speaker = start(&dir, slow());
    let mut listener = start(&dir, slow());
    let stands_still = dir.join("terrace-00000000000000aa.sock");
    let _socket = UnixDatagram::bind(&stands_still).unwrap();
    fill(&stands_still);
    // At 50 ms each these would take 50 s.
    let all = async {
        for number in 0..1_000 {
            speaker.says(&number.to_string()).await;
        }
    };
    timeout(SOON, all).await.unwrap();
    assert_eq!(listener.until(changed("999")).await.len(), 999);
    assert!(speaker.bus.counts().refused >= 1_000);
}

/// More than any queue or buffer takes at once: 30 frames of 50 KiB.
fn much() -> Vec<Change> {
    let key = |number: u32| [number.to_be_bytes().to_vec(), vec![b'k'; 50 << 10]].concat();
    (0..30).map(|number| Change::Key(key(number).into())).collect()
}

#[tokio::test]
async fn who_takes_what_there_is_gets_all_of_a_publication_larger_than_its_queue() {
    let (_parent, dir) = dir();
    let speaker = start(&dir, slow());
    let mut listener = start(&dir, slow());
    speaker.bus.publish(SPACE, &much()).await.unwrap();
    for change in much() {
        assert!(listener.next().await == Told::Changed(change), "{:?}", listener.bus.counts());
    }
    assert_eq!(speaker.bus.counts().refused, 0);
}

#[tokio::test]
async fn a_process_that_stands_still_keeps_nothing_from_the_others() {
    let (_parent, dir) = dir();
    let speaker = start(&dir, slow());
    let mut listener = start(&dir, slow());
    // It has an empty queue, in which the speaker's frames stay.
    let _socket = UnixDatagram::bind(dir.join("terrace-00000000000000aa.sock")).unwrap();
    speaker.bus.publish(SPACE, &much()).await.unwrap();
    speaker.says("end").await;
    assert_eq!(listener.until(changed("end")).await.len(), much().len());
    assert_eq!(listener.bus.counts().gaps, 0);
    assert!(speaker.bus.counts().refused > 0);
}

#[tokio::test]
async fn of_a_burst_of_publications_nothing_is_lost() {
    let (_parent, dir) = dir();
    let speaker = start(&dir, slow());
    let mut listener = start(&dir, slow());
    let burst: Vec<_> = (0..2_000)
        .map(|number| {
            let bus = speaker.bus.clone();
            tokio::spawn(async move { bus.publish(SPACE, &[key(&number.to_string())]).await })
        })
        .collect();
    for published in burst {
        published.await.unwrap().unwrap();
    }
    speaker.says("end").await;
    let told = listener.until(changed("end")).await;
    assert_eq!((told.len(), listener.bus.counts().gaps), (2_000, 0));
}

#[tokio::test]
async fn a_socket_that_somebody_removed_is_made_again_and_that_counts_as_a_loss() {
    let (_parent, dir) = dir();
    let mut process = start(&dir, fast());
    let [own] = sockets(&dir).try_into().unwrap();
    let other = start(&dir, slow());
    fs::remove_file(&own).unwrap();
    assert_eq!(process.next().await, Told::Missed);
    other.says("a").await;
    assert_eq!(process.until(changed("a")).await, []);
    assert!(own.exists());
}

#[tokio::test]
async fn a_directory_that_somebody_removed_is_made_again() {
    let (_parent, dir) = dir();
    let mut processes = [(); 2].map(|()| start(&dir, fast()));
    fs::remove_dir_all(&dir).unwrap();
    for process in &mut processes {
        assert_eq!(process.next().await, Told::Missed);
    }
    processes[0].says("a").await;
    processes[1].until(changed("a")).await;
}

#[tokio::test]
async fn a_publication_fails_where_the_directory_cannot_be_made_again() {
    let (_parent, dir) = dir();
    let process = start(&dir, slow());
    fs::remove_dir_all(&dir).unwrap();
    fs::write(&dir, "a file").unwrap();
    let error = process.bus.publish(SPACE, &[key("a")]).await.unwrap_err();
    assert!(error.reason.contains("no directory"), "{error}");
}

#[tokio::test]
async fn the_directory_is_made_for_this_user_alone() {
    let (_parent, dir) = dir();
    let _bus = Sockets::in_dir(&dir).unwrap();
    assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn a_directory_that_others_may_enter_is_refused() {
    let (_parent, dir) = dir();
    fs::create_dir(&dir).unwrap();
    for mode in [0o755, 0o710, 0o1777, 0o702] {
        fs::set_permissions(&dir, fs::Permissions::from_mode(mode)).unwrap();
        let error = Sockets::in_dir(&dir).unwrap_err();
        assert!(matches!(error, OpenError::NotPrivate { .. }), "{error}");
        let shown = error.to_string();
        let both = shown.contains(&format!("{mode:o}")) && shown.contains(dir.to_str().unwrap());
        assert!(both, "{shown}");
        assert_eq!(sockets(&dir).len(), 0);
    }
}

#[tokio::test]
async fn a_directory_of_another_user_is_refused() {
    let (_parent, dir) = dir();
    fs::create_dir(&dir).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
    // Only root can give it away.
    if std::os::unix::fs::chown(&dir, Some(12_345), None).is_err() {
        return;
    }
    let error = Sockets::in_dir(&dir).unwrap_err();
    assert!(error.to_string().contains("12345"), "{error}");
    assert_eq!(sockets(&dir).len(), 0);
}

#[tokio::test]
async fn what_is_no_directory_is_refused_with_its_path() {
    let (parent, dir) = dir();
    fs::write(&dir, "").unwrap();
    let link = parent.path().join("link");
    let real = parent.path().join("real");
    fs::create_dir(&real).unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o700)).unwrap();
    symlink(&real, &link).unwrap();
    let nowhere = parent.path().join("no/where");
    for path in [&dir, &link, &nowhere] {
        let error = Sockets::in_dir(path).unwrap_err();
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
    let error = Sockets::in_dir("").unwrap_err();
    assert!(matches!(error, OpenError::Io { .. }), "{error}");
    let error = Sockets::in_dir(parent.path().join("a\0b")).unwrap_err();
    assert!(error.source().is_some(), "{error}");
}

#[tokio::test]
async fn a_path_that_is_too_long_for_a_socket_is_an_error_that_says_how_long_it_may_be() {
    let (parent, _) = dir();
    let dir = parent.path().join("d".repeat(100));
    let error = Sockets::in_dir(&dir).unwrap_err();
    let OpenError::TooLong { path, limit } = &error else { panic!("{error}") };
    assert!(path.starts_with(&dir) && path.as_os_str().len() > *limit);
    assert!(error.to_string().contains(&limit.to_string()), "{error}");
    assert!(!dir.exists());
}

#[test]
fn outside_of_a_runtime_it_is_an_error_and_no_panic() {
    let (_parent, dir) = dir();
    let error = Sockets::in_dir(&dir).unwrap_err();
    assert!(matches!(error, OpenError::NoRuntime), "{error}");
    assert!(!dir.exists());
}

#[test]
fn a_heartbeat_takes_ten_milliseconds_to_a_minute() {
    for (millis, good) in [(0, false), (9, false), (10, true), (60_000, true), (60_001, false)] {
        let heartbeat = Heartbeat::every(Duration::from_millis(millis));
        assert_eq!(heartbeat.is_ok(), good, "{millis} ms");
    }
    let error = Heartbeat::every(Duration::ZERO).unwrap_err().to_string();
    assert!(error.contains("0ns"), "{error}");
}
