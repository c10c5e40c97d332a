//! What a process is, and how many of it there are.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// What a process of a stage with several is: the balancer, unless its parent says otherwise.
#[derive(Clone, Debug, clap::Args)]
pub struct Role {
    #[arg(long, hide = true, default_value = "balancer", value_parser = ["balancer", APP, EDGE])]
    role: String,
    #[arg(long, hide = true, required_if_eq_any([("role", APP), ("role", EDGE)]))]
    socket: Option<PathBuf>,
}

pub(super) const APP: &str = "app";
pub(super) const EDGE: &str = "edge";

impl Role {
    /// Where an app server listens; `None` for the balancer.
    #[must_use]
    pub fn app_socket(&self) -> Option<PathBuf> {
        self.socket_of(APP)
    }

    /// Where an edge takes its orders; `None` for everybody else.
    #[must_use]
    pub fn edge_socket(&self) -> Option<PathBuf> {
        self.socket_of(EDGE)
    }

    fn socket_of(&self, role: &str) -> Option<PathBuf> {
        if self.role == role { self.socket.clone() } else { None }
    }

    pub(super) fn options(role: &str, socket: &Path) -> Vec<OsString> {
        let socket = socket.as_os_str().to_owned();
        vec!["--role".into(), role.into(), "--socket".into(), socket]
    }
}

/// How many app servers: 1 to 64. None is no site, and more than 64 on one machine is a slip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count(u16);

impl FromStr for Count {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text.parse() {
            Ok(count @ 1..=64) => Ok(Self(count)),
            _ => Err("it is a number from 1 to 64"),
        }
    }
}

impl Count {
    /// The number.
    #[must_use]
    pub fn get(self) -> u16 {
        self.0
    }
}

/// How many app servers there may be: `2..6`, or `2` if there are always as many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    least: Count,
    most: Count,
}

impl Range {
    /// So many there always are.
    #[must_use]
    pub fn least(self) -> Count {
        self.least
    }

    /// More there never are.
    #[must_use]
    pub fn most(self) -> Count {
        self.most
    }
}

impl FromStr for Range {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let (least, most) = text.split_once("..").unwrap_or((text, text));
        match (least.parse::<Count>(), most.parse::<Count>()) {
            (Ok(least), Ok(most)) if least.get() <= most.get() => Ok(Self { least, most }),
            _ => Err("it is a number from 1 to 64, or two with the smaller first: 2..6"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_one_number_or_two_in_order() {
        for (text, numbers) in [("2..6", (2, 6)), ("3", (3, 3)), ("1..64", (1, 64))] {
            let range: Range = text.parse().unwrap();
            assert_eq!((range.least().get(), range.most().get()), numbers);
        }
        for text in ["", "0", "6..2", "2..", "..2", "2...6", "1..65", "two"] {
            assert!(text.parse::<Range>().is_err(), "{text}");
        }
    }
}
