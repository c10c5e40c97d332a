//! This test program once more, as another process.
//!
//! It says `ready`, waits for `go`, and does one of the things below. Each line of a number is acknowledged work.

use std::path::Path;
use std::process::Stdio;
use std::str::FromStr;
use std::time::Duration;

use terrace_session::store::{Guard, Patched, Sqlite};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines, stdin};
use tokio::process::{Child as Process, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::{PATIENCE, count, create, key, set_count};

const WORK: &str = "SESSION_CHILD_WORK";
const FILE: &str = "SESSION_CHILD_FILE";
/// Nothing here takes a tenth of it.
const LONG: Duration = Duration::from_secs(120);

/// The session whose count is counted on.
pub(crate) const COUNTED: u64 = u64::MAX;
/// How often [`Work::Counts`] counts on.
pub(crate) const COUNTS: u64 = 100;

/// What a child does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Counts on, each time from the version that it has read.
    Counts,
    /// Reads a count before it says `ready`, and sets the next one after `go`, whatever came between.
    CountsBlindly,
    /// Creates sessions 0, 1, 2… without end, and acknowledges each when it is there.
    Creates,
    /// Acknowledges session 0, and does not create it.
    Boasts,
}

impl FromStr for Work {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let all = [Self::Counts, Self::CountsBlindly, Self::Creates, Self::Boasts];
        all.into_iter().find(|work| format!("{work:?}") == name).ok_or_else(|| name.into())
    }
}

/// A child, which is killed when this is dropped.
pub(crate) struct Child {
    process: Process,
    input: ChildStdin,
    said: Lines<BufReader<ChildStdout>>,
}

impl Child {
    /// Starts it, and returns when it is ready.
    pub(crate) async fn start(work: Work, file: &Path) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child::child", "--nocapture"])
            .env(WORK, format!("{work:?}"))
            .env(FILE, file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let said = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut child = Self { input: process.stdin.take().unwrap(), process, said };
        // The test harness says a few lines before.
        while !child.line().await.expect("it ended before it was ready").ends_with("ready") {}
        child
    }

    pub(crate) async fn go(&mut self) {
        self.input.write_all(b"go\n").await.unwrap();
    }

    async fn line(&mut self) -> Option<String> {
        timeout(LONG, self.said.next_line()).await.expect("it hangs").unwrap()
    }

    /// The next number it acknowledges; none when it has ended.
    pub(crate) async fn acknowledged(&mut self) -> Option<u64> {
        loop {
            if let Ok(number) = self.line().await?.parse() {
                return Some(number);
            }
        }
    }

    /// `kill -9`.
    pub(crate) async fn kill(&mut self) {
        self.process.kill().await.unwrap();
    }

    /// Waits for its end, which has to be a good one.
    pub(crate) async fn ends(mut self) {
        assert!(timeout(LONG, self.process.wait()).await.expect("it hangs").unwrap().success());
    }
}

/// What the child does; nothing, if this is none.
#[tokio::test]
async fn child() {
    let (Ok(work), Ok(file)) = (std::env::var(WORK), std::env::var(FILE)) else { return };
    let work: Work = work.parse().unwrap();
    let store = Sqlite::builder(file).patience(PATIENCE).open().await.unwrap();
    let counted = key(COUNTED);
    let before = if work == Work::CountsBlindly { count(&store, counted).await } else { 0 };
    println!("ready");
    let mut go = String::new();
    BufReader::new(stdin()).read_line(&mut go).await.unwrap();
    match work {
        Work::Counts => {
            for _ in 0..COUNTS {
                count_on(&store).await;
            }
        }
        Work::CountsBlindly => {
            set_count(&store, counted, before + 1, Guard::Exists).await;
        }
        Work::Creates => {
            for number in 0.. {
                create(&store, key(number)).await;
                println!("{number}");
            }
        }
        Work::Boasts => {
            println!("0");
            std::future::pending::<()>().await;
        }
    }
}

async fn count_on(store: &Sqlite) {
    use terrace_session::expiry::Touch;
    use terrace_session::store::Store;

    let counted = key(COUNTED);
    let mut now = store.load(&counted, Touch::Never).await.unwrap().unwrap();
    loop {
        let next = crate::count_of(&now.record.values) + 1;
        let guard = Guard::Version(now.record.version);
        now = match set_count(store, counted, next, guard).await {
            Patched::Applied { .. } => return,
            Patched::Conflict(loaded) => loaded,
            other => panic!("{other:?}"),
        };
    }
}
