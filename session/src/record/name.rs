use std::borrow::Borrow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// The longest name, in bytes. Names are written by programmers.
const LONGEST: usize = 128;

/// The name of a value: 1 to 128 bytes without control characters.
///
/// # Clone
///
/// Clones share the text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

impl Name {
    /// A name.
    ///
    /// # Errors
    ///
    /// [`InvalidName`] if it is empty, longer than 128 bytes, or has a control character.
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        let fits = (1..=LONGEST).contains(&name.len()) && !name.chars().any(char::is_control);
        if fits {
            Ok(Self(name.into()))
        } else {
            Err(InvalidName(name.chars().take(LONGEST).collect()))
        }
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A name that no value can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidName(String);

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} cannot name a value: 1 to {LONGEST} bytes without control characters",
            self.0
        )
    }
}

impl Error for InvalidName {}
