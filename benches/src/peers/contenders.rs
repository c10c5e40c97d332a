//! Who takes part, and with which settings: each as its own documentation says to run it behind
//! one origin, with keep-alive to it, one worker, and no access log.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use terrace_testkit::ports::Port;
use terrace_testkit::{Process, tools};

use super::{Error, Running};
use crate::results;

/// A contender about to be started.
#[derive(Debug, Clone)]
pub struct Contender {
    name: String,
    program: PathBuf,
    arguments: Vec<String>,
    version: String,
}

impl Contender {
    fn start_on(self, port: Port) -> Result<Running, Error> {
        let process =
            Process::binary(&self.program).name(&self.name).args(&self.arguments).spawn()?;
        let running = Running { name: self.name, version: self.version, process, port };
        running.wait_until_ready()?;
        Ok(running)
    }
}

/// The nginx that all contenders forward to; answers `size` bytes from memory.
///
/// # Errors
///
/// If nginx is missing or does not start.
pub fn origin(folder: &Path, size: usize) -> Result<Running, Error> {
    let port = Port::reserve()?;
    let listen = port.addr();
    let body = "x".repeat(size);
    // The lifetime is for caches; proxies pass it on.
    let server = format!(
        "server {{ listen {listen} backlog=4096; location / {{ default_type text/plain; \
         add_header Cache-Control max-age=3600; return 200 \"{body}\"; }} }}"
    );
    nginx_with("origin", folder, &server)?.start_on(port)
}

/// nginx as a cache, as its own guide to content caching has it, with lock and stale use.
///
/// # Errors
///
/// If nginx is missing or does not start.
pub fn nginx_cache(folder: &Path, origin: SocketAddr) -> Result<Running, Error> {
    let port = Port::reserve()?;
    let listen = port.addr();
    let cache = folder.join("nginx-cache-files").display().to_string();
    let server = format!(
        "proxy_cache_path {cache} keys_zone=c:32m max_size=256m;\n\
         upstream origin {{ server {origin}; keepalive 64; }}\n\
         server {{ listen {listen} backlog=4096; location / {{ proxy_http_version 1.1; \
         proxy_set_header Connection \"\"; proxy_cache c; proxy_cache_lock on; \
         proxy_cache_use_stale updating error timeout; add_header X-Cache $upstream_cache_status; \
         proxy_pass http://origin; }} }}"
    );
    nginx_with("nginx-cache", folder, &server)?.start_on(port)
}

/// Varnish with one pool of threads and its memory storage.
///
/// # Errors
///
/// If Varnish is missing or does not start.
pub fn varnish(folder: &Path, origin: SocketAddr) -> Result<Running, Error> {
    let program = tools::find("varnishd").ok_or("no varnishd: see `cargo xtask doctor`")?;
    let port = Port::reserve()?;
    let (host, number) = (origin.ip(), origin.port());
    let file = folder.join("varnish.vcl");
    fs::write(
        &file,
        format!("vcl 4.1;\nbackend default {{ .host = \"{host}\"; .port = \"{number}\"; }}\n"),
    )?;
    let work = folder.join("varnish");
    fs::create_dir_all(&work)?;
    let version = results::version_of(&program, "-V");
    let version = version.split(['(', ')']).nth(1).unwrap_or(&version).to_owned();
    let arguments = [
        "-F",
        "-n",
        &work.display().to_string(),
        "-a",
        &port.addr().to_string(),
        "-f",
        &file.display().to_string(),
        "-s",
        "malloc,256m",
        "-p",
        "thread_pools=1",
        "-p",
        "thread_pool_min=100",
    ];
    let arguments = arguments.map(str::to_owned).to_vec();
    Contender { name: "varnish".to_owned(), program, arguments, version }.start_on(port)
}

/// nginx as a reverse proxy.
///
/// # Errors
///
/// If nginx is missing or does not start.
pub fn nginx(folder: &Path, origin: SocketAddr) -> Result<Running, Error> {
    let port = Port::reserve()?;
    let listen = port.addr();
    let server = format!(
        "upstream origin {{ server {origin}; keepalive 256; keepalive_requests 10000000; }}\n\
         server {{ listen {listen} backlog=4096; location / {{ proxy_http_version 1.1; \
         proxy_set_header Connection \"\"; proxy_set_header X-Forwarded-For $remote_addr; \
         proxy_pass http://origin; }} }}"
    );
    nginx_with("nginx", folder, &server)?.start_on(port)
}

fn nginx_with(name: &str, folder: &Path, server: &str) -> Result<Contender, Error> {
    let program = tools::find("nginx").ok_or("no nginx: see `cargo xtask doctor`")?;
    let folder = folder.join(name);
    fs::create_dir_all(&folder)?;
    let path = |file: &str| folder.join(file).display().to_string();
    let temp: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("{kind}_temp_path {};\n", path(kind)))
        .collect();
    let config = format!(
        "daemon off; worker_processes 1; pid {}; error_log stderr crit;\n\
         events {{ worker_connections 4096; }}\n\
         http {{ access_log off; keepalive_requests 10000000; keepalive_timeout 600s;\n{temp}{server}\n}}\n",
        path("pid")
    );
    fs::write(path("nginx.conf"), config)?;
    let version = results::version_of(&program, "-v").replace("nginx version: ", "");
    let arguments =
        ["-e", "stderr", "-p", &folder.display().to_string(), "-c", &path("nginx.conf")]
            .map(str::to_owned)
            .to_vec();
    Ok(Contender { name: name.to_owned(), program, arguments, version })
}

/// HAProxy with one thread.
///
/// # Errors
///
/// If HAProxy is missing or does not start.
pub fn haproxy(folder: &Path, origin: SocketAddr) -> Result<Running, Error> {
    let program = tools::find("haproxy").ok_or("no haproxy: see `cargo xtask doctor`")?;
    let port = Port::reserve()?;
    let config = format!(
        "global\n  nbthread 1\n  maxconn 8192\n\
         defaults\n  mode http\n  timeout client 60s\n  timeout server 60s\n  timeout connect 5s\n  \
         option forwardfor\n  http-reuse always\n\
         frontend front\n  bind {}\n  default_backend back\n\
         backend back\n  balance roundrobin\n  server origin {origin} maxconn 4096\n",
        port.addr()
    );
    let file = folder.join("haproxy.cfg");
    fs::write(&file, config)?;
    let version = results::version_of(&program, "-v");
    let version = version.split(' ').take(3).collect::<Vec<_>>().join(" ");
    let arguments = vec!["-f".to_owned(), file.display().to_string()];
    Contender { name: "haproxy".to_owned(), program, arguments, version }.start_on(port)
}

/// Any proxy: `NAME=COMMAND` with `{port}` and `{origin}` (a port too) in the command.
///
/// # Errors
///
/// If the text has another form, or the command does not start.
pub fn ours(text: &str, origin: SocketAddr) -> Result<Running, Error> {
    let (name, command) = text.split_once('=').ok_or("a contender is NAME=COMMAND")?;
    let port = Port::reserve()?;
    let command = command
        .replace("{port}", &port.number().to_string())
        .replace("{origin}", &origin.port().to_string());
    let mut words = command.split_whitespace().map(str::to_owned);
    let program = words.next().ok_or("a contender needs a command")?;
    let arguments = words.collect();
    let version = "this commit".to_owned();
    Contender { name: name.to_owned(), program: program.into(), arguments, version }.start_on(port)
}
