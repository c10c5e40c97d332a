//! What goes wrong with a server, and what it means for what it was asked.

use std::error::Error;
use std::fmt;

use ::redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::error::{BoxError, StoreError};

/// Why a store on Redis cannot be opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// A URL that cannot be read, or that needs a feature that is not there.
    Url {
        /// The URL without its password.
        url: String,
        /// What is wrong with it.
        source: BoxError,
    },
    /// A prefix that is empty, or has braces or control characters.
    Prefix {
        /// The prefix.
        prefix: String,
    },
    /// No server answers. The same may be tried again, or [`open`](super::RedisBuilder::open) does by itself.
    Unreachable {
        /// What the last one said.
        source: BoxError,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url { url, .. } => write!(f, "{url:?} is no Redis that can be connected to"),
            Self::Prefix { prefix } => {
                write!(
                    f,
                    "{prefix:?} is no prefix: it is empty, or has braces or control characters"
                )
            }
            Self::Unreachable { .. } => f.write_str("Redis cannot be reached"),
        }
    }
}

impl Error for OpenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Url { source, .. } | Self::Unreachable { source } => Some(&**source),
            Self::Prefix { .. } => None,
        }
    }
}

/// What stands before the last `@` is a secret, but for a scheme.
pub(super) fn without_password(url: &str) -> String {
    let Some((before, host)) = url.rsplit_once('@') else { return url.to_owned() };
    let plain = |scheme: &&str| scheme.chars().all(|c| c.is_ascii_alphanumeric());
    match before.split_once("://").map(|(scheme, _)| scheme).filter(plain) {
        Some(scheme) => format!("{scheme}://…@{host}"),
        None => format!("…@{host}"),
    }
}

/// What an error of a command means for the command.
pub(super) fn of_command(error: RedisError) -> StoreError {
    match fate(&error) {
        Fate::NotDone => StoreError::Unavailable(error.into()),
        Fate::Unknown => StoreError::Unknown(error.into()),
        Fate::Refused => StoreError::Invalid(error.into()),
    }
}

/// What became of a command that got this error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    NotDone,
    Unknown,
    Refused,
}

fn fate(error: &RedisError) -> Fate {
    if let Some(code) = code_in_script(error) {
        return fate_of(code);
    }
    match error.kind() {
        ErrorKind::Server(
            ServerErrorKind::BusyLoading
            | ServerErrorKind::ReadOnly
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::MasterDown
            | ServerErrorKind::TryAgain
            | ServerErrorKind::Moved
            | ServerErrorKind::Ask,
        )
        | ErrorKind::ClusterConnectionNotFound
        | ErrorKind::AuthenticationFailed => Fate::NotDone,
        ErrorKind::Server(_) | ErrorKind::InvalidClientConfig | ErrorKind::Client => Fate::Refused,
        ErrorKind::Extension => error.code().map_or(Fate::Refused, fate_of),
        _ if error.is_connection_refusal() => Fate::NotDone,
        _ => Fate::Unknown,
    }
}

/// By the first word of what the server says.
fn fate_of(code: &str) -> Fate {
    match code {
        // Scripts add before they remove, so a server without memory has refused the first of it.
        "OOM" | "BUSY" | "MISCONF" | "NOREPLICAS" | "READONLY" => Fate::NotDone,
        _ => Fate::Refused,
    }
}

/// What a command in a script was refused with. Before version 7 a server tells it inside of an error of its own:
/// `Error running script (…): @user_script:43: @user_script: 43: -OOM command not allowed …`.
fn code_in_script(error: &RedisError) -> Option<&str> {
    let (_, refused) = error.detail()?.split_once("@user_script: ")?;
    let (_, said) = refused.split_once(": -")?;
    said.split(' ').next()
}

/// Whether the connection is of no use any more.
pub(super) fn is_broken(error: &RedisError) -> bool {
    error.is_connection_dropped() || error.kind() == ErrorKind::Parse
}

/// A sentence as an error.
#[derive(Debug)]
pub(super) struct Says(pub(super) &'static str);

impl fmt::Display for Says {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Says {}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn io(kind: io::ErrorKind) -> RedisError {
        io::Error::from(kind).into()
    }

    #[test]
    fn what_was_on_its_way_may_have_been_done() {
        for kind in
            [io::ErrorKind::TimedOut, io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionReset]
        {
            assert_eq!(fate(&io(kind)), Fate::Unknown, "{kind:?}");
        }
        assert_eq!(fate(&io(io::ErrorKind::ConnectionRefused)), Fate::NotDone);
    }

    #[test]
    fn what_was_refused_before_it_began_may_be_asked_again() {
        use ServerErrorKind::{BusyLoading, ClusterDown, MasterDown, ReadOnly};
        for kind in [BusyLoading, ReadOnly, ClusterDown, MasterDown] {
            assert_eq!(
                fate(&(ErrorKind::Server(kind), "refused").into()),
                Fate::NotDone,
                "{kind:?}"
            );
        }
        let wrong =
            (ErrorKind::Server(ServerErrorKind::ResponseError), "a script has a bug").into();
        assert_eq!(fate(&wrong), Fate::Refused);
    }

    #[test]
    fn what_old_servers_say_of_a_script_is_what_its_command_was_refused_with() {
        let said = |said: &str| {
            let kind = ErrorKind::Server(ServerErrorKind::ResponseError);
            let script =
                "Error running script (call to f_691e83): @user_script:43: @user_script: 43: ";
            fate(&(kind, "An error was signalled by the server", format!("{script}{said}")).into())
        };
        let full = "-OOM command not allowed when used memory > 'maxmemory'.";
        assert_eq!(said(full), Fate::NotDone);
        assert_eq!(said("-READONLY You can't write against a read only replica."), Fate::NotDone);
        assert_eq!(said("-WRONGTYPE Operation against a key"), Fate::Refused);
        assert_eq!(said("attempt to index a nil value"), Fate::Refused);
    }

    #[test]
    fn a_bad_url_is_named_without_its_password() {
        for (url, shown) in [
            ("redis://u:secret@host", "redis://…@host"),
            ("redis://u:se@cret@host/1", "redis://…@host/1"),
            ("u:secret@host", "…@host"),
            ("u:secret://x@host", "…@host"),
            ("redis://host", "redis://host"),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }
}
