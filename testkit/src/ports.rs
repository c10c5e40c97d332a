//! Private loopback ports that no other test, no outgoing connection and no standard service uses.
//!
//! Binding port 0 and closing it again hands the port back to the kernel, which may give it to any
//! outgoing connection before the server binds it, or while the server is down for a restart. So
//! ports come from *below* the kernel's ephemeral range, where nothing is handed out by itself,
//! and a [`Port`] is held by a lock that every test process sees: an abstract Unix socket, which
//! lives in the same network namespace as the port and vanishes with its holder.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixDatagram};

/// Where the search starts: above the services that people run by hand, below Linux's default
/// ephemeral range (32768–60999).
const FIRST: u16 = 20_000;
/// Ports of [`FIRST`]`..` that well-known servers use by default.
const STANDARD: [u16; 12] = [
    20_000, 22_000, 24_800, 25_565, 25_672, 26_257, 26_379, 27_015, 27_017, 27_018, 27_019, 28_015,
];
/// Fewer ports than this below the ephemeral range are not worth searching: concurrent test
/// processes would collide all the time.
const ENOUGH: u16 = 2_000;

/// A TCP port of 127.0.0.1, reserved until this value is dropped.
///
/// Nothing listens on it: the holder's server binds it, may close it and bind it again.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _lock: UnixDatagram,
}

impl Port {
    /// Reserves a free port.
    ///
    /// # Errors
    ///
    /// An I/O error when every candidate is taken.
    pub fn reserve() -> io::Result<Port> {
        Port::search(candidates(), Port::try_reserve)
    }

    /// Reserves a free port and the one `offset` above it.
    ///
    /// # Errors
    ///
    /// An I/O error when no such pair is free.
    pub fn reserve_pair(offset: u16) -> io::Result<(Port, Port)> {
        let Range { start, end } = candidates();
        let range = start..end.saturating_sub(offset).max(start + 1);
        Port::search(range, |number| {
            let upper = number.checked_add(offset)?;
            Some((Port::try_reserve(number)?, Port::try_reserve(upper)?))
        })
    }

    fn search<T>(range: Range<u16>, reserve: impl Fn(u16) -> Option<T>) -> io::Result<T> {
        let count = u64::from(range.end - range.start);
        // A random start keeps concurrent test processes out of each other's way; correctness
        // comes from the lock, so this needs no seed.
        let start = RandomState::new().hash_one(std::process::id()) % count;
        (0..count)
            .filter_map(|step| u16::try_from((start + step) % count).ok())
            .find_map(|offset| reserve(range.start + offset))
            .ok_or_else(|| io::Error::other(format!("no free loopback port in {range:?}")))
    }

    /// Reserves exactly `number`, or says that it is taken or a standard port.
    #[must_use]
    pub fn try_reserve(number: u16) -> Option<Port> {
        if STANDARD.contains(&number) {
            return None;
        }
        let name = UnixAddr::from_abstract_name(format!("terrace-port-{number}")).ok()?;
        let lock = UnixDatagram::bind_addr(&name).ok()?;
        // Somebody who knows nothing of the lock may listen there.
        TcpListener::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        Some(Port { number, _lock: lock })
    }

    /// The port's number.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }

    /// 127.0.0.1 with this port.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.number).into()
    }
}

/// [`FIRST`] up to the ephemeral range; the upper half of all ports where that range starts too
/// low, and then an outgoing connection may win the port.
fn candidates() -> Range<u16> {
    let configured = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
    let ephemeral = configured.ok().and_then(|range| first_number(&range));
    match ephemeral.unwrap_or(32_768) {
        start if start >= FIRST + ENOUGH => FIRST..start,
        _ => 32_768..u16::MAX,
    }
}

fn first_number(range: &str) -> Option<u16> {
    range.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserved_port_is_not_given_out_twice() {
        let port = Port::reserve().unwrap();
        assert!(Port::try_reserve(port.number()).is_none());
    }

    #[test]
    fn a_dropped_port_can_be_reserved_again() {
        // Another test process may take it in between: then the next one is tried.
        let again = (0..100).any(|_| {
            let number = Port::reserve().unwrap().number();
            Port::try_reserve(number).is_some()
        });
        assert!(again);
    }

    #[test]
    fn a_port_that_somebody_listens_on_is_not_given_out() {
        let port = Port::reserve().unwrap();
        let number = port.number();
        let listener = TcpListener::bind(port.addr()).unwrap();
        drop(port);
        assert!(Port::try_reserve(number).is_none());
        drop(listener);
    }

    #[test]
    fn a_pair_keeps_its_distance() {
        let (lower, upper) = Port::reserve_pair(10_000).unwrap();
        assert_eq!(upper.number() - lower.number(), 10_000);
        assert!(Port::try_reserve(upper.number()).is_none());
    }

    #[test]
    fn standard_ports_are_never_given_out() {
        for number in STANDARD {
            assert!(Port::try_reserve(number).is_none(), "{number}");
        }
    }

    #[test]
    fn ports_come_from_below_the_ephemeral_range() {
        assert_eq!(first_number("32768\t60999\n"), Some(32_768));
        let range = candidates();
        assert!(range.contains(&Port::reserve().unwrap().number()));
    }
}
