//! `Cache-Control` (RFC 9111 section 5.2, with RFC 5861 and RFC 8246), of responses and requests.
//!
//! How broken or doubtful directives are read:
//!
//! - Names count in any case. What is inside a quoted string is never a directive.
//! - A number may be quoted. A number that is none, has spaces around its `=`, or contradicts an
//!   earlier one, is [`Seconds::Invalid`]: such a response is stale, never fresh for longer than its
//!   origin meant.
//! - A directive without an argument that has one anyway (`no-store=1`) still counts.
//! - `no-cache` and `private` name fields in a quoted string only. What is not such a string, or
//!   cannot be read as a list of names, stands for the whole response.
//!
//! Nothing is allocated unless fields are named.

mod request;
mod response;

pub use request::{MaxStale, RequestDirectives};
pub use response::{Qualified, ResponseDirectives};

use super::{
    delta,
    list::{is_token_byte, plain_quoted, trim},
};

/// A number of seconds of a response's directive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Seconds {
    /// There is no such directive.
    #[default]
    Absent,
    /// One number, or the same one several times.
    Valid(u32),
    /// No number, or several.
    Invalid,
}

impl Seconds {
    /// The number, if it is one.
    #[must_use]
    pub const fn valid(self) -> Option<u32> {
        match self {
            Self::Valid(seconds) => Some(seconds),
            Self::Absent | Self::Invalid => None,
        }
    }

    /// Takes one more occurrence into account.
    fn also(&mut self, argument: Argument<'_>) {
        *self = match (*self, argument.seconds()) {
            (Self::Absent, Some(seconds)) => Self::Valid(seconds),
            (Self::Valid(before), Some(seconds)) if before == seconds => Self::Valid(seconds),
            _ => Self::Invalid,
        };
    }
}

/// What follows the name of a directive.
#[derive(Clone, Copy, Debug)]
enum Argument<'a> {
    /// No `=`.
    None,
    /// A token, or a quoted string with its quotes; not yet checked.
    Given(&'a [u8]),
    /// There is whitespace around the `=`, which the grammar does not have.
    Apart,
}

impl<'a> Argument<'a> {
    fn seconds(self) -> Option<u32> {
        let Self::Given(value) = self else { return None };
        delta::parse(plain_quoted(value).unwrap_or(value))
    }

    /// What is inside the quotes.
    fn quoted(self) -> Option<&'a [u8]> {
        let Self::Given(value) = self else { return None };
        plain_quoted(value)
    }
}

/// Splits an element of the list into a name and its argument. `None` if it has no name.
fn directive(element: &[u8]) -> Option<(&[u8], Argument<'_>)> {
    let (name, argument) = match element.iter().position(|byte| *byte == b'=') {
        None => (element, Argument::None),
        Some(at) => {
            let (name, value) = (element.get(..at)?, element.get(at + 1..)?);
            let apart = trim(name).len() < name.len() || trim(value).len() < value.len();
            (trim(name), if apart { Argument::Apart } else { Argument::Given(value) })
        }
    };
    let token = !name.is_empty() && name.iter().copied().all(is_token_byte);
    token.then_some((name, argument))
}

/// The longest name that is known here.
const LONGEST: usize = "stale-while-revalidate".len();

/// A name in lower case, on the stack. `None` if it is longer than all that are known.
fn lower<'b>(name: &[u8], buffer: &'b mut [u8; LONGEST]) -> Option<&'b [u8]> {
    let lower = buffer.get_mut(..name.len())?;
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    Some(lower)
}
