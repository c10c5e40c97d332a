//! Sessions as parameters and as rows. What a row holds is looked at as anything that comes from outside.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::error::Fault;
use crate::clock::{UnixMillis, millis};
use crate::record::{Device, Name, Record, Value, Values};
use crate::store::Loaded;
use crate::token::{SessionKey, Tag};

/// No time and no duration is later or longer than this, 36 million years: so that adding a few of them fits.
const END: u64 = 1 << 60;

/// What is read of a session `s`: what [`record`] needs. By name, so that a column more does not matter.
macro_rules! session_columns {
    () => {
        "(r.s).version, (r.s).created, (r.s).last_seen, (r.s).expires, (r.s).absolute, (r.s).subject, \
         (r.s).authenticated, (r.s).renewed, (r.s).label, (r.s).agent, (r.s).network, (r.s).data::text"
    };
}
pub(super) use session_columns;

pub(super) fn time(time: UnixMillis) -> i64 {
    integer(time.0.min(END))
}

pub(super) fn duration(duration: Duration) -> i64 {
    integer(millis(duration).min(END))
}

/// A number that no number there equals, if it does not fit.
pub(super) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Values as a JSON object of strings.
pub(super) fn data(values: &Values) -> Result<String, Fault> {
    let texts: BTreeMap<_, _> =
        values.iter().map(|(name, value)| (name.as_str(), value.as_json())).collect();
    serde_json::to_string(&texts).map_err(Fault::invalid)
}

pub(super) fn names(names: &[Name]) -> Vec<&str> {
    names.iter().map(Name::as_str).collect()
}

pub(super) fn loaded(row: &Row, touched: bool, moved: bool) -> Result<Loaded, Fault> {
    let now = UnixMillis(number(row, "now")?);
    Ok(Loaded { record: Arc::new(record(row)?), now, touched, moved })
}

fn record(row: &Row) -> Result<Record, Fault> {
    let moment = |name| number(row, name).map(UnixMillis);
    let authenticated = get::<Option<i64>>(row, "authenticated")?;
    Ok(Record {
        version: number(row, "version")?,
        created: moment("created")?,
        last_seen: moment("last_seen")?,
        expires: moment("expires")?,
        absolute: moment("absolute")?,
        subject: text(row, "subject")?.map(Arc::from),
        authenticated: authenticated.map(unsigned).transpose()?.map(UnixMillis),
        renewed: moment("renewed")?,
        device: device(row)?,
        values: Arc::new(values(get(row, "data")?)?),
    })
}

pub(super) fn device(row: &Row) -> Result<Device, Fault> {
    Ok(Device {
        label: text(row, "label")?,
        agent: text(row, "agent")?,
        network: text(row, "network")?,
    })
}

pub(super) fn key(row: &Row) -> Result<SessionKey, Fault> {
    let tag = get::<&[u8]>(row, "tag")?.try_into().map_err(Fault::invalid)?;
    let hash = get::<&[u8]>(row, "hash")?.try_into().map_err(Fault::invalid)?;
    Ok(SessionKey::new(Tag(tag), hash))
}

pub(super) fn number(row: &Row, name: &str) -> Result<u64, Fault> {
    unsigned(get(row, name)?)
}

pub(super) fn get<'a, T: FromSql<'a>>(row: &'a Row, name: &str) -> Result<T, Fault> {
    row.try_get(name).map_err(Fault::invalid)
}

fn unsigned(number: i64) -> Result<u64, Fault> {
    u64::try_from(number).map_err(Fault::invalid)
}

fn text(row: &Row, name: &str) -> Result<Option<String>, Fault> {
    let bytes = get::<Option<Vec<u8>>>(row, name)?;
    bytes
        .map(|bytes| String::from_utf8(bytes).map_err(|error| Fault::invalid(error.utf8_error())))
        .transpose()
}

/// The error of JSON that is not ours says where it is, and nothing of what it holds.
fn values(data: &str) -> Result<Values, Fault> {
    let texts: BTreeMap<String, String> = serde_json::from_str(data).map_err(|_| garbage())?;
    texts
        .iter()
        .map(|(name, text)| {
            let name = Name::new(name).map_err(|_| garbage())?;
            Ok((name, Value::from_json(text).map_err(|_| garbage())?))
        })
        .collect()
}

fn garbage() -> Fault {
    Fault::invalid("the data of the session is not names with JSON texts")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::postgres::error::Meaning;

    proptest! {
        #[test]
        fn values_come_back_as_they_were(
            texts in prop::collection::btree_map("[^\\p{Cc}]{1,20}", any::<String>(), 0..5)
        ) {
            let written: Values = texts
                .iter()
                .map(|(name, text)| (Name::new(name).unwrap(), Value::of(text).unwrap()))
                .collect();
            let read = values(&data(&written).unwrap()).unwrap();
            prop_assert_eq!(read, written);
        }

        #[test]
        fn whatever_is_in_the_column_panics_nobody(data in ".*|\\{.*\\}|\\{\"a\":\".*\"\\}") {
            let _ = values(&data);
        }
    }

    #[test]
    fn what_others_wrote_is_an_error() {
        for data in [r#"{"a":1}"#, r#"{"a":null}"#, r#"{"a":"{"}"#, r#"{"":"1"}"#, "[]", "null"] {
            assert_eq!(values(data).unwrap_err().meaning, Meaning::Invalid, "{data}");
        }
    }

    #[test]
    fn the_end_of_time_leaves_room_for_sums() {
        let sum = time(UnixMillis(u64::MAX)).checked_add(duration(Duration::MAX));
        assert!(sum.and_then(|sum| sum.checked_add(duration(Duration::MAX))).is_some());
    }
}
