//! What scripts answer. It is not trusted: others write to a Redis too, and other versions of this.

use std::sync::Arc;
use std::vec;

use ::redis::Value as Raw;

use super::error::Says;
use super::names;
use crate::clock::UnixMillis;
use crate::error::StoreError;
use crate::record::{Device, Name, Record, Value, Values};
use crate::store::{Listed, Loaded};
use crate::token::{SessionKey, Tag};

/// What an answer begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Ok,
    /// There is nothing under the key.
    Gone,
    /// There is something that is over.
    Dead,
    /// It is under another key of the tag.
    Moved,
    /// It is on its way to another slot.
    Claimed,
    Conflict,
    /// No room for values.
    Full,
    /// No room for a session.
    Crowded,
    Revoked,
    Exists,
    /// A renewal has nothing to do.
    Still,
    /// The second half of a move came too late.
    Late,
}

#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: Status,
    rest: vec::IntoIter<Raw>,
}

impl Reply {
    pub(super) fn read(value: Raw) -> Result<Self, StoreError> {
        let mut rest = list(value)?.into_iter();
        let status = bytes(rest.next())?;
        let status = match &*status {
            b"ok" => Status::Ok,
            b"gone" => Status::Gone,
            b"dead" => Status::Dead,
            b"moved" => Status::Moved,
            b"claimed" => Status::Claimed,
            b"conflict" => Status::Conflict,
            b"full" => Status::Full,
            b"crowded" => Status::Crowded,
            b"revoked" => Status::Revoked,
            b"exists" => Status::Exists,
            b"still" => Status::Still,
            b"late" => Status::Late,
            b"invalid" => return Err(invalid("there is no session of this version under the key")),
            _ => return Err(invalid("an answer that this version does not know")),
        };
        Ok(Self { status, rest })
    }

    pub(super) fn bytes(&mut self) -> Result<Vec<u8>, StoreError> {
        bytes(self.rest.next())
    }

    pub(super) fn number(&mut self) -> Result<u64, StoreError> {
        number(&self.bytes()?)
    }

    /// A list of texts.
    pub(super) fn texts(&mut self) -> Result<Vec<Vec<u8>>, StoreError> {
        let items = list(self.rest.next().unwrap_or_default())?;
        items.into_iter().map(|item| bytes(Some(item))).collect()
    }

    /// Keys of a tag, from their hashes.
    pub(super) fn keys(&mut self, tag: Tag) -> Result<Vec<SessionKey>, StoreError> {
        let hashes = self.texts()?;
        hashes
            .iter()
            .map(|hash| names::key(tag, hash).ok_or_else(|| invalid("not a hash")))
            .collect()
    }

    /// The time, whether a use was noted, when it was used, when it ends, and its fields.
    pub(super) fn loaded(&mut self, moved: bool) -> Result<Loaded, StoreError> {
        let now = UnixMillis(self.number()?);
        let touched = self.number()? == 1;
        let (last_seen, expires) = (UnixMillis(self.number()?), UnixMillis(self.number()?));
        let record = Record { last_seen, expires, ..record(&self.texts()?)? };
        Ok(Loaded { record: Arc::new(record), now, touched, moved })
    }

    /// Hashes, ends and lines of a listing.
    pub(super) fn listed(&mut self, tag: Tag) -> Result<Vec<Listed>, StoreError> {
        let texts = self.texts()?;
        let (rows, _) = texts.as_chunks::<3>();
        rows.iter().map(|row| listed(tag, row)).collect()
    }
}

fn listed(tag: Tag, [hash, expires, line]: &[Vec<u8>; 3]) -> Result<Listed, StoreError> {
    let key = names::key(tag, hash).ok_or_else(|| invalid("not a hash"))?;
    let mut parts = line.splitn(3, |byte| *byte == b' ');
    let mut next = || parts.next().ok_or_else(|| invalid("a line of a list that is not whole"));
    let (last_seen, created) = (UnixMillis(number(next()?)?), UnixMillis(number(next()?)?));
    let device = device_of(next()?)?;
    Ok(Listed { key, created, last_seen, expires: UnixMillis(number(expires)?), device })
}

fn record(fields: &[Vec<u8>]) -> Result<Record, StoreError> {
    let zero = UnixMillis(0);
    let mut values = Values::new();
    let mut record = Record {
        version: 0,
        created: zero,
        last_seen: zero,
        expires: zero,
        absolute: zero,
        subject: None,
        authenticated: None,
        renewed: zero,
        device: Device::default(),
        values: Arc::default(),
    };
    let (pairs, _) = fields.as_chunks::<2>();
    for [name, value] in pairs {
        let time = || number(value).map(UnixMillis);
        match &**name {
            [b'=', name @ ..] => {
                let (name, value) = (text(name)?, text(value)?);
                let name = Name::new(name).map_err(|error| StoreError::Invalid(error.into()))?;
                let value =
                    Value::from_json(value).map_err(|error| StoreError::Invalid(error.into()))?;
                values.insert(name, value);
            }
            b"v" => record.version = number(value)?,
            b"c" => record.created = time()?,
            b"a" => record.absolute = time()?,
            b"r" => record.renewed = time()?,
            b"t" => record.authenticated = Some(time()?),
            b"s" => record.subject = Some(text(value)?.into()),
            b"d" => record.device = device_of(value)?,
            // A later version's, or a script's own.
            _ => {}
        }
    }
    record.values = Arc::new(values);
    Ok(record)
}

/// A device as it is kept: a list, in JSON.
pub(super) fn device(device: &Device) -> String {
    let list = (&device.label, &device.agent, &device.network);
    // Text is always JSON.
    serde_json::to_string(&list).unwrap_or_default()
}

fn device_of(json: &[u8]) -> Result<Device, StoreError> {
    let list = serde_json::from_slice::<(Option<String>, Option<String>, Option<String>)>(json);
    let (label, agent, network) = list.map_err(|error| StoreError::Invalid(error.into()))?;
    Ok(Device { label, agent, network })
}

fn list(value: Raw) -> Result<Vec<Raw>, StoreError> {
    match value {
        Raw::Array(items) => Ok(items),
        _ => Err(invalid("not a list")),
    }
}

fn bytes(value: Option<Raw>) -> Result<Vec<u8>, StoreError> {
    match value {
        Some(Raw::BulkString(bytes)) => Ok(bytes),
        Some(Raw::SimpleString(text)) => Ok(text.into_bytes()),
        Some(Raw::Int(number)) => Ok(number.to_string().into_bytes()),
        _ => Err(invalid("not a text")),
    }
}

fn number(digits: &[u8]) -> Result<u64, StoreError> {
    text(digits)?.parse().map_err(|_| invalid("not a number"))
}

fn text(bytes: &[u8]) -> Result<&str, StoreError> {
    std::str::from_utf8(bytes).map_err(|error| StoreError::Invalid(error.into()))
}

pub(super) fn invalid(what: &'static str) -> StoreError {
    StoreError::Invalid(Says(what).into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn raw() -> impl Strategy<Value = Raw> {
        let leaf = prop_oneof![
            Just(Raw::Nil),
            any::<i64>().prop_map(Raw::Int),
            any::<Vec<u8>>().prop_map(Raw::BulkString),
            "[0-9]{0,22}|ok|moved|claimed|=?[vcartsd]|\\[null,null,null\\]"
                .prop_map(Raw::SimpleString),
        ];
        leaf.prop_recursive(3, 32, 8, |inner| {
            prop::collection::vec(inner, 0..8).prop_map(Raw::Array)
        })
    }

    proptest! {
        #[test]
        fn no_answer_makes_reading_it_panic(value in raw(), fields: Vec<Vec<u8>>) {
            let _ = record(&fields);
            let read = || Reply::read(value.clone());
            let _ = read().map(|mut reply| reply.loaded(false));
            let _ = read().map(|mut reply| reply.listed(Tag::default()));
            let _ = read().map(|mut reply| reply.keys(Tag::default()));
            let _ = read().map(|mut reply| (reply.number(), reply.texts()));
        }

        #[test]
        fn a_device_is_read_as_it_was_written(label: Option<String>, agent: Option<String>, network: Option<String>) {
            let one = Device { label, agent, network };
            prop_assert_eq!(device_of(device(&one).as_bytes()).unwrap(), one);
        }
    }

    #[test]
    fn fields_of_a_later_version_are_passed_over_and_broken_ones_are_not() {
        let fields = |list: &[&str]| -> Vec<_> {
            list.iter().map(|text| text.as_bytes().to_vec()).collect()
        };
        let read = record(&fields(&["v", "7", "zebra", "?", "=a", "1", "=s", "\"x\""])).unwrap();
        assert_eq!((read.version, read.values.len(), read.subject), (7, 2, None));
        for broken in [["v", "x"], ["=a", "{"], ["=", "1"], ["d", "{}"], ["t", "-1"]] {
            assert!(matches!(record(&fields(&broken)), Err(StoreError::Invalid(_))), "{broken:?}");
        }
    }
}
