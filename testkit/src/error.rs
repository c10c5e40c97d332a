//! What can go wrong with a server: it does not start, or a fault cannot be brought about.

use std::error::Error;
use std::fmt;

/// The cause below an error of a server.
pub(crate) type Cause = Box<dyn Error + Send + Sync>;

/// A server could not be started; the message names it, the step that failed, and ends with the
/// tail of its log.
pub struct StartError {
    server: String,
    step: String,
    source: Cause,
    log: Option<String>,
}

impl StartError {
    pub(crate) fn new(server: &str, step: impl Into<String>, source: impl Into<Cause>) -> Self {
        StartError {
            server: server.to_owned(),
            step: step.into(),
            source: source.into(),
            log: None,
        }
    }

    pub(crate) fn with_log(mut self, log: String) -> Self {
        self.log = Some(log);
        self
    }

    /// The server that did not start.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} did not start: {}", self.server, self.step)?;
        finish(f, &self.source, self.log.as_deref())
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

/// A fault could not be brought about, or its effect did not show; the message names the server
/// and the fault, and ends with the tail of the server's log.
pub struct FaultError {
    server: String,
    fault: &'static str,
    source: Cause,
    log: Option<String>,
}

impl FaultError {
    pub(crate) fn new(server: &str, fault: &'static str, source: impl Into<Cause>) -> Self {
        FaultError { server: server.to_owned(), fault, source: source.into(), log: None }
    }

    pub(crate) fn with_log(mut self, log: Option<String>) -> Self {
        self.log = log;
        self
    }

    /// The server that the fault was meant for.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The fault, as a verb: `promote`, `rewind`.
    #[must_use]
    pub fn fault(&self) -> &'static str {
        self.fault
    }
}

impl fmt::Display for FaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}", self.fault, self.server)?;
        finish(f, &self.source, self.log.as_deref())
    }
}

impl Error for FaultError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

/// A client could not connect to a server.
pub struct ConnectError {
    server: String,
    source: Cause,
}

impl ConnectError {
    pub(crate) fn new(server: &str, source: impl Into<Cause>) -> Self {
        ConnectError { server: server.to_owned(), source: source.into() }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot connect to {}", self.server)?;
        finish(f, &self.source, None)
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

/// `unwrap` prints the debug form: there, too, a test that fails must show a log that people can
/// read.
macro_rules! debug_as_display {
    ($($error:ty),*) => {$(
        impl fmt::Debug for $error {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    )*};
}
pub(crate) use debug_as_display;

debug_as_display!(StartError, FaultError, ConnectError);

/// The causes and the log. They are part of the message, against the usual rule, because a test
/// that fails by `unwrap` shows nothing but the message.
pub(crate) fn finish(f: &mut fmt::Formatter<'_>, source: &Cause, log: Option<&str>) -> fmt::Result {
    let mut cause: Option<&dyn Error> = Some(&**source);
    while let Some(error) = cause {
        write!(f, ": {error}")?;
        cause = error.source();
    }
    match log {
        Some(log) => write!(f, "\n{log}"),
        None => Ok(()),
    }
}
