//! A backend that is killed a lot: HTTP/1.1 with keep-alive, a thread a connection, nothing more.
//!
//! It writes its answer in two pieces, so that a kill can hit it between head and body.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Printed when it accepts connections.
pub const LISTENING: &str = "listening on http://";

/// Printed when somebody other than a health check asks for the first time.
pub const FIRST_REQUEST: &str = "first request";

const BODY: [u8; 1024] = [b'x'; 1024];

/// Serves until it is killed.
///
/// # Errors
///
/// If the address is taken.
pub fn serve(addr: SocketAddr, think: Duration) -> io::Result<()> {
    let listener = TcpListener::bind(addr)?;
    println!("{LISTENING}{}", listener.local_addr()?);
    let asked = Arc::new(AtomicBool::new(false));
    for connection in listener.incoming().flatten() {
        let asked = Arc::clone(&asked);
        // A connection that breaks is the other side's news.
        std::thread::spawn(move || answer_all(connection, think, &asked));
    }
    Ok(())
}

fn answer_all(connection: TcpStream, think: Duration, asked: &AtomicBool) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let mut writer = connection.try_clone()?;
    let mut reader = BufReader::new(connection);
    while let Some(path) = read_head(&mut reader)? {
        let is_check = path == "/healthz";
        if !is_check && !asked.swap(true, Ordering::Relaxed) {
            println!("{FIRST_REQUEST}");
        }
        if !is_check {
            std::thread::sleep(think);
        }
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", BODY.len());
        writer.write_all(head.as_bytes())?;
        writer.write_all(&BODY)?;
    }
    Ok(())
}

/// Reads to the empty line; the path, or nothing at the end of the connection. Requests have no
/// bodies here.
fn read_head(reader: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let Some(path) = line.split(' ').nth(1).map(str::to_owned) else {
        return Ok(None);
    };
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        if line.trim_end().is_empty() {
            return Ok(Some(path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_one_after_the_other() {
        let mut input =
            "GET /a HTTP/1.1\r\nhost: b\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n".as_bytes();
        assert_eq!(read_head(&mut input).unwrap().as_deref(), Some("/a"));
        assert_eq!(read_head(&mut input).unwrap().as_deref(), Some("/healthz"));
        assert_eq!(read_head(&mut input).unwrap(), None);
        let mut cut = "GET /a HTTP/1.1\r\nhost".as_bytes();
        assert_eq!(read_head(&mut cut).unwrap(), None);
    }
}
