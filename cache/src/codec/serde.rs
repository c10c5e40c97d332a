use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Codec, CodecError};

/// Values as JSON: larger and slower than [`Postcard`], but readable by hand, and a field that is
/// added or left out later need not be another schema.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json;

impl<V: Serialize + DeserializeOwned> Codec<V> for Json {
    fn encode(&self, value: &V, out: &mut Vec<u8>) -> Result<(), CodecError> {
        Ok(serde_json::to_writer(out, value)?)
    }

    fn decode(&self, bytes: &Bytes) -> Result<V, CodecError> {
        Ok(serde_json::from_slice(bytes)?)
    }
}

/// Values in postcard's compact form. Every change of the type is another schema: fields have no
/// names in it, and what was written for one type may read as another.
#[derive(Clone, Copy, Debug, Default)]
pub struct Postcard;

impl<V: Serialize + DeserializeOwned> Codec<V> for Postcard {
    fn encode(&self, value: &V, out: &mut Vec<u8>) -> Result<(), CodecError> {
        postcard::to_io(value, out)?;
        Ok(())
    }

    fn decode(&self, bytes: &Bytes) -> Result<V, CodecError> {
        let (value, rest) = postcard::take_from_bytes(bytes)?;
        match rest.len() {
            0 => Ok(value),
            more => Err(format!("{more} bytes follow the value").into()),
        }
    }
}
