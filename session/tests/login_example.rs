//! The `login` example, driven from outside like any program.

#![allow(clippy::unwrap_used, missing_docs)]
#![cfg(target_os = "linux")]

use std::net::SocketAddr;
use std::time::Duration;

use terrace_testkit::process::{Mark, Process, Signal, Source};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Longer than anything here takes, even on a machine that compiles at the same time.
const PATIENCE: Duration = Duration::from_secs(60);
/// On such a machine a store may take longer than its 250 ms, and none of these tests is about that.
const NO_HURRY: [&str; 2] = ["--store-timeout-ms", "30000"];

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap()
}

struct Site {
    process: Process,
    address: SocketAddr,
}

impl Site {
    async fn start(arguments: &[&str]) -> Self {
        Self::listening("127.0.0.1:0", arguments).await
    }

    async fn listening(at: &str, arguments: &[&str]) -> Self {
        let launch = Process::cargo_example("login").unwrap();
        let process = launch.args(["--listen", at]).args(NO_HURRY).args(arguments).spawn().unwrap();
        let line = process.wait_for_line("listening on http://", PATIENCE).await.unwrap();
        let address = line.rsplit('/').next().unwrap().parse().unwrap();
        Self { process, address }
    }
}

/// A directory with a store and keys in it, and the flags that name them.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn store(&self) -> String {
        format!("sqlite:{}", self.file("sessions.db"))
    }

    async fn site(&self, keys: &str) -> Site {
        Site::start(&["--store", &self.store(), "--key-file", &self.file(keys)]).await
    }
}

/// Keeps the cookie that it was given last.
#[derive(Clone, Default)]
struct Browser {
    cookie: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn of(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head: head.to_lowercase(), body: body.trim_end().to_owned() }
    }

    fn set_cookie(&self) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix("set-cookie: "))
    }
}

impl Browser {
    /// `POST /login?user=ann`, say.
    async fn ask(&mut self, site: &Site, line: &str) -> Answer {
        self.ask_with(site, line, "").await
    }

    async fn ask_with(&mut self, site: &Site, line: &str, headers: &str) -> Answer {
        let cookie = self.cookie.as_ref();
        let cookie = cookie.map_or_else(String::new, |cookie| format!("cookie: {cookie}\r\n"));
        let request =
            format!("{line} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{cookie}{headers}\r\n");
        let mut stream = soon(TcpStream::connect(site.address)).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        soon(stream.read_to_string(&mut text)).await.unwrap();
        let set = text.lines().find_map(|line| line.strip_prefix("set-cookie: "));
        if let Some(pair) = set.and_then(|set| set.split(';').next()) {
            self.cookie = (!pair.ends_with('=')).then(|| pair.to_owned());
        }
        Answer::of(&text)
    }

    async fn says(&mut self, site: &Site, line: &str, body: &str) {
        let answer = self.ask(site, line).await;
        assert_eq!((answer.status, &*answer.body), (200, body), "{line}");
    }

    async fn is(&mut self, site: &Site, user: Option<&str>) {
        let user = user.map_or("null".to_owned(), |user| format!("{user:?}"));
        self.says(site, "GET /me", &format!("{{\"user\":{user}}}")).await;
    }

    async fn log_in(site: &Site, user: &str) -> Self {
        let mut browser = Self::default();
        let line = format!("POST /login?user={user}");
        browser.says(site, &line, &format!("{{\"user\":{user:?}}}")).await;
        browser
    }
}

/// The one line on stderr with which it ends, and its exit code.
async fn refused(arguments: impl IntoIterator<Item = &str>) -> (String, Option<i32>) {
    let process = Process::cargo_example("login").unwrap().args(arguments).spawn().unwrap();
    let is_error = |source, line: &str| source == Source::Stderr && line.starts_with("error: ");
    let said = process.wait_for(Mark::default(), PATIENCE, "an error", is_error).await.unwrap();
    let status = process.wait(PATIENCE).await.unwrap();
    assert_eq!(process.log().lines().len(), 1, "{said}");
    (said, status.code())
}

#[tokio::test]
async fn bad_command_lines_are_one_line_and_exit_code_2() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let place = Place::new();
    let (nowhere, directory) = (place.file("no/such/file"), place.file(""));
    std::fs::write(place.file("text"), "hello\n").unwrap();
    let text = place.file("text");
    // L stands for a good --listen, and the words in capitals for what cannot be used.
    let table = [
        ("L --nonsense", "unexpected argument '--nonsense' found"),
        ("L extra", "unexpected argument 'extra' found"),
        ("--store memory", "--listen <ADDR>"),
        ("--listen nowhere", "invalid value 'nowhere' for '--listen <ADDR>'"),
        ("--listen TAKEN", "--listen: cannot listen on"),
        ("L --store mysql://root:secret@db/x", "--store: neither memory, sqlite:PATH"),
        ("L --store memory:", "--store: neither memory, sqlite:PATH"),
        ("L --store sqlite:", "--store: neither memory, sqlite:PATH"),
        ("L --store sqlite:NOWHERE", "--store: sessions in "),
        ("L --store sqlite:TEXT", "--store: sessions in "),
        ("L --store redis://:secret@", "--store: "),
        ("L --store postgres://root:secret@db:port/x", "--store: "),
        ("L --key-file NOWHERE", "--key-file: "),
        ("L --key-file DIRECTORY", "--key-file: "),
        ("L --key-file TEXT", "--key-file: "),
        ("L --store-timeout-ms 0", "invalid value '0' for '--store-timeout-ms <N>'"),
        ("L --store-timeout-ms 60001", "invalid value '60001'"),
    ];
    for (line, message) in table {
        let line = line.replace("L ", "--listen 127.0.0.1:0 ").replace("TAKEN", &taken);
        let line = line.replace("NOWHERE", &nowhere).replace("DIRECTORY", &directory);
        let line = line.replace("TEXT", &text);
        let (said, code) = refused(line.split(' ')).await;
        assert!(said.contains(message), "{line}: {said}");
        assert!(!said.contains("secret"), "{line}: {said}");
        assert_eq!(code, Some(2), "{line}: {said}");
    }
}

#[tokio::test]
async fn a_store_that_cannot_be_reached_is_one_line_and_exit_code_1() {
    // Bound, so that nobody else listens there, and never listening.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    for scheme in ["redis", "postgres"] {
        let store = format!("{scheme}://u:secret@{address}/1");
        let (said, code) = refused(["--listen", "127.0.0.1:0", "--store", &store]).await;
        assert!(said.contains("cannot be reached") && !said.contains("secret"), "{said}");
        assert_eq!(code, Some(1), "{said}");
    }
}

#[tokio::test]
async fn help_names_every_flag_and_every_store() {
    let process = Process::cargo_example("login").unwrap().arg("--help").spawn().unwrap();
    assert_eq!(process.wait(PATIENCE).await.unwrap().code(), Some(0));
    process.wait_for_line("Usage: login ", PATIENCE).await.unwrap();
    let help = process.log().lines().join("\n");
    for word in [
        "--listen",
        "--store",
        "--key-file",
        "--secure",
        "memory",
        "sqlite:",
        "redis:",
        "postgres:",
    ] {
        assert!(help.contains(word), "{word}: {help}");
    }
}

#[tokio::test]
async fn every_route_answers_as_it_says() {
    let place = Place::new();
    for store in ["memory".to_owned(), place.store()] {
        let site = &Site::start(&["--store", &store]).await;
        let mut ann = Browser::default();
        let page = ann.ask(site, "GET /").await;
        assert_eq!((page.status, page.set_cookie()), (200, None), "{store}");
        assert!(page.body.contains("<title>"), "{}", page.body);
        for asset in ["GET /page.css", "GET /page.js"] {
            assert_eq!(ann.ask(site, asset).await.status, 200);
        }
        ann.is(site, None).await;
        assert_eq!(ann.cookie, None, "whoever only looks gets no cookie");
        assert_eq!(ann.ask(site, "GET /devices").await.status, 403);
        assert_eq!(ann.ask(site, "POST /revoke-others").await.status, 403);

        // A stranger's values are there, and still are after the login.
        ann.says(site, "POST /set?key=colour&value=dark+blue", "dark blue").await;
        ann.says(site, "GET /get?key=colour", "dark blue").await;
        let before = ann.cookie.clone();
        ann.says(site, "POST /login?user=ann&device=desk", "{\"user\":\"ann\"}").await;
        assert_ne!(ann.cookie, before, "a login is under a new token");
        ann.is(site, Some("ann")).await;
        ann.says(site, "GET /get?key=colour", "dark blue").await;
        assert_eq!(ann.ask(site, "GET /get?key=other").await.status, 404);
        ann.says(site, "POST /incr?key=n", "1").await;
        ann.says(site, "POST /incr?key=n", "2").await;
        ann.says(site, "GET /get?key=n", "2").await;
        ann.says(site, "POST /set?key=n&value=41", "41").await;
        ann.says(site, "POST /incr?key=n", "42").await;
        assert_eq!(ann.ask(site, "POST /incr?key=colour").await.status, 409);
        ann.says(site, "GET /get?key=colour", "dark blue").await;

        let devices = ann.ask(site, "GET /devices").await.body;
        assert!(devices.contains("\"label\":\"desk\"") && devices.contains("\"current\":true"));
        ann.says(site, "POST /revoke-others", "{\"ended\":0}").await;

        let stolen = ann.clone();
        let logout = ann.ask(site, "POST /logout").await;
        assert_eq!(&*logout.body, "{\"user\":null}");
        assert!(logout.set_cookie().unwrap().starts_with("id=; max-age=0"), "{logout:?}");
        ann.is(site, None).await;
        stolen.clone().is(site, None).await;
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_the_clients_mistake() {
    let site = &Site::start(&[]).await;
    let mut ann = Browser::log_in(site, "ann").await;
    let long = "a".repeat(129);
    for line in [
        "POST /login".to_owned(),
        "POST /login?user=".to_owned(),
        format!("POST /login?user={long}"),
        "POST /login?user=a%0Ab".to_owned(),
        "POST /set?key=&value=1".to_owned(),
        format!("POST /set?key={long}&value=1"),
        "POST /incr".to_owned(),
        "POST /incr?key=%00".to_owned(),
        "POST /incr?key=n&id=".to_owned(),
        format!("POST /incr?key=n&id={long}"),
        "GET /get".to_owned(),
        "GET /applied?key=n".to_owned(),
    ] {
        assert_eq!(ann.ask(site, &line).await.status, 400, "{line}");
    }
    assert_eq!(ann.ask(site, "GET /login?user=bob").await.status, 405);
    assert_eq!(ann.ask(site, "GET /nothing").await.status, 404);
    ann.is(site, Some("ann")).await;
}

#[tokio::test]
async fn an_increment_and_its_id_are_there_together() {
    let site = &Site::start(&[]).await;
    let mut ann = Browser::log_in(site, "ann").await;
    ann.says(site, "POST /incr?key=n", "1").await;
    ann.says(site, "GET /applied?key=n&id=a", "{\"applied\":false,\"times\":0}").await;
    ann.says(site, "POST /incr?key=n&id=a", "2").await;
    ann.says(site, "POST /incr?key=n&id=b", "3").await;
    ann.says(site, "POST /incr?key=n", "4").await;
    for id in ["a", "b"] {
        let line = format!("GET /applied?key=n&id={id}");
        ann.says(site, &line, "{\"applied\":true,\"times\":1}").await;
    }
    // A receipt is no protection against sending twice: that would hide it.
    ann.says(site, "POST /incr?key=n&id=a", "5").await;
    ann.says(site, "GET /applied?key=n&id=a", "{\"applied\":true,\"times\":2}").await;
    ann.says(site, "GET /applied?key=other&id=a", "{\"applied\":false,\"times\":0}").await;
    ann.says(site, "GET /get?key=n", "5").await;
}

#[tokio::test]
async fn a_number_remembers_its_last_128_ids() {
    let site = &Site::start(&[]).await;
    let mut ann = Browser::log_in(site, "ann").await;
    for id in 1..=129 {
        let line = format!("POST /incr?key=n&id={id}");
        ann.says(site, &line, &id.to_string()).await;
    }
    ann.says(site, "GET /applied?key=n&id=1", "{\"applied\":false,\"times\":0}").await;
    ann.says(site, "GET /applied?key=n&id=2", "{\"applied\":true,\"times\":1}").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn six_increments_at_once_are_six_more() {
    // As many connections as a browser makes.
    let place = Place::new();
    for store in ["memory".to_owned(), place.store()] {
        let site = std::sync::Arc::new(Site::start(&["--store", &store]).await);
        let ann = Browser::log_in(&site, "ann").await;
        let tasks: Vec<_> = (0..6)
            .map(|_| {
                let (site, mut ann) = (std::sync::Arc::clone(&site), ann.clone());
                tokio::spawn(async move { ann.ask(&site, "POST /incr?key=n").await.status })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), 200, "{store}");
        }
        ann.clone().says(&site, "GET /get?key=n", "6").await;
    }
}

#[tokio::test]
async fn two_processes_with_one_file_and_one_key_file_are_one_site() {
    let place = Place::new();
    let (one, two) = (place.site("keys").await, place.site("keys").await);
    let mut ann = Browser::log_in(&one, "ann").await;
    ann.is(&two, Some("ann")).await;
    ann.says(&two, "POST /incr?key=n", "1").await;
    ann.says(&one, "POST /incr?key=n", "2").await;
    let by = |site: &Site| format!("x-served-by: {}", site.address);
    for site in [&one, &two] {
        assert!(ann.ask(site, "GET /me").await.head.contains(&by(site)));
    }
    let mut copy = ann.clone();
    ann.ask(&two, "POST /logout").await;
    copy.is(&one, None).await;
}

#[tokio::test]
async fn a_killed_process_logs_nobody_out_if_store_and_keys_are_kept() {
    let place = Place::new();
    let site = place.site("keys").await;
    let mut ann = Browser::log_in(&site, "ann").await;
    site.process.kill();
    site.process.wait(PATIENCE).await.unwrap();
    ann.is(&place.site("keys").await, Some("ann")).await;

    // The control: without a store that outlives it, it does.
    let keys = place.file("keys");
    let site = Site::start(&["--key-file", &keys]).await;
    let mut ann = Browser::log_in(&site, "ann").await;
    site.process.kill();
    site.process.wait(PATIENCE).await.unwrap();
    ann.is(&Site::start(&["--key-file", &keys]).await, None).await;
}

#[tokio::test]
async fn a_cookie_of_foreign_keys_is_nobodys_and_the_store_is_not_asked() {
    let place = Place::new();
    let (own, foreign) = (place.site("keys").await, place.site("other-keys").await);
    let mut ann = Browser::log_in(&own, "ann").await;
    ann.is(&foreign, None).await;
    ann.is(&own, Some("ann")).await;

    // From here on the store can answer nothing.
    let file = rusqlite::Connection::open(place.file("sessions.db")).unwrap();
    file.execute_batch("DROP TABLE session_values; DROP TABLE sessions; DROP TABLE epochs")
        .unwrap();
    assert_eq!(ann.ask(&own, "GET /me").await.status, 500, "the control: who asks is told");
    let answer = ann.ask(&foreign, "GET /me").await;
    assert_eq!((answer.status, &*answer.body), (200, "{\"user\":null}"));
    assert_eq!(answer.set_cookie(), None, "a cookie that is not ours is not removed");
}

#[tokio::test]
async fn revoke_others_logs_the_other_device_out_and_not_this_one() {
    let site = &Site::start(&[]).await;
    let (mut desk, mut phone) =
        (Browser::log_in(site, "ann").await, Browser::log_in(site, "ann").await);
    let mut bob = Browser::log_in(site, "bob").await;
    let listed = desk.ask(site, "GET /devices").await.body;
    assert_eq!(listed.matches("\"id\":").count(), 2, "{listed}");
    phone.is(site, Some("ann")).await;
    desk.says(site, "POST /revoke-others", "{\"ended\":1}").await;
    phone.is(site, None).await;
    desk.is(site, Some("ann")).await;
    bob.is(site, Some("bob")).await;
}

#[tokio::test]
async fn a_page_of_another_site_logs_nobody_out() {
    let site = &Site::start(&[]).await;
    let mut ann = Browser::log_in(site, "ann").await;
    let from = "sec-fetch-site: cross-site\r\n";
    assert_eq!(ann.ask_with(site, "POST /logout", from).await.status, 403);
    ann.is(site, Some("ann")).await;
    // The control: the site's own page does.
    assert_eq!(
        ann.ask_with(site, "POST /logout", "sec-fetch-site: same-origin\r\n").await.status,
        200
    );
    ann.is(site, None).await;
}

#[tokio::test]
async fn a_cookie_for_https_says_so() {
    let plain = Site::start(&[]).await;
    let answer = Browser::default().ask(&plain, "POST /login?user=ann").await;
    assert!(!answer.set_cookie().unwrap().contains("secure"), "{answer:?}");
    let site = Site::start(&["--secure"]).await;
    let answer = Browser::default().ask(&site, "POST /login?user=ann").await;
    let cookie = answer.set_cookie().unwrap();
    assert!(cookie.starts_with("__host-id=") && cookie.contains("; secure"), "{cookie}");
}

/// A request whose handler is at work: it has asked for the body.
async fn in_flight(site: &Site) -> TcpStream {
    let mut stream = soon(TcpStream::connect(site.address)).await.unwrap();
    let head = "POST /set?key=a HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\
                content-length: 5\r\nexpect: 100-continue\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let expected = b"HTTP/1.1 100 Continue\r\n\r\n";
    let mut said = vec![0; expected.len()];
    soon(stream.read_exact(&mut said)).await.unwrap();
    assert_eq!(said, expected);
    stream
}

#[tokio::test]
async fn a_request_in_flight_is_finished_after_sigterm() {
    let place = Place::new();
    let site = place.site("keys").await;
    let mut stream = in_flight(&site).await;
    site.process.signal(Signal::Term);
    // The listener closes first.
    soon(async { while TcpStream::connect(site.address).await.is_ok() {} }).await;
    stream.write_all(b"hello").await.unwrap();
    let mut text = String::new();
    soon(stream.read_to_string(&mut text)).await.unwrap();
    let answer = Answer::of(&text);
    assert_eq!((answer.status, &*answer.body), (200, "hello"));
    assert_eq!(site.process.wait(PATIENCE).await.unwrap().code(), Some(0));

    // Its session is in the store.
    let mut visitor = Browser::default();
    let set = text.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    visitor.cookie = set.split(';').next().map(str::to_owned);
    visitor.says(&place.site("keys").await, "GET /get?key=a", "hello").await;
}

#[tokio::test]
async fn control_a_request_in_flight_is_cut_by_a_kill() {
    let site = Site::start(&[]).await;
    let mut stream = in_flight(&site).await;
    site.process.kill();
    site.process.wait(PATIENCE).await.unwrap();
    let mut text = Vec::new();
    // An end or a reset: there is no answer.
    let _ = soon(stream.read_to_end(&mut text)).await;
    assert!(text.is_empty(), "{text:?}");
}
