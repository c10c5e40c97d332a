use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A value: JSON, as text. Stores keep it byte by byte.
///
/// `Debug` shows its length and not its content, which is somebody's.
///
/// # Clone
///
/// Clones share the text.
#[derive(Clone, PartialEq, Eq)]
pub struct Value(Arc<str>);

impl Value {
    /// The JSON of a value.
    ///
    /// # Errors
    ///
    /// The error of its `Serialize`, or a map whose keys are no strings.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        Ok(Self(serde_json::to_string(value)?.into()))
    }

    /// A value from its JSON, as stores have it.
    ///
    /// # Errors
    ///
    /// If it is not JSON.
    pub fn from_json(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str::<&serde_json::value::RawValue>(json)?;
        Ok(Self(json.into()))
    }

    /// As JSON.
    #[must_use]
    pub fn as_json(&self) -> &str {
        &self.0
    }

    /// What it is the JSON of.
    ///
    /// # Errors
    ///
    /// If it is of another type.
    pub fn to<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.0)
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({} bytes)", self.0.len())
    }
}
