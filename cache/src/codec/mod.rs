//! Values as bytes, for the second level.
//!
//! A [`Codec`] is told nothing of versions: a form that old readers cannot read gets another
//! [schema](crate::Builder::schema), which keeps their entries apart. Bytes that it cannot read are a
//! miss.

#[cfg(feature = "serde")]
mod serde;

use std::error::Error;

use bytes::Bytes;

#[cfg(feature = "serde")]
pub use self::serde::{Json, Postcard};

/// Why a value cannot be written or read.
pub type CodecError = Box<dyn Error + Send + Sync>;

/// Makes bytes of values and values of bytes.
pub trait Codec<V>: Send + Sync + 'static {
    /// Appends the value's bytes.
    ///
    /// # Errors
    ///
    /// The value then stays in the first level alone.
    fn encode(&self, value: &V, out: &mut Vec<u8>) -> Result<(), CodecError>;

    /// The value that these bytes are.
    ///
    /// # Errors
    ///
    /// The bytes then count as a miss. They may be anything.
    fn decode(&self, bytes: &Bytes) -> Result<V, CodecError>;
}

/// Values that are bytes or text already.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plain;

impl Codec<Bytes> for Plain {
    fn encode(&self, value: &Bytes, out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.extend_from_slice(value);
        Ok(())
    }

    fn decode(&self, bytes: &Bytes) -> Result<Bytes, CodecError> {
        Ok(bytes.clone())
    }
}

impl Codec<Vec<u8>> for Plain {
    fn encode(&self, value: &Vec<u8>, out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.extend_from_slice(value);
        Ok(())
    }

    fn decode(&self, bytes: &Bytes) -> Result<Vec<u8>, CodecError> {
        Ok(bytes.to_vec())
    }
}

impl Codec<String> for Plain {
    fn encode(&self, value: &String, out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.extend_from_slice(value.as_bytes());
        Ok(())
    }

    fn decode(&self, bytes: &Bytes) -> Result<String, CodecError> {
        Ok(String::from_utf8(bytes.to_vec())?)
    }
}
